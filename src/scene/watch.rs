//! Whether the picture is worth anything at all: frozen and covered cameras.
//!
//! ```text
//!                  no contrast for `covered_after`
//!   Live ────────────────────────────────────────────▶ Covered
//!     │  ◀────────────────────────────────────────────
//!     │            contrast again
//!     │     keyframes equal for `frozen_after`
//!     └──────────────────────────────────────────────▶ Frozen
//!        ◀────────────────────────────────────────────
//!                  a picture that differs
//! ```
//!
//! A living sensor has noise, so two of its pictures are never equal. But between two keyframes an encoder may tell the
//! decoder to repeat the last picture, noise and all, for as long as the scene is still; only keyframes are coded from
//! what the sensor sees. So only they can prove that a picture is frozen: at least three of them, equal to the first
//! over the whole time. Equal means equal to within what coding the same picture again may cost. Pictures between
//! keyframes can only disprove it, when something in them has plainly moved.

use std::time::Duration;

use super::Grid;
use crate::vocab::{Frame, MediaTime};

/// The mean over all cells by which two codings of one picture may differ, in luma levels. Sensor noise of a quarter of
/// a level per pixel already causes more.
const SAME_ON_AVERAGE: f32 = 0.03;
/// The most by which one cell may.
const SAME_AT_MOST: f32 = 2.0;
/// A cell that departs this far between keyframes has moved, whatever the encoder does.
const MOVED: f32 = 8.0;
/// Contrast must exceed the limit by this factor before a covered picture counts as uncovered.
const UNCOVERED: f32 = 1.5;

/// When a picture counts as frozen or covered.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How long keyframes must stay equal; default 15 s. With keyframes `n` seconds apart it may take `2n` longer.
    pub frozen_after: Duration,
    /// How long the picture must be without contrast; default 8 s.
    pub covered_after: Duration,
    /// The standard deviation of the cell means below which there is no contrast, in luma levels; default 4.
    pub covered_contrast: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { frozen_after: Duration::from_secs(15), covered_after: Duration::from_secs(8), covered_contrast: 4.0 }
    }
}

/// What the picture as a whole is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Picture {
    /// It shows something, and that changes.
    #[default]
    Live,
    /// It has not changed since this moment, not even by sensor noise.
    Frozen {
        /// The first of the equal keyframes.
        since: MediaTime,
    },
    /// It has shown nothing since this moment: black, or of one brightness.
    Covered {
        /// The first picture without contrast.
        since: MediaTime,
    },
}

/// Watches one camera for a frozen or covered picture.
#[derive(Debug)]
pub struct PictureWatch {
    settings: Settings,
    first: Vec<f32>,
    first_at: MediaTime,
    /// How many later keyframes were equal to the first.
    equal: u32,
    dark_since: Option<MediaTime>,
    picture: Picture,
}

impl PictureWatch {
    /// A watch that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            first: Vec::new(),
            first_at: MediaTime::ZERO,
            equal: 0,
            dark_since: None,
            picture: Picture::Live,
        }
    }

    /// Looks at the next picture, given as `frame` (of which only time and kind are read) and its `grid`.
    pub fn step(&mut self, frame: &Frame, grid: &Grid) -> Picture {
        self.compare(frame, grid);
        let covered = self.covered_since(frame.pts, grid);
        let frozen = self.equal >= 2 && frame.pts.since(self.first_at) >= self.settings.frozen_after;
        self.picture = match covered {
            Some(since) => Picture::Covered { since },
            None if frozen => Picture::Frozen { since: self.first_at },
            None => Picture::Live,
        };
        self.picture
    }

    /// What the last picture was worth.
    pub fn picture(&self) -> Picture {
        self.picture
    }

    fn compare(&mut self, frame: &Frame, grid: &Grid) {
        let means = grid.means();
        let (average, most) = difference(&self.first, grid);
        let resized = self.first.len() != means.len();
        if frame.keyframe && !resized && average <= SAME_ON_AVERAGE && most <= SAME_AT_MOST {
            self.equal = self.equal.saturating_add(1);
        } else if frame.keyframe {
            self.first.clear();
            self.first.extend_from_slice(means);
            (self.first_at, self.equal) = (frame.pts, 0);
        } else if resized || most > MOVED {
            // Longer than any grid has cells, and so equal to none, until the next keyframe.
            self.first.clear();
            self.equal = 0;
        }
    }

    fn covered_since(&mut self, now: MediaTime, grid: &Grid) -> Option<MediaTime> {
        let was = matches!(self.picture, Picture::Covered { .. });
        let limit = self.settings.covered_contrast * if was { UNCOVERED } else { 1.0 };
        if contrast(grid) >= limit {
            self.dark_since = None;
            return None;
        }
        let since = *self.dark_since.get_or_insert(now);
        Some(since).filter(|since| now.since(*since) >= self.settings.covered_after)
    }
}

/// Mean and largest difference of the open cells between `before` and now.
fn difference(before: &[f32], grid: &Grid) -> (f32, f32) {
    let (mut sum, mut most, mut n) = (0.0f32, 0.0f32, 0.0f32);
    for ((before, now), &open) in before.iter().zip(grid.means()).zip(grid.open()) {
        let apart = if open { (before - now).abs() } else { 0.0 };
        sum += apart;
        most = most.max(apart);
        n += if open { 1.0 } else { 0.0 };
    }
    (sum / n.max(1.0), most)
}

/// The standard deviation of the open cells; endless for a picture without any.
fn contrast(grid: &Grid) -> f32 {
    let open = || grid.means().iter().zip(grid.open()).filter(|(_, open)| **open).map(|(mean, _)| *mean);
    let n = open().count() as f32;
    let mean = open().sum::<f32>() / n;
    if n > 0.0 { (open().map(|m| (m - mean) * (m - mean)).sum::<f32>() / n).sqrt() } else { f32::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of stripes with noise of `noise` levels either way, `change` of its top left corner repainted.
    fn picture(at_ms: u64, noise: i32, seed: u64, contrast: bool, corner: u8) -> Frame {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = vec![128u8; 384 * 216 * 3 / 2];
        for (i, byte) in bytes[..384 * 216].iter_mut().enumerate() {
            let (x, y) = (i % 384, i / 384);
            let base = if !contrast {
                20
            } else if x < 16 && y < 16 {
                i32::from(corner)
            } else {
                60 + (x / 48 % 2) as i32 * 80
            };
            *byte = (base + random.i32(-noise..=noise)).clamp(0, 255) as u8;
        }
        let mut frame = Frame::from_i420(384, 216, bytes).unwrap();
        frame.pts = MediaTime::from_millis(at_ms);
        frame.keyframe = true;
        frame
    }

    struct Camera {
        watch: PictureWatch,
        grid: Grid,
    }

    impl Camera {
        fn new() -> Self {
            Self { watch: PictureWatch::new(Settings::default()), grid: Grid::default() }
        }

        fn see(&mut self, frame: &Frame) -> Picture {
            self.grid.read(frame);
            self.watch.step(frame, &self.grid)
        }
    }

    #[test]
    fn equal_keyframes_for_15_s_are_frozen_and_one_that_differs_ends_it() {
        let mut camera = Camera::new();
        for s in 0..15 {
            assert_eq!(camera.see(&picture(s * 1000, 3, 7, true, 9)), Picture::Live, "{s}");
        }
        assert_eq!(camera.see(&picture(15_000, 3, 7, true, 9)), Picture::Frozen { since: MediaTime::ZERO });
        assert_eq!(camera.see(&picture(16_000, 3, 8, true, 9)), Picture::Live);
    }

    #[test]
    fn a_still_scene_is_alive_by_its_noise_alone() {
        let mut camera = Camera::new();
        for s in 0..60 {
            assert_eq!(camera.see(&picture(s * 1000, 1, s, true, 9)), Picture::Live, "{s}");
        }
    }

    #[test]
    fn repeated_pictures_between_keyframes_prove_nothing() {
        let mut camera = Camera::new();
        for i in 0..600 {
            // The encoder repeats each keyframe for ten seconds.
            let mut frame = picture(i * 100, 1, i / 100, true, 9);
            frame.keyframe = i % 100 == 0;
            assert_eq!(camera.see(&frame), Picture::Live, "{i}");
        }
    }

    #[test]
    fn a_frozen_picture_is_found_on_keyframes_ten_seconds_apart() {
        let mut camera = Camera::new();
        let states: Vec<Picture> = (0..4).map(|i| camera.see(&picture(i * 10_000, 2, 7, true, 9))).collect();
        assert_eq!(states[2], Picture::Frozen { since: MediaTime::ZERO });
    }

    #[test]
    fn something_that_plainly_moves_between_equal_keyframes_is_alive() {
        let mut camera = Camera::new();
        for i in 0..400 {
            let visitor = if i % 10 == 5 { 200 } else { 9 };
            let mut frame = picture(i * 100, 0, 7, true, visitor);
            frame.keyframe = i % 10 == 0;
            assert_eq!(camera.see(&frame), Picture::Live, "{i}");
        }
    }

    #[test]
    fn a_picture_without_contrast_is_covered_after_8_s_even_when_noisy_or_quite_still() {
        for noise in [0, 3] {
            let mut camera = Camera::new();
            for s in 0..8 {
                assert_eq!(camera.see(&picture(s * 1000, noise, s, false, 9)), Picture::Live, "{s}");
            }
            for s in 8..30 {
                let seen = camera.see(&picture(s * 1000, noise, s, false, 9));
                assert_eq!(seen, Picture::Covered { since: MediaTime::ZERO }, "{s}");
            }
            assert_eq!(camera.see(&picture(31_000, noise, 1, true, 9)), Picture::Live);
        }
    }

    #[test]
    fn another_picture_size_starts_over() {
        let mut camera = Camera::new();
        for s in 0..20 {
            camera.see(&picture(s * 1000, 0, 7, true, 9));
        }
        let mut other = Frame::from_i420(192, 108, (0..192 * 108 * 3 / 2).map(|i| (i % 251) as u8).collect()).unwrap();
        (other.pts, other.keyframe) = (MediaTime::from_millis(20_000), true);
        assert_eq!(camera.see(&other), Picture::Live);
    }
}
