//! The background model: what a camera sees when nothing is there, and what departs from it.
//!
//! Two paces are kept for each cell of a fine [`Grid`](super::Grid), as by Porikli (2007, "Detection of temporarily static
//! regions by processing video at different frame rates"): the background, learnt over many seconds and never from what
//! departs from it; and what has been there lately. What departs from both moves ([`Background::moving`]); what departs
//! from the first alone is static ([`Background::regions`]): something was left, or removed.
//!
//! ```text
//!   luma ─ grid ─ light, trembling (light.rs, field.rs, steadying.rs) ─ cells (cells.rs) ─┬─ blobs.rs ──────────────────▶ detections
//!                                                                 └─ regions.rs ─ verdict.rs ───▶ static regions
//!                            tracks ── who is before it, whose it is ──┘
//! ```
//!
//! All times are media time, all places shares of the picture, so that rate and resolution change little.

mod blobs;
mod boxes;
mod cells;
mod field;
mod light;
mod pieces;
mod regions;
mod relight;
mod steadying;
#[cfg(test)]
mod tests;
mod verdict;

use super::Grid;
use crate::vocab::{Cover, Detection, Frame, MediaTime, Polygon, Rect, StaticRegion};
use blobs::Blobs;
use cells::Cells;
use pieces::Pieces;
use regions::Regions;

/// Where more than this share of the picture changes from one picture to the next, it may have been a lamp.
const SUDDEN: f32 = 0.04;
/// The longest time between two pictures that counts as watched, seconds: the interval of rare keyframes.
const WATCHED: f32 = 10.0;

/// How easily something departs from the background.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How far the mean of a cell must depart, in luma levels, above 0; default 9.
    pub step: f32,
    /// The share of the picture that something moving must cover to be seen, 0..1; default 0.0015.
    pub least: f32,
    /// Whether lamps that are switched are taken for light in the very picture in which they are; default true. It needs to be
    /// told who is followed from the first picture on, and takes the bonnet of an unknown car with its shadow for a lamp.
    pub lamps: bool,
    /// Where nothing is looked for, such as burned-in clocks; a cell that a mask reaches into is left out as a whole.
    pub masks: Vec<Polygon>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { step: 9.0, least: 0.0015, lamps: true, masks: Vec::new() }
    }
}

/// The background of one camera.
#[derive(Debug)]
pub struct Background {
    settings: Settings,
    grid: Grid,
    cells: Cells,
    regions: Regions,
    blobs: Blobs,
    pieces: Pieces,
    last: Option<MediaTime>,
}

impl Background {
    /// A model that has seen nothing. Its first picture is its background.
    pub fn new(settings: Settings) -> Self {
        Self {
            grid: Grid::finer(settings.masks.clone()),
            settings,
            cells: Cells::default(),
            regions: Regions::default(),
            blobs: Blobs::default(),
            pieces: Pieces::default(),
            last: None,
        }
    }

    /// Looks at the next picture; pictures come in the order of their media time. Allocates next to nothing while they keep
    /// their size.
    pub fn step(&mut self, frame: &Frame) {
        let resized = self.grid.read(frame);
        let Some(last) = self.last.replace(frame.pts).filter(|_| !resized) else {
            self.cells = Cells::learn(&self.grid);
            self.regions.clear();
            return;
        };
        let passed = frame.pts.since(last).as_secs_f32().min(WATCHED);
        let new = self.cells.step(&self.grid, passed, &self.settings, &mut self.pieces);
        if new > SUDDEN {
            self.regions.light_changed(frame.pts);
        }
        self.regions.step(frame.pts, &mut self.cells, &self.grid);
    }

    /// Takes in who is followed after a look at the last picture: whoever stands still is no object.
    pub fn cover(&mut self, now: MediaTime, tracks: &[Cover]) {
        self.cells.cover(tracks, &self.grid);
        self.regions.cover(now, tracks, &self.grid);
    }

    /// What was left or removed, as of the last picture.
    pub fn regions(&self) -> &[StaticRegion] {
        self.regions.told()
    }

    /// What moves in the last picture, as detections of class 0. `expected` are the places where whoever is followed should
    /// be by now: what lies in two of them is two, and what lies in one of them is one.
    pub fn moving(&mut self, expected: &[Rect], into: &mut Vec<Detection>) {
        self.blobs.find(&self.cells, &self.grid, self.settings.least, expected, into);
    }
}
