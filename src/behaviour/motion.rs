//! How each track moves: where it lately stood and how large it was, and its speed out of that.
//!
//! **Poses.** Of each track's sightings those of the last [`REMEMBERED`] are kept, no closer together than [`SPACING`]: the
//! memory of a track is bounded whatever the frame rate, and 25 pictures a second know hardly more than 12 do.
//!
//! **Speed** is no difference between two boxes, which at any usual rate is mostly the jitter of the boxes. It is the median
//! of the slopes between the poses of the last [`REACH`] that lie at least half of that apart (Theil and Sen; P. K. Sen,
//! *Estimates of the Regression Coefficient Based on Kendall's Tau*, 1968): up to a quarter of the boxes may be anywhere
//! without moving it. There is none before three poses span [`LEAST_SPAN`]. So a speed lags by half a second, and is the
//! same at 2 and at 25 pictures a second.
//!
//! **A new number for the same object** continues the poses of a track that vanished there just before, as presences do
//! (see `presence.rs`), and keeps the number by which the object was known first.
//!
//! **Travel** is how far an object has come from where it was first seen, at most, in heights of its first box: what keeps
//! standing still (a poster, a statue, a coat) from being told where a rule asks for `min_travel`. A box that is cut off for a
//! moment moves one of its edges and not the other, so that the lesser way of its upper and its lower edge counts. Whoever
//! comes straight at the camera moves neither much, and grows: the lesser growth of height and width, as a logarithm, counts
//! as well. And it counts once two sightings in a row show it. Somebody who walked in and then stands still has travelled; what
//! stands still from its first sighting on has not, however often it is lost and found again.

use std::collections::VecDeque;
use std::time::Duration;

use super::labels::may_be_the_same;
use super::presence::is_sighting;
use super::scale::{Scale, Speed};
use crate::vocab::{Labels, MediaTime, Point, Rect, Track, TrackId, Trunk};

/// How long poses are kept.
pub(super) const REMEMBERED: Duration = Duration::from_secs(4);
/// The least time between two poses.
const SPACING: Duration = Duration::from_millis(80);
/// How far back a speed looks.
const REACH: Duration = Duration::from_millis(1_200);
/// How far back it may look where poses are rare.
const LONGEST_REACH: Duration = Duration::from_secs(3);
/// The least time over which a speed is told.
const LEAST_SPAN: Duration = Duration::from_millis(500);
/// A track that is not reported for this long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(10);
/// The overlap and the time within which a new track is taken for one that vanished. Whoever falls overlaps little of where
/// he stood, so this asks for less than presences do.
const SAME_OBJECT: (f32, Duration) = (0.15, Duration::from_secs(2));
/// No more poses than this lie within a reach.
const MOST_POSES: usize = 18;

/// A sighting: when, the box, and the trunk where it was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pose {
    pub at: MediaTime,
    pub bbox: Rect,
    pub trunk: Option<Trunk>,
}

/// One track's way.
#[derive(Debug)]
pub(super) struct Movement {
    track: TrackId,
    /// The number by which the object was known first.
    pub first_known_as: TrackId,
    class: u16,
    reported: MediaTime,
    poses: VecDeque<Pose>,
    travel: Travel,
}

/// How far an object has come from where it was first seen.
#[derive(Debug, Clone, Copy)]
struct Travel {
    origin: Rect,
    /// At the last sighting.
    last: f32,
    /// The most that two sightings in a row have shown.
    most: f32,
}

/// The ways of all tracks of a camera.
#[derive(Debug, Default)]
pub(super) struct Movements {
    /// In the order of their numbers.
    list: Vec<Movement>,
}

impl Movements {
    /// Takes in the tracks of a frame.
    pub(super) fn look(&mut self, now: MediaTime, tracks: &[Track], labels: &Labels, aspect: f32) {
        for track in tracks {
            let found = self.list.binary_search_by_key(&track.id, |m| m.track);
            if let Ok(index) = found {
                self.list[index].reported = now;
            }
            if !is_sighting(track, now) {
                continue;
            }
            let index = found.unwrap_or_else(|_| self.begin(now, track, labels));
            let movement = &mut self.list[index];
            movement.class = track.class;
            movement.see(Pose { at: now, bbox: track.bbox, trunk: track.trunk });
            movement.travel.see(&track.bbox, aspect);
        }
        self.list.retain(|movement| now.since(movement.reported) < FORGET_AFTER);
    }

    /// Tracks before and after this moment have nothing to do with each other.
    pub(super) fn cut(&mut self) {
        self.list.clear();
    }

    /// The way of one track.
    pub(super) fn of(&self, track: TrackId) -> Option<&Movement> {
        self.list.binary_search_by_key(&track, |m| m.track).ok().map(|index| &self.list[index])
    }

    /// The number by which the object of `track` was known first.
    pub(super) fn first_known_as(&self, track: TrackId) -> TrackId {
        self.of(track).map_or(track, |movement| movement.first_known_as)
    }

    /// How far each track has come from where it was first seen, in its own heights.
    pub(super) fn travels(&self) -> impl Iterator<Item = (TrackId, f32)> + '_ {
        self.list.iter().map(|movement| (movement.track, movement.travel.most))
    }

    fn begin(&mut self, now: MediaTime, track: &Track, labels: &Labels) -> usize {
        let mut movement = Movement {
            track: track.id,
            first_known_as: track.id,
            class: track.class,
            reported: now,
            poses: VecDeque::new(),
            travel: Travel { origin: track.bbox, last: 0.0, most: 0.0 },
        };
        if let Some(index) = self.list.iter().position(|m| m.is_continued_by(track, now, labels)) {
            let earlier = self.list.remove(index);
            (movement.first_known_as, movement.poses) = (earlier.first_known_as, earlier.poses);
            movement.travel = earlier.travel;
        }
        let index = self.list.partition_point(|m| m.track < track.id);
        self.list.insert(index, movement);
        index
    }
}

impl Movement {
    fn see(&mut self, pose: Pose) {
        let newest = self.poses.len();
        let crowded = newest >= 2 && self.poses[newest - 1].at.since(self.poses[newest - 2].at) < SPACING;
        if crowded {
            self.poses[newest - 1] = pose;
        } else {
            self.poses.push_back(pose);
        }
        while self.poses.front().is_some_and(|oldest| pose.at.since(oldest.at) > REMEMBERED) {
            self.poses.pop_front();
        }
    }

    fn is_continued_by(&self, track: &Track, now: MediaTime, labels: &Labels) -> bool {
        let Some(last) = self.poses.back() else { return false };
        track.first_seen > last.at
            && now.since(last.at) <= SAME_OBJECT.1
            && track.bbox.iou(&last.bbox) >= SAME_OBJECT.0
            && may_be_the_same(track.class, self.class, labels)
    }

    /// All poses that are remembered, the oldest first.
    pub(super) fn poses(&self) -> impl DoubleEndedIterator<Item = &Pose> + ExactSizeIterator + Clone {
        self.poses.iter()
    }

    /// How fast it goes, in the unit of `unit`.
    pub(super) fn speed(&self, scale: &Scale, unit: Speed) -> Option<f32> {
        match unit {
            Speed::Kmh(_) => self.velocity(|p| scale.metres(p)).map(|(x, y)| x.hypot(y) * 3.6),
            Speed::Heights(_) => {
                let (x, y) = self.velocity(|p| Some(scale.flat(p)))?;
                Some(x.hypot(y) / self.height()?)
            }
        }
    }

    /// Where it goes in the picture, in its own heights per second.
    pub(super) fn heading(&self, scale: &Scale) -> Option<(f32, f32)> {
        let height = self.height()?;
        self.velocity(|p| Some(scale.flat(p))).map(|(x, y)| (x / height, y / height))
    }

    /// How high it is: the middle one of its lately seen heights.
    fn height(&self) -> Option<f32> {
        let mut heights = [0.0; MOST_POSES];
        let mut count = 0;
        for (height, pose) in heights.iter_mut().zip(self.lately()) {
            *height = pose.bbox.height();
            count += 1;
        }
        median(&mut heights[..count]).filter(|height| *height > 0.0)
    }

    /// The poses that a speed is taken from, the newest first.
    fn lately(&self) -> impl Iterator<Item = &Pose> {
        let newest = self.poses.back().map_or(MediaTime::ZERO, |pose| pose.at);
        let within = move |i: usize, pose: &Pose| {
            let age = newest.since(pose.at);
            age <= REACH || (i < 3 && age <= LONGEST_REACH)
        };
        self.poses.iter().rev().enumerate().take_while(move |(i, p)| within(*i, p)).map(|(_, p)| p).take(MOST_POSES)
    }

    /// The speed of the feet along both axes of the places that `place` makes of points, per second.
    fn velocity(&self, place: impl Fn(Point) -> Option<(f32, f32)>) -> Option<(f32, f32)> {
        let mut seen = [(0.0f32, 0.0f32, 0.0f32); MOST_POSES];
        let (mut count, mut newest) = (0, None);
        for pose in self.lately() {
            let newest = *newest.get_or_insert(pose.at);
            // Where one foot stands too far away to be measured, the others still tell.
            let Some((x, y)) = place(pose.bbox.foot()) else { continue };
            seen[count] = (newest.since(pose.at).as_secs_f32(), x, y);
            count += 1;
        }
        let seen = &seen[..count];
        let span = seen.last()?.0 - seen.first()?.0;
        if count < 3 || span < LEAST_SPAN.as_secs_f32() {
            return None;
        }
        let (mut along_x, mut along_y) = ([0.0; MOST_POSES * MOST_POSES / 2], [0.0; MOST_POSES * MOST_POSES / 2]);
        let mut slopes = 0;
        for (i, late) in seen.iter().enumerate() {
            for early in seen[i + 1..].iter().filter(|early| early.0 - late.0 >= span / 2.0 - 1e-3) {
                let passed = early.0 - late.0;
                (along_x[slopes], along_y[slopes]) = ((late.1 - early.1) / passed, (late.2 - early.2) / passed);
                slopes += 1;
            }
        }
        Some((median(&mut along_x[..slopes])?, median(&mut along_y[..slopes])?))
    }
}

impl Travel {
    /// It is seen here now. `aspect` is how many times wider than high the picture is.
    fn see(&mut self, bbox: &Rect, aspect: f32) {
        let (from, height) = (&self.origin, self.origin.height().max(f32::MIN_POSITIVE));
        let across = (bbox.centre().x - from.centre().x) * aspect;
        let way = |edge: f32, before: f32| across.hypot(edge - before) / height;
        let shift = way(bbox.y1, from.y1).min(way(bbox.y2, from.y2));
        let growth = |now: f32, before: f32| if now > 0.0 && before > 0.0 { (now / before).ln().abs() } else { 0.0 };
        let growth = growth(bbox.height(), from.height()).min(growth(bbox.width(), from.width()));
        let travel = shift.max(growth);
        self.most = self.most.max(travel.min(self.last));
        self.last = travel;
    }
}

fn median(values: &mut [f32]) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}
