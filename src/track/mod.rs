//! Detections into tracks: follows objects by motion alone, on media time, whatever the frame rate.
//!
//! Each frame is matched in four rounds, each an optimal [`assignment`] of tracks to the detections that are left:
//!
//! 1. believed tracks with detections of a high score, by the likelihood in `association`;
//! 2. believed tracks that were seen just now with detections of a low score, by overlap (ByteTrack: Zhang et al., ECCV
//!    2022): somebody who goes behind something fades before he vanishes;
//! 3. tracks not yet believed with the remaining high scores;
//! 4. parked tracks that were hidden, and after a long wait all that were seen before it, with what stands where they
//!    stood.
//!
//! What is left with a high score begins a track. A track that was lost is found again by where it was going: the filter
//! in `motion` grows vaguer with time, which both widens its reach and weakens its claim, so that there is no gate in
//! pixels and none in frames. Classes that cannot be one object never meet.
//!
//! Pure, bounded in tracks and detections, and without allocation once its buffers have grown. The result does not depend
//! on the order of the detections. Boxes may be of any scale as long as the picture is 0..1; that is only used to end
//! what has left it.

pub mod assignment;
mod association;
mod classes;
mod motion;
mod object;
mod settings;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::time::Duration;

pub use settings::{Settings, confusable};

use assignment::Assignment;
use motion::Measured;
use object::Object;

use crate::vocab::{Detection, MediaTime, Track, TrackId, TrackState};

/// A track unseen for longer than this is not continued by a detection of low score.
const JUST_SEEN: Duration = Duration::from_millis(250);

/// Least overlap with a detection of low score, and with what stands in a parked object's place.
const LEAST_OVERLAP: f64 = 0.5;

/// A detection that overlaps a better one of its kind by more than this is the same object once more.
const SAME_OBJECT: f32 = 0.7;

/// Edges farther out than this are not of this picture, and would overflow.
const FARTHEST_EDGE: f32 = 1e6;

/// Follows the objects that one camera sees.
#[derive(Debug)]
pub struct Tracker {
    settings: Settings,
    next_id: TrackId,
    /// When the last step was; none before the first and after a reset.
    now: Option<MediaTime>,
    is_reset: bool,
    objects: Vec<Object>,
    candidates: Vec<Candidate>,
    reported: Vec<Track>,
    round: Round,
}

/// A detection that takes part in this frame.
#[derive(Debug, Clone)]
struct Candidate {
    detection: Detection,
    measured: Measured,
    is_taken: bool,
}

/// Buffers of one round of matching.
#[derive(Debug, Default)]
struct Round {
    objects: Vec<usize>,
    candidates: Vec<usize>,
    prices: Vec<f64>,
    solver: Assignment,
}

impl Tracker {
    /// A tracker that numbers its tracks from 1.
    pub fn new(settings: Settings) -> Self {
        Self::starting_at(settings, 1)
    }

    /// A tracker that numbers its tracks from `first_id`. Numbers only grow; give the next tracker of the same camera
    /// this one's [`next_id`](Self::next_id), and none is used twice.
    pub fn starting_at(settings: Settings, first_id: TrackId) -> Self {
        Self {
            settings,
            next_id: first_id,
            now: None,
            is_reset: false,
            objects: Vec::new(),
            candidates: Vec::new(),
            reported: Vec::new(),
            round: Round::default(),
        }
    }

    /// Follows by other settings from the next step on, as with a detector that scores differently.
    pub fn reconfigure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The number that the next new track will have.
    pub fn next_id(&self) -> TrackId {
        self.next_id
    }

    /// Takes in what the detector saw in the frame of time `now`; an empty list is a frame in which it saw nothing.
    /// Returns all live tracks as they are after this frame, and those that ended in it, which are not returned again,
    /// in the order of their numbers.
    ///
    /// A time before that of the last step counts as that time. Detections with a box that is not finite or is empty, or
    /// with a score that is not a number, are left out.
    pub fn step(&mut self, now: MediaTime, detections: &[Detection]) -> &[Track] {
        let (now, passed) = self.begin_step(now);
        self.accept(detections);
        self.match_all(now, passed);
        let settings = &self.settings;
        self.objects.iter_mut().for_each(|object| object.settle(settings));
        self.begin_tracks(now);
        self.report()
    }

    /// Lets time pass up to `now` when nothing in the picture moves and so nobody looked: what was seen last is still
    /// there, what was lost is still hidden, and nothing grows older. Returns all live tracks.
    pub fn hold(&mut self, now: MediaTime) -> &[Track] {
        self.forget_ended();
        let before = self.now.unwrap_or(now);
        self.now = Some(now.max(before));
        self.objects.iter_mut().for_each(|object| object.hold(now.since(before)));
        self.report()
    }

    /// Says that the next frame does not follow the last, as after the stream jumped: the next step ends all tracks and
    /// begins anew. Time may start over.
    pub fn reset(&mut self) {
        self.is_reset = true;
        self.now = None;
    }

    /// Drops what ended before, ends everything after a reset, and lets time pass for the rest. Returns the time and how
    /// much has passed.
    fn begin_step(&mut self, now: MediaTime) -> (MediaTime, Duration) {
        self.forget_ended();
        let before = self.now.unwrap_or(now);
        let now = now.max(before);
        self.now = Some(now);
        let ends = std::mem::take(&mut self.is_reset);
        let passed = now.since(before);
        for object in &mut self.objects {
            object.predict(passed);
            if ends {
                object.track.state = TrackState::Ended;
            }
        }
        (now, passed)
    }

    fn forget_ended(&mut self) {
        self.objects.retain(|object| object.track.state != TrackState::Ended);
    }

    /// Sorts usable detections by score, and by place among equal scores, so that the caller's order does not matter.
    fn accept(&mut self, detections: &[Detection]) {
        let is_usable = |d: &&Detection| {
            let edges = <[f32; 4]>::from(d.bbox);
            let is_box = d.bbox.x1 < d.bbox.x2 && d.bbox.y1 < d.bbox.y2;
            d.score >= self.settings.low_score && is_box && edges.iter().all(|edge| edge.abs() <= FARTHEST_EDGE)
        };
        self.candidates.clear();
        self.candidates.extend(detections.iter().filter(is_usable).map(|detection| Candidate {
            detection: *detection,
            measured: Measured::from(&detection.bbox),
            is_taken: false,
        }));
        self.candidates.sort_unstable_by(|a, b| better_first(&a.detection, &b.detection));
        self.candidates.truncate(self.settings.max_detections);
    }

    fn match_all(&mut self, now: MediaTime, passed: Duration) {
        let (settings, round) = (&self.settings, &mut self.round);
        let (objects, candidates) = (&mut self.objects, &mut self.candidates);
        let is_high = |candidate: &Candidate| candidate.detection.score >= settings.high_score;
        let is_believed = |object: &Object| matches!(object.track.state, TrackState::Confirmed | TrackState::Lost);

        let is_on_its_way = |object: &Object| object.unseen_for <= settings.lost_patience;

        round.choose(objects, |object| is_believed(object) && is_on_its_way(object), candidates, is_high);
        round.price_by_motion(objects, candidates, settings);
        round.hand_out(objects, candidates, association::LIMIT, now);

        let is_just_seen = |object: &Object| {
            object.track.state == TrackState::Confirmed || (is_believed(object) && object.unseen_for <= JUST_SEEN)
        };
        round.choose(objects, is_just_seen, candidates, |candidate| !is_high(candidate));
        round.price_by_overlap(objects, candidates, settings, |object| Some(object.motion.bbox()));
        round.hand_out(objects, candidates, 1.0 - LEAST_OVERLAP, now);

        let is_new = |object: &Object| object.track.state == TrackState::Tentative && is_on_its_way(object);
        round.choose(objects, is_new, candidates, is_high);
        round.price_by_motion(objects, candidates, settings);
        round.hand_out(objects, candidates, association::LIMIT, now);

        round.choose(objects, |object| object.standing(passed, settings).is_some(), candidates, is_high);
        round.price_by_overlap(objects, candidates, settings, |object| object.standing(passed, settings));
        round.hand_out(objects, candidates, 1.0 - LEAST_OVERLAP, now);
    }

    /// Begins a track with each good detection that is left and is not one object seen twice.
    fn begin_tracks(&mut self, now: MediaTime) {
        let settings = &self.settings;
        let mut alive = self.objects.iter().filter(|object| object.track.state != TrackState::Ended).count();
        for (i, candidate) in self.candidates.iter().enumerate() {
            if alive >= settings.max_tracks || candidate.detection.score < settings.start_score {
                break;
            }
            if candidate.is_taken || self.is_seen_twice(i) {
                continue;
            }
            self.objects.push(Object::new(self.next_id, &candidate.detection, now));
            self.next_id += 1;
            alive += 1;
        }
    }

    /// Whether candidate `i` lies on one that a track has taken, or on a better one.
    fn is_seen_twice(&self, i: usize) -> bool {
        let this = &self.candidates[i].detection;
        let is_other = |(j, other): (usize, &Candidate)| {
            (other.is_taken || j < i)
                && self.settings.may_be_same(this.class, other.detection.class)
                && this.bbox.iou(&other.detection.bbox) > SAME_OBJECT
        };
        self.candidates.iter().enumerate().any(is_other)
    }

    fn report(&mut self) -> &[Track] {
        self.reported.clear();
        self.reported.extend(self.objects.iter().map(|object| object.track.clone()));
        &self.reported
    }
}

fn better_first(a: &Detection, b: &Detection) -> Ordering {
    let edges = |d: &Detection| <[f32; 4]>::from(d.bbox);
    let places = edges(a).into_iter().zip(edges(b)).map(|(a, b)| a.total_cmp(&b));
    let place = places.fold(Ordering::Equal, Ordering::then);
    b.score.total_cmp(&a.score).then(place).then(a.class.cmp(&b.class))
}

impl Round {
    /// Picks who takes part: objects not seen yet in this frame, and detections not taken yet.
    fn choose(
        &mut self,
        objects: &[Object],
        who: impl Fn(&Object) -> bool,
        candidates: &[Candidate],
        what: impl Fn(&Candidate) -> bool,
    ) {
        self.objects.clear();
        self.objects.extend((0..objects.len()).filter(|&i| !objects[i].seen && who(&objects[i])));
        self.candidates.clear();
        self.candidates.extend((0..candidates.len()).filter(|&i| !candidates[i].is_taken && what(&candidates[i])));
        self.prices.clear();
    }

    fn price_by_motion(&mut self, objects: &[Object], candidates: &[Candidate], settings: &Settings) {
        for object in self.objects.iter().map(|&i| &objects[i]) {
            let expected = object.motion.expected();
            for candidate in self.candidates.iter().map(|&i| &candidates[i]) {
                let class_price = class_price(object.track.class, candidate.detection.class, settings);
                self.prices.push(class_price + association::price(&expected, &candidate.measured));
            }
        }
    }

    fn price_by_overlap(
        &mut self,
        objects: &[Object],
        candidates: &[Candidate],
        settings: &Settings,
        place: impl Fn(&Object) -> Option<crate::vocab::Rect>,
    ) {
        for object in self.objects.iter().map(|&i| &objects[i]) {
            let place = place(object).unwrap_or_default();
            for candidate in self.candidates.iter().map(|&i| &candidates[i]) {
                let fits = settings.may_be_same(object.track.class, candidate.detection.class);
                let overlap = place.iou(&candidate.detection.bbox);
                self.prices.push(if fits { 1.0 - f64::from(overlap) } else { f64::INFINITY });
            }
        }
    }

    /// Gives each object the detection that the best assignment has for it.
    fn hand_out(&mut self, objects: &mut [Object], candidates: &mut [Candidate], limit: f64, now: MediaTime) {
        let matched = self.solver.solve(self.objects.len(), self.candidates.len(), &self.prices, limit);
        for (&object, column) in self.objects.iter().zip(matched) {
            let Some(column) = *column else { continue };
            let candidate = &mut candidates[self.candidates[column]];
            candidate.is_taken = true;
            objects[object].take(&candidate.detection, now);
        }
    }
}

/// Nothing for the same class, something for one that a detector confuses with it, and infinitely much for any other.
fn class_price(a: u16, b: u16, settings: &Settings) -> f64 {
    match a == b {
        true => 0.0,
        false if settings.may_be_same(a, b) => association::OTHER_CLASS_PRICE,
        false => f64::INFINITY,
    }
}
