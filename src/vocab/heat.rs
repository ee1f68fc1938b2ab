//! Where those who were followed stood and went, over an hour, in a grid over the picture.

use std::time::Duration;

use super::WallTime;

/// Cells across a [`HeatMap`].
pub const HEAT_COLUMNS: usize = 64;
/// Cells down a [`HeatMap`].
pub const HEAT_ROWS: usize = 36;

/// See the file's head. Cells are in rows, from the top left.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// When it begins.
    pub from: WallTime,
    /// When the last picture of it was.
    pub until: WallTime,
    /// For how much of that time there were pictures.
    pub watched: Duration,
    /// How many tracks are in it.
    pub tracks: u64,
    /// For how long somebody's foot was in each cell, in seconds; two people count twice.
    pub dwell: Vec<f32>,
    /// How they moved there on average, in widths of the picture to the right and heights down, a second.
    pub flow: Vec<[f32; 2]>,
}

impl HeatMap {
    /// The longest that anybody's foot was in one cell, in seconds.
    pub fn most(&self) -> f32 {
        self.dwell.iter().copied().fold(0.0, f32::max)
    }

    /// Where that was, normalised over the picture.
    pub fn busiest(&self) -> Option<(f32, f32)> {
        let (cell, most) = self.dwell.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
        let middle = |at: usize, of: usize| (at as f32 + 0.5) / of as f32;
        (*most > 0.0).then(|| (middle(cell % HEAT_COLUMNS, HEAT_COLUMNS), middle(cell / HEAT_COLUMNS, HEAT_ROWS)))
    }
}
