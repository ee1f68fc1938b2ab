//! The ground that what moves and what stands are told from: what a place looks like when nothing is there, how much that
//! varies, and how it follows a camera that trembles.

use super::light::Light;
use super::planes::{edge, gradient, mark, moved};
use super::steadying::{Shift, Steadying};
use crate::scene::Grid;
use crate::vocab::Cover;

/// How often it is worked out what trembling makes of each cell, seconds.
const EDGES_EVERY: f32 = 2.0;
/// How fast the background follows what it is seen to be, seconds.
const FOLLOWS: f32 = 20.0;
/// How long a cell must have been learnt, free of whoever might stand in it, before somebody who stands there is taken to
/// be before it and not part of it, seconds; and before a change is more than a first mistake.
const BELIEVED: f32 = 20.0;
const BEGUN: f32 = 4.0;

/// What is expected of the levels that a background is learnt from.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Manner {
    /// By how much of a cell a picture may tremble after that has been taken out of it.
    pub trembles: f32,
    /// What a cell is believed to vary by before anything is known of it, and the least and the most that it can come to be
    /// excused: standard deviations, levels.
    pub spread: f32,
    pub spreads: [f32; 2],
}

/// One value for each cell of the grid, row by row. Levels are in the light of the background.
#[derive(Debug, Default)]
pub(super) struct Ground {
    manner: Manner,
    pub columns: usize,
    /// What the place looks like.
    pub back: Vec<f32>,
    /// By how much it usually varies: the standard deviation of its departures.
    pub spread: Vec<f32>,
    /// How steep it is there: by how much more a cell departs when the picture trembles.
    pub edge: Vec<f32>,
    /// How long ago that was worked out, seconds.
    edge_age: f32,
    /// For how long it has been learnt, seconds, up to [`FOLLOWS`] or [`BELIEVED`].
    known: Vec<f32>,
    /// By how much what is there now departs from it.
    pub apart: Vec<f32>,
    /// Whether somebody who is followed is before it who may stand still.
    covered: Vec<bool>,
    /// Whether the light is judged by it.
    pub usable: Vec<bool>,
    light: Option<Light>,
    steadying: Steadying,
}

impl Ground {
    /// Takes these levels for the background.
    pub fn new(levels: &[f32], grid: &Grid, manner: Manner) -> Self {
        let cells = levels.len();
        Self {
            manner,
            columns: grid.columns(),
            back: levels.to_vec(),
            spread: vec![manner.spread; cells],
            edge: vec![0.0; cells],
            edge_age: f32::INFINITY,
            known: vec![0.0; cells],
            apart: vec![0.0; cells],
            covered: vec![false; cells],
            usable: grid.open().to_vec(),
            light: None,
            steadying: Steadying::default(),
        }
    }

    /// Marks the cells that somebody is before.
    pub fn cover(&mut self, tracks: &[Cover], grid: &Grid) {
        self.covered.fill(false);
        for track in tracks.iter().filter(|track| track.is_mover) {
            mark(&mut self.covered, grid, &track.bbox);
        }
    }

    /// The light of `levels`, by what is usable.
    pub fn light_of(&self, levels: &[f32]) -> Light {
        self.light.unwrap_or(Light::SAME).follow(&self.back, levels, &self.usable)
    }

    /// Notes the light. Where it is far from that of the background, brings the background into it and says so: what else is
    /// in the light of the background is to be brought into it too.
    pub fn relight(&mut self, light: Light) -> bool {
        self.light = Some(light);
        if !light.is_far() {
            return false;
        }
        self.back.iter_mut().for_each(|level| *level = light.apply(*level));
        for plane in [&mut self.apart, &mut self.spread] {
            plane.iter_mut().for_each(|level| *level *= light.gain);
        }
        self.light = Some(Light::SAME);
        true
    }

    /// How the picture has shifted whose departure is [`Ground::apart`], by the open cells of a grid, or by the usable ones.
    pub fn find_shift(&mut self, grid: Option<&Grid>) -> Option<Shift> {
        let seen = grid.map_or(self.usable.as_slice(), Grid::open);
        self.steadying.find(&self.back, &self.apart, seen, self.columns)
    }

    /// What a shift of less than a cell has made of what departs at a cell.
    pub fn shifted(&self, at: usize, (dx, dy): (f32, f32)) -> f32 {
        let (gx, gy) = gradient(&self.back, self.columns, at);
        gx * dx + gy * dy
    }

    /// Moves what is remembered by whole cells, as everything else that is remembered must be.
    pub fn shift(&mut self, by: [i8; 2]) {
        let planes = [&mut self.back, &mut self.spread, &mut self.edge, &mut self.known];
        planes.into_iter().for_each(|plane| moved(plane, self.columns, by));
        moved(&mut self.usable, self.columns, by);
        for at in edge(self.columns, self.back.len()) {
            self.known[at] = 0.0;
        }
        self.edge_age = f32::INFINITY;
    }

    /// Works out now and then what trembling makes of each cell.
    pub fn feel_edges(&mut self, passed: f32) {
        self.edge_age += passed;
        if self.edge_age < EDGES_EVERY {
            return;
        }
        self.edge_age = 0.0;
        self.steadying.learn(&self.back, self.columns);
        for at in 0..self.back.len() {
            let (gx, gy) = gradient(&self.back, self.columns, at);
            self.edge[at] = (gx.abs() + gy.abs()) * self.manner.trembles;
        }
    }

    /// Learns the cells that nothing `hides`, `passed` seconds after the last.
    pub fn learn(&mut self, passed: f32, hides: impl Fn(usize) -> bool) {
        let [least, most] = self.manner.spreads;
        let rest = self.spread.iter_mut().zip(&mut self.known).zip(&self.apart).zip(&self.covered);
        for (at, (back, (((spread, known), apart), covered))) in self.back.iter_mut().zip(rest).enumerate() {
            if hides(at) {
                continue;
            }
            let pace = passed / (passed + known.min(FOLLOWS));
            *back += apart * pace;
            // 1.25 mean absolute deviations are one standard deviation of normal noise.
            *spread = (*spread + (apart.abs() * 1.25 - *spread) * pace.min(0.2)).clamp(least, most);
            // What somebody stands before who has been there from the beginning may be he.
            if !*covered || *known >= BELIEVED {
                *known = (*known + passed).min(FOLLOWS.max(BELIEVED));
            }
        }
    }

    /// Whether what a cell is known to look like may be whoever stood before it from the beginning and has gone.
    pub fn is_mistaken(&self, at: usize) -> bool {
        self.known[at] < BEGUN && !self.covered[at]
    }

    /// Takes a level for the background of which nothing is known.
    pub fn begin(&mut self, at: usize, level: f32) {
        (self.back[at], self.known[at]) = (level, 0.0);
    }

    /// Takes a level for the background that has been there for long.
    pub fn absorb(&mut self, at: usize, level: f32) {
        (self.back[at], self.known[at]) = (level, BELIEVED / 2.0);
    }
}
