//! One followed object and its life.
//!
//! ```text
//!              enough detections            not seen
//!   Tentative ------------------> Confirmed <--------> Lost
//!       |                                     seen      |
//!       | not seen for                                  | not seen for lost_patience (parked: parked_patience;
//!       | tentative_patience                            | predicted to leave the picture: leaving_patience)
//!       +-----------------------> Ended <---------------+
//! ```
//!
//! Patience is tested after a frame's detections were offered, so that even at one frame a second an object gets a
//! second chance. `Ended` is reported once; then the object is dropped.

use std::time::Duration;

use super::Settings;
use super::classes::Votes;
use super::motion::Motion;
use crate::vocab::{Detection, MediaTime, Rect, Track, TrackId, TrackState};

/// How much of the reported box is the detection and not the filter: the filter lags where boxes change quickly, the
/// detection jitters.
const DETECTION_SHARE: f32 = 0.5;

/// A box that overlaps the one where the object came to rest by less than this has moved.
const AT_REST: f32 = 0.5;

/// Of whoever is predicted to leave the picture, less than this share of his box is still inside.
const MOSTLY_OUTSIDE: f32 = 0.34;

/// An object as the tracker knows it.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// What is reported.
    pub track: Track,
    pub motion: Motion,
    /// Whether this frame has a detection of it.
    pub seen: bool,
    /// How long there has been no detection, not counting time in which nothing moved.
    pub unseen_for: Duration,
    votes: Votes,
    score_sum: f32,
    /// Where it came to rest, and how long it has been there.
    rest: Rect,
    rested_for: Duration,
}

impl Object {
    /// One first seen now.
    pub fn new(id: TrackId, detection: &Detection, now: MediaTime) -> Self {
        let Detection { class, score, bbox, trunk } = *detection;
        Self {
            track: Track { trunk, ..Track::new(id, class, score, bbox, now) },
            motion: Motion::new(&bbox),
            seen: true,
            unseen_for: Duration::ZERO,
            votes: Votes::new(class, score),
            score_sum: score,
            rest: bbox,
            rested_for: Duration::ZERO,
        }
    }

    /// Lets time pass before this frame's detections are offered.
    pub fn predict(&mut self, passed: Duration) {
        self.motion.predict(passed);
        self.track.trunk = None;
        self.seen = false;
        self.unseen_for += passed;
        self.rested_for += passed;
    }

    /// Lets time pass in which nothing moves.
    pub fn hold(&mut self, passed: Duration) {
        self.motion.halt();
        (self.track.velocity, self.track.trunk) = ((0.0, 0.0), None);
        // What is out of sight may rest or not; only what is in sight becomes parked.
        if self.seen {
            self.rested_for += passed;
        }
    }

    /// Takes a detection in.
    pub fn take(&mut self, detection: &Detection, now: MediaTime) {
        let Detection { class, score, bbox, trunk } = *detection;
        self.motion.correct(&bbox);
        self.votes.add(class, score);
        self.score_sum += score;
        self.seen = true;
        self.unseen_for = Duration::ZERO;
        if self.rest.iou(&bbox) < AT_REST {
            self.rest = bbox;
            self.rested_for = Duration::ZERO;
        }
        let track = &mut self.track;
        track.class = self.votes.winner();
        track.score = score;
        track.best_score = track.best_score.max(score);
        track.last_seen = now;
        track.trunk = trunk;
        track.hits = track.hits.saturating_add(1);
        track.bbox = between(&self.motion.bbox(), &bbox);
    }

    /// Where it is parked, if it is.
    pub fn parked(&self, settings: &Settings) -> Option<&Rect> {
        (self.rested_for.saturating_sub(self.unseen_for) >= settings.parked_after).then_some(&self.rest)
    }

    /// Where it still is if it has not moved: where it is parked, or, if the last step saw it, where it was going.
    pub fn standing(&self, passed: Duration, settings: &Settings) -> Option<Rect> {
        match self.track.state {
            TrackState::Ended => None,
            TrackState::Confirmed | TrackState::Lost if self.parked(settings).is_some() => Some(self.rest),
            _ => (self.unseen_for <= passed).then(|| self.motion.bbox()),
        }
    }

    /// Brings what is reported up to date once this frame's detections have been handed out.
    pub fn settle(&mut self, settings: &Settings) {
        if !self.seen {
            self.track.bbox = self.motion.bbox();
        }
        self.track.velocity = self.motion.velocity();
        self.track.state = match self.track.state {
            TrackState::Tentative if self.is_believable(settings) => TrackState::Confirmed,
            TrackState::Tentative if self.unseen_for > settings.tentative_patience => TrackState::Ended,
            TrackState::Tentative => TrackState::Tentative,
            TrackState::Confirmed | TrackState::Lost if self.seen => TrackState::Confirmed,
            TrackState::Confirmed | TrackState::Lost if self.is_over(settings) => TrackState::Ended,
            TrackState::Confirmed | TrackState::Lost => TrackState::Lost,
            TrackState::Ended => TrackState::Ended,
        };
    }

    fn is_believable(&self, settings: &Settings) -> bool {
        let track = &self.track;
        self.seen
            && track.hits >= settings.confirm_hits
            && self.score_sum >= settings.confirm_score
            && track.last_seen.since(track.first_seen) >= settings.confirm_after
    }

    fn is_over(&self, settings: &Settings) -> bool {
        if self.parked(settings).is_some() {
            return self.unseen_for > settings.parked_patience;
        }
        let patience = match visible_share(&self.track.bbox) {
            0.0 => Duration::ZERO,
            share if share < MOSTLY_OUTSIDE => settings.leaving_patience,
            _ => settings.lost_patience,
        };
        self.unseen_for > patience
    }
}

/// How much of a box lies within the picture, 0..1.
fn visible_share(bbox: &Rect) -> f32 {
    let inside = |from: f32, to: f32| (to.min(1.0) - from.max(0.0)).max(0.0) / (to - from).max(f32::EPSILON);
    inside(bbox.x1, bbox.x2) * inside(bbox.y1, bbox.y2)
}

fn between(filtered: &Rect, detected: &Rect) -> Rect {
    let mix = |filtered: f32, detected: f32| filtered + DETECTION_SHARE * (detected - filtered);
    Rect::new(
        mix(filtered.x1, detected.x1),
        mix(filtered.y1, detected.y1),
        mix(filtered.x2, detected.x2),
        mix(filtered.y2, detected.y2),
    )
}
