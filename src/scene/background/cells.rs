//! What is remembered of each cell to tell what moves: what the place looks like, and what has been there lately.
//!
//! ```text
//!                 departs               the same for STEADY
//!   background ───────────▶ changed ─────────────────────▶ static
//!       ▲                     │  ▲                           │
//!       ╰── as the background ╯  ╰── another for GIVES_WAY ──┤
//!       ╰── as the background for RETURNS, or for LEARNT ────╯
//! ```
//!
//! A static cell that departs for a moment is hidden by somebody who walks by, and stays static.

use super::field::Field;
use super::ground::{Ground, Manner};
use super::light::Light;
use super::planes::{edge, moved};
use crate::scene::Grid;
use crate::vocab::Cover;

/// How much a cell's spread must be exceeded.
const SPREADS: f32 = 4.0;
/// What is compared is a single picture, whose noise is all there.
const MANNER: Manner = Manner { trembles: 0.4, spread: 1.5, spreads: [0.75, 4.0] };
/// How fast the look of what is new is learnt, seconds.
const FRESH_FOLLOWS: f32 = 4.0;
/// How long a cell must look the same to be static, seconds.
const STEADY: f32 = 1.5;
/// How long something else must be seen in a static cell before the cell is believed to have changed again, seconds.
const GIVES_WAY: f32 = 12.0;
/// How long a static cell must look like the background to be background again, seconds.
const RETURNS: f32 = 1.0;
/// How long a static cell must look the same to be background, seconds.
const LEARNT: f32 = 60.0;
/// One value for each cell of the grid, row by row. Levels are in the light of the background.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub ground: Ground,
    /// The present picture.
    pub present: Vec<f32>,
    /// What has been there lately that is not the background, and for how long it has looked the same, seconds.
    pub fresh: Vec<f32>,
    pub fresh_for: Vec<f32>,
    /// For how long something else has been seen in its place, seconds.
    away: Vec<f32>,
    /// Whether the cell departs from the background.
    pub changed: Vec<bool>,
    field: Field,
}

impl Cells {
    /// Takes this picture for the background.
    pub fn learn(grid: &Grid) -> Self {
        let cells = grid.means().len();
        Self {
            ground: Ground::new(grid.means(), grid, MANNER),
            present: grid.means().to_vec(),
            fresh: vec![0.0; cells],
            fresh_for: vec![0.0; cells],
            away: vec![0.0; cells],
            changed: vec![false; cells],
            field: Field::default(),
        }
    }

    /// Takes in the next picture, `passed` seconds after the last; `step` as in [`Settings`](super::Settings).
    pub fn step(&mut self, grid: &Grid, passed: f32, step: f32) {
        let light = self.normalise(grid);
        // In a dim light all contrasts are less, and the noise of the sensor is not.
        let step = step / light.gain.min(1.0);
        self.ground.feel_edges(passed);
        let mut open = 0u32;
        for at in 0..self.ground.back.len() {
            let is_open = grid.open()[at];
            let most = step.max(SPREADS * self.ground.spread[at]) + self.ground.edge[at];
            let is_changed = is_open & (self.ground.apart[at].abs() > most);
            open += u32::from(is_open);
            self.changed[at] = is_changed;
            self.ground.usable[at] = is_open & !is_changed;
        }
        // What comes in at the edge of a picture that trembles was never seen before.
        for at in edge(self.ground.columns, self.ground.back.len()) {
            self.changed[at] = false;
        }
        // Where nearly everything has changed, the light is judged by everything.
        if self.ground.usable.iter().filter(|usable| **usable).count() * 4 < open as usize {
            self.ground.usable.copy_from_slice(grid.open());
        }
        let changed = &self.changed;
        self.ground.learn(passed, |at| changed[at]);
        for at in 0..self.ground.back.len() {
            if self.changed[at] | (self.fresh_for[at] > 0.0) {
                self.follow(at, passed, step);
            }
        }
    }

    /// Marks the cells that somebody is before.
    pub fn cover(&mut self, tracks: &[Cover], grid: &Grid) {
        self.ground.cover(tracks, grid);
    }

    /// Brings the present picture into the light of the background, and the background into the present light where
    /// the two have come far apart.
    fn normalise(&mut self, grid: &Grid) -> Light {
        let light = self.ground.light_of(grid.means());
        let inverse = 1.0 / light.gain;
        for ((apart, back), mean) in self.ground.apart.iter_mut().zip(&self.ground.back).zip(grid.means()) {
            *apart = (mean - light.offset) * inverse - back;
        }
        if let Some(shift) = self.ground.find_shift(Some(grid)) {
            if shift.whole != [0, 0] {
                self.shift(shift.whole);
                return self.normalise(grid);
            }
            for at in 0..self.ground.apart.len() {
                self.ground.apart[at] -= self.ground.shifted(at, shift.taken);
            }
        }
        let Ground { apart, usable, columns, .. } = &mut self.ground;
        self.field.take_from(apart, usable, *columns);
        for ((present, apart), back) in self.present.iter_mut().zip(&self.ground.apart).zip(&self.ground.back) {
            *present = back + apart;
        }
        if self.ground.relight(light) {
            for plane in [&mut self.present, &mut self.fresh] {
                plane.iter_mut().for_each(|level| *level = light.apply(*level));
            }
            return Light::SAME;
        }
        light
    }

    /// Moves all that is remembered.
    fn shift(&mut self, by: [i8; 2]) {
        self.ground.shift(by);
        let columns = self.ground.columns;
        [&mut self.fresh, &mut self.fresh_for, &mut self.away].into_iter().for_each(|plane| moved(plane, columns, by));
        moved(&mut self.changed, columns, by);
    }

    /// A cell that departs from the background, or did lately.
    fn follow(&mut self, at: usize, passed: f32, step: f32) {
        let level = self.present[at];
        if !self.changed[at] {
            self.away[at] += passed;
            if self.fresh_for[at] < STEADY || self.away[at] >= RETURNS {
                (self.fresh_for[at], self.away[at]) = (0.0, 0.0);
            }
            return;
        }
        // What was never seen without somebody before it is learnt when he has gone.
        if self.ground.is_mistaken(at) {
            self.ground.begin(at, level);
            self.changed[at] = false;
            return;
        }
        let is_same = (level - self.fresh[at]).abs() <= step.max(SPREADS * self.ground.spread[at]);
        if is_same && (self.fresh_for[at] > 0.0 || self.away[at] > 0.0) {
            self.fresh_for[at] += passed;
            self.fresh[at] += (level - self.fresh[at]) * (passed / FRESH_FOLLOWS).min(0.5);
            self.away[at] = 0.0;
            if self.fresh_for[at] >= LEARNT {
                self.ground.absorb(at, self.fresh[at]);
                (self.changed[at], self.fresh_for[at]) = (false, 0.0);
            }
        } else if self.fresh_for[at] >= STEADY && self.away[at] < GIVES_WAY {
            self.away[at] += passed;
        } else {
            // From here on it is timed: a little more than nothing says that there is something to compare with.
            (self.fresh[at], self.fresh_for[at], self.away[at]) = (level, f32::MIN_POSITIVE, 0.0);
        }
    }
}
