//! What a place looks like when nothing is there, and which of its cells have come to look different for good.
//!
//! What is compared are not the levels of cells but the steps between cells that lie near each other: an object brings steps
//! with it or hides them, and light does neither, however the light of the place has been estimated. A step may have become
//! larger by the share by which both cells have become lighter, and it may have stayed what it was; what lies beyond that is
//! no light. A cell is *changed* where such a step is beside it and it departs itself. What is clear carries what is faint, as
//! in the edges of Canny (1986).

use super::light::Light;
use super::shading::Shading;
use super::steadying::{Steadying, gradient, moved};
use super::stills::Stills;
use crate::scene::Grid;
use crate::vocab::{Cover, MediaTime, Rect};

/// How far apart two cells are whose step is looked at.
pub(super) const BESIDE: usize = 2;
/// What is faint, in parts of what is clear; by how much a cell must depart itself, in parts of that; and how much of what a
/// step has changed by a cell must depart for it to be the one that has changed.
const FAINT: f32 = 0.4;
const ITSELF: f32 = 0.6;
const PART: f32 = 0.35;
/// The share of a step of the background that a change of the light may add to it or take from it beyond what it should.
const SLACK: f32 = 0.2;
/// How much a cell's spread must be exceeded, what it is believed to vary by, and the most that it can come to be excused.
const SPREADS: f32 = 4.0;
const SPREAD: std::ops::RangeInclusive<f32> = 0.5..=4.0;
/// By how much of a cell a picture may tremble after that has been taken out of it, and how often it is worked out what that
/// makes of each cell, seconds.
const TREMBLES: f32 = 0.15;
const EDGES_EVERY: f32 = 2.0;
/// How fast the background follows what it is seen to be, and what is remembered of what is not, seconds.
const FOLLOWS: f32 = 20.0;
const FRESH_FOLLOWS: f32 = 4.0;
/// How long a cell must have been learnt, free of whoever might stand in it, before somebody who stands there is taken to
/// be before it and not part of it, seconds; and before a change is more than a first mistake.
const BELIEVED: f32 = 20.0;
const BEGUN: f32 = 4.0;
/// Levels from which on a pixel may be brighter than it can say.
const BURNT: f32 = 225.0;

/// What a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Look {
    /// As the background.
    #[default]
    Same,
    /// Faintly or clearly different.
    Faint,
    Clear,
}

/// One value for each cell of the grid, row by row. Levels are in the light of the background.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub columns: usize,
    /// What the place looks like.
    pub back: Vec<f32>,
    /// By how much it usually varies: the standard deviation of its departures.
    spread: Vec<f32>,
    /// How steep it is there: by how much more a cell departs when the picture trembles.
    edge: Vec<f32>,
    /// How long ago that was worked out, seconds.
    edge_age: f32,
    /// For how long it has been learnt, seconds, up to [`BELIEVED`].
    known: Vec<f32>,
    /// What stands there now, and by how much that departs from the background.
    pub present: Vec<f32>,
    pub apart: Vec<f32>,
    /// What has stood there lately, and since when.
    fresh: Vec<f32>,
    pub since: Vec<MediaTime>,
    pub look: Vec<Look>,
    /// Whether somebody who is followed is before it who may stand still.
    covered: Vec<bool>,
    /// What is not to be learnt, as it belongs to something that stands there.
    pub held: Vec<bool>,
    /// Whether the light is judged by it.
    usable: Vec<bool>,
    light: Option<Light>,
    shading: Shading,
    steadying: Steadying,
}

impl Place {
    /// Takes what stands there now for the background.
    pub fn learn(grid: &Grid, stills: &Stills) -> Self {
        let cells = grid.means().len();
        Self {
            columns: grid.columns(),
            back: stills.median().to_vec(),
            spread: vec![1.0; cells],
            edge: vec![0.0; cells],
            edge_age: f32::INFINITY,
            known: vec![0.0; cells],
            present: stills.median().to_vec(),
            apart: vec![0.0; cells],
            fresh: stills.median().to_vec(),
            since: vec![stills.turned(); cells],
            look: vec![Look::Same; cells],
            covered: vec![false; cells],
            held: vec![false; cells],
            usable: grid.open().to_vec(),
            ..Self::default()
        }
    }

    /// Takes in what stands there now, `passed` seconds after the last; `step` as in [`Settings`](super::Settings).
    pub fn step(&mut self, grid: &Grid, stills: &Stills, passed: f32, step: f32) {
        self.normalise(grid, stills.median());
        self.feel_edges(passed);
        self.compare(grid, stills.median(), step);
        self.learn_background(passed);
        self.follow(stills.turned(), passed, step);
    }

    /// Whether the cell looks different from the background.
    pub fn is_changed(&self, at: usize) -> bool {
        self.look[at] != Look::Same
    }

    /// Marks the cells that somebody is before.
    pub fn cover(&mut self, tracks: &[Cover], grid: &Grid) {
        self.covered.fill(false);
        for track in tracks.iter().filter(|track| track.is_mover) {
            mark(&mut self.covered, grid, &track.bbox);
        }
    }

    /// Takes what stands in a cell for the background.
    pub fn absorb(&mut self, at: usize) {
        self.back[at] = self.present[at];
        (self.known[at], self.apart[at], self.look[at]) = (BELIEVED / 2.0, 0.0, Look::Same);
    }

    /// How far two cells of a step are apart, now and in the background, and how far that is from anything that light makes of
    /// it.
    pub fn difference(&self, one: usize, other: usize) -> (f32, f32, f32) {
        let now = self.present[one] - self.present[other];
        let before = self.back[one] - self.back[other];
        (now, before, (now - before).abs() - SLACK * before.abs())
    }

    /// Brings what stands there into the light of the background, and the background into the present light where the two
    /// have come far apart.
    fn normalise(&mut self, grid: &Grid, median: &[f32]) {
        let light = self.light.unwrap_or(Light::SAME).follow(&self.back, median, &self.usable);
        let inverse = 1.0 / light.gain;
        for ((apart, back), mean) in self.apart.iter_mut().zip(&self.back).zip(median) {
            *apart = (mean - light.offset) * inverse - back;
        }
        if let Some(shift) = self.steadying.find(&self.back, &self.apart, grid.open(), self.columns) {
            if shift.whole != [0, 0] {
                self.shift(shift.whole);
                return self.normalise(grid, median);
            }
            let (dx, dy) = shift.taken;
            for at in 0..self.back.len() {
                let (gx, gy) = gradient(&self.back, self.columns, at);
                self.apart[at] -= gx * dx + gy * dy;
            }
        }
        let Self { usable, shading, .. } = self;
        shading.take_from(&mut self.apart, &self.back, self.columns, |at| usable[at]);
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
        }
    }

    /// Moves all that is remembered.
    fn shift(&mut self, by: [i8; 2]) {
        let planes = [&mut self.back, &mut self.spread, &mut self.edge, &mut self.known, &mut self.fresh];
        planes.into_iter().for_each(|plane| moved(plane, self.columns, by));
        moved(&mut self.since, self.columns, by);
        moved(&mut self.look, self.columns, by);
        [&mut self.held, &mut self.usable].into_iter().for_each(|plane| moved(plane, self.columns, by));
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

    /// Finds the cells that have changed.
    fn compare(&mut self, grid: &Grid, median: &[f32], step: f32) {
        self.look.fill(Look::Same);
        let (columns, all) = (self.columns, self.back.len());
        for at in 0..all {
            let right = (at % columns + BESIDE < columns).then_some(at + BESIDE);
            let below = Some(at + BESIDE * columns).filter(|below| *below < all);
            for beside in right.into_iter().chain(below) {
                let (_, _, unexplained) = self.difference(at, beside);
                if unexplained < FAINT * step || !(grid.open()[at] & grid.open()[beside]) {
                    continue;
                }
                let usual = SPREADS * self.spread[at].max(self.spread[beside]) + self.edge[at].max(self.edge[beside]);
                // What is burnt out in either picture has lost its steps.
                if median[at].max(median[beside]) > BURNT || unexplained < usual {
                    continue;
                }
                let is_clear = unexplained >= step && unexplained >= usual + 0.5 * step;
                let look = if is_clear { Look::Clear } else { Look::Faint };
                let least = (PART * (self.apart[at] - self.apart[beside]).abs()).max(ITSELF * FAINT * step);
                for cell in [at, beside].into_iter().filter(|cell| self.apart[*cell].abs() > least) {
                    if self.look[cell] != Look::Clear {
                        self.look[cell] = look;
                    }
                }
            }
        }
        // What comes in at the edge of a picture that trembles was never seen before.
        for at in edge(columns, all) {
            self.look[at] = Look::Same;
        }
        let is_seen = |at: usize| grid.open()[at] && self.look[at] == Look::Same && !self.held[at];
        let seen = (0..all).filter(|at| is_seen(*at)).count();
        for (at, usable) in self.usable.iter_mut().enumerate() {
            // Where nearly everything has changed, the light is judged by everything.
            *usable = grid.open()[at] && (seen * 4 < all || (self.look[at] == Look::Same && !self.held[at]));
        }
    }

    fn learn_background(&mut self, passed: f32) {
        for at in 0..self.back.len() {
            let is_hidden = self.look[at] != Look::Same || self.held[at];
            // What was never seen without somebody before it is learnt when he has gone.
            if is_hidden && self.known[at] < BEGUN && !self.covered[at] {
                (self.back[at], self.known[at], self.look[at]) = (self.present[at], 0.0, Look::Same);
                self.apart[at] = 0.0;
            } else if is_hidden {
                continue;
            }
            let pace = passed / (passed + self.known[at].min(FOLLOWS));
            let (apart, spread) = (self.apart[at], self.spread[at]);
            self.back[at] += apart * pace;
            // 1.25 mean absolute deviations are one standard deviation of normal noise.
            let spread = spread + (apart.abs() * 1.25 - spread) * pace.min(0.2);
            self.spread[at] = spread.clamp(*SPREAD.start(), *SPREAD.end());
            // What somebody stands before who has been there from the beginning may be he.
            if !self.covered[at] || self.known[at] >= BELIEVED {
                self.known[at] = (self.known[at] + passed).min(FOLLOWS.max(BELIEVED));
            }
        }
    }

    /// Notes since when each cell has looked as it does.
    fn follow(&mut self, turned: MediaTime, passed: f32, step: f32) {
        let pace = (passed / FRESH_FOLLOWS).min(0.5);
        for ((fresh, since), present) in self.fresh.iter_mut().zip(&mut self.since).zip(&self.present) {
            if (present - *fresh).abs() > ITSELF * step {
                (*fresh, *since) = (*present, turned);
            } else {
                *fresh += (present - *fresh) * pace;
            }
        }
    }
}

/// The outermost cells of so many in rows of `columns`.
pub(super) fn edge(columns: usize, cells: usize) -> impl Iterator<Item = usize> {
    let columns = columns.max(1);
    let last = cells.saturating_sub(columns);
    let sides = (0..cells / columns).flat_map(move |row| [row * columns, row * columns + columns - 1]);
    (0..columns.min(cells)).chain(last..cells).chain(sides)
}

/// Marks the cells that `area` reaches into.
pub(super) fn mark(plane: &mut [bool], grid: &Grid, area: &Rect) {
    let ([left, right], [top, bottom]) = grid.cells_in(area);
    for row in top..bottom {
        plane[row * grid.columns() + left..row * grid.columns() + right].fill(true);
    }
}
