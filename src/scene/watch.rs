//! Whether the picture is worth anything at all: frozen, covered and black cameras.
//!
//! ```text
//!                  no contrast for `covered_after`
//!   Live ────────────────────────────────────────────▶ Covered, or Black where there is no light either
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
//!
//! Without contrast, a picture above `black_luma` is of a lens that is covered by something that lets light through or
//! throws it back: a hand, tape, paint, a bag. Below it, no light comes in: the lens is shut tight, or there is no light to
//! come in, or the sensor is dead. Nothing in the picture tells these apart, so they are one state.

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

/// The luma of black in limited range, for which `black_luma` is given.
const BLACK: f32 = 16.0;
/// The mean must exceed `black_luma` by so many levels before a black picture is only a covered one.
const LIT: f32 = 6.0;

/// When a picture counts as frozen, covered or black.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether frozen pictures are told; default true.
    pub frozen: bool,
    /// Whether covered ones are; default true.
    pub covered: bool,
    /// Whether black ones are told apart; default true. Otherwise they are covered.
    pub black: bool,
    /// How long keyframes must stay equal; default 15 s. With keyframes `n` seconds apart it may take `2n` longer.
    pub frozen_after: Duration,
    /// How long the picture must be without contrast; default 8 s.
    pub covered_after: Duration,
    /// The standard deviation of the cell means below which there is no contrast, in luma levels; default 4.
    pub covered_contrast: f32,
    /// The mean luma below which a picture without contrast is black, where black is 16; default 32.
    pub black_luma: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            frozen: true,
            covered: true,
            black: true,
            frozen_after: Duration::from_secs(15),
            covered_after: Duration::from_secs(8),
            covered_contrast: 4.0,
            black_luma: 32.0,
        }
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
    /// It has shown nothing since this moment: it is of one brightness.
    Covered {
        /// The first picture without contrast.
        since: MediaTime,
    },
    /// It has shown nothing since this moment, as there is no light.
    Black {
        /// The first picture without contrast.
        since: MediaTime,
    },
}

/// Watches one camera for a frozen, covered or black picture.
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
        let dark = self.covered_since(frame.pts, grid);
        let is_black = dark.is_some() && self.settings.black && self.is_black(frame, grid);
        let lasted = frame.pts.since(self.first_at) >= self.settings.frozen_after;
        self.picture = match dark {
            Some(since) if is_black => Picture::Black { since },
            Some(since) if self.settings.covered => Picture::Covered { since },
            _ if self.settings.frozen && self.equal >= 2 && lasted => Picture::Frozen { since: self.first_at },
            _ => Picture::Live,
        };
        self.picture
    }

    /// Whether the last picture was without contrast, however briefly.
    pub fn is_blank(&self) -> bool {
        self.dark_since.is_some()
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

    /// Whether so little light comes in that it is none.
    fn is_black(&self, frame: &Frame, grid: &Grid) -> bool {
        let was = matches!(self.picture, Picture::Black { .. });
        let limit = self.settings.black_luma + if was { LIT } else { 0.0 };
        mean(grid) < if frame.full_range { limit - BLACK } else { limit }
    }

    fn covered_since(&mut self, now: MediaTime, grid: &Grid) -> Option<MediaTime> {
        let was = matches!(self.picture, Picture::Covered { .. } | Picture::Black { .. });
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

fn open(grid: &Grid) -> impl Iterator<Item = f32> {
    grid.means().iter().zip(grid.open()).filter(|(_, open)| **open).map(|(mean, _)| *mean)
}

/// The mean of the open cells; no number for a picture without any.
fn mean(grid: &Grid) -> f32 {
    open(grid).sum::<f32>() / open(grid).count() as f32
}

/// The standard deviation of the open cells; endless for a picture without any.
fn contrast(grid: &Grid) -> f32 {
    let (n, mean) = (open(grid).count() as f32, mean(grid));
    if n > 0.0 { (open(grid).map(|m| (m - mean) * (m - mean)).sum::<f32>() / n).sqrt() } else { f32::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of stripes with noise of `noise` levels either way, its top left corner of luma `corner`.
    fn picture(at_ms: u64, noise: i32, seed: u64, contrast: bool, corner: u8) -> Frame {
        painted(at_ms, noise, seed, if contrast { None } else { Some(60) }, corner)
    }

    /// The same, or one that is of the luma `plain` all over.
    fn painted(at_ms: u64, noise: i32, seed: u64, plain: Option<i32>, corner: u8) -> Frame {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = vec![128u8; 384 * 216 * 3 / 2];
        for (i, byte) in bytes[..384 * 216].iter_mut().enumerate() {
            let (x, y) = (i % 384, i / 384);
            let base = if let Some(luma) = plain {
                luma
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
    fn without_contrast_the_light_decides_between_covered_and_black() {
        for (luma, is_black) in [(16, true), (24, true), (40, false), (120, false), (235, false)] {
            let mut camera = Camera::new();
            let seen = (0..12).map(|s| camera.see(&painted(s * 1000, 2, s, Some(luma), 9))).last().unwrap();
            let since = MediaTime::ZERO;
            let expected = if is_black { Picture::Black { since } } else { Picture::Covered { since } };
            assert_eq!(seen, expected, "luma {luma}");
        }
    }

    #[test]
    fn a_picture_between_black_and_covered_does_not_go_to_and_fro() {
        let mut camera = Camera::new();
        let states: Vec<Picture> =
            (0..40).map(|s| camera.see(&painted(s * 1000, 0, s, Some(if s % 2 == 0 { 31 } else { 33 }), 9))).collect();
        assert!(states[9..].iter().all(|state| *state == Picture::Black { since: MediaTime::ZERO }), "{states:?}");
    }

    #[test]
    fn what_is_switched_off_is_not_told() {
        let see = |settings: Settings, luma: Option<i32>| {
            let mut camera = Camera { watch: PictureWatch::new(settings), grid: Grid::default() };
            (0..40).map(|s| camera.see(&painted(s * 1000, 0, 7, luma, 9))).last().unwrap()
        };
        let since = MediaTime::ZERO;
        let all = Settings::default;
        assert_eq!(see(Settings { frozen: false, ..all() }, None), Picture::Live);
        assert_eq!(see(Settings { covered: false, frozen: false, ..all() }, Some(120)), Picture::Live);
        assert_eq!(see(Settings { covered: false, ..all() }, Some(16)), Picture::Black { since });
        assert_eq!(see(Settings { black: false, ..all() }, Some(16)), Picture::Covered { since });
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
