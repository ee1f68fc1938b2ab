//! The motion gate: whether anything moves, so that a detector need not look at an empty yard.
//!
//! A picture is compared, cell by cell of the [`Grid`], with the one of half a `lag` to a whole `lag` ago. That is long
//! enough to see somebody creep, and short enough that whoever has left, or stood still and then left, leaves no ghost
//! behind as a slowly learnt background would. A cell has changed when it departs by more than a fixed step and by more
//! than it usually varies. Before that comparison, the brightness of the whole picture is brought in line by a straight
//! line fitted through all cells, which takes out clouds and the camera's own exposure. A cell counts only beside two
//! other changed ones.
//!
//! ```text
//!             enough cells changed, for `confirm`
//!   closed ─────────────────────────────────────────▶ open
//!          ◀─────────────────────────────────────────
//!             `hold` since the last motion or `hold_open`
//! ```
//!
//! When more than `global` of the picture changes at once, that was the light: the new picture is remembered and nothing
//! moved. Only what goes on changing as a whole for longer than `relearn_limit` counts as motion (a camera that is
//! turned). All times are media time, so that the gate works alike on 25 pictures a second and on keyframes alone.

use std::time::Duration;

use super::Grid;
use crate::vocab::{Frame, MediaTime, Polygon, Rect};

/// How much a cell's spread must be exceeded.
const SPREADS: f32 = 4.0;
/// What a cell is believed to vary by before anything is known of it, and the most that it can come to be excused.
const SPREAD: std::ops::RangeInclusive<f32> = 0.75..=5.0;
/// How fast spreads follow, seconds.
const SPREAD_FOLLOWS: f32 = 20.0;
/// Cells that depart further than this say nothing about the brightness of the whole picture.
const NOT_LIGHT: f32 = 24.0;

/// How easily the gate opens and how long it stays open.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How far the mean of a cell must depart from what it was, in luma levels, above 0; default 6.
    pub step: f32,
    /// The share of the unmasked picture that must have changed, 0..1; default 0.0008 (four cells of 768x432).
    pub area: f32,
    /// Where more than this share changes at once it was the light, 0..1; default 0.5.
    pub global: f32,
    /// How long the whole picture may go on changing before that counts as motion; default 2 s.
    pub relearn_limit: Duration,
    /// How long motion must last before the gate opens; where pictures are further apart one suffices. Default 150 ms.
    pub confirm: Duration,
    /// How long the gate stays open after the last motion; default 2 s, for whoever is followed keeps it open anyway.
    pub hold: Duration,
    /// How old the picture is at most with which the newest is compared, where pictures come so often; default 1 s.
    pub lag: Duration,
    /// Where motion is ignored, such as burned-in clocks; a cell that a mask reaches into is ignored as a whole.
    pub masks: Vec<Polygon>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            step: 6.0,
            area: 0.0008,
            global: 0.5,
            relearn_limit: Duration::from_secs(2),
            confirm: Duration::from_millis(150),
            hold: Duration::from_secs(2),
            lag: Duration::from_secs(1),
            masks: Vec::new(),
        }
    }
}

/// What the gate found in one picture.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Motion {
    /// The share of the unmasked picture that has changed, 0..1.
    pub score: f32,
    /// Whether that is enough to be motion, in this picture alone.
    pub moving: bool,
    /// Whether the gate is open: a detector should look.
    pub active: bool,
    /// Whether the picture changed as a whole, or is the first, and was only remembered.
    pub relearnt: bool,
}

/// Watches one camera for motion.
#[derive(Debug)]
pub struct MotionGate {
    settings: Settings,
    grid: Grid,
    model: Model,
    last: Option<MediaTime>,
    /// How long motion has lasted without a pause.
    moved_for: Duration,
    /// How long the whole picture has been changing without a pause.
    relearning_for: Duration,
    /// The gate is open before this moment.
    open_until: MediaTime,
}

/// What is remembered of each cell, in the order of the grid.
#[derive(Debug, Default)]
struct Model {
    open_count: usize,
    /// The picture that is compared with.
    older: Vec<f32>,
    /// The picture that will be compared with next.
    newer: Vec<f32>,
    newer_at: MediaTime,
    /// How much each cell usually varies: the standard deviation of its departures.
    spread: Vec<f32>,
    /// For how long that has been learnt, up to [`SPREAD_FOLLOWS`].
    learning_for: f32,
    departure: Vec<f32>,
    changed: Vec<bool>,
}

impl MotionGate {
    /// A gate that has seen nothing. Its first picture opens it for `hold`, so that whoever stands there already is
    /// looked at.
    pub fn new(settings: Settings) -> Self {
        Self {
            grid: Grid::new(settings.masks.clone()),
            settings,
            model: Model::default(),
            last: None,
            moved_for: Duration::ZERO,
            relearning_for: Duration::ZERO,
            open_until: MediaTime::ZERO,
        }
    }

    /// Looks at the next picture. Allocates nothing while the picture keeps its size.
    pub fn step(&mut self, frame: &Frame) -> Motion {
        let resized = self.grid.read(frame);
        let Some(last) = self.last.replace(frame.pts).filter(|_| !resized) else {
            self.model = Model::learn(&self.grid, frame.pts);
            (self.moved_for, self.relearning_for) = (Duration::ZERO, Duration::ZERO);
            self.hold_open(frame.pts);
            return Motion { score: 0.0, moving: false, active: true, relearnt: true };
        };
        let passed = frame.pts.since(last);
        let rotated = self.model.rotate(frame.pts, self.settings.lag / 2);
        let (all, clustered) = self.model.compare(&self.grid, self.settings.step);
        if all > self.settings.global {
            return self.light_changed(frame.pts, passed, all);
        }
        self.relearning_for = Duration::ZERO;
        self.model.learn_spread(passed);
        if rotated {
            self.model.newer.copy_from_slice(self.grid.means());
        }
        let moving = clustered > 0.0 && clustered >= self.settings.area;
        self.moved_for = if moving { self.moved_for + passed } else { Duration::ZERO };
        if moving && self.moved_for >= self.settings.confirm {
            self.hold_open(frame.pts);
        }
        Motion { score: clustered, moving, active: self.is_open(frame.pts), relearnt: false }
    }

    /// Keeps the gate open for `hold` from `now`: called while somebody is being followed, who may stand still.
    pub fn hold_open(&mut self, now: MediaTime) {
        self.open_until = self.open_until.max(now + self.settings.hold);
    }

    /// Whether the gate is open at `now`.
    pub fn is_open(&self, now: MediaTime) -> bool {
        now < self.open_until
    }

    /// Whether, in the last picture, anything moved outside of `places`, enough to be motion. What moved as a whole moved
    /// nowhere in particular.
    pub fn moved_outside(&self, places: &[Rect]) -> bool {
        let outside = self.model.clustered(self.grid.columns(), |cell| {
            let at = self.grid.middle_of(cell);
            !places.iter().any(|place| place.contains(at))
        });
        outside > 0 && outside as f32 >= self.settings.area * self.model.open_count as f32
    }

    /// The cell means of the last picture.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    fn light_changed(&mut self, now: MediaTime, passed: Duration, score: f32) -> Motion {
        self.model.forget(&self.grid, now);
        self.relearning_for += passed;
        // The first picture under a new light says nothing about how long it has been changing.
        let moving = self.relearning_for - passed > self.settings.relearn_limit;
        self.moved_for = Duration::ZERO;
        if moving {
            self.hold_open(now);
        }
        Motion { score, moving, active: self.is_open(now), relearnt: true }
    }
}

impl Model {
    fn learn(grid: &Grid, now: MediaTime) -> Self {
        let cells = grid.means().len();
        Self {
            open_count: grid.open().iter().filter(|o| **o).count(),
            older: grid.means().to_vec(),
            newer: grid.means().to_vec(),
            newer_at: now,
            spread: vec![*SPREAD.start(); cells],
            learning_for: 0.0,
            departure: vec![0.0; cells],
            changed: vec![false; cells],
        }
    }

    /// Remembers this picture alone.
    fn forget(&mut self, grid: &Grid, now: MediaTime) {
        self.older.copy_from_slice(grid.means());
        self.newer.copy_from_slice(grid.means());
        self.newer_at = now;
    }

    /// Compares with the newer picture from now on if it is old enough; then the caller stores a new one in its place.
    fn rotate(&mut self, now: MediaTime, age: Duration) -> bool {
        let due = now.since(self.newer_at) >= age;
        if due {
            std::mem::swap(&mut self.older, &mut self.newer);
            self.newer_at = now;
        }
        due
    }

    /// Marks what has changed. Returns the share of all changed cells and that of those beside two others; the former
    /// is 1 where a step of the light explains most of what changed, however much that was.
    fn compare(&mut self, grid: &Grid, step: f32) -> (f32, f32) {
        let gentle = self.light(grid, NOT_LIGHT);
        let changed = self.mark(grid, step, gentle);
        if changed * 10 > self.open_count {
            let harsh = self.light(grid, f32::INFINITY);
            if self.mark(grid, step, harsh) * 4 < changed {
                return (1.0, 0.0);
            }
            self.mark(grid, step, gentle);
        }
        let share = 1.0 / self.open_count.max(1) as f32;
        let clustered = if changed < 3 { 0 } else { self.clustered(grid.columns(), |_| true) };
        (changed as f32 * share, clustered as f32 * share)
    }

    /// Marks what has changed beyond a change of the light by `gain` and `offset`; returns how much.
    fn mark(&mut self, grid: &Grid, step: f32, (gain, offset): (f32, f32)) -> usize {
        let cells = self.older.iter().zip(&self.spread).zip(grid.means()).zip(grid.open());
        let marks = self.departure.iter_mut().zip(&mut self.changed);
        let mut all = 0u32;
        for ((((before, spread), mean), open), (departure, changed)) in cells.zip(marks) {
            *departure = (mean - (before * gain + offset)).abs();
            *changed = *open & (*departure > step.max(SPREADS * spread));
            all += u32::from(*changed);
        }
        all as usize
    }

    /// The straight line that best carries the older picture over into this one, by least squares over every fourth
    /// cell that departed by less than `limit`: gain and offset. `(1, 0)` where too few say the same.
    fn light(&self, grid: &Grid, limit: f32) -> (f32, f32) {
        let (mut n, mut sx, mut sy, mut sxx, mut sxy) = (0.0f32, 0.0f32, 0.0f32, 0.0f32, 0.0f32);
        let cells = self.older.iter().zip(grid.means()).zip(grid.open());
        for ((&x, &y), &open) in cells.step_by(4) {
            let weight = if open & ((y - x).abs() < limit) { 1.0 } else { 0.0 };
            let (x, y) = (x - 128.0, y - 128.0);
            n += weight;
            sx += weight * x;
            sy += weight * y;
            sxx += weight * x * x;
            sxy += weight * x * y;
        }
        if n * 8.0 < self.open_count as f32 {
            return (1.0, 0.0);
        }
        let variance = n * sxx - sx * sx;
        // A picture without contrast does not tell gain from offset.
        let gain = if variance > n * n { ((n * sxy - sx * sy) / variance).clamp(0.3, 3.0) } else { 1.0 };
        let offset = (sy - gain * sx) / n;
        (gain, offset + 128.0 * (1.0 - gain))
    }

    /// How many changed cells of those that `counts` touch at least two other changed ones.
    fn clustered(&self, columns: usize, counts: impl Fn(usize) -> bool) -> usize {
        let rows = self.changed.len() / columns.max(1);
        let at = |row: usize, column: usize| {
            let inside = row < rows && column < columns;
            usize::from(inside && self.changed[row * columns + column])
        };
        let around = |row: usize, column: usize| {
            let side = |r: usize| at(r, column.wrapping_sub(1)) + at(r, column) + at(r, column + 1);
            side(row.wrapping_sub(1)) + side(row) + side(row + 1)
        };
        let changed = self.changed.iter().enumerate().filter(|(i, changed)| **changed && counts(*i));
        changed.filter(|(i, _)| around(i / columns, i % columns) > 2).count()
    }

    /// Takes the mean of all departures at first, and of about the last [`SPREAD_FOLLOWS`] seconds later on. Cells that
    /// changed teach their spread more slowly, so that somebody who walks about is not soon excused, and leaves in the
    /// wind are in the end.
    fn learn_spread(&mut self, passed: Duration) {
        let passed = passed.as_secs_f32();
        let pace = passed / (passed + self.learning_for).max(f32::EPSILON);
        self.learning_for = (self.learning_for + passed).min(SPREAD_FOLLOWS);
        for ((spread, departure), changed) in self.spread.iter_mut().zip(&self.departure).zip(&self.changed) {
            // 1.25 mean absolute deviations are one standard deviation of normal noise.
            let varies = *spread + (departure * 1.25 - *spread) * if *changed { pace * 0.25 } else { pace };
            *spread = varies.clamp(*SPREAD.start(), *SPREAD.end());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vocab::Point;

    const WIDTH: usize = 384;
    const HEIGHT: usize = 216;

    /// A yard: a gradient with a darker lower half, noise of `noise` levels either way, and a bright block at `block`.
    fn yard(
        at_ms: u64,
        seed: u64,
        noise: i32,
        block: Option<(usize, usize, usize)>,
        light: impl Fn(f32) -> f32,
    ) -> Frame {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = vec![128u8; WIDTH * HEIGHT * 3 / 2];
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let lit =
                    block.is_some_and(|(bx, by, size)| (bx..bx + size).contains(&x) && (by..by + size).contains(&y));
                let base = if lit { 200.0 } else { 60.0 + x as f32 / 6.0 + if y > HEIGHT / 2 { 0.0 } else { 50.0 } };
                let noisy = light(base) + random.i32(-noise..=noise) as f32;
                bytes[y * WIDTH + x] = noisy.clamp(0.0, 255.0) as u8;
            }
        }
        let mut frame = Frame::from_i420(WIDTH as u32, HEIGHT as u32, bytes).unwrap();
        frame.pts = MediaTime::from_millis(at_ms);
        frame
    }

    fn same(base: f32) -> f32 {
        base
    }

    /// A gate that has watched the still yard for five seconds, and so is closed.
    fn settled(settings: Settings, every_ms: u64) -> (MotionGate, u64) {
        let mut gate = MotionGate::new(settings);
        let mut now = 0;
        assert!(gate.step(&yard(0, 0, 4, None, same)).active, "the first picture opens the gate");
        while now < 5_000 {
            now += every_ms;
            gate.step(&yard(now, now, 4, None, same));
        }
        assert!(!gate.is_open(MediaTime::from_millis(now)));
        (gate, now)
    }

    #[test]
    fn somebody_small_who_walks_opens_the_gate_at_every_rate_and_it_closes_after_the_hold() {
        for every_ms in [40, 100, 1_000, 5_000] {
            let (mut gate, mut now) = settled(Settings::default(), every_ms);
            let mut x = 50;
            for _ in 0..6 {
                now += every_ms;
                x += usize::try_from(every_ms / 20).unwrap().min(40);
                gate.step(&yard(now, now, 4, Some((x, 120, 10)), same));
            }
            assert!(gate.is_open(MediaTime::from_millis(now)), "every {every_ms} ms");
            let mut last = Motion::default();
            for _ in 0..(4_000 / every_ms).max(3) {
                now += every_ms;
                last = gate.step(&yard(now, now, 4, Some((x, 120, 10)), same));
            }
            assert!(!last.moving && !last.active, "every {every_ms} ms: {last:?}");
        }
    }

    #[test]
    fn a_single_disturbed_picture_does_not_open_the_gate() {
        let (mut gate, now) = settled(Settings::default(), 100);
        let seen = gate.step(&yard(now + 100, 1, 4, Some((50, 120, 20)), same));
        assert!(seen.moving && !seen.active, "{seen:?}");
        assert!(!gate.step(&yard(now + 200, 2, 4, None, same)).active);
    }

    #[test]
    fn lightning_is_not_motion_and_a_lasting_light_is_learnt() {
        let (mut gate, now) = settled(Settings::default(), 100);
        let flash = gate.step(&yard(now + 100, 1, 4, None, |base| base * 1.5 + 20.0));
        assert!(flash.relearnt && !flash.active, "{flash:?}");
        assert!(!gate.step(&yard(now + 200, 2, 4, None, same)).active);
        for i in 3..20 {
            let lamp = gate.step(&yard(now + i * 100, i, 4, None, |base| base * 0.5));
            assert!(!lamp.moving && !lamp.active, "{i}: {lamp:?}");
        }
    }

    #[test]
    fn a_camera_that_is_turned_opens_the_gate_in_the_end() {
        let (mut gate, now) = settled(Settings::default(), 100);
        let turned = |i: u64| gate_step_with_shift(&mut gate, now + i * 100, i);
        assert!((1..40).map(turned).any(|m| m.active));
    }

    fn gate_step_with_shift(gate: &mut MotionGate, at_ms: u64, seed: u64) -> Motion {
        gate.step(&yard(at_ms, seed, 4, None, |base| if seed.is_multiple_of(2) { 230.0 - base } else { base }))
    }

    #[test]
    fn clouds_are_not_motion() {
        let (mut gate, mut now) = settled(Settings::default(), 100);
        for i in 0..60u64 {
            now += 100;
            // Down to 70 % of the light within three seconds, and back.
            let light = 1.0 - 0.3 * (1.0 - (i as f32 / 30.0 - 1.0).abs());
            let seen = gate.step(&yard(now, i, 4, None, |base| base * light));
            assert!(!seen.active, "{i}: {seen:?}");
        }
    }

    #[test]
    fn somebody_who_is_followed_keeps_the_gate_open_while_standing_still() {
        let (mut gate, mut now) = settled(Settings::default(), 100);
        gate.hold_open(MediaTime::from_millis(now));
        for _ in 0..50 {
            now += 100;
            assert!(gate.step(&yard(now, now, 4, None, same)).active);
            gate.hold_open(MediaTime::from_millis(now));
        }
    }

    #[test]
    fn motion_is_told_apart_by_where_it_is() {
        let (mut gate, mut now) = settled(Settings::default(), 100);
        let around = |x: usize, y: usize, size: usize| {
            let [x1, x2] = [x, x + size].map(|x| x as f32 / WIDTH as f32);
            let [y1, y2] = [y, y + size].map(|y| y as f32 / HEIGHT as f32);
            Rect::new(x1, y1, x2, y2)
        };
        for i in 0..5 {
            now += 100;
            assert!(!gate.moved_outside(&[]), "{i}: nothing has moved yet");
            gate.step(&yard(now, now, 4, None, same));
        }
        now += 100;
        assert!(gate.step(&yard(now, now, 4, Some((200, 120, 24)), same)).moving);
        assert!(gate.moved_outside(&[]));
        assert!(gate.moved_outside(&[around(20, 20, 60)]));
        assert!(gate.moved_outside(&[around(180, 100, 24)]), "three quarters of it lie outside");
        assert!(!gate.moved_outside(&[around(20, 20, 60), around(196, 116, 32)]));
    }

    #[test]
    fn another_picture_size_starts_over() {
        let (mut gate, now) = settled(Settings::default(), 100);
        let mut other = Frame::from_i420(640, 360, vec![90; 640 * 360 * 3 / 2]).unwrap();
        other.pts = MediaTime::from_millis(now + 100);
        let seen = gate.step(&other);
        assert!(seen.active && seen.relearnt && !seen.moving, "{seen:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn noise_alone_never_opens_the_gate(seed in 0u64..1_000_000, noise in 0i32..14, every_ms in 40u64..2_000) {
            let mut gate = MotionGate::new(Settings::default());
            for i in 0..40 {
                let seen = gate.step(&yard(i * every_ms, seed + i, noise, None, same));
                prop_assert!(!seen.moving || i < 10, "{i}: {seen:?}");
            }
        }

        #[test]
        fn what_happens_under_a_mask_changes_nothing(x in 0usize..80, y in 0usize..40, seed in 0u64..1_000_000) {
            let corner = [[0.0, 0.0], [0.3, 0.0], [0.3, 0.3], [0.0, 0.3]];
            let mask = crate::vocab::Polygon::new(corner.map(Point::from).to_vec()).unwrap();
            let settings = Settings { masks: vec![mask], ..Settings::default() };
            let (mut with, mut without) = (MotionGate::new(settings.clone()), MotionGate::new(settings));
            for i in 0..12 {
                let clock = Some((x + i as usize, y, 20));
                let a = with.step(&yard(i * 100, seed + i, 4, clock, same));
                let b = without.step(&yard(i * 100, seed + i, 4, None, same));
                prop_assert_eq!(a, b);
            }
        }

        #[test]
        fn a_step_of_the_light_is_never_motion(gain in 0.4f32..1.6, offset in -30.0f32..30.0, seed in 0u64..1_000_000) {
            let mut gate = MotionGate::new(Settings::default());
            for i in 0..20 {
                let light = |base: f32| if i < 10 { base } else { base * gain + offset };
                let seen = gate.step(&yard(i * 100, seed + i, 3, None, light));
                prop_assert!(!seen.moving, "{i}: {seen:?}");
            }
        }
    }
}
