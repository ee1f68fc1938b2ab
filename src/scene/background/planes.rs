//! One value for each cell of the grid, row by row: their edges, their gradients, and how they are moved.

use crate::scene::Grid;
use crate::vocab::Rect;

/// The outermost cells of so many in rows of `columns`.
pub(super) fn edge(columns: usize, cells: usize) -> impl Iterator<Item = usize> {
    let columns = columns.max(1);
    let last = cells.saturating_sub(columns);
    let sides = (0..cells / columns).flat_map(move |row| [row * columns, row * columns + columns - 1]);
    (0..columns.min(cells)).chain(last..cells).chain(sides)
}

/// Marks the cells that `area` reaches into.
pub(super) fn mark(plane: &mut [bool], grid: &Grid, area: &Rect) {
    let ([left, right], [top, bottom]) = grid.cells_in(area);
    for row in top..bottom {
        plane[row * grid.columns() + left..row * grid.columns() + right].fill(true);
    }
}

/// Moves a plane by up to a cell right and down; what comes in at the edge is what was there.
pub(super) fn moved<T: Copy>(plane: &mut [T], columns: usize, [right, down]: [i8; 2]) {
    for line in plane.chunks_exact_mut(columns.max(1)) {
        match right {
            1 => line.copy_within(..columns - 1, 1),
            -1 => line.copy_within(1.., 0),
            _ => {}
        }
    }
    let all = plane.len();
    match down {
        1 => plane.copy_within(..all.saturating_sub(columns), columns.min(all)),
        -1 => plane.copy_within(columns.min(all).., 0),
        _ => {}
    }
}

/// How `plane` changes right and down at a cell, in levels per cell. Cells at the edge have none.
pub(super) fn gradient(plane: &[f32], columns: usize, at: usize) -> (f32, f32) {
    let level = |at: usize| plane.get(at).copied();
    let column = at % columns;
    if column == 0 || column + 1 == columns || at < columns {
        return (0.0, 0.0);
    }
    match (level(at - 1), level(at + 1), level(at - columns), level(at + columns)) {
        (Some(left), Some(right), Some(up), Some(down)) => ((right - left) / 2.0, (down - up) / 2.0),
        _ => (0.0, 0.0),
    }
}
