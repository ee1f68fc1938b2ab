//! The grids of cells that predictions belong to: one per stride, in the order in which exports write them.

/// Strides of the detection layers that most YOLO families share.
pub(super) const STRIDES: [u32; 3] = [8, 16, 32];

/// Strides of families with a fourth, coarser layer.
pub(super) const FOUR_STRIDES: [u32; 4] = [8, 16, 32, 64];

/// One grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    /// Pixels of the input per cell.
    pub(super) stride: u32,
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Level {
    /// How many cells it has.
    pub(super) fn cells(&self) -> usize {
        self.columns * self.rows
    }
}

/// The grids of `strides` over an input of `width` by `height`; the last cells of a row or column may reach past it.
pub(super) fn levels(width: u32, height: u32, strides: &[u32]) -> Vec<Level> {
    let level = |&stride: &u32| Level {
        stride,
        columns: width.div_ceil(stride) as usize,
        rows: height.div_ceil(stride) as usize,
    };
    strides.iter().map(level).collect()
}

/// How many cells the grids have together.
pub(super) fn count(levels: &[Level]) -> usize {
    levels.iter().map(Level::cells).sum()
}

/// The cells of the grids, row by row, finest first: (column, row, stride).
pub(super) fn cells(levels: &[Level]) -> Vec<[f32; 3]> {
    let of_level = |level: &Level| {
        let Level { stride, columns, rows } = *level;
        (0..rows).flat_map(move |row| (0..columns).map(move |column| [column as f32, row as f32, stride as f32]))
    };
    levels.iter().flat_map(of_level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_that_is_no_multiple_of_the_stride_has_one_cell_more() {
        let levels = levels(416, 416, &FOUR_STRIDES);
        assert_eq!(count(&levels), 3598, "NanoDet-Plus at 416 has as many rows");
        let cells = cells(&levels);
        assert_eq!((cells.len(), cells[53], cells[2704]), (3598, [1.0, 1.0, 8.0], [0.0, 0.0, 16.0]));
    }
}
