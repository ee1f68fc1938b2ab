//! The background model: what a camera sees when nothing is there, and what departs from it.
//!
//! Two paces are kept for each cell of a fine [`Grid`](super::Grid), as by Porikli (2007, "Detection of temporarily static
//! regions by processing video at different frame rates"). What moves is what departs from the background in this very
//! picture ([`Background::moving`]); what stands is what departs from it in the median of the last seconds
//! ([`Background::regions`]): something was left, or removed. Each is worked out only where it is asked for.
//!
//! ```text
//!   luma ─ grid ─┬─ light, trembling (light.rs, field.rs, steadying.rs) ─ cells (cells.rs) ─ blobs.rs ──────▶ detections
//!                └─ median (stills.rs) ─ light, trembling (light.rs, shading.rs, steadying.rs)
//!                     ─ place.rs ─ regions.rs ─ verdict.rs ─────────────────────────────────────────▶ static regions
//!                                 tracks ── who is before it, whose it is (boxes.rs) ──┘
//! ```
//!
//! Each of the two keeps a background of its own (ground.rs), as a single picture is noisier than a median.
//!
//! All times are media time, all places shares of the picture, so that rate and resolution change little.

mod blobs;
mod boxes;
mod cells;
mod field;
mod ground;
mod light;
mod pieces;
mod place;
mod planes;
mod regions;
mod shading;
mod steadying;
mod stills;
#[cfg(test)]
mod tests;
mod unrest;
mod verdict;

use super::Grid;
use crate::vocab::{Cover, Detection, Frame, MediaTime, Polygon, Rect, StaticRegion};
use blobs::Blobs;
use cells::Cells;
use place::Place;
use regions::Regions;
use stills::Stills;

/// The longest time between two pictures that counts as watched, seconds: the interval of rare keyframes.
const WATCHED: f32 = 10.0;

/// How easily something departs from the background.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How far the mean of a cell must depart, in luma levels, above 0; default 9.
    pub step: f32,
    /// The share of the picture that something moving must cover to be seen, 0..1; default 0.0015.
    pub least: f32,
    /// Whether it is asked what moves; default true.
    pub moving: bool,
    /// Whether it is asked what was left or removed; default true.
    pub standing: bool,
    /// Where nothing is looked for, such as burned-in clocks; a cell that a mask reaches into is left out as a whole.
    pub masks: Vec<Polygon>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { step: 9.0, least: 0.0015, moving: true, standing: true, masks: Vec::new() }
    }
}

/// The background of one camera.
#[derive(Debug)]
pub struct Background {
    settings: Settings,
    grid: Grid,
    cells: Cells,
    blobs: Blobs,
    stills: Stills,
    place: Place,
    regions: Regions,
    last: Option<MediaTime>,
    /// When what stands there was looked at last.
    looked: MediaTime,
}

impl Background {
    /// A model that has seen nothing. Its first picture is its background.
    pub fn new(settings: Settings) -> Self {
        Self {
            grid: Grid::finer(settings.masks.clone()),
            settings,
            cells: Cells::default(),
            blobs: Blobs::default(),
            stills: Stills::default(),
            place: Place::default(),
            regions: Regions::default(),
            last: None,
            looked: MediaTime::ZERO,
        }
    }

    /// Looks at the next picture; pictures come in the order of their media time. Allocates next to nothing while they keep
    /// their size.
    pub fn step(&mut self, frame: &Frame) {
        let resized = self.grid.read(frame);
        let last = self.last.replace(frame.pts).filter(|_| !resized);
        if self.settings.moving {
            match last {
                Some(last) => self.cells.step(&self.grid, passed(last, frame.pts), self.settings.step),
                None => self.cells = Cells::learn(&self.grid),
            }
        }
        if self.settings.standing {
            self.look(frame.pts, last.is_none());
        }
    }

    /// Looks at what stands there.
    fn look(&mut self, now: MediaTime, is_first: bool) {
        if is_first {
            self.stills.clear();
        }
        if !self.stills.add(now, self.grid.means()) {
            return;
        }
        let last = std::mem::replace(&mut self.looked, now);
        if is_first {
            self.place = Place::learn(&self.grid, &self.stills);
            self.regions.clear();
            return;
        }
        self.place.step(&self.grid, &self.stills, passed(last, now), self.settings.step);
        self.regions.step(now, &mut self.place, &self.grid, self.settings.step);
    }

    /// Takes in who is followed after a look at the last picture: whoever stands still is no object.
    pub fn cover(&mut self, now: MediaTime, tracks: &[Cover]) {
        if self.settings.moving {
            self.cells.cover(tracks, &self.grid);
        }
        if self.settings.standing {
            self.place.cover(tracks, &self.grid);
            self.regions.cover(now, tracks, &self.grid);
        }
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

/// How long was watched between two pictures, seconds.
fn passed(last: MediaTime, now: MediaTime) -> f32 {
    now.since(last).as_secs_f32().min(WATCHED)
}
