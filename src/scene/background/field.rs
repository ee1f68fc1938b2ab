//! The light place by place: what the gain and offset of the whole picture do not explain, but many cells side by side do.
//!
//! A cloud's edge, a lamp, the glare of a white car: each changes the light of a part of the picture, smoothly. So the
//! picture is divided into tiles, and in each the median of what is left is taken, which nothing moves that covers less than
//! half of the tile; tiles of which too little can be seen take that of those around them. Between the middles of the tiles
//! it goes in straight lines.

/// Tiles across and down.
const TILES: (usize, usize) = (10, 6);
/// What is left is counted in steps of one level, up to this many either way; more is no light.
const LEVELS: usize = 32;
/// A tile of which at least this share counts says something.
const ENOUGH: f32 = 0.25;

/// The light of each tile. Kept for its memory.
#[derive(Debug)]
pub(super) struct Field {
    counts: Vec<[u16; 2 * LEVELS]>,
    tiles: Vec<Option<f32>>,
    levels: Vec<f32>,
    /// For each column the tile that it lies in, and between the middles of which two, and how far.
    columns: Vec<(usize, usize, f32)>,
}

impl Default for Field {
    fn default() -> Self {
        let tiles = TILES.0 * TILES.1;
        Self {
            counts: vec![[0; 2 * LEVELS]; tiles],
            tiles: vec![None; tiles],
            levels: vec![0.0; tiles],
            columns: Vec::new(),
        }
    }
}

impl Field {
    /// Takes from `apart`, a plane of `columns`, what its light explains. Only `usable` cells count.
    pub fn take_from(&mut self, apart: &mut [f32], usable: &[bool], columns: usize) {
        let rows = apart.len() / columns.max(1);
        if columns < 2 * TILES.0 || rows < 2 * TILES.1 {
            return;
        }
        if self.columns.len() != columns {
            let place = |column| {
                let (left, share) = between(column, columns, TILES.0);
                (column * TILES.0 / columns, left, share)
            };
            self.columns = (0..columns).map(place).collect();
        }
        self.count(apart, usable, columns, rows);
        let whole = (columns / TILES.0 * (rows / TILES.1)) as f32;
        for (tile, counts) in self.tiles.iter_mut().zip(&self.counts) {
            *tile = median(counts, (whole * ENOUGH) as u32);
        }
        self.fill();
        self.apply(apart, columns, rows);
    }

    fn count(&mut self, apart: &[f32], usable: &[bool], columns: usize, rows: usize) {
        self.counts.iter_mut().for_each(|counts| counts.fill(0));
        for (row, (apart, usable)) in apart.chunks_exact(columns).zip(usable.chunks_exact(columns)).enumerate() {
            let first = row * TILES.1 / rows * TILES.0;
            for ((apart, usable), (tile, ..)) in apart.iter().zip(usable).zip(&self.columns) {
                let step = apart + LEVELS as f32;
                if *usable && (0.0..(2 * LEVELS) as f32).contains(&step) {
                    self.counts[first + tile][step as usize] += 1;
                }
            }
        }
    }

    /// Gives each tile that says nothing the mean of those around it that do, from near to far.
    fn fill(&mut self) {
        let known: Vec<(usize, f32)> = self.tiles.iter().enumerate().filter_map(|(i, t)| Some((i, (*t)?))).collect();
        for (index, level) in self.levels.iter_mut().enumerate() {
            let (mut sum, mut weights) = (0.0, 0.0);
            for &(other, value) in &known {
                let across = (index % TILES.0).abs_diff(other % TILES.0);
                let down = (index / TILES.0).abs_diff(other / TILES.0);
                let distance = (across * across + down * down) as f32;
                // Of one that is known its own counts most; those beside it smooth it.
                let weight = 1.0 / (0.25 + distance * distance);
                sum += value * weight;
                weights += weight;
            }
            *level = if weights > 0.0 { sum / weights } else { 0.0 };
        }
    }

    fn apply(&self, apart: &mut [f32], columns: usize, rows: usize) {
        for (row, line) in apart.chunks_exact_mut(columns).enumerate() {
            let (above, v) = between(row, rows, TILES.1);
            let upper = &self.levels[above * TILES.0..][..TILES.0];
            let lower = &self.levels[(above + 1) * TILES.0..][..TILES.0];
            let mut tiles = [0.0; TILES.0];
            for (tile, (upper, lower)) in tiles.iter_mut().zip(upper.iter().zip(lower)) {
                *tile = upper + (lower - upper) * v;
            }
            for (apart, &(_, left, u)) in line.iter_mut().zip(&self.columns) {
                *apart -= tiles[left] + (tiles[left + 1] - tiles[left]) * u;
            }
        }
    }
}

/// Between the middles of which two of so many tiles a cell lies, the first of them and how far it is to the second.
fn between(at: usize, cells: usize, tiles: usize) -> (usize, f32) {
    let place = ((at as f32 + 0.5) * tiles as f32 / cells as f32 - 0.5).clamp(0.0, (tiles - 1) as f32);
    let first = (place as usize).min(tiles - 2);
    (first, place - first as f32)
}

/// The median of what is counted, if that is at least `enough`; to a part of a level, as if all of one step were spread over
/// it evenly.
fn median(counts: &[u16; 2 * LEVELS], enough: u32) -> Option<f32> {
    let all: u32 = counts.iter().map(|count| u32::from(*count)).sum();
    if all < enough.max(1) {
        return None;
    }
    let half = all as f32 / 2.0;
    let mut below = 0.0;
    for (step, &count) in counts.iter().enumerate() {
        let count = f32::from(count);
        if below + count >= half {
            return Some(step as f32 + (half - below) / count.max(1.0) - LEVELS as f32);
        }
        below += count;
    }
    None
}
