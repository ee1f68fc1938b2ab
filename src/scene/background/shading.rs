//! The light place by place, as a share: clouds' edges, lamps and their pools, dusk.
//!
//! A lamp makes every place lighter by a share of what it was, and by nearly the same share as the places beside it. So the
//! picture is divided into small tiles, and the light of each is how much lighter all is that can be seen of it and around it,
//! the near counting most (normalised convolution: Knutsson and Westin 1993); what stands there is left out. Between the
//! middles of the tiles it goes in straight lines.

/// Cells of a tile each way.
const TILE: usize = 6;
/// The level of black, over which light is a share.
const BLACK: f32 = 16.0;
/// What a tile further away counts where nearer ones can be seen: after each widening.
const FURTHER: f32 = 0.04;
/// How often what is known is widened by a tile: far enough to go around all that is no light.
const WIDENED: usize = 5;
/// The darkest and the brightest light, as shares of the background's.
const LEAST: f32 = 0.2;
const MOST: f32 = 5.0;

/// The light of each tile. Kept for its memory.
#[derive(Debug, Default)]
pub(super) struct Shading {
    /// How many tiles lie side by side, and one below the other.
    tiles: (usize, usize),
    /// The levels above black of what can be seen, now and in the background.
    sums: Vec<[f32; 2]>,
    wider: Vec<[f32; 2]>,
    total: Vec<[f32; 2]>,
    share: Vec<f32>,
    /// For each column between the middles of which two tiles it lies, and how far.
    columns: Vec<(usize, f32)>,
}

impl Shading {
    /// Brings `apart`, by how much a picture of `columns` departs from `back`, into the light of `back`. Only cells that
    /// `counts` says are seen as they are.
    pub fn take_from(&mut self, apart: &mut [f32], back: &[f32], columns: usize, counts: impl Fn(usize) -> bool) {
        let rows = apart.len() / columns.max(1);
        let tiles = (columns.div_ceil(TILE), rows.div_ceil(TILE));
        if tiles.0 < 2 || tiles.1 < 2 {
            return;
        }
        if self.tiles != tiles || self.columns.len() != columns {
            self.tiles = tiles;
            self.columns = (0..columns).map(|column| between(column, tiles.0)).collect();
        }
        self.sum(apart, back, columns, counts);
        self.widen();
        for (share, [now, before]) in self.share.iter_mut().zip(&self.total) {
            *share = if *before > 1.0 { (now / before).clamp(LEAST, MOST) } else { 1.0 };
        }
        for (row, (apart, back)) in apart.chunks_exact_mut(columns).zip(back.chunks_exact(columns)).enumerate() {
            let (above, v) = between(row, tiles.1);
            let (upper, lower) = (&self.share[above * tiles.0..], &self.share[(above + 1) * tiles.0..]);
            for ((apart, back), &(left, u)) in apart.iter_mut().zip(back).zip(&self.columns) {
                let across = |line: &[f32]| line[left] + (line[left + 1] - line[left]) * u;
                let share = across(upper) + (across(lower) - across(upper)) * v;
                *apart = (back + *apart - BLACK) / share + BLACK - back;
            }
        }
    }

    fn sum(&mut self, apart: &[f32], back: &[f32], columns: usize, counts: impl Fn(usize) -> bool) {
        let all = self.tiles.0 * self.tiles.1;
        for plane in [&mut self.sums, &mut self.wider, &mut self.total] {
            plane.clear();
            plane.resize(all, [0.0; 2]);
        }
        self.share.resize(all, 1.0);
        for (at, (apart, back)) in apart.iter().zip(back).enumerate().filter(|(at, _)| counts(*at)) {
            let tile = at / columns / TILE * self.tiles.0 + at % columns / TILE;
            let before = (back - BLACK).max(0.0);
            self.sums[tile][0] += (before + apart).max(0.0);
            self.sums[tile][1] += before;
        }
    }

    /// Adds to what each tile says what those around it say, less the further they are.
    fn widen(&mut self) {
        let (across, down) = self.tiles;
        let mut weight = 1.0;
        for _ in 0..WIDENED {
            for row in 0..down {
                for column in 0..across {
                    let mut sum = [0.0; 2];
                    for (near, part) in
                        [(column.saturating_sub(1), 1.0), (column, 2.0), ((column + 1).min(across - 1), 1.0)]
                    {
                        let [now, before] = self.sums[row * across + near];
                        sum = [sum[0] + now * part, sum[1] + before * part];
                    }
                    self.wider[row * across + column] = sum;
                }
            }
            for row in 0..down {
                for column in 0..across {
                    let mut sum = [0.0; 2];
                    for (near, part) in [(row.saturating_sub(1), 1.0), (row, 2.0), ((row + 1).min(down - 1), 1.0)] {
                        let [now, before] = self.wider[near * across + column];
                        sum = [sum[0] + now * part, sum[1] + before * part];
                    }
                    let at = row * across + column;
                    self.sums[at] = sum.map(|sum| sum / 16.0);
                    self.total[at] =
                        [self.total[at][0] + self.sums[at][0] * weight, self.total[at][1] + self.sums[at][1] * weight];
                }
            }
            weight *= FURTHER;
        }
    }
}

/// Between the middles of which two of so many tiles a cell lies, the first of them and how far it is to the second.
fn between(at: usize, tiles: usize) -> (usize, f32) {
    let place = ((at as f32 + 0.5) / TILE as f32 - 0.5).clamp(0.0, (tiles - 1) as f32);
    let first = (place as usize).min(tiles - 2);
    (first, place - first as f32)
}
