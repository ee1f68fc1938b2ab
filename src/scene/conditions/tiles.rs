//! The luma plane in tiles, pixel by pixel: how much contrast each has and how much of that is fine detail.
//!
//! Of each tile four rows are read. `coarse` is the root mean square of the difference between pixels that lie some way
//! apart, which is what there is to be seen. `fine` is that of the second difference of neighbours, the one-dimensional
//! Laplacian: what a lens out of focus takes first (variance of Laplacian: Pech-Pacheco et al., "Diatom autofocusing in
//! brightfield microscopy", ICPR 2000; Pertuz et al., "Analysis of focus measure operators", Pattern Recognition 46, 2013).
//! Their ratio is the sharpness: more or less light changes both alike, and so does fog. What noise adds is taken off.

use crate::scene::Grid;
use crate::vocab::{Frame, Plane};

/// Tiles across the picture.
pub const ACROSS: usize = 16;
/// Tiles down the picture.
pub const DOWN: usize = 9;
/// All tiles.
pub const TILES: usize = ACROSS * DOWN;
/// Rows that are read of each tile.
const ROWS: usize = 4;
/// A difference that noise alone may make, in levels of luma.
const FLAT: u32 = 6;

/// What was read of one picture.
#[derive(Debug, Clone)]
pub struct Tiles {
    /// The contrast of each tile, in levels of luma.
    pub coarse: [f32; TILES],
    /// The share of it that is fine detail.
    pub sharpness: [f32; TILES],
    /// Whether it is to be looked at: no mask reaches into it.
    pub open: [bool; TILES],
    size: (u32, u32),
}

impl Tiles {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { coarse: [0.0; TILES], sharpness: [0.0; TILES], open: [false; TILES], size: (0, 0) }
    }

    /// Reads `frame`, whose masks lie over `grid`.
    pub fn read(&mut self, frame: &Frame, grid: &Grid) {
        if self.size != (frame.width, frame.height) {
            self.size = (frame.width, frame.height);
            self.open = opened(grid);
        }
        let (width, height) = (frame.width as usize, frame.height as usize);
        // Wide enough apart that what is between is no fine detail.
        let apart = (width / 96).clamp(8, 64);
        let luma = frame.luma();
        let mut all = Sums::default();
        for tile in 0..TILES {
            let (column, row) = (tile % ACROSS, tile / ACROSS);
            let (left, right) = (column * width / ACROSS, (column + 1) * width / ACROSS);
            let (top, bottom) = (row * height / DOWN, (row + 1) * height / DOWN);
            let sums = sums(luma, left..right, top..bottom, apart);
            // Mean squares, for now.
            (self.coarse[tile], self.sharpness[tile]) = (sums.mean(sums.coarse), sums.mean(sums.fine));
            all.add(sums);
        }
        let noise = all.noise();
        for (coarse, sharpness) in self.coarse.iter_mut().zip(&mut self.sharpness) {
            // The second difference of noise has six times its variance, the difference twice.
            let fine = (*sharpness - noise).max(0.0).sqrt();
            *coarse = (*coarse - noise / 3.0).max(0.0).sqrt();
            *sharpness = fine / coarse.max(1.0);
        }
    }
}

/// Sums of squares over the rows of one tile.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    coarse: f32,
    fine: f32,
    pixels: f32,
    /// The share of `fine` and `pixels` where there is nothing to be seen.
    flat_fine: f32,
    flat_pixels: f32,
}

impl Sums {
    fn mean(self, sum: f32) -> f32 {
        sum / self.pixels.max(1.0)
    }

    fn add(&mut self, other: Self) {
        self.pixels += other.pixels;
        self.flat_fine += other.flat_fine;
        self.flat_pixels += other.flat_pixels;
    }

    /// The mean square of the second difference that is noise, told from where there is nothing else (Immerkær, "Fast noise
    /// variance estimation", CVIU 64, 1996). 0 where there is too little of that.
    fn noise(self) -> f32 {
        if self.flat_pixels < 0.05 * self.pixels { 0.0 } else { self.flat_fine / self.flat_pixels }
    }
}

fn sums(luma: Plane<'_>, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>, apart: usize) -> Sums {
    let mut sums = Sums::default();
    let step = (rows.len() / ROWS).max(1);
    for row in rows.skip(step / 2).step_by(step).take(ROWS) {
        let start = row * luma.stride;
        // A plane shorter than its format promises leaves its last tiles without contrast.
        let Some(line) = luma.data.get(start + columns.start..start + columns.end) else { continue };
        if line.len() > apart + 2 {
            sums.take_in(line, apart / 2);
        }
    }
    sums
}

impl Sums {
    /// One row of a tile, of which pixels `half` to both sides are compared.
    fn take_in(&mut self, line: &[u8], half: usize) {
        let inner = half..line.len() - half;
        let ends = line[..inner.len()].iter().zip(&line[2 * half..]);
        let (left, right) = (&line[inner.start - 1..inner.end - 1], &line[inner.start + 1..inner.end + 1]);
        let bends = left.iter().zip(&line[inner.clone()]).zip(right);
        let (mut coarse, mut fine, mut flat_fine, mut flat) = (0u32, 0u32, 0u32, 0u32);
        for ((a, b), ((l, m), r)) in ends.zip(bends) {
            let difference = u32::from(a.abs_diff(*b));
            let bend = (i32::from(*l) + i32::from(*r) - 2 * i32::from(*m)).unsigned_abs();
            let is_flat = u32::from(difference <= FLAT);
            coarse += difference * difference;
            fine += bend * bend;
            flat_fine += bend * bend * is_flat;
            flat += is_flat;
        }
        self.coarse += coarse as f32;
        self.fine += fine as f32;
        self.pixels += inner.len() as f32;
        self.flat_fine += flat_fine as f32;
        self.flat_pixels += flat as f32;
    }
}

/// The tiles into which no mask reaches.
fn opened(grid: &Grid) -> [bool; TILES] {
    let mut open = [true; TILES];
    for (cell, _) in grid.open().iter().enumerate().filter(|(_, open)| !**open) {
        let middle = grid.middle_of(cell);
        let along = |part: f32, of: usize| ((part * of as f32) as usize).min(of - 1);
        open[along(middle.y, DOWN) * ACROSS + along(middle.x, ACROSS)] = false;
    }
    open
}
