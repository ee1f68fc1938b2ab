//! When a camera's people are looked at as a whole, and how well they are shown then. Pure.
//!
//! A person is described from a few pictures of one track: the first in which he is shown well enough, and later ones, as he
//! turns and comes nearer. Who is cut by the sides of the picture, hidden behind somebody, lying or small is not described.
//! So a track costs at most [`MOST`] vectors however long it lasts.

use std::time::Duration;

use crate::vocab::{MediaTime, Rect, Track, TrackId, TrackState};

/// How often one track is described at most.
pub const MOST: u32 = 3;
/// The least time from a track's first picture to its second; twice that to its third.
const APART: Duration = Duration::from_secs(2);
/// What a picture must be worth, 0..1: a person of 77 pixels who is shown whole and alone comes up to it.
const LEAST: f32 = 0.3;
/// The height of a person who is large enough, in pixels: more than the input of the models has adds nothing.
const LARGE_PX: f32 = 256.0;
/// The least height of a box in its widths, in pixels of both: who sits, lies or is cut off looks otherwise than upright.
const UPRIGHT: f32 = 1.4;
/// How near the edge of the picture a box is cut by it, of the picture.
const EDGE: f32 = 0.01;
/// What a picture is worth of a person whose head or feet the edge cuts off, of one who is shown whole.
const CUT: f32 = 0.7;

/// How well a person is shown in a picture of `width` by `height` pixels, 0..1: by his size, by what the edges of the picture
/// cut off and by what others hide of him; 0 where he is cut at a side or is not upright.
pub fn shows(bbox: &Rect, others: impl Iterator<Item = Rect>, (width, height): (u32, u32)) -> f32 {
    let (wide, high) = (bbox.width() * width as f32, bbox.height() * height as f32);
    let is_beside = bbox.x1 < EDGE || bbox.x2 > 1.0 - EDGE;
    if is_beside || wide <= 0.0 || high < UPRIGHT * wide || !bbox.is_finite() {
        return 0.0;
    }
    let size = (high / LARGE_PX).min(1.0);
    let whole = if bbox.y1 < EDGE || bbox.y2 > 1.0 - EDGE { CUT } else { 1.0 };
    let area = bbox.area();
    let hidden = others.map(|other| bbox.intersection(&other).area() / area).fold(0.0, f32::max);
    size * whole * (1.0 - hidden).max(0.0)
}

/// What of a track was looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct BodyShots {
    taken: u32,
    last: Option<MediaTime>,
}

impl BodyShots {
    /// Whether it is to be described from a picture of `now` that is worth so much.
    pub fn is_due(&self, now: MediaTime, worth: f32) -> bool {
        let is_time = self.last.is_none_or(|last| now.since(last) >= APART * self.taken);
        self.taken < MOST && worth >= LEAST && is_time
    }

    /// It is described from a picture of `now`.
    pub fn take(&mut self, now: MediaTime) {
        (self.taken, self.last) = (self.taken + 1, Some(now));
    }

    /// Whether it ever was.
    pub fn is_taken(&self) -> bool {
        self.taken > 0
    }
}

/// How well the person of `track` is shown among all `tracks` of his class; 0 where he is not seen in this picture.
pub fn shows_track(track: &Track, tracks: &[Track], size: (u32, u32)) -> f32 {
    if track.state != TrackState::Confirmed {
        return 0.0;
    }
    let is_other = |other: &&Track| {
        other.id != track.id && other.class == track.class && matches!(other.state, TrackState::Confirmed)
    };
    shows(&track.bbox, tracks.iter().filter(is_other).map(|other| other.bbox), size)
}

/// A person to be described.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DueBody {
    /// The track.
    pub track: TrackId,
    /// Where, normalised.
    pub bbox: Rect,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HD: (u32, u32) = (1280, 720);

    fn alone(bbox: Rect) -> f32 {
        shows(&bbox, std::iter::empty(), HD)
    }

    #[test]
    fn who_stands_whole_and_alone_is_shown_best() {
        let standing = Rect::new(0.4, 0.3, 0.5, 0.8);
        assert_eq!(alone(standing), 1.0);
        assert!((alone(Rect::new(0.4, 0.3, 0.43, 0.4)) - 72.0 / 256.0).abs() < 1e-5, "small");
        assert_eq!(alone(Rect::new(0.4, 0.5, 0.5, 1.0)), 0.7, "the feet are cut off");
        assert_eq!(alone(Rect::new(0.0, 0.3, 0.1, 0.8)), 0.0, "half of him");
        assert_eq!(alone(Rect::new(0.3, 0.3, 0.6, 0.8)), 0.0, "he sits or lies");
        let before = Rect::new(0.45, 0.2, 0.55, 0.9);
        assert!((shows(&standing, [before].into_iter(), HD) - 0.5).abs() < 1e-5, "half of him is hidden");
        assert_eq!(alone(Rect::new(f32::NAN, 0.3, 0.5, 0.8)), 0.0);
    }

    #[test]
    fn a_track_is_described_now_and_a_little_later_and_then_no_more() {
        let mut shots = BodyShots::default();
        let mut taken = Vec::new();
        for tenth in 0..300 {
            let now = MediaTime::from_millis(tenth * 100);
            if shots.is_due(now, if tenth < 5 { 0.2 } else { 0.9 }) {
                shots.take(now);
                taken.push(tenth);
            }
        }
        assert_eq!(taken, [5, 25, 65]);
    }

    proptest! {
        #[test]
        fn what_a_picture_is_worth_is_a_share(
            edges in [-0.5f32..1.5, -0.5f32..1.5, -0.5f32..1.5, -0.5f32..1.5],
            other in [-0.5f32..1.5, -0.5f32..1.5, -0.5f32..1.5, -0.5f32..1.5],
            width in 0u32..4000, height in 0u32..4000,
        ) {
            let [x1, y1, x2, y2] = edges;
            let [u1, v1, u2, v2] = other;
            let others = [Rect::new(u1, v1, u2, v2)];
            let worth = shows(&Rect::new(x1, y1, x2, y2), others.into_iter(), (width, height));
            prop_assert!((0.0..=1.0).contains(&worth), "{worth}");
        }
    }
}
