//! Where a box will be: a Kalman filter in continuous time, so that any frame rate and any gap is the same filter.
//!
//! The centre has a place and a speed along each axis; the speed is pushed about by white acceleration and fades over
//! [`SPEED_MEMORY`] (an integrated Ornstein-Uhlenbeck process, exact for every time step). The logarithm of the height
//! moves in the same way, which is how an object that comes nearer grows; the width grows along with it and besides does
//! a random walk of its own, as that of somebody walking does.
//!
//! All noise is in widths along x and in heights along y: the filter knows neither the size nor the shape of the picture.
//! The constants were chosen on rendered crowds at 0.5 to 30 frames a second, with still, panning, shaking and walking
//! cameras (`tests/it/support/crowd.rs`); halving or doubling any of them costs at most two hundredths of HOTA there.

use std::time::Duration;

use crate::vocab::Rect;

/// Seconds after which a speed has faded to a third.
const SPEED_MEMORY: f64 = 5.0;

/// Standard deviation of a detection's centre, in widths and heights.
const PLACE_NOISE: (f64, f64) = (0.1, 0.06);

/// Standard deviation of the logarithms of a detection's width and height.
const SIZE_NOISE: (f64, f64) = (0.25, 0.08);

/// Standard deviation of the speed of something just seen, in widths and heights per second.
const FIRST_SPEED: (f64, f64) = (2.5, 0.6);

/// By how much a speed changes in a second, in widths and heights per second (square root of the spectral density).
const AGILITY: (f64, f64) = (1.3, 0.2);

/// By how much a width or height changes in a second besides steady growth, as a logarithm.
const WOBBLE: f64 = 0.15;

/// Standard deviation of the growth of something just seen, and by how much growth changes in a second.
const GROWTH: (f64, f64) = (0.1, 0.1);

/// The most that vagueness counts. What is seen once a second is always vague, and yet nothing else claims the detection.
const VAGUEST: f64 = 10.0;

/// A quantity and its speed, with their covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    pub place: f64,
    pub speed: f64,
    pub variance: f64,
    covariance: f64,
    speed_variance: f64,
}

impl Axis {
    fn new(place: f64, noise: f64, speed_noise: f64) -> Self {
        let (variance, speed_variance) = (noise * noise, speed_noise * speed_noise);
        Self { place, speed: 0.0, variance, covariance: 0.0, speed_variance }
    }

    /// Lets `dt` seconds pass.
    fn predict(&mut self, dt: f64, agility: f64) {
        let (memory, density) = (SPEED_MEMORY, agility * agility);
        let kept = (-dt / memory).exp();
        let lost = 1.0 - kept;
        let reach = memory * lost;
        let both = 1.0 - kept * kept;
        self.place += reach * self.speed;
        self.speed *= kept;
        let drift = density * memory * memory * (dt - 2.0 * reach + memory / 2.0 * both);
        self.variance += 2.0 * reach * self.covariance + reach * reach * self.speed_variance + drift.max(0.0);
        self.covariance =
            kept * (self.covariance + reach * self.speed_variance) + density * memory * memory / 2.0 * lost * lost;
        self.speed_variance = kept * kept * self.speed_variance + density * memory / 2.0 * both;
    }

    fn correct(&mut self, measured: f64, noise: f64) {
        let total = self.variance + noise * noise;
        let (gain, speed_gain) = (self.variance / total, self.covariance / total);
        let surprise = measured - self.place;
        self.place += gain * surprise;
        self.speed += speed_gain * surprise;
        self.speed_variance -= speed_gain * self.covariance;
        self.covariance *= 1.0 - gain;
        self.variance *= 1.0 - gain;
    }
}

/// How a box moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Motion {
    x: Axis,
    y: Axis,
    /// Of the height's logarithm.
    height: Axis,
    /// Logarithm of the width, and its variance.
    width: (f64, f64),
}

/// A box as the filter sees it: centre, sides, and logarithms of the sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub centre: (f64, f64),
    pub size: (f64, f64),
    pub log_size: (f64, f64),
}

impl From<&Rect> for Measured {
    fn from(bbox: &Rect) -> Self {
        let [x1, y1, x2, y2] = [bbox.x1, bbox.y1, bbox.x2, bbox.y2].map(f64::from);
        let size = (x2 - x1, y2 - y1);
        Self { centre: ((x1 + x2) / 2.0, (y1 + y2) / 2.0), size, log_size: (size.0.ln(), size.1.ln()) }
    }
}

/// What the filter expects to measure: the same numbers, with the variances of the measurements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Expected {
    pub at: Measured,
    pub centre_variance: (f64, f64),
    pub log_size_variance: (f64, f64),
    /// How much less is known than right after a measurement: the logarithm of the product of all four variances, each
    /// in units of measurement noise. From 0 to [`VAGUEST`].
    pub vagueness: f64,
}

impl Motion {
    /// Something first seen here.
    pub fn new(bbox: &Rect) -> Self {
        let seen = Measured::from(bbox);
        let (w, h) = seen.size;
        Self {
            x: Axis::new(seen.centre.0, PLACE_NOISE.0 * w, FIRST_SPEED.0 * w),
            y: Axis::new(seen.centre.1, PLACE_NOISE.1 * h, FIRST_SPEED.1 * h),
            height: Axis::new(seen.log_size.1, SIZE_NOISE.1, GROWTH.0),
            width: (seen.log_size.0, SIZE_NOISE.0 * SIZE_NOISE.0),
        }
    }

    fn size(&self) -> (f64, f64) {
        (self.width.0.exp(), self.height.place.exp())
    }

    /// Lets time pass.
    pub fn predict(&mut self, passed: Duration) {
        let dt = passed.as_secs_f64();
        let (w, h) = self.size();
        self.x.predict(dt, AGILITY.0 * w);
        self.y.predict(dt, AGILITY.1 * h);
        let before = self.height.place;
        self.height.predict(dt, GROWTH.1);
        self.height.variance += WOBBLE * WOBBLE * dt;
        self.width.0 += self.height.place - before;
        self.width.1 += WOBBLE * WOBBLE * dt;
    }

    /// Takes a detection in.
    pub fn correct(&mut self, bbox: &Rect) {
        let seen = Measured::from(bbox);
        let (w, h) = self.size();
        self.x.correct(seen.centre.0, PLACE_NOISE.0 * w);
        self.y.correct(seen.centre.1, PLACE_NOISE.1 * h);
        self.height.correct(seen.log_size.1, SIZE_NOISE.1);
        let gain = self.width.1 / (self.width.1 + SIZE_NOISE.0 * SIZE_NOISE.0);
        self.width.0 += gain * (seen.log_size.0 - self.width.0);
        self.width.1 *= 1.0 - gain;
    }

    /// What a detection made now should be.
    pub fn expected(&self) -> Expected {
        let (w, h) = self.size();
        let noise = ((PLACE_NOISE.0 * w).powi(2), (PLACE_NOISE.1 * h).powi(2));
        let size_noise = (SIZE_NOISE.0 * SIZE_NOISE.0, SIZE_NOISE.1 * SIZE_NOISE.1);
        let centre_variance = (self.x.variance + noise.0, self.y.variance + noise.1);
        let log_size_variance = (self.width.1 + size_noise.0, self.height.variance + size_noise.1);
        let place_ratio = (centre_variance.0 / noise.0) * (centre_variance.1 / noise.1);
        let size_ratio = (log_size_variance.0 / size_noise.0) * (log_size_variance.1 / size_noise.1);
        Expected {
            at: Measured {
                centre: (self.x.place, self.y.place),
                size: (w, h),
                log_size: (self.width.0, self.height.place),
            },
            centre_variance,
            log_size_variance,
            vagueness: (place_ratio * size_ratio).ln().min(VAGUEST),
        }
    }

    /// The box now.
    pub fn bbox(&self) -> Rect {
        let (w, h) = self.size();
        Rect::from_centre(self.x.place as f32, self.y.place as f32, w as f32, h as f32)
    }

    /// Speed of the centre, per second.
    pub fn velocity(&self) -> (f32, f32) {
        (self.x.speed as f32, self.y.speed as f32)
    }

    /// Forgets all speed, for when nothing moves.
    pub fn halt(&mut self) {
        for axis in [&mut self.x, &mut self.y, &mut self.height] {
            axis.speed = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3)
    }

    #[test]
    fn many_small_steps_are_one_large_step() {
        let mut once = Axis { place: 0.3, speed: 0.7, variance: 0.01, covariance: 0.002, speed_variance: 0.5 };
        let mut often = once;
        once.predict(1.7, 0.4);
        for _ in 0..170 {
            often.predict(0.01, 0.4);
        }
        assert!(close(once.place, often.place) && close(once.speed, often.speed), "{once:?} {often:?}");
        assert!(close(once.variance, often.variance) && close(once.covariance, often.covariance));
        assert!(close(once.speed_variance, often.speed_variance));
    }

    #[test]
    fn a_steady_walk_is_learnt_at_any_frame_rate() {
        for fps in [5.0, 10.0, 25.0] {
            let at = |t: f64| Rect::from_centre(0.1 + 0.05 * t as f32, 0.5, 0.05, 0.2);
            let mut motion = Motion::new(&at(0.0));
            for frame in 1..=(3.0 * fps) as i32 {
                motion.predict(Duration::from_secs_f64(1.0 / fps));
                motion.correct(&at(f64::from(frame) / fps));
            }
            let (vx, vy) = motion.velocity();
            assert!((vx - 0.05).abs() < 0.005 && vy.abs() < 1e-6, "{fps} fps: {vx} {vy}");
            motion.predict(Duration::from_secs(1));
            assert!(motion.bbox().iou(&at(4.0)) > 0.7, "{fps} fps: {:?}", motion.bbox());
        }
    }

    #[test]
    fn no_time_step_and_no_measurement_breaks_the_filter() {
        let mut motion = Motion::new(&Rect::new(0.0, 0.0, 1e-6, 1e3));
        for dt in [0.0, 1e-9, 1e9, 0.0, 3600.0] {
            motion.predict(Duration::from_secs_f64(dt));
            motion.correct(&Rect::new(-5.0, 0.2, 5.0, 0.2001));
            motion.correct(&Rect::new(0.1, 0.2, 0.3, 0.4));
            let expected = motion.expected();
            assert!(motion.bbox().is_finite() && expected.vagueness.is_finite() && expected.vagueness >= 0.0, "{dt}");
        }
    }
}
