//! The luma plane as a small grid of cell means: all that the rest of this room looks at.
//!
//! A cell is a square of a power of two of pixels, so large that 80 to 159 cells lie across the picture (fewer below 320
//! pixels). Of each cell at most four rows are read, spread evenly: a quarter of a 1080p plane, and still 64 pixels per
//! cell, enough to average sensor noise away. Pixels right of and below the last whole cell are not looked at.
//!
//! A [`Grid::finer`] has twice as many cells each way, of which two rows are read: as many pixels, for what must know
//! where something begins and ends.

use crate::vocab::{Frame, Plane, Point, Polygon, Rect};

/// Rows that are read of each cell, and of each cell of a finer grid.
const SAMPLED_ROWS: [usize; 2] = [4, 2];
/// The fewest cells across a picture that is wide enough to have them, and those of a finer grid.
const FEWEST_COLUMNS: [u32; 2] = [80, 160];
/// The smallest cells, in pixels.
const SMALLEST_CELL: [u32; 2] = [4, 2];

/// Means of the luma of each cell, row by row.
#[derive(Debug, Clone, Default)]
pub struct Grid {
    width: u32,
    height: u32,
    cell: usize,
    columns: usize,
    rows: usize,
    means: Vec<f32>,
    masks: Vec<Polygon>,
    open: Vec<bool>,
    is_finer: bool,
}

impl Grid {
    /// A grid that has read nothing. Cells that a mask reaches into are not [`open`](Self::open).
    pub fn new(masks: Vec<Polygon>) -> Self {
        Self { masks, ..Self::default() }
    }

    /// The same with twice as many cells each way.
    pub fn finer(masks: Vec<Polygon>) -> Self {
        Self { masks, is_finer: true, ..Self::default() }
    }

    /// Reads `frame`. Returns whether the picture has another size than the last one, so that nothing may be compared
    /// with what was remembered of it. Allocates only then.
    pub fn read(&mut self, frame: &Frame) -> bool {
        let resized = (frame.width, frame.height) != (self.width, self.height);
        if resized {
            self.resize(frame.width, frame.height);
        }
        let luma = frame.luma();
        match self.cell {
            2 => self.read_cells::<2>(luma),
            4 => self.read_cells::<4>(luma),
            8 => self.read_cells::<8>(luma),
            16 => self.read_cells::<16>(luma),
            32 => self.read_cells::<32>(luma),
            _ => self.read_cells::<64>(luma),
        }
        resized
    }

    /// The mean luma of each cell, 0..255, row by row.
    pub fn means(&self) -> &[f32] {
        &self.means
    }

    /// How many cells lie side by side.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many cells lie one below the other.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns and rows, each from the first to the one after the last, of the cells that `area` reaches into.
    pub fn cells_in(&self, area: &Rect) -> ([usize; 2], [usize; 2]) {
        let span = |from: f32, to: f32, side: u32, cells: usize| {
            let scale = side as f32 / self.cell.max(1) as f32;
            let first = ((from.max(0.0) * scale) as usize).min(cells);
            [first, ((to.max(0.0) * scale).ceil() as usize).clamp(first, cells)]
        };
        (span(area.x1, area.x2, self.width, self.columns), span(area.y1, area.y2, self.height, self.rows))
    }

    /// The box of these columns and rows, each from the first to the one after the last, normalised over the picture.
    pub fn box_of(&self, [left, right]: [usize; 2], [top, bottom]: [usize; 2]) -> Rect {
        let at = |cells: usize, side: u32| (cells * self.cell) as f32 / side.max(1) as f32;
        Rect::new(at(left, self.width), at(top, self.height), at(right, self.width), at(bottom, self.height))
    }

    /// The middle of cell `index`, normalised over the picture.
    pub fn middle_of(&self, index: usize) -> Point {
        let (columns, cell) = (self.columns.max(1), self.cell as f32);
        let middle = |at: usize, side: u32| (at as f32 + 0.5) * cell / side.max(1) as f32;
        Point::new(middle(index % columns, self.width), middle(index / columns, self.height))
    }

    /// For each cell, whether it is to be looked at: no mask reaches into it.
    pub fn open(&self) -> &[bool] {
        &self.open
    }

    fn unmasked(&self) -> Vec<bool> {
        let (w, h) = (self.width.max(1) as f32, self.height.max(1) as f32);
        let cell = self.cell as f32;
        let reaches = |column: usize, row: usize, polygon: &Polygon| {
            let from = Point::new(column as f32 * cell / w, row as f32 * cell / h);
            reaches_into(polygon, from, Point::new(from.x + cell / w, from.y + cell / h))
        };
        let cells = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (column, row)));
        cells.map(|(column, row)| !self.masks.iter().any(|p| reaches(column, row, p))).collect()
    }

    fn resize(&mut self, width: u32, height: u32) {
        let of = usize::from(self.is_finer);
        let widest = (width / FEWEST_COLUMNS[of]).clamp(SMALLEST_CELL[of], 64);
        self.cell = 1 << widest.ilog2();
        (self.width, self.height) = (width, height);
        (self.columns, self.rows) = (width as usize / self.cell, height as usize / self.cell);
        self.means = vec![0.0; self.columns * self.rows];
        self.open = self.unmasked();
    }

    fn read_cells<const CELL: usize>(&mut self, luma: Plane<'_>) {
        if self.columns == 0 {
            return;
        }
        let sampled = SAMPLED_ROWS[usize::from(self.is_finer)].min(CELL);
        let step = CELL / sampled;
        let scale = 1.0 / (CELL * sampled) as f32;
        for (row, means) in self.means.chunks_exact_mut(self.columns).enumerate() {
            means.fill(0.0);
            for sampled in (0..CELL).step_by(step) {
                let start = (row * CELL + sampled + step / 2) * luma.stride;
                // A plane shorter than its format promises leaves its last cells dark rather than ending the agent.
                let Some(line) = luma.data.get(start..start + means.len() * CELL) else { continue };
                let (cells, _) = line.as_chunks::<CELL>();
                for (mean, cell) in means.iter_mut().zip(cells) {
                    *mean += cell.iter().map(|&b| u32::from(b)).sum::<u32>() as f32;
                }
            }
            means.iter_mut().for_each(|mean| *mean *= scale);
        }
    }
}

/// Whether any part of `polygon` lies in the rectangle: its middle is inside, or an edge passes through it.
fn reaches_into(polygon: &Polygon, from: Point, to: Point) -> bool {
    let corners = polygon.points();
    let edges = (0..corners.len()).map(|i| (corners[i], corners[(i + 1) % corners.len()]));
    polygon.contains(Point::new((from.x + to.x) / 2.0, (from.y + to.y) / 2.0))
        || edges.into_iter().any(|(a, b)| passes_through(a, b, from, to))
}

/// Clips the line from `a` to `b` by each side of the rectangle in turn (Liang and Barsky) and says whether any of it
/// is left.
fn passes_through(a: Point, b: Point, from: Point, to: Point) -> bool {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let (mut enters, mut leaves) = (0.0f32, 1.0f32);
    for (along, room) in [(-dx, a.x - from.x), (dx, to.x - a.x), (-dy, a.y - from.y), (dy, to.y - a.y)] {
        if along == 0.0 {
            if room < 0.0 {
                return false;
            }
        } else if along < 0.0 {
            enters = enters.max(room / along);
        } else {
            leaves = leaves.min(room / along);
        }
    }
    enters <= leaves
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::vocab::{FrameBytes, PixelFormat};

    struct Padded(Vec<u8>, usize);

    impl FrameBytes for Padded {
        fn plane(&self, _: usize) -> Plane<'_> {
            Plane { data: &self.0, stride: self.1 }
        }
    }

    fn polygon(points: &[[f32; 2]]) -> Polygon {
        Polygon::new(points.iter().copied().map(Point::from).collect()).unwrap()
    }

    #[test]
    fn there_are_80_to_159_columns_for_every_usual_width() {
        for (width, cell) in [(640, 8), (768, 8), (1280, 16), (1920, 16), (2560, 32), (3840, 32)] {
            let mut grid = Grid::default();
            grid.resize(width, width * 9 / 16);
            assert_eq!(grid.cell, cell, "{width}");
            assert!((80..160).contains(&grid.columns), "{width}: {}", grid.columns);
        }
    }

    #[test]
    fn the_padding_of_a_row_is_not_looked_at_and_the_last_row_may_lack_it() {
        let (width, height, stride) = (100, 50, 128);
        let mut bytes = vec![255; stride * (height - 1) + width];
        for row in 0..height {
            bytes[row * stride..row * stride + width].fill(40);
        }
        let frame = Frame::new(100, 50, PixelFormat::Nv12, Arc::new(Padded(bytes, stride)));
        let mut grid = Grid::default();
        assert!(grid.read(&frame), "the first picture has a new size");
        assert!(!grid.read(&frame));
        assert_eq!((grid.columns, grid.rows), (25, 12));
        assert!(grid.means().iter().all(|&m| m == 40.0));
    }

    #[test]
    fn a_mask_covers_every_cell_that_it_reaches_into_even_when_thinner_than_one() {
        let hair = polygon(&[[0.101, 0.0], [0.102, 0.0], [0.102, 1.0], [0.101, 1.0]]);
        let mut grid = Grid::new(vec![hair]);
        grid.resize(768, 432);
        let open = grid.open();
        assert_eq!(open.iter().filter(|o| !**o).count(), 54, "one column of 54 cells");
        assert!(open.chunks(96).all(|row| !row[9]));
    }

    #[test]
    fn pictures_smaller_than_a_cell_give_an_empty_grid() {
        let mut grid = Grid::default();
        grid.read(&Frame::from_i420(2, 2, vec![0; 6]).unwrap());
        assert!(grid.means().is_empty());
    }
}
