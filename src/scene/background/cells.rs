//! What is remembered of each cell: what the place looks like, and what has been there lately.
//!
//! ```text
//!                 departs               the same for STEADY
//!   background ───────────▶ changed ─────────────────────▶ static
//!       ▲                     │  ▲                           │
//!       ╰── as the background ╯  ╰── another for GIVES_WAY ──┤
//!       ╰──────── as the background for RETURNS ─────────────╯
//! ```
//!
//! A static cell that departs for a moment is hidden by somebody who walks by, and stays static.

use super::Settings;
use super::field::Field;
use super::light::Light;
use super::pieces::{Pieces, Span};
use super::relight::relight;
use super::steadying::{Steadying, gradient, moved};
use crate::scene::Grid;
use crate::vocab::{Cover, Rect};

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
pub(super) const STEADY: f32 = 1.5;
/// How long something else must be seen in a static cell before the cell is believed to have changed again, seconds.
const GIVES_WAY: f32 = 12.0;
/// How long a static cell must look like the background to be background again, seconds.
const RETURNS: f32 = 1.0;
/// How long a cell must have been learnt, free of whoever might stand in it, before somebody who stands there is taken to
/// be before it and not part of it, seconds; and before a change is more than a first mistake.
const BELIEVED: f32 = 20.0;
const BEGUN: f32 = 4.0;

/// Marks a cell that is being absorbed, and how far around something hidden such cells speak for it, in cells.
const ABSORBED: f32 = -1.0;
const AROUND: usize = 6;

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
    /// The picture before the light of its places was taken out of it, and by how much it has jumped since the last.
    level: Vec<f32>,
    pub jump: Vec<f32>,
    /// Whether somebody who is followed is before it who may stand still, and whether anybody is, or is about to be.
    pub covered: Vec<bool>,
    pub followed: Vec<bool>,
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
            level: grid.means().to_vec(),
            jump: vec![0.0; cells],
            covered: vec![false; cells],
            followed: vec![false; cells],
            usable: grid.open().to_vec(),
            light: None,
            field: Field::default(),
            steadying: Steadying::default(),
        }
    }

    /// Takes in the next picture, `passed` seconds after the last. Returns the share of the open cells that have
    /// changed in this picture and had not before.
    pub fn step(&mut self, grid: &Grid, passed: f32, settings: &Settings, pieces: &mut Pieces) -> f32 {
        let light = self.normalise(grid, settings, pieces);
        // In a dim light all contrasts are less, and the noise of the sensor is not.
        let step = settings.step / light.gain.min(1.0);
        self.feel_edges(passed);
        let (mut open, mut new) = (0u32, 0u32);
        for at in 0..self.back.len() {
            let is_open = grid.open()[at];
            let most = step.max(SPREADS * self.spread[at]) + self.edge[at];
            let is_changed = is_open & (self.apart[at].abs() > most);
            open += u32::from(is_open);
            new += u32::from(is_changed & !self.changed[at]);
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
        new as f32 / open.max(1) as f32
    }

    /// Whether the cell looks different from the background, and has for a while.
    pub fn is_static(&self, at: usize) -> bool {
        self.fresh_for[at] >= STEADY
    }

    /// Marks the cells that somebody is before.
    pub fn cover(&mut self, tracks: &[Cover], grid: &Grid) {
        self.covered.fill(false);
        self.followed.fill(false);
        for track in tracks {
            let Rect { x1, y1, x2, y2 } = track.bbox;
            let (w, h) = (track.bbox.width() * 0.5, track.bbox.height() * 0.5);
            mark(&mut self.followed, grid, &Rect::new(x1 - w, y1 - h, x2 + w, y2 + h));
            if track.is_mover {
                mark(&mut self.covered, grid, &track.bbox);
            }
        }
    }

    /// Takes what has been seen lately in `cells` for the background. To be followed by [`settle`](Self::settle).
    pub fn absorb(&mut self, cells: impl Iterator<Item = usize>) {
        for at in cells {
            // Kept for those beside it, until all are done.
            self.away[at] = self.fresh[at] - self.back[at];
            self.back[at] = self.fresh[at];
            (self.fresh_for[at], self.known[at], self.changed[at]) = (ABSORBED, BELIEVED / 2.0, false);
        }
    }

    /// Takes the jumps of `cells` for the light's. To be followed by [`settle`](Self::settle).
    pub fn jump_with(&mut self, cells: impl Iterator<Item = usize>) {
        for at in cells {
            self.back[at] += self.jump[at];
            self.apart[at] -= self.jump[at];
            (self.away[at], self.fresh_for[at]) = (self.jump[at], ABSORBED);
        }
    }

    /// What stands among the cells of `span` whose light has changed keeps the background that it hides, by as much lighter
    /// or darker as the cells around it have become; with `jumped`, it has itself.
    pub fn settle(&mut self, span: Span, jumped: bool) {
        let rows = || span.rows[0]..span.rows[1];
        let columns = self.columns;
        let row_of = |row: usize| row * columns + span.columns[0]..row * columns + span.columns[1];
        for at in rows().flat_map(row_of) {
            if self.fresh_for[at] != ABSORBED && (self.is_hidden(at) || self.covered[at]) {
                let lightened = self.lightened_around(at);
                self.back[at] += lightened;
                self.apart[at] -= lightened;
                self.fresh[at] += if jumped { self.jump[at] } else { 0.0 };
            }
        }
        for at in rows().flat_map(row_of) {
            if self.fresh_for[at] == ABSORBED {
                (self.fresh_for[at], self.away[at]) = (0.0, 0.0);
            }
        }
    }

    /// Whether the background of a cell is not to be seen.
    pub fn is_hidden(&self, at: usize) -> bool {
        self.changed[at] || self.is_static(at)
    }

    /// By how much the cells near one have become lighter that are being absorbed.
    fn lightened_around(&self, at: usize) -> f32 {
        let (column, row, rows) = (at % self.columns, at / self.columns, self.back.len() / self.columns);
        let (mut sum, mut count) = (0.0, 0.0f32);
        for row in row.saturating_sub(AROUND)..(row + AROUND + 1).min(rows) {
            let right = (column + AROUND + 1).min(self.columns);
            for beside in row * self.columns + column.saturating_sub(AROUND)..row * self.columns + right {
                if self.fresh_for[beside] == ABSORBED {
                    (sum, count) = (sum + self.away[beside], count + 1.0);
                }
            }
        }
        sum / count.max(1.0)
    }

    /// Brings the present picture into the light of the background, and the background into the present light where
    /// the two have come far apart.
    fn normalise(&mut self, grid: &Grid, settings: &Settings, pieces: &mut Pieces) -> Light {
        let light = self.light.unwrap_or(Light::SAME).follow(&self.back, grid.means(), &self.usable);
        let inverse = 1.0 / light.gain;
        for ((apart, back), mean) in self.apart.iter_mut().zip(&self.back).zip(grid.means()) {
            *apart = (mean - light.offset) * inverse - back;
        }
        if let Some(shift) = self.steadying.find(&self.back, &self.apart, grid.open(), self.columns) {
            if shift.whole != [0, 0] {
                self.shift(shift.whole);
                return self.normalise(grid, settings, pieces);
            }
            let (dx, dy) = shift.taken;
            for at in 0..self.back.len() {
                let (gx, gy) = gradient(&self.back, self.columns, at);
                self.apart[at] -= gx * dx + gy * dy;
            }
        }
        for (((level, jump), apart), back) in self.level.iter_mut().zip(&mut self.jump).zip(&self.apart).zip(&self.back)
        {
            (*level, *jump) = (back + apart, back + apart - *level);
        }
        if settings.lamps {
            relight(self, pieces, settings.step);
        }
        self.field.take_from(&mut self.apart, &self.usable, self.columns);
        for ((present, apart), back) in self.present.iter_mut().zip(&self.apart).zip(&self.back) {
            *present = back + apart;
        }
        self.light = Some(light);
        if light.is_far() {
            for plane in [&mut self.back, &mut self.present, &mut self.fresh, &mut self.level] {
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
        let planes = [&mut self.back, &mut self.spread, &mut self.edge, &mut self.known, &mut self.level];
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
        } else if self.fresh_for[at] >= STEADY && self.away[at] < GIVES_WAY {
            self.away[at] += passed;
        } else {
            // From here on it is timed: a little more than nothing says that there is something to compare with.
            (self.fresh[at], self.fresh_for[at], self.away[at]) = (level, f32::MIN_POSITIVE, 0.0);
        }
    }
}

/// The outermost cells of so many in rows of `columns`.
fn edge(columns: usize, cells: usize) -> impl Iterator<Item = usize> {
    let columns = columns.max(1);
    let last = cells.saturating_sub(columns);
    let sides = (0..cells / columns).flat_map(move |row| [row * columns, row * columns + columns - 1]);
    (0..columns.min(cells)).chain(last..cells).chain(sides)
}

/// Marks the cells that `area` reaches into.
fn mark(plane: &mut [bool], grid: &Grid, area: &Rect) {
    let ([left, right], [top, bottom]) = grid.cells_in(area);
    for row in top..bottom {
        plane[row * grid.columns() + left..row * grid.columns() + right].fill(true);
    }
}
