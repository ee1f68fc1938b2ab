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
use super::light::Light;
use super::planes::{edge, gradient, mark, moved};
use super::steadying::Steadying;
use crate::scene::Grid;
use crate::vocab::Cover;

/// How much a cell's spread must be exceeded.
const SPREADS: f32 = 4.0;
/// What a cell is believed to vary by before anything is known of it, and the most that it can come to be excused.
const SPREAD: std::ops::RangeInclusive<f32> = 0.75..=4.0;
/// By how much of a cell a picture may tremble after that has been taken out of it, and how often it is worked out what that
/// makes of each cell, seconds.
const TREMBLES: f32 = 0.4;
const EDGES_EVERY: f32 = 2.0;
/// How fast the background follows what it is seen to be, seconds.
const FOLLOWS: f32 = 20.0;
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
/// How long a cell must have been learnt, free of whoever might stand in it, before somebody who stands there is taken to
/// be before it and not part of it, seconds; and before a change is more than a first mistake.
const BELIEVED: f32 = 20.0;
const BEGUN: f32 = 4.0;

/// One value for each cell of the grid, row by row. Levels are in the light of the background.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub columns: usize,
    /// What the place looks like.
    pub back: Vec<f32>,
    /// By how much it usually varies: the standard deviation of its departures.
    spread: Vec<f32>,
    /// How steep it is there: by how much more a cell departs when the picture trembles.
    edge: Vec<f32>,
    /// How long ago that was worked out, seconds.
    edge_age: f32,
    /// For how long that has been learnt, seconds, up to [`FOLLOWS`] or [`BELIEVED`].
    known: Vec<f32>,
    /// The present picture.
    pub present: Vec<f32>,
    /// By how much it departs from the background.
    pub apart: Vec<f32>,
    /// What has been there lately that is not the background, and for how long it has looked the same, seconds.
    pub fresh: Vec<f32>,
    pub fresh_for: Vec<f32>,
    /// For how long something else has been seen in its place, seconds.
    away: Vec<f32>,
    /// Whether the cell departs from the background.
    pub changed: Vec<bool>,
    /// Whether somebody who is followed is before it who may stand still.
    covered: Vec<bool>,
    /// Whether the light is judged by it.
    usable: Vec<bool>,
    light: Option<Light>,
    field: Field,
    steadying: Steadying,
}

impl Cells {
    /// Takes this picture for the background.
    pub fn learn(grid: &Grid) -> Self {
        let cells = grid.means().len();
        Self {
            columns: grid.columns(),
            back: grid.means().to_vec(),
            spread: vec![1.5; cells],
            edge: vec![0.0; cells],
            edge_age: f32::INFINITY,
            known: vec![0.0; cells],
            present: grid.means().to_vec(),
            apart: vec![0.0; cells],
            fresh: vec![0.0; cells],
            fresh_for: vec![0.0; cells],
            away: vec![0.0; cells],
            changed: vec![false; cells],
            covered: vec![false; cells],
            usable: grid.open().to_vec(),
            light: None,
            field: Field::default(),
            steadying: Steadying::default(),
        }
    }

    /// Takes in the next picture, `passed` seconds after the last; `step` as in [`Settings`](super::Settings).
    pub fn step(&mut self, grid: &Grid, passed: f32, step: f32) {
        let light = self.normalise(grid);
        // In a dim light all contrasts are less, and the noise of the sensor is not.
        let step = step / light.gain.min(1.0);
        self.feel_edges(passed);
        let mut open = 0u32;
        for at in 0..self.back.len() {
            let is_open = grid.open()[at];
            let most = step.max(SPREADS * self.spread[at]) + self.edge[at];
            let is_changed = is_open & (self.apart[at].abs() > most);
            open += u32::from(is_open);
            self.changed[at] = is_changed;
            self.usable[at] = is_open & !is_changed;
        }
        // What comes in at the edge of a picture that trembles was never seen before.
        for at in edge(self.columns, self.back.len()) {
            self.changed[at] = false;
        }
        // Where nearly everything has changed, the light is judged by everything.
        if self.usable.iter().filter(|usable| **usable).count() * 4 < open as usize {
            self.usable.copy_from_slice(grid.open());
        }
        self.learn_background(passed);
        for at in 0..self.back.len() {
            if self.changed[at] | (self.fresh_for[at] > 0.0) {
                self.follow(at, passed, step);
            }
        }
    }

    /// Marks the cells that somebody is before.
    pub fn cover(&mut self, tracks: &[Cover], grid: &Grid) {
        self.covered.fill(false);
        for track in tracks.iter().filter(|track| track.is_mover) {
            mark(&mut self.covered, grid, &track.bbox);
        }
    }

    /// Brings the present picture into the light of the background, and the background into the present light where
    /// the two have come far apart.
    fn normalise(&mut self, grid: &Grid) -> Light {
        let light = self.light.unwrap_or(Light::SAME).follow(&self.back, grid.means(), &self.usable);
        let inverse = 1.0 / light.gain;
        for ((apart, back), mean) in self.apart.iter_mut().zip(&self.back).zip(grid.means()) {
            *apart = (mean - light.offset) * inverse - back;
        }
        if let Some(shift) = self.steadying.find(&self.back, &self.apart, grid.open(), self.columns) {
            if shift.whole != [0, 0] {
                self.shift(shift.whole);
                return self.normalise(grid);
            }
            let (dx, dy) = shift.taken;
            for at in 0..self.back.len() {
                let (gx, gy) = gradient(&self.back, self.columns, at);
                self.apart[at] -= gx * dx + gy * dy;
            }
        }
        self.field.take_from(&mut self.apart, &self.usable, self.columns);
        for ((present, apart), back) in self.present.iter_mut().zip(&self.apart).zip(&self.back) {
            *present = back + apart;
        }
        self.light = Some(light);
        if light.is_far() {
            for plane in [&mut self.back, &mut self.present, &mut self.fresh] {
                plane.iter_mut().for_each(|level| *level = light.apply(*level));
            }
            for plane in [&mut self.apart, &mut self.spread] {
                plane.iter_mut().for_each(|level| *level *= light.gain);
            }
            self.light = Some(Light::SAME);
            return Light::SAME;
        }
        light
    }

    /// Moves all that is remembered.
    fn shift(&mut self, by: [i8; 2]) {
        let planes = [&mut self.back, &mut self.spread, &mut self.edge, &mut self.known];
        planes.into_iter().for_each(|plane| moved(plane, self.columns, by));
        [&mut self.fresh, &mut self.fresh_for, &mut self.away]
            .into_iter()
            .for_each(|plane| moved(plane, self.columns, by));
        [&mut self.changed, &mut self.usable].into_iter().for_each(|plane| moved(plane, self.columns, by));
        for at in edge(self.columns, self.back.len()) {
            self.known[at] = 0.0;
        }
        self.edge_age = f32::INFINITY;
    }

    fn feel_edges(&mut self, passed: f32) {
        self.edge_age += passed;
        if self.edge_age < EDGES_EVERY {
            return;
        }
        self.edge_age = 0.0;
        self.steadying.learn(&self.back, self.columns);
        for at in 0..self.back.len() {
            let (gx, gy) = gradient(&self.back, self.columns, at);
            self.edge[at] = (gx.abs() + gy.abs()) * TREMBLES;
        }
    }

    fn learn_background(&mut self, passed: f32) {
        let rest = self.spread.iter_mut().zip(&mut self.known).zip(&self.apart);
        let flags = self.changed.iter().zip(&self.covered);
        for ((back, ((spread, known), apart)), (changed, covered)) in self.back.iter_mut().zip(rest).zip(flags) {
            if *changed {
                continue;
            }
            let pace = passed / (passed + known.min(FOLLOWS));
            *back += apart * pace;
            // 1.25 mean absolute deviations are one standard deviation of normal noise.
            *spread = (*spread + (apart.abs() * 1.25 - *spread) * pace.min(0.2)).clamp(*SPREAD.start(), *SPREAD.end());
            // What somebody stands before who has been there from the beginning may be he.
            if !*covered || *known >= BELIEVED {
                *known = (*known + passed).min(FOLLOWS.max(BELIEVED));
            }
        }
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
        if self.known[at] < BEGUN && !self.covered[at] {
            (self.back[at], self.known[at], self.changed[at]) = (level, 0.0, false);
            return;
        }
        let is_same = (level - self.fresh[at]).abs() <= step.max(SPREADS * self.spread[at]);
        if is_same && (self.fresh_for[at] > 0.0 || self.away[at] > 0.0) {
            self.fresh_for[at] += passed;
            self.fresh[at] += (level - self.fresh[at]) * (passed / FRESH_FOLLOWS).min(0.5);
            self.away[at] = 0.0;
            if self.fresh_for[at] >= LEARNT {
                (self.back[at], self.known[at], self.changed[at]) = (self.fresh[at], BELIEVED / 2.0, false);
                self.fresh_for[at] = 0.0;
            }
        } else if self.fresh_for[at] >= STEADY && self.away[at] < GIVES_WAY {
            self.away[at] += passed;
        } else {
            // From here on it is timed: a little more than nothing says that there is something to compare with.
            (self.fresh[at], self.fresh_for[at], self.away[at]) = (level, f32::MIN_POSITIVE, 0.0);
        }
    }
}
