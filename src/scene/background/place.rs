//! What a place looks like when nothing is there, and which of its cells have come to look different for good.
//!
//! What is compared are not the levels of cells but the steps between cells that lie near each other: an object brings steps
//! with it or hides them, and light does neither, however the light of the place has been estimated. A step may have become
//! larger by the share by which both cells have become lighter, and it may have stayed what it was; what lies beyond that is
//! no light. A cell is *changed* where such a step is beside it and it departs itself. What is clear carries what is faint, as
//! in the edges of Canny (1986).

use super::light::Light;
use super::pieces::{Piece, Pieces};
use super::planes::{edge, gradient, mark, moved};
use super::shading::Shading;
use super::steadying::Steadying;
use super::stills::Stills;
use super::unrest::Unrest;
use crate::scene::Grid;
use crate::vocab::{Cover, MediaTime};

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
/// By how many levels, in parts of a step, what has looked the same may differ.
const ALIKE: f32 = 0.6;
/// How long a cell must have been learnt, free of whoever might stand in it, before somebody who stands there is taken to
/// be before it and not part of it, seconds; and before a change is more than a first mistake.
const BELIEVED: f32 = 20.0;
const BEGUN: f32 = 4.0;
/// The share of what departs at edges that a shift of about a cell must explain.
const EXPLAINED: f32 = 0.5;
/// How often the light is looked at again without what has changed; of how many cells that is at least, how far apart, and how
/// much of the picture it lies in at most.
const RETAKES: usize = 2;
const FEWEST: usize = 5;
const REACH: usize = 3;
const LARGEST: f32 = 0.1;
/// Every so manieth step is looked at to tell how restless the picture is.
const EVERY: usize = 3;
/// What is faint and what is clear, in parts of unrest: a tenth of normal noise is beyond 1.6 deviations.
const FAINT_UNREST: f32 = 2.2;
const CLEAR_UNREST: f32 = 3.0;
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
    /// What stands there now in the light of the whole background, and in that of each of its places; and by how much that
    /// departs from it.
    level: Vec<f32>,
    pub present: Vec<f32>,
    pub apart: Vec<f32>,
    /// What has stood there lately, in the light that it has and in that of the background, and since when.
    fresh: Vec<[f32; 2]>,
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
    unrest: Unrest,
    /// How restless the picture is, levels.
    restless: f32,
    pieces: Pieces,
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
            level: stills.median().to_vec(),
            present: stills.median().to_vec(),
            apart: vec![0.0; cells],
            fresh: stills.median().iter().map(|level| [*level; 2]).collect(),
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
        self.look.fill(Look::Same);
        self.choose_usable(grid);
        let light = self.normalise(stills.median());
        self.feel_edges(passed);
        self.shade();
        self.compare(grid, stills.median(), step);
        // What has changed would pass for light, and make what lies around it seem to have changed. So it is left out, with
        // what lies in its middle; and again, as it was not seen clearly.
        for _ in 0..RETAKES {
            self.choose_usable(grid);
            if !self.leave_out_objects(grid) {
                break;
            }
            self.shade();
            self.compare(grid, stills.median(), step);
        }
        self.choose_usable(grid);
        self.rebase(light);
        self.learn_background(passed);
        self.follow(stills, passed, step);
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

    /// Brings what stands there into the light of the whole background, and takes out of it that the camera trembles.
    fn normalise(&mut self, median: &[f32]) -> Light {
        let light = self.light.unwrap_or(Light::SAME).follow(&self.back, median, &self.usable);
        let inverse = 1.0 / light.gain;
        for (level, mean) in self.level.iter_mut().zip(median) {
            *level = (mean - light.offset) * inverse;
        }
        // The light of places looks like a shift at their edges.
        self.shade();
        let Some(shift) = self.steadying.find(&self.back, &self.apart, &self.usable, self.columns) else {
            return light;
        };
        if shift.is_far() && shift.explained < EXPLAINED {
            return light;
        }
        if shift.whole != [0, 0] {
            self.shift(shift.whole);
            return self.normalise(median);
        }
        let (dx, dy) = shift.taken;
        for at in 0..self.back.len() {
            let (gx, gy) = gradient(&self.back, self.columns, at);
            self.level[at] -= gx * dx + gy * dy;
        }
        light
    }

    /// Brings it into the light of each place of the background.
    fn shade(&mut self) {
        for ((apart, level), back) in self.apart.iter_mut().zip(&self.level).zip(&self.back) {
            *apart = level - back;
        }
        let Self { usable, shading, .. } = self;
        shading.take_from(&mut self.apart, &self.back, self.columns, |at| usable[at]);
        for ((present, apart), back) in self.present.iter_mut().zip(&self.apart).zip(&self.back) {
            *present = back + apart;
        }
    }

    /// Brings the background into the present light where the two have come far apart.
    fn rebase(&mut self, light: Light) {
        self.light = Some(light);
        if light.is_far() {
            for plane in [&mut self.back, &mut self.present] {
                plane.iter_mut().for_each(|level| *level = light.apply(*level));
            }
            self.fresh.iter_mut().for_each(|[_, present]| *present = light.apply(*present));
            for plane in [&mut self.apart, &mut self.spread] {
                plane.iter_mut().for_each(|level| *level *= light.gain);
            }
            self.light = Some(Light::SAME);
        }
    }

    /// Says by which cells the light is judged.
    fn choose_usable(&mut self, grid: &Grid) {
        for (at, usable) in self.usable.iter_mut().enumerate() {
            *usable = grid.open()[at] && self.look[at] == Look::Same && !self.held[at];
        }
        self.judge_by_enough(grid);
    }

    /// Where nearly everything has changed, the light is judged by everything.
    fn judge_by_enough(&mut self, grid: &Grid) {
        if self.usable.iter().filter(|usable| **usable).count() * 4 < self.usable.len() {
            self.usable.copy_from_slice(grid.open());
        }
    }

    /// Leaves out for the light, too, what lies in the middle of what has changed. Returns whether there is any.
    fn leave_out_objects(&mut self, grid: &Grid) -> bool {
        let Self { pieces, look, held, columns, .. } = self;
        pieces.find((grid.columns(), grid.rows()), REACH, |at| look[at] != Look::Same && !held[at]);
        let most = (LARGEST * look.len() as f32) as usize;
        let is_object = |piece: &&Piece| piece.cells >= FEWEST && piece.span.area() <= most;
        let mut found = false;
        for piece in pieces.all().iter().filter(is_object) {
            found = true;
            let [left, right] = piece.span.columns;
            for row in piece.span.rows[0]..piece.span.rows[1] {
                self.usable[row * *columns + left..row * *columns + right].fill(false);
            }
        }
        self.judge_by_enough(grid);
        found
    }

    /// Moves all that is remembered.
    fn shift(&mut self, by: [i8; 2]) {
        let planes = [&mut self.back, &mut self.spread, &mut self.edge, &mut self.known];
        planes.into_iter().for_each(|plane| moved(plane, self.columns, by));
        moved(&mut self.fresh, self.columns, by);
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

    /// How restless the picture is.
    fn feel_unrest(&mut self) -> f32 {
        let Self { unrest, usable, present, back, columns, .. } = self;
        let pairs = (0..back.len().saturating_sub(BESIDE * *columns)).step_by(EVERY);
        let pairs = pairs.map(|at| (at, if at % 2 == 0 { at + BESIDE } else { at + BESIDE * *columns }));
        let seen = pairs.filter(|(at, beside)| usable[*at] & usable[*beside]);
        unrest.measure(seen.map(|(at, beside)| (present[at] - present[beside] - back[at] + back[beside]).abs()))
    }

    /// Finds the cells that have changed.
    fn compare(&mut self, grid: &Grid, median: &[f32], step: f32) {
        self.restless = self.feel_unrest();
        let faint = (FAINT * step).max(FAINT_UNREST * self.restless);
        let clear = step.max(CLEAR_UNREST * self.restless);
        self.look.fill(Look::Same);
        let (columns, all) = (self.columns, self.back.len());
        for at in 0..all {
            let right = (at % columns + BESIDE < columns).then_some(at + BESIDE);
            let below = Some(at + BESIDE * columns).filter(|below| *below < all);
            for beside in right.into_iter().chain(below) {
                let (_, _, unexplained) = self.difference(at, beside);
                if unexplained < faint || !(grid.open()[at] & grid.open()[beside]) {
                    continue;
                }
                let usual = SPREADS * self.spread[at].max(self.spread[beside]) + self.edge[at].max(self.edge[beside]);
                if unexplained < usual || !self.is_sure(median, at, beside) {
                    continue;
                }
                let is_clear = unexplained >= clear && unexplained >= usual + 0.5 * step;
                let look = if is_clear { Look::Clear } else { Look::Faint };
                let least = (PART * (self.apart[at] - self.apart[beside]).abs()).max(ITSELF * faint);
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
    }

    /// Whether a step differs as it seems to where one of its cells is burnt out: that is brighter than it seems.
    fn is_sure(&self, median: &[f32], one: usize, other: usize) -> bool {
        let (now, before, _) = self.difference(one, other);
        // Where one cell is brighter than it seems, the difference is larger than it seems, or smaller.
        let burnt = |at: usize| (median[at] > BURNT, self.back[at] > BURNT);
        let (one, other) = (burnt(one), burnt(other));
        let may_be_larger = one.0 | other.1;
        let may_be_smaller = one.1 | other.0;
        if now > before { !may_be_smaller } else { !may_be_larger }
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
    fn follow(&mut self, stills: &Stills, passed: f32, step: f32) {
        let (turned, pace) = (stills.turned(), (passed / FRESH_FOLLOWS).min(0.5));
        let most = (ALIKE * step).max(FAINT_UNREST * self.restless);
        for (at, (fresh, since)) in self.fresh.iter_mut().zip(&mut self.since).enumerate() {
            // What is another level in the light that there is, and in that of the background too, is no light.
            let levels = [stills.median()[at], self.present[at]];
            let is_other = (0..2).all(|of| (levels[of] - fresh[of]).abs() > most);
            if is_other || self.look[at] == Look::Same {
                *since = turned;
            }
            for (fresh, level) in fresh.iter_mut().zip(levels) {
                *fresh =
                    if is_other || (level - *fresh).abs() > most { level } else { *fresh + (level - *fresh) * pace };
            }
        }
    }
}
