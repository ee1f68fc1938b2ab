//! Whether a face will do: how large, how sharp and how frontal it is, each beside its limit. Pure.
//!
//! - **Size** is the shorter side of the face's box in pixels of the picture.
//! - **Sharpness** is the variance of the Laplacian of the aligned face's brightness (J. L. Pech-Pacheco and others, "Diatom
//!   autofocusing in brightfield microscopy", ICPR 2000), which falls with blur and with enlargement alike.
//! - **Pose** comes from the five points, turned upright: yaw is how far the nose lies beside the middle of the eyes, in
//!   distances of the eyes; pitch is how far below the eyes the nose lies, of the way to the mouth, less what that is of a
//!   face from in front; roll is the angle of the eyes. They are ratios and no angles: as a camera sees them, not as a head
//!   has them.

use crate::vocab::{FacePoints, Measure, Point};

use super::align::FACE_SIDE;

/// Where the nose of a face from in front lies between eyes and mouth: of ArcFace's template.
const FRONTAL_PITCH: f32 = 0.495;

/// What a face must come up to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The shorter side of its box, in pixels; 40 by default.
    pub size_px: f32,
    /// Its sharpness; 25 by default.
    pub sharpness: f32,
    /// The largest yaw, to either side; 0.35 by default.
    pub yaw: f32,
    /// The largest pitch, up or down; 0.25 by default.
    pub pitch: f32,
    /// The largest roll, in degrees to either side; 40 by default.
    pub roll_degrees: f32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { size_px: 40.0, sharpness: 25.0, yaw: 0.35, pitch: 0.25, roll_degrees: 40.0 }
    }
}

/// How a head is turned, as the five points tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// How far the nose lies beside the middle of the eyes, in distances of the eyes; to the right of the picture positive.
    pub yaw: f32,
    /// How much further down than from in front the nose lies, of the way from the eyes to the mouth.
    pub pitch: f32,
    /// The angle of the eyes in degrees, clockwise positive.
    pub roll_degrees: f32,
}

/// How good a face is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// The shorter side of its box, in pixels.
    pub size_px: f32,
    /// Variance of the Laplacian; none before the face was aligned.
    pub sharpness: Option<f32>,
    /// How the head is turned.
    pub pose: Pose,
}

/// What a face lacks: a figure and the limit that it misses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shortfall {
    /// Which figure, such as `size_px`.
    pub figure: &'static str,
    /// What it is.
    pub value: f32,
    /// What it must reach, or must not exceed.
    pub limit: f32,
    /// Whether it is too small, not too large.
    pub is_too_small: bool,
}

impl std::fmt::Display for Shortfall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let must = if self.is_too_small { "at least" } else { "at most" };
        write!(f, "{} is {:.2}, must be {must} {:.2}", self.figure, self.value, self.limit)
    }
}

impl Pose {
    /// Of points in pixels; of points that are no face, something that no limit allows.
    pub fn of(points: &FacePoints) -> Self {
        let middle = |a: Point, b: Point| Point::new((a.x + b.x) / 2.0, (a.y + b.y) / 2.0);
        let [left_eye, right_eye, nose, left_mouth, right_mouth] = *points;
        let (eyes, mouth) = (middle(left_eye, right_eye), middle(left_mouth, right_mouth));
        let (across, down) = (right_eye.x - left_eye.x, right_eye.y - left_eye.y);
        let apart = across.hypot(down);
        // Along the eyes, and straight down from them.
        let upright = |p: Point| {
            let (x, y) = (p.x - eyes.x, p.y - eyes.y);
            ((x * across + y * down) / apart, (y * across - x * down) / apart)
        };
        let ((beside, below), (_, mouth_below)) = (upright(nose), upright(mouth));
        let known = |value: f32| if value.is_finite() { value } else { f32::MAX };
        Self {
            yaw: known(beside / apart),
            pitch: known(below / mouth_below - FRONTAL_PITCH),
            roll_degrees: known(down.atan2(across).to_degrees()),
        }
    }
}

impl Quality {
    /// Everything that it lacks.
    pub fn shortfalls(&self, limits: &Limits) -> Vec<Shortfall> {
        let least = |figure, value: f32, limit| Shortfall { figure, value, limit, is_too_small: true };
        let most = |figure, value: f32, limit| Shortfall { figure, value, limit, is_too_small: false };
        let mut all = vec![
            least("size_px", self.size_px, limits.size_px),
            most("yaw", self.pose.yaw.abs(), limits.yaw),
            most("pitch", self.pose.pitch.abs(), limits.pitch),
            most("roll_degrees", self.pose.roll_degrees.abs(), limits.roll_degrees),
        ];
        all.extend(self.sharpness.map(|sharpness| least("sharpness", sharpness, limits.sharpness)));
        all.retain(|s| if s.is_too_small { s.value < s.limit } else { s.value > s.limit });
        all
    }

    /// Whether it lacks nothing.
    pub fn suffices(&self, limits: &Limits) -> bool {
        self.shortfalls(limits).is_empty()
    }

    /// How good it is as a whole, 0..1: size and sharpness count up to three times their limits, and how frontal it is.
    pub fn worth(&self, limits: &Limits) -> f32 {
        let share = |value: f32, limit: f32| (value / (3.0 * limit.max(1e-3))).clamp(0.0, 1.0);
        let straight = |value: f32, limit: f32| (1.0 - value.abs() / (2.0 * limit.max(1e-3))).clamp(0.0, 1.0);
        let size = share(self.size_px, limits.size_px);
        let sharp = self.sharpness.map_or(1.0, |sharpness| share(sharpness, limits.sharpness).sqrt());
        size * sharp * straight(self.pose.yaw, limits.yaw) * straight(self.pose.pitch, limits.pitch)
    }

    /// Its figures beside the limits.
    pub fn measures(&self, limits: &Limits) -> Vec<Measure> {
        let value = |value: f32| (f64::from(value) * 1e3).round() / 1e3;
        let against = |name, found, limit| Measure::against(name, value(found), value(limit));
        let mut measures = vec![against("face_px", self.size_px, limits.size_px)];
        measures.extend(self.sharpness.map(|s| against("sharpness", s, limits.sharpness)));
        measures.extend([
            against("yaw", self.pose.yaw, limits.yaw),
            against("pitch", self.pose.pitch, limits.pitch),
            against("roll_degrees", self.pose.roll_degrees, limits.roll_degrees),
        ]);
        measures
    }
}

/// Variance of the Laplacian of an aligned face's brightness, `FACE_SIDE` by `FACE_SIDE`; the outermost pixels are left out.
pub(super) fn sharpness(luma: &[u8]) -> f32 {
    let side = FACE_SIDE as usize;
    if luma.len() < side * side {
        return 0.0;
    }
    let (mut sum, mut squares, mut count) = (0i64, 0i64, 0i64);
    for row in 1..side - 1 {
        let line = |at: usize| &luma[at * side..][..side];
        let (above, here, below) = (line(row - 1), line(row), line(row + 1));
        for at in 1..side - 1 {
            let [up, left, centre, right, down] =
                [above[at], here[at - 1], here[at], here[at + 1], below[at]].map(i64::from);
            let bend = up + down + left + right - 4 * centre;
            (sum, squares, count) = (sum + bend, squares + bend * bend, count + 1);
        }
    }
    let mean = sum as f64 / count as f64;
    (squares as f64 / count as f64 - mean * mean) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRONTAL: FacePoints = [
        Point::new(38.0, 52.0),
        Point::new(74.0, 52.0),
        Point::new(56.0, 72.0),
        Point::new(41.0, 92.0),
        Point::new(71.0, 92.0),
    ];

    fn quality(points: &FacePoints) -> Quality {
        Quality { size_px: 80.0, sharpness: Some(100.0), pose: Pose::of(points) }
    }

    #[test]
    fn a_face_from_in_front_will_do_and_one_from_the_side_will_not() {
        assert!(quality(&FRONTAL).suffices(&Limits::default()));
        let mut profile = FRONTAL;
        profile[2].x = 74.0;
        let missing = quality(&profile).shortfalls(&Limits::default());
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].to_string(), "yaw is 0.50, must be at most 0.35");
        assert!(quality(&profile).worth(&Limits::default()) < quality(&FRONTAL).worth(&Limits::default()));
    }

    #[test]
    fn every_figure_that_falls_short_is_told() {
        let pose = Pose { yaw: 0.0, pitch: -0.4, roll_degrees: 60.0 };
        let missing = Quality { size_px: 12.0, sharpness: Some(3.0), pose }.shortfalls(&Limits::default());
        let figures: Vec<&str> = missing.iter().map(|s| s.figure).collect();
        assert_eq!(figures, ["size_px", "pitch", "roll_degrees", "sharpness"]);
    }

    #[test]
    fn points_that_are_no_face_pass_no_limit() {
        let spot = quality(&[Point::new(5.0, 5.0); 5]);
        assert!(!spot.suffices(&Limits { yaw: 100.0, pitch: 100.0, ..Limits::default() }));
    }

    #[test]
    fn blur_lowers_sharpness() {
        let side = FACE_SIDE as usize;
        let mut random = fastrand::Rng::with_seed(3);
        let sharp: Vec<u8> = (0..side * side).map(|_| random.u8(..)).collect();
        let blurred: Vec<u8> = (0..side * side)
            .map(|at| {
                let around = [at.saturating_sub(1), at, (at + 1).min(side * side - 1)];
                (around.iter().map(|i| u32::from(sharp[*i])).sum::<u32>() / 3) as u8
            })
            .collect();
        assert!(sharpness(&blurred) < sharpness(&sharp) / 2.0);
        assert_eq!((sharpness(&vec![90; side * side]), sharpness(&[])), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn turning_the_picture_changes_roll_and_nothing_else(turn in -1.5f32..1.5, scale in 0.3f32..9.0, nose in -15.0f32..15.0) {
            let mut face = FRONTAL;
            face[2].x += nose;
            let (sin, cos) = turn.sin_cos();
            let turned = face.map(|p| Point::new(scale * (cos * p.x - sin * p.y), scale * (sin * p.x + cos * p.y)));
            let (before, after) = (Pose::of(&face), Pose::of(&turned));
            prop_assert!((before.yaw - after.yaw).abs() < 1e-3 && (before.pitch - after.pitch).abs() < 1e-3);
            prop_assert!((after.roll_degrees - turn.to_degrees()).abs() < 0.1);
        }
    }
}
