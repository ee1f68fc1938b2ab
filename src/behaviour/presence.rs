//! Who is in a zone: the debounced presence of each track, which all rules and the live count of the zone share.
//!
//! ```text
//!            anchor seen inside              enough sightings, long enough, track confirmed
//!   nothing ───────────────────► Entering ───────────────────────────────────────────────► Inside
//!      ▲                            │                                                       │ ▲
//!      └────────────────────────────┘                        seen outside, or not seen ──── ▼ │ seen inside
//!        seen outside, or unseen for `grace`                                               (away)
//!                                                                                           │
//!                                              outside for `exit`, or unseen for `grace` ── ▼
//!                                                                                          Gone
//! ```
//!
//! - Only a sighting counts: a track that is `Lost` has a predicted box, which moves nothing here. `Tentative` tracks are
//!   sightings, so that a stay begins when somebody was first seen, but only a `Confirmed` one gets `Inside`.
//! - A presence lasts from its first to its last sighting inside, and its dwell is the media time between them: the
//!   debounce delays what is said, never what is measured. While it is away the dwell stands still; if it comes back in
//!   time, the dwell goes on as if it had never been away.
//! - **A new number for the same object.** When a tracker loses somebody and finds them again under a new number, the new
//!   track continues the presence that is away, if it first appeared after that one was last seen, overlaps its last box
//!   by at least [`SAME_OBJECT`], and is of the same class. So dwell and counts survive it. The `key` stays that of the
//!   first track. Should the first track itself return, it takes its presence back.

use std::time::Duration;

use super::labels::may_be_the_same;
use super::scores::Scores;
use super::settings::{PresenceSettings, ScoreOf, Zone};
use crate::vocab::{EndReason, Labels, MediaTime, Rect, Track, TrackId, TrackState};

/// The overlap from which a new track is taken for the one that vanished there within `grace`. People move on while they
/// are unseen, so this is less than what parked objects must show.
const SAME_OBJECT: f32 = 0.3;

/// The longest time that trackers take to confirm a track.
const CONFIRMS_WITHIN: Duration = Duration::from_secs(3);

/// One object in one zone.
#[derive(Debug, Clone)]
pub(super) struct Presence {
    /// The number of the track that began it: tells presences of one zone apart.
    pub key: u64,
    /// The track as it was when last seen inside.
    pub track: Track,
    pub stage: Stage,
    /// When it was first seen inside.
    pub entered: MediaTime,
    /// When it was last seen inside.
    pub last_inside: MediaTime,
    /// Whether it is seen inside in this very step.
    pub is_sighted: bool,
    /// Where it was when first seen inside.
    pub first_box: Rect,
    /// The box at the time since which it stands still.
    pub still_box: Rect,
    pub still_since: MediaTime,
    away: Option<Away>,
    sightings: u32,
    scores: Scores,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not believed yet.
    Entering,
    /// Believed since the step at this time.
    Inside(MediaTime),
    /// Over. Stays for one step, so that rules see it.
    Gone(EndReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Away {
    Outside(MediaTime),
    Unseen(MediaTime),
}

impl Presence {
    fn new(track: &Track, entered: MediaTime, sightings: u32, now: MediaTime) -> Self {
        Self {
            key: track.id,
            track: track.clone(),
            stage: Stage::Entering,
            entered,
            last_inside: now,
            is_sighted: true,
            first_box: track.bbox,
            still_box: track.bbox,
            still_since: entered,
            away: None,
            sightings,
            scores: Scores::first(track.score, now),
        }
    }

    pub(super) fn is_inside(&self) -> bool {
        matches!(self.stage, Stage::Inside(_))
    }

    /// Whether it came to be believed in the step at `now`.
    pub(super) fn has_just_entered(&self, now: MediaTime) -> bool {
        self.stage == Stage::Inside(now)
    }

    pub(super) fn gone(&self) -> Option<EndReason> {
        match self.stage {
            Stage::Gone(reason) => Some(reason),
            _ => None,
        }
    }

    /// From its first to its last sighting inside.
    pub(super) fn dwell(&self) -> Duration {
        self.last_inside.since(self.entered)
    }

    /// The score that a rule compares.
    pub(super) fn score(&self, of: ScoreOf) -> f32 {
        self.scores.of(of, self.track.best_score)
    }

    fn see_inside(&mut self, track: &Track, now: MediaTime, same_place: f32) {
        self.track = track.clone();
        self.last_inside = now;
        self.is_sighted = true;
        self.away = None;
        self.sightings = self.sightings.saturating_add(1);
        self.scores.see(track.score, now);
        if track.bbox.iou(&self.still_box) < same_place {
            (self.still_box, self.still_since) = (track.bbox, now);
        }
    }

    fn see_outside(&mut self, now: MediaTime) {
        match self.stage {
            Stage::Entering => self.stage = Stage::Gone(EndReason::Left),
            _ if matches!(self.away, Some(Away::Outside(_))) => {}
            _ => self.away = Some(Away::Outside(now)),
        }
    }

    fn miss(&mut self, now: MediaTime) {
        self.away.get_or_insert(Away::Unseen(now));
        self.scores.miss(now);
    }

    /// Moves to the stage that is due at `now`.
    fn judge(&mut self, now: MediaTime, settings: &PresenceSettings) {
        match (self.stage, self.away) {
            (Stage::Gone(_), _) => {}
            (_, Some(Away::Outside(since))) if now.since(since) >= settings.exit => {
                self.stage = Stage::Gone(EndReason::Left);
            }
            (_, Some(Away::Unseen(since))) if now.since(since) >= settings.grace => {
                self.stage = Stage::Gone(EndReason::Unseen);
            }
            (Stage::Entering, None) if self.is_sighted && self.track.state == TrackState::Confirmed => {
                let long_enough = now.since(self.entered) >= settings.enter;
                if long_enough && self.sightings >= settings.sightings {
                    self.stage = Stage::Inside(now);
                }
            }
            _ => {}
        }
    }

    fn is_continued_by(&self, track: &Track, labels: &Labels) -> bool {
        matches!(self.away, Some(Away::Unseen(_)))
            && track.first_seen > self.last_inside
            && track.bbox.iou(&self.track.bbox) >= SAME_OBJECT
            && may_be_the_same(track.class, self.track.class, labels)
    }
}

/// A zone and who is in it.
#[derive(Debug)]
pub(super) struct ZoneWatch {
    pub zone: Zone,
    settings: PresenceSettings,
    same_place: f32,
    presences: Vec<Presence>,
    /// By class; one more at the end for classes that the model does not declare.
    occupancy: Vec<u32>,
    last_look: MediaTime,
    /// When the tracks were last cut: nothing is known from before.
    cut: MediaTime,
}

impl ZoneWatch {
    pub(super) fn new(zone: Zone, settings: PresenceSettings, same_place: f32, classes: usize) -> Self {
        let occupancy = vec![0; classes + 1];
        Self {
            zone,
            settings,
            same_place,
            presences: Vec::new(),
            occupancy,
            last_look: MediaTime::ZERO,
            cut: MediaTime::ZERO,
        }
    }

    pub(super) fn presences(&self) -> &[Presence] {
        &self.presences
    }

    /// How many are inside, by class index; the last number is that of undeclared classes.
    pub(super) fn occupancy(&self) -> &[u32] {
        &self.occupancy
    }

    /// Takes in a frame that was looked at. `is_new` says whether this is the first frame in which a track is reported.
    pub(super) fn look(&mut self, now: MediaTime, tracks: &[Track], labels: &Labels, is_new: impl Fn(TrackId) -> bool) {
        self.last_look = now;
        self.presences.iter_mut().for_each(|p| p.is_sighted = false);
        let mut strangers = false;
        for track in tracks.iter().filter(|t| is_sighting(t, now)) {
            let inside = self.holds(track);
            match self.presences.iter_mut().find(|p| p.track.id == track.id) {
                Some(presence) if inside => presence.see_inside(track, now, self.same_place),
                Some(presence) => presence.see_outside(now),
                None => strangers |= inside,
            }
        }
        for presence in &mut self.presences {
            let is_seen = tracks.iter().any(|t| t.id == presence.track.id && is_sighting(t, now));
            if !is_seen {
                presence.miss(now);
            }
        }
        if strangers {
            self.admit_strangers(now, tracks, labels, is_new);
        }
        self.judge(now);
    }

    /// Lets time pass without a frame.
    pub(super) fn wait(&mut self, now: MediaTime) {
        let is_blind = now.since(self.last_look) >= self.settings.blind;
        for presence in &mut self.presences {
            presence.is_sighted = false;
            if is_blind && presence.gone().is_none() {
                presence.stage = Stage::Gone(EndReason::Unseen);
            }
        }
        self.judge(now);
    }

    /// Ends every presence, for `reason`.
    pub(super) fn end_all(&mut self, now: MediaTime, reason: EndReason) {
        self.cut = now;
        for presence in &mut self.presences {
            presence.is_sighted = false;
            presence.stage = Stage::Gone(reason);
        }
    }

    /// Forgets those that are gone, and counts those that are not; returns whether the count has changed.
    pub(super) fn settle(&mut self, spare: &mut Vec<u32>) -> bool {
        self.presences.retain(|p| p.gone().is_none());
        spare.clear();
        spare.resize(self.occupancy.len(), 0);
        let undeclared = spare.len() - 1;
        for presence in self.presences.iter().filter(|p| p.is_inside()) {
            spare[usize::from(presence.track.class).min(undeclared)] += 1;
        }
        std::mem::swap(spare, &mut self.occupancy);
        *spare != self.occupancy
    }

    fn judge(&mut self, now: MediaTime) {
        self.presences.iter_mut().for_each(|p| p.judge(now, &self.settings));
    }

    fn holds(&self, track: &Track) -> bool {
        self.zone.polygon.contains(self.zone.anchor.of(&track.bbox))
    }

    fn admit_strangers(&mut self, now: MediaTime, tracks: &[Track], labels: &Labels, is_new: impl Fn(TrackId) -> bool) {
        for track in tracks.iter().filter(|t| is_sighting(t, now)) {
            if self.presences.iter().any(|p| p.track.id == track.id) || !self.holds(track) {
                continue;
            }
            let own = self.presences.iter().position(|p| p.key == track.id && p.gone().is_none());
            let left_behind = || self.presences.iter().position(|p| p.is_continued_by(track, labels));
            if let Some(index) = own.or_else(left_behind) {
                self.presences[index].see_inside(track, now, self.same_place);
                continue;
            }
            // A tracker may report a track only once it is confirmed; then its sightings so far count too.
            let is_fresh = track.first_seen >= self.cut && now.since(track.first_seen) <= CONFIRMS_WITHIN;
            let reported_late = is_new(track.id) && is_fresh && track.first_seen < now;
            let (entered, sightings) = if reported_late { (track.first_seen, track.hits.max(1)) } else { (now, 1) };
            self.presences.push(Presence::new(track, entered, sightings, now));
        }
    }
}

/// Whether the track's box was seen in the frame at `now`, and is fit to be measured.
pub(super) fn is_sighting(track: &Track, now: MediaTime) -> bool {
    let is_seen = match track.state {
        TrackState::Confirmed => true,
        TrackState::Tentative => track.last_seen == now,
        TrackState::Lost | TrackState::Ended => false,
    };
    is_seen && track.bbox.is_finite()
}
