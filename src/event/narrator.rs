//! Gives each happening its episode and decides which of its firings are worth an event.

use std::time::Duration;

use super::explain;
use super::notice::Notice;
use super::picture::Ailing;
use super::tracks::Followed;
use crate::vocab::{
    ClockState, EndReason, Event, EventKind, Evidence, Explanation, Firing, FiringPhase, Id, Labels, Measure,
    MediaTime, ModelFacts, Phase, Place, Rect, Severity, Subject, Track, WallTime,
};

/// Who tells, and how much.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The agent's name.
    pub agent: Id,
    /// The camera whose happenings are told; none for what concerns the agent as a whole.
    pub camera: Option<Id>,
    /// A number that this agent never used before: one for each start of the program. For a replay always the same.
    pub epoch: u64,
    /// The least time between two updates of one happening, in media time. Default 10 s.
    pub update_every: Duration,
    /// An update is told before its time if the best score has risen by this much, 0..1. Default 0.1.
    pub better_score: f32,
    /// How long after an alert further happenings of the same rule are no alerts but events. Default 0: all are alerts.
    pub alert_rest: Duration,
    /// Whether the beginning and end of every confirmed track is told. Default true.
    pub tracks: bool,
}

impl Settings {
    /// The defaults, for this agent, camera and start of the program.
    pub fn new(agent: Id, camera: Option<Id>, epoch: u64) -> Self {
        Self {
            agent,
            camera,
            epoch,
            update_every: Duration::from_secs(10),
            better_score: 0.1,
            alert_rest: Duration::ZERO,
            tracks: true,
        }
    }
}

/// What is true at the moment of telling.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The frame that is being told of, on the media clock; the present where there is none.
    pub pts: MediaTime,
    /// The same moment on the wall clock. The wall time of earlier moments is counted back from here.
    pub captured: WallTime,
    /// How far the wall clock can be believed.
    pub clock: ClockState,
    /// The model whose detections led here.
    pub model: Option<&'a ModelFacts>,
    /// Names the configuration in force.
    pub config_revision: &'a str,
    /// The model's class names.
    pub labels: &'a Labels,
}

impl Context<'_> {
    /// The wall time of `at`.
    fn captured_at(&self, at: MediaTime) -> WallTime {
        self.captured.minus(self.pts.since(at)).plus(at.since(self.pts))
    }
}

/// Tells what happens before one camera, or to the agent as a whole.
#[derive(Debug)]
pub struct Narrator {
    pub(super) settings: Settings,
    told: u64,
    open: Vec<Episode>,
    /// The rules that lately raised an alert, and when.
    alerted: Vec<(Id, MediaTime)>,
    pub(super) followed: Vec<Followed>,
    pub(super) ailing: Vec<Ailing>,
}

/// A happening that goes on.
#[derive(Debug)]
struct Episode {
    id: String,
    severity: Severity,
    started: MediaTime,
    updated: MediaTime,
    best_score: f32,
    most: f64,
    last: Firing,
}

/// What an event says beyond its context.
pub(super) struct Telling {
    pub kind: EventKind,
    pub severity: Severity,
    pub phase: Phase,
    pub episode: String,
    pub rule: Option<Id>,
    pub place: Option<Place>,
    pub region: Option<Rect>,
    pub subject: Option<Subject>,
    pub explanation: Explanation,
    pub at: MediaTime,
}

impl Narrator {
    /// One that has told nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, told: 0, open: Vec::new(), alerted: Vec::new(), followed: Vec::new(), ailing: Vec::new() }
    }

    /// Takes on new settings. Happenings that go on keep their episodes, and numbers are never used again.
    pub fn reconfigure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// How many happenings have started and not ended, tracks and what ails the picture included.
    pub fn open(&self) -> usize {
        self.open.len() + self.followed.len() + self.ailing.len()
    }

    /// Tells of `firings`, in their order. Allocates nothing where there are none.
    pub fn narrate(&mut self, firings: &[Firing], context: &Context) -> Vec<Event> {
        firings.iter().filter_map(|firing| self.narrate_one(firing, context)).collect()
    }

    /// Ends everything that is still open, at the moment of `context`: the last thing to call for a camera.
    pub fn close_all(&mut self, context: &Context) -> Vec<Event> {
        let mut events = Vec::new();
        for episode in std::mem::take(&mut self.open) {
            let mut firing = episode.last.clone();
            firing.phase = FiringPhase::End;
            firing.at = context.pts.max(firing.at);
            // What is told of a zone as a whole.
            if firing.track.is_none() {
                let lasted = firing.at.since(episode.started).as_millis() as f64 / 1e3;
                firing.measures.push(Measure::plain(Measure::PEAK, episode.most));
                firing.measures.push(Measure::plain(Measure::DWELL, lasted));
            }
            firing.measures.push(EndReason::Stopped.measure());
            events.push(self.tell_episode(&episode, &firing, Phase::End, context));
        }
        self.end_tracks(context, &mut events);
        self.end_conditions(context, &mut events);
        events
    }

    /// Tells of something that concerns the camera or the agent rather than what is before the lens.
    pub fn notice(&mut self, notice: &Notice, context: &Context) -> Event {
        let telling = Telling {
            kind: notice.kind(),
            severity: Severity::Event,
            phase: Phase::Start,
            episode: self.next_episode(),
            rule: None,
            place: None,
            region: None,
            subject: None,
            explanation: notice.explain(self.settings.camera.as_ref()),
            at: context.pts,
        };
        Event { gap: notice.gap(), evidence: notice.evidence(), ..self.event(telling, context) }
    }

    fn narrate_one(&mut self, firing: &Firing, context: &Context) -> Option<Event> {
        let index = self.open.iter().position(|e| e.last.rule == firing.rule && e.last.key == firing.key);
        match (firing.phase, index) {
            (FiringPhase::Instant, _) => {
                let episode = self.begin(firing);
                Some(self.tell_episode(&episode, firing, Phase::Start, context))
            }
            (FiringPhase::Start, None) => {
                let episode = self.begin(firing);
                let event = self.tell_episode(&episode, firing, Phase::Start, context);
                self.open.push(episode);
                Some(event)
            }
            // A second start without an end would be a fault of `behaviour`; the episode just goes on.
            (FiringPhase::Start | FiringPhase::Update, Some(index)) => self.update(index, firing, context),
            (FiringPhase::End, Some(index)) => {
                let episode = self.open.remove(index);
                Some(self.tell_episode(&episode, firing, Phase::End, context))
            }
            // What never began cannot go on or end: the start was told by a narrator before this one.
            (FiringPhase::Update | FiringPhase::End, None) => None,
        }
    }

    fn begin(&mut self, firing: &Firing) -> Episode {
        Episode {
            id: self.next_episode(),
            severity: self.severity(firing),
            started: firing.at,
            updated: firing.at,
            best_score: best_score(firing),
            most: count(firing),
            last: firing.clone(),
        }
    }

    fn update(&mut self, index: usize, firing: &Firing, context: &Context) -> Option<Event> {
        let episode = &mut self.open[index];
        episode.last = firing.clone();
        let is_due = firing.at.since(episode.updated) >= self.settings.update_every
            || best_score(firing) >= episode.best_score + self.settings.better_score
            || count(firing) > episode.most;
        if !is_due {
            return None;
        }
        episode.updated = firing.at;
        episode.best_score = episode.best_score.max(best_score(firing));
        episode.most = episode.most.max(count(firing));
        Some(self.tell_episode(&self.open[index], firing, Phase::Update, context))
    }

    /// The rule's severity, unless it raised an alert so lately that another would only disturb.
    fn severity(&mut self, firing: &Firing) -> Severity {
        if firing.severity == Severity::Event || self.settings.alert_rest.is_zero() {
            return firing.severity;
        }
        let rest = self.settings.alert_rest;
        self.alerted.retain(|(_, at)| firing.at.since(*at) < rest);
        if self.alerted.iter().any(|(rule, _)| *rule == firing.rule) {
            return Severity::Event;
        }
        self.alerted.push((firing.rule.clone(), firing.at));
        Severity::Alert
    }

    pub(super) fn next_episode(&mut self) -> String {
        self.told += 1;
        let camera = self.settings.camera.as_ref().map_or("", Id::as_str);
        format!("{}-{camera}-{}-{}", self.settings.agent, self.settings.epoch, self.told)
    }

    fn tell_episode(&self, episode: &Episode, firing: &Firing, phase: Phase, context: &Context) -> Event {
        let telling = Telling {
            kind: firing.kind.into(),
            severity: episode.severity,
            phase,
            episode: episode.id.clone(),
            rule: Some(firing.rule.clone()),
            place: firing.place.clone(),
            region: firing.region,
            subject: firing.track.as_ref().map(|track| Subject {
                identity: firing.identity.as_deref().cloned(),
                ..subject(track, context.labels)
            }),
            explanation: explain::firing(firing, context.labels),
            at: firing.at,
        };
        self.event(telling, context)
    }

    pub(super) fn event(&self, telling: Telling, context: &Context) -> Event {
        Event {
            kind: telling.kind,
            severity: telling.severity,
            phase: telling.phase,
            episode: telling.episode,
            camera: self.settings.camera.clone(),
            rule: telling.rule,
            place: telling.place,
            region: telling.region,
            subject: telling.subject,
            explanation: telling.explanation,
            pts: telling.at,
            captured: context.captured_at(telling.at),
            clock: context.clock,
            model: context.model.cloned(),
            config_revision: context.config_revision.to_owned(),
            evidence: Evidence::default(),
            gap: None,
            condition: None,
            heat: None,
        }
    }
}

pub(super) fn subject(track: &Track, labels: &Labels) -> Subject {
    Subject {
        track: track.id,
        label: labels.name(track.class).to_owned(),
        bbox: track.bbox,
        score: track.score,
        best_score: track.best_score,
        age_ms: u64::try_from(track.last_seen.since(track.first_seen).as_millis()).unwrap_or(u64::MAX),
        identity: None,
        appearance: None,
    }
}

fn best_score(firing: &Firing) -> f32 {
    firing.track.as_ref().map_or(0.0, |t| t.best_score)
}

fn count(firing: &Firing) -> f64 {
    firing.measures.iter().find(|m| m.name == Measure::COUNT).map_or(0.0, |m| m.value)
}
