//! Who was where lately: before a place, or near it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::vocab::{Cover, MediaTime, Owner, Rect, TrackId};

/// How long it is remembered who was where, and how many boxes at most.
const REMEMBERED: Duration = Duration::from_secs(10);
const MOST: usize = 1024;
/// The share of a place that a box must hide.
const HIDES: f32 = 0.5;
/// How far around its box a track hides a place, as a share of its height, sideways and up or down: arms, and its shadow.
const AROUND: (f32, f32) = (0.35, 0.08);
/// How far the shadow lies beside its feet, and how far above the lowest of them, as shares of its height: a sun at 45 degrees.
/// Where something stands between, it shows apart from whoever casts it.
const SHADOW: (f32, f32) = (1.0, 0.15);
/// How far apart an owner's box may be, in his heights, and when he must have been there: before it began, and after.
pub(super) const NEAR: f32 = 0.5;
const BEFORE: Duration = Duration::from_secs(4);
const AFTER: Duration = Duration::from_millis(1_500);
/// Most pictures are about so many times as wide as they are high.
const ASPECT: f32 = 16.0 / 9.0;

/// Who is before a place, or was when he was lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Covering {
    pub track: TrackId,
    pub bbox: Rect,
    pub last: MediaTime,
}

/// The boxes of all tracks for the last seconds, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Boxes(VecDeque<(MediaTime, Cover)>);

impl Boxes {
    pub fn remember(&mut self, now: MediaTime, tracks: &[Cover]) {
        while self.0.front().is_some_and(|(at, _)| now.since(*at) > REMEMBERED) {
            self.0.pop_front();
        }
        for track in tracks.iter().filter(|track| track.is_seen) {
            if self.0.len() >= MOST {
                self.0.pop_front();
            }
            self.0.push_back((now, *track));
        }
    }

    /// Whether a track has been before a place ever since a moment, as far as is remembered.
    pub fn stay_before(&self, track: TrackId, place: &Rect, since: MediaTime) -> bool {
        // When it came to stand there is not known to the picture.
        let mut then = self.0.iter().filter(|(at, cover)| cover.track == track && *at >= since + AFTER);
        then.all(|(_, cover)| hides(&cover.bbox, place))
    }

    /// Who is before a place that began to look different at `since`, or was lost there.
    pub fn covering(&self, since: MediaTime, now: MediaTime, place: &Rect) -> Option<Covering> {
        let is_latest = |at: MediaTime, of: TrackId| !self.0.iter().any(|(later, c)| c.track == of && *later > at);
        let mut before = self.0.iter().rev().filter(|(at, cover)| {
            let is_recent = now.since(*at) < AFTER && is_latest(*at, cover.track);
            is_recent && cover.is_mover && hides(&cover.bbox, place) && self.stay_before(cover.track, place, since)
        });
        before.next().map(|(last, cover)| Covering { track: cover.track, bbox: cover.bbox, last: *last })
    }

    /// Who was nearest to a place when it began to look different, if somebody was near.
    pub fn owner(&self, since: MediaTime, place: &Rect) -> Option<Owner> {
        let then = self.0.iter().filter(|(at, _)| *at + BEFORE >= since && *at <= since + AFTER);
        // Of two who touch it, the one whose middle is nearer.
        let far = |cover: &Cover| {
            let (here, there) = (place.centre(), cover.bbox.centre());
            apart(&cover.bbox, place) + 0.1 * (here.x - there.x).hypot(here.y - there.y)
        };
        let (near, cover) = then.min_by(|(_, a), (_, b)| far(a).total_cmp(&far(b)))?;
        let distance = apart(&cover.bbox, place);
        (distance <= NEAR).then_some(Owner { track: cover.track, distance, near: *near })
    }
}

/// Whether a track's box, with what belongs to it, hides most of a place, or its shadow does.
pub(super) fn hides(track: &Rect, place: &Rect) -> bool {
    let height = track.height();
    let with = |across: f32, from: f32| {
        let across = across * height / ASPECT;
        Rect::new(track.x1 - across, from, track.x2 + across, track.y2 + AROUND.1 * height)
    };
    let around = [with(AROUND.0, track.y1 - AROUND.1 * height), with(SHADOW.0, track.y2 - SHADOW.1 * height)];
    around.iter().any(|around| around.intersection(place).area() >= HIDES * place.area())
}

/// How far a place is from a track's box, in that box's heights; 0 where they touch.
pub(super) fn apart(track: &Rect, place: &Rect) -> f32 {
    let gap = |a1: f32, a2: f32, b1: f32, b2: f32| (b1 - a2).max(a1 - b2).max(0.0);
    let across = gap(track.x1, track.x2, place.x1, place.x2) * ASPECT;
    across.hypot(gap(track.y1, track.y2, place.y1, place.y2)) / track.height().max(0.01)
}
