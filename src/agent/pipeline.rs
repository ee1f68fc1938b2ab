//! The whole line of one camera, on one page: a frame becomes events.
//!
//! ```text
//!   frame ─ look ─ is it due? ── scene: does anything move? ──┬─ no ──▶ time passes: rules and events are told
//!                                                             └─ yes ─▶ the detector (a worker, or inline in a replay)
//!   frame + detections ─ seen ─ track ── behaviour ── event ── evidence ──▶ occurrences, for the recorder
//!                                  └───▶ history, where tracks are kept: what rules are told is written there first
//!                                 └─ whose face, who is due? ──▶ faces, reidentify (threads) ─ event ──▶ occurrences
//! ```
//!
//! A camera for which no detector looks is looked at by the scene itself: what moves before the background.
//! Live and replayed pictures take the same way; only who runs the detector differs.

mod exchange;
mod heads;
pub mod people;
mod shown;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use crate::agent::ailments::Ailments;
use crate::agent::cadence::{self, Cadence, Movement, Verdict};
use crate::agent::followed::Followed;
use crate::behaviour::{self, Heat, Rules};
use crate::decode::Want;
use crate::event::{self, Narrator, Notice};
use crate::evidence::{self, Shot, Snapshots};
use crate::history::Log;
use crate::scene::{self, Motion, Picture, Scene};
use crate::track::{self, Tracker};
use crate::vocab::{
    CameraState, ClockState, Detection, DropReason, Event, Frame, Labels, MediaTime, ModelFacts, Track, TrackId,
    TrackState, WallTime,
};
use heads::Heads;
use people::People;

/// What one camera's line is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When to look.
    pub cadence: cadence::Settings,
    /// What is watched in the picture as a whole.
    pub scene: scene::Settings,
    /// Whether whatever moves before the background is what is looked for, in place of a detector.
    pub by_motion: bool,
    /// How objects are followed.
    pub track: track::Settings,
    /// Zones, lines and rules.
    pub behaviour: behaviour::Settings,
    /// Whether maps are made of where people stand and go.
    pub heat: bool,
    /// Who tells, and how much.
    pub event: event::Settings,
    /// The time zone of schedules.
    pub timezone: jiff::tz::TimeZone,
    /// The model that looks, where one does.
    pub model: Option<ModelFacts>,
    /// The names of its classes.
    pub labels: Labels,
    /// How pictures of events are kept.
    pub evidence: evidence::Settings,
    /// How people are recognised, where they are.
    pub people: people::Settings,
    /// Names the configuration in force.
    pub config_revision: Arc<str>,
}

/// One camera's line.
#[derive(Debug)]
pub struct Line {
    scene: Scene,
    ailments: Ailments,
    cadence: Cadence,
    tracker: Tracker,
    followed: Followed,
    by_motion: bool,
    /// What moves, where that is looked for. Kept for its memory.
    moving: Vec<Detection>,
    heat: Option<Heat>,
    rules: Rules,
    narrator: Narrator,
    /// Who is who, where people are recognised.
    people: People,
    snapshots: Snapshots,
    /// Happenings of one object that go on, whose best picture is looked for.
    shown: Vec<Shown>,
    evidence: evidence::Settings,
    heads: Heads,
    /// Where everything that the rules are told is kept.
    log: Option<Log>,
    told: Told,
    last_tick: MediaTime,
    looks: u64,
}

/// A model that takes the place of another.
#[derive(Debug, Clone)]
pub struct Looker {
    /// What events say of it.
    pub model: ModelFacts,
    /// The names of its classes.
    pub labels: Labels,
    /// How its objects are followed.
    pub track: track::Settings,
    /// The camera's zones, lines and rules.
    pub behaviour: behaviour::Settings,
    /// The time zone of schedules.
    pub timezone: jiff::tz::TimeZone,
}

/// What every event of this camera says beside its own.
#[derive(Debug)]
struct Told {
    model: Option<ModelFacts>,
    labels: Labels,
    config_revision: Arc<str>,
    clock: ClockState,
    pts: MediaTime,
    captured: WallTime,
}

/// An event on its way to the recorder, with the picture that shows it where one is due.
#[derive(Debug, Clone)]
pub struct Occurrence {
    /// The event, still without evidence.
    pub event: Event,
    /// The picture to save and publish.
    pub shot: Option<Shot>,
}

/// A happening of one object that goes on.
#[derive(Debug)]
struct Shown {
    episode: String,
    track: TrackId,
}

/// What became of a frame that was looked over.
#[derive(Debug)]
pub struct Looked {
    /// Whether the detector should have it.
    pub verdict: Verdict,
    /// What is wrong with the picture as a whole, when the frame was looked over.
    pub picture: Option<Picture>,
    /// What else ails it, when that has changed.
    pub ailments: Option<Ailments>,
    /// What happened by the passing of time alone.
    pub occurrences: Vec<Occurrence>,
}

/// How often time is told to pass while nothing is looked at.
const TICK: Duration = Duration::from_millis(500);

impl Line {
    /// A line that has seen nothing. Its first track gets the number `first_track`.
    pub fn new(settings: Settings, first_track: TrackId) -> Self {
        Self {
            scene: Scene::new(settings.scene),
            ailments: Ailments::default(),
            cadence: Cadence::new(settings.cadence),
            tracker: Tracker::starting_at(settings.track, first_track),
            followed: Followed::new(&settings.labels, settings.by_motion),
            by_motion: settings.by_motion,
            moving: Vec::new(),
            heat: settings.heat.then(Heat::new),
            rules: Rules::new(settings.behaviour, settings.labels.clone(), settings.timezone),
            narrator: Narrator::new(settings.event),
            people: People::new(settings.people, &settings.labels),
            snapshots: Snapshots::new(&settings.evidence),
            shown: Vec::new(),
            heads: Heads::new(&settings.evidence, &settings.labels),
            evidence: settings.evidence,
            log: None,
            told: Told {
                model: settings.model,
                labels: settings.labels,
                config_revision: settings.config_revision,
                clock: ClockState::default(),
                pts: MediaTime::ZERO,
                captured: WallTime::default(),
            },
            last_tick: MediaTime::ZERO,
            looks: 0,
        }
    }

    /// Keeps from now on what the rules are told.
    pub fn keep_tracks(&mut self, log: Option<Log>) {
        self.log = log;
    }

    /// Looks a frame over: whether it is due, and whether it is worth the detector's time.
    pub fn look(&mut self, frame: &Frame, clock: ClockState) -> Looked {
        self.told.at(frame, clock);
        if !self.cadence.is_due(frame.pts) {
            let verdict = Verdict::Leave(DropReason::Rate);
            return Looked { verdict, picture: None, ailments: None, occurrences: Vec::new() };
        }
        let sight = self.scene.step(frame);
        let (ailments, mut occurrences) = self.ail(frame);
        occurrences.extend(self.map(frame));
        let movement = self.movement(sight.motion);
        let verdict = self.cadence.decide(frame.pts, movement);
        if verdict == Verdict::Leave(DropReason::Still) {
            // Nothing moved: whoever is followed stands where he stood, however long nobody looks.
            self.tracker.hold(frame.pts);
        }
        let verdict = match verdict {
            Verdict::Look if self.by_motion => {
                occurrences.extend(self.see_motion(frame, clock));
                Verdict::Seen
            }
            Verdict::Look => Verdict::Look,
            Verdict::Seen | Verdict::Leave(_) => {
                occurrences.extend(self.pass(Some(frame)));
                verdict
            }
        };
        Looked { verdict, picture: Some(sight.picture), ailments, occurrences }
    }

    /// Takes in what moves before the background.
    fn see_motion(&mut self, frame: &Frame, clock: ClockState) -> Vec<Occurrence> {
        let mut moving = std::mem::take(&mut self.moving);
        self.scene.moving(self.followed.expected(frame.pts), &mut moving);
        let occurrences = self.seen(frame, moving.as_slice(), clock);
        self.moving = moving;
        occurrences
    }

    /// Takes in what the detector saw in a frame.
    pub fn seen(&mut self, frame: &Frame, detections: &[Detection], clock: ClockState) -> Vec<Occurrence> {
        self.told.at(frame, clock);
        self.looks += 1;
        self.last_tick = frame.pts;
        let tracks = self.tracker.step(frame.pts, detections);
        self.cadence.follow(frame.pts, tracks);
        self.followed.follow(frame.pts, tracks);
        self.scene.cover(frame.pts, || self.followed.covers(tracks));
        if let Some(heat) = &mut self.heat {
            heat.step(frame.pts, tracks);
        }
        let size = (frame.width, frame.height);
        self.heads.look(size, tracks);
        let log = self.log.as_mut();
        // Kept as they are shown to the rules: rounded, so that they can be shown them again.
        let tracks = log.map_or(tracks, |log| log.look(frame.pts, frame.captured, size, tracks));
        self.rules.set_picture_size(size.0, size.1);
        self.rules.set_regions(self.scene.regions());
        let firings = self.rules.step(frame.pts, frame.captured, tracks);
        let mut events = self.narrator.narrate(firings, &self.told.context());
        events.extend(self.narrator.tracks(tracks, &self.told.context()));
        for shown in &self.shown {
            let track = tracks.iter().find(|t| t.id == shown.track && t.state == TrackState::Confirmed);
            if let Some(Track { class, score, bbox, .. }) = track {
                let (label, seen) = (self.told.labels.name(*class), (frame, self.heads.all()));
                self.snapshots.consider(&shown.episode, seen, label, *score, *bbox);
            }
        }
        // Before the tracks that ended are forgotten: their last events still say who it was.
        self.people.name(&mut events);
        self.people.step(frame, tracks);
        self.illustrate(events, Some(frame))
    }

    /// The pictures from now on do not continue those before.
    pub fn cut(&mut self, notice: &Notice) -> Vec<Occurrence> {
        self.tracker.reset();
        if let Some(log) = &mut self.log {
            log.cut(self.told.pts);
        }
        let tracks = self.tracker.step(self.told.pts, &[]);
        let mut events = self.narrator.narrate(self.rules.reset(self.told.pts), &self.told.context());
        events.extend(self.narrator.tracks(tracks, &self.told.context()));
        events.push(self.narrator.notice(notice, &self.told.context()));
        let occurrences = self.illustrate(events, None);
        self.people.cut();
        occurrences
    }

    /// Something is told that concerns the camera rather than what is before the lens.
    pub fn notice(&mut self, notice: &Notice) -> Occurrence {
        Occurrence { event: self.narrator.notice(notice, &self.told.context()), shot: None }
    }

    /// The present, where something is told without a frame.
    pub fn advance(&mut self, now: MediaTime, wall: WallTime, clock: ClockState) {
        (self.told.pts, self.told.captured, self.told.clock) = (now.max(self.told.pts), wall, clock);
    }

    /// Names the configuration in force from now on.
    pub fn set_config_revision(&mut self, revision: Arc<str>) {
        self.told.config_revision = revision;
    }

    /// The camera's state changed.
    pub fn state_changed(&mut self, from: CameraState, to: CameraState, cause: &str) -> Occurrence {
        self.notice(&Notice::CameraState { from, to, cause: cause.to_owned() })
    }

    /// Time passes without a frame: happenings that nobody sees go on, end. `now` is the present on the media clock.
    pub fn wait(&mut self, now: MediaTime, wall: WallTime, clock: ClockState) -> Vec<Occurrence> {
        if now <= self.told.pts {
            return Vec::new();
        }
        (self.told.pts, self.told.captured, self.told.clock) = (now, wall, clock);
        self.pass(None)
    }

    /// Ends everything that is open: the last call before a line is dropped.
    pub fn close(&mut self) -> Vec<Occurrence> {
        if let Some(log) = &mut self.log {
            log.stop(self.told.pts);
        }
        let mut events = self.narrator.narrate(self.rules.stop(self.told.pts), &self.told.context());
        events.extend(self.narrator.close_all(&self.told.context()));
        let occurrences = self.illustrate(events, None);
        self.people.clear();
        occurrences
    }

    /// Which pictures are wanted from now on.
    pub fn want(&self) -> Want {
        self.cadence.want()
    }

    /// How many frames the detector has looked at.
    pub fn looks(&self) -> u64 {
        self.looks
    }

    /// The number that the next new track gets.
    pub fn next_track(&self) -> TrackId {
        self.tracker.next_id()
    }

    /// The counts of zones and lines.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Adds the counts that were kept over a restart.
    pub fn restore_counts(&mut self, saved: behaviour::Counts) {
        self.rules.restore_counts(saved);
    }

    fn movement(&self, motion: Motion) -> Movement {
        match motion {
            Motion { active: false, .. } => Movement::None,
            Motion { relearnt: true, .. } => Movement::Elsewhere,
            _ if self.scene.moved_outside(self.cadence.expected()) => Movement::Elsewhere,
            _ => Movement::Expected,
        }
    }

    /// Time passes, with a picture that no detector looks at where there is one.
    fn pass(&mut self, frame: Option<&Frame>) -> Vec<Occurrence> {
        if self.told.pts.since(self.last_tick) < TICK {
            return Vec::new();
        }
        self.last_tick = self.told.pts;
        if let Some(log) = &mut self.log {
            log.wait(self.told.pts, self.told.captured);
        }
        self.rules.set_regions(self.scene.regions());
        let firings = self.rules.tick(self.told.pts, self.told.captured);
        let events = self.narrator.narrate(firings, &self.told.context());
        self.illustrate(events, frame)
    }
}

impl Told {
    fn at(&mut self, frame: &Frame, clock: ClockState) {
        (self.pts, self.captured, self.clock) = (frame.pts, frame.captured, clock);
    }

    fn context(&self) -> event::Context<'_> {
        event::Context {
            pts: self.pts,
            captured: self.captured,
            clock: self.clock,
            model: self.model.as_ref(),
            config_revision: &self.config_revision,
            labels: &self.labels,
        }
    }
}

#[cfg(test)]
mod tests;
