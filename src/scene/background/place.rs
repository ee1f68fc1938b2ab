//! What a place looks like when nothing is there, and which of its cells have come to look different for good.
//!
//! What is compared are not the levels of cells but the steps between cells that lie near each other: an object brings steps
//! with it or hides them, and light does neither, however the light of the place has been estimated. A step may have become
//! larger by the share by which both cells have become lighter, and it may have stayed what it was; what lies beyond that is
//! no light. A cell is *changed* where such a step is beside it and it departs itself. What is clear carries what is faint, as
//! in the edges of Canny (1986).

use super::ground::{Ground, Manner};
use super::light::Light;
use super::pieces::{Piece, Pieces};
use super::planes::{edge, moved};
use super::shading::Shading;
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
/// How much a cell's spread must be exceeded.
const SPREADS: f32 = 4.0;
/// What is compared is a median, which varies little, after the light of each place has been taken out of it.
const MANNER: Manner = Manner { trembles: 0.15, spread: 1.0, spreads: [0.5, 4.0] };
/// How fast what is remembered of what is not the background follows, seconds.
const FRESH_FOLLOWS: f32 = 4.0;
/// By how many levels, in parts of a step, what has looked the same may differ.
const ALIKE: f32 = 0.6;
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
    pub ground: Ground,
    /// What stands there now in the light of the whole background, and in that of each of its places.
    level: Vec<f32>,
    pub present: Vec<f32>,
    /// What has stood there lately, in the light that it has and in that of the background, and since when.
    fresh: Vec<[f32; 2]>,
    pub since: Vec<MediaTime>,
    pub look: Vec<Look>,
    /// What is not to be learnt, as it belongs to something that stands there.
    pub held: Vec<bool>,
    shading: Shading,
    unrest: Unrest,
    /// How restless the picture is, levels.
    restless: f32,
    pieces: Pieces,
}

impl Place {
    /// Takes what stands there now for the background.
    pub fn learn(grid: &Grid, stills: &Stills) -> Self {
        let cells = grid.means().len();
        Self {
            ground: Ground::new(stills.median(), grid, MANNER),
            level: stills.median().to_vec(),
            present: stills.median().to_vec(),
            fresh: stills.median().iter().map(|level| [*level; 2]).collect(),
            since: vec![stills.turned(); cells],
            look: vec![Look::Same; cells],
            held: vec![false; cells],
            ..Self::default()
        }
    }

    /// Takes in what stands there now, `passed` seconds after the last; `step` as in [`Settings`](super::Settings).
    pub fn step(&mut self, grid: &Grid, stills: &Stills, passed: f32, step: f32) {
        self.look.fill(Look::Same);
        self.choose_usable(grid);
        let light = self.normalise(stills.median());
        self.ground.feel_edges(passed);
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
        self.ground.cover(tracks, grid);
    }

    /// Takes what stands in a cell for the background.
    pub fn absorb(&mut self, at: usize) {
        self.ground.absorb(at, self.present[at]);
        (self.ground.apart[at], self.look[at]) = (0.0, Look::Same);
    }

    /// How far two cells of a step are apart, now and in the background, and how far that is from anything that light makes of
    /// it.
    pub fn difference(&self, one: usize, other: usize) -> (f32, f32, f32) {
        let now = self.present[one] - self.present[other];
        let before = self.ground.back[one] - self.ground.back[other];
        (now, before, (now - before).abs() - SLACK * before.abs())
    }

    /// Brings what stands there into the light of the whole background, and takes out of it that the camera trembles.
    fn normalise(&mut self, median: &[f32]) -> Light {
        let light = self.ground.light_of(median);
        let inverse = 1.0 / light.gain;
        for (level, mean) in self.level.iter_mut().zip(median) {
            *level = (mean - light.offset) * inverse;
        }
        // The light of places looks like a shift at their edges.
        self.shade();
        let Some(shift) = self.ground.find_shift(None) else { return light };
        if shift.is_far() && shift.explained < EXPLAINED {
            return light;
        }
        if shift.whole != [0, 0] {
            self.shift(shift.whole);
            return self.normalise(median);
        }
        for (at, level) in self.level.iter_mut().enumerate() {
            *level -= self.ground.shifted(at, shift.taken);
        }
        light
    }

    /// Brings it into the light of each place of the background.
    fn shade(&mut self) {
        for ((apart, level), back) in self.ground.apart.iter_mut().zip(&self.level).zip(&self.ground.back) {
            *apart = level - back;
        }
        let Ground { apart, back, usable, columns, .. } = &mut self.ground;
        self.shading.take_from(apart, back, *columns, |at| usable[at]);
        for ((present, apart), back) in self.present.iter_mut().zip(&self.ground.apart).zip(&self.ground.back) {
            *present = back + apart;
        }
    }

    /// Brings the background into the present light where the two have come far apart.
    fn rebase(&mut self, light: Light) {
        if self.ground.relight(light) {
            self.present.iter_mut().for_each(|level| *level = light.apply(*level));
            self.fresh.iter_mut().for_each(|[_, present]| *present = light.apply(*present));
        }
    }

    /// Says by which cells the light is judged.
    fn choose_usable(&mut self, grid: &Grid) {
        for (at, usable) in self.ground.usable.iter_mut().enumerate() {
            *usable = grid.open()[at] && self.look[at] == Look::Same && !self.held[at];
        }
        self.judge_by_enough(grid);
    }

    /// Where nearly everything has changed, the light is judged by everything.
    fn judge_by_enough(&mut self, grid: &Grid) {
        if self.ground.usable.iter().filter(|usable| **usable).count() * 4 < self.ground.usable.len() {
            self.ground.usable.copy_from_slice(grid.open());
        }
    }

    /// Leaves out for the light, too, what lies in the middle of what has changed. Returns whether there is any.
    fn leave_out_objects(&mut self, grid: &Grid) -> bool {
        let Self { pieces, look, held, ground, .. } = self;
        pieces.find((grid.columns(), grid.rows()), REACH, |at| look[at] != Look::Same && !held[at]);
        let most = (LARGEST * look.len() as f32) as usize;
        let is_object = |piece: &&Piece| piece.cells >= FEWEST && piece.span.area() <= most;
        let mut found = false;
        for piece in pieces.all().iter().filter(is_object) {
            found = true;
            let [left, right] = piece.span.columns;
            for row in piece.span.rows[0]..piece.span.rows[1] {
                ground.usable[row * ground.columns + left..row * ground.columns + right].fill(false);
            }
        }
        self.judge_by_enough(grid);
        found
    }

    /// Moves all that is remembered.
    fn shift(&mut self, by: [i8; 2]) {
        self.ground.shift(by);
        let columns = self.ground.columns;
        moved(&mut self.fresh, columns, by);
        moved(&mut self.since, columns, by);
        moved(&mut self.look, columns, by);
        moved(&mut self.held, columns, by);
    }

    /// How restless the picture is.
    fn feel_unrest(&mut self) -> f32 {
        let Self { unrest, present, ground: Ground { usable, back, columns, .. }, .. } = self;
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
        let (columns, all) = (self.ground.columns, self.ground.back.len());
        for at in 0..all {
            let right = (at % columns + BESIDE < columns).then_some(at + BESIDE);
            let below = Some(at + BESIDE * columns).filter(|below| *below < all);
            for beside in right.into_iter().chain(below) {
                let (_, _, unexplained) = self.difference(at, beside);
                if unexplained < faint || !(grid.open()[at] & grid.open()[beside]) {
                    continue;
                }
                let usual = SPREADS * self.ground.spread[at].max(self.ground.spread[beside])
                    + self.ground.edge[at].max(self.ground.edge[beside]);
                if unexplained < usual || !self.is_sure(median, at, beside) {
                    continue;
                }
                let is_clear = unexplained >= clear && unexplained >= usual + 0.5 * step;
                let look = if is_clear { Look::Clear } else { Look::Faint };
                let least = (PART * (self.ground.apart[at] - self.ground.apart[beside]).abs()).max(ITSELF * faint);
                for cell in [at, beside].into_iter().filter(|cell| self.ground.apart[*cell].abs() > least) {
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
        let burnt = |at: usize| (median[at] > BURNT, self.ground.back[at] > BURNT);
        let (one, other) = (burnt(one), burnt(other));
        let may_be_larger = one.0 | other.1;
        let may_be_smaller = one.1 | other.0;
        if now > before { !may_be_smaller } else { !may_be_larger }
    }

    fn learn_background(&mut self, passed: f32) {
        for at in 0..self.look.len() {
            let is_hidden = self.look[at] != Look::Same || self.held[at];
            // What was never seen without somebody before it is learnt when he has gone.
            if is_hidden && self.ground.is_mistaken(at) {
                self.ground.begin(at, self.present[at]);
                (self.ground.apart[at], self.look[at], self.held[at]) = (0.0, Look::Same, false);
            }
        }
        let Self { ground, look, held, .. } = self;
        ground.learn(passed, |at| look[at] != Look::Same || held[at]);
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
