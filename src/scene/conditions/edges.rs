//! The edges of a view: where in the grid of cell means brightness changes, and which way.
//!
//! Whether a view is still there is told by looking for the edges that it had, and for nothing else: who walks before them
//! hides a few, a lamp adds some, and neither makes those that stand still point another way. An edge is the gradient of the
//! means; it is found again where the gradient points within 45° of where it did and is not much weaker. Directions and
//! not strengths are compared, since light changes these (orientation correlation: Fitch et al., BMVC 2002).
//!
//! The picture is divided into blocks, each of which brings its strongest edges and has one vote, so that no single object
//! decides, however large its contrast.

/// Blocks across and down.
const BLOCKS: (usize, usize) = (8, 6);
const ALL_BLOCKS: usize = BLOCKS.0 * BLOCKS.1;
/// The most edges that a block brings, and the fewest with which it votes.
const MOST: usize = 12;
const FEWEST: usize = 4;
/// The fewest blocks that must vote, or nothing can be said.
const VOTERS: usize = 6;
/// How much the means must change across two cells to be an edge, in levels of luma.
const PLAIN: f32 = 6.0;
/// The cosine of the angle by which a gradient may turn.
const SAME_WAY: f32 = 0.7;
/// The share of its strength that an edge must keep, and the least strength that has a direction.
const WEAKEST: f32 = 0.2;
const FAINTEST: f32 = 1.0;
/// The share of the edges that a displaced view must show, where it was moved to.
const FOUND: f32 = 0.6;
/// Which edges are looked for elsewhere: one in so many.
const SPARSE: usize = 3;

/// One edge.
#[derive(Debug, Clone, Copy)]
struct Edge {
    column: u16,
    row: u16,
    dx: f32,
    dy: f32,
}

/// Cell means with their layout.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// The means, row by row.
    pub means: &'a [f32],
    /// Which of them are to be looked at.
    pub open: &'a [bool],
    /// How many lie side by side.
    pub columns: usize,
}

/// The edges of one view.
#[derive(Debug, Clone, Default)]
pub struct Edges {
    edges: Vec<Edge>,
    /// How many cells of the view had an edge.
    cells: usize,
}

impl Field<'_> {
    fn rows(self) -> usize {
        self.means.len() / self.columns.max(1)
    }

    /// The gradient at a cell that has neighbours on all sides.
    fn gradient(self, column: usize, row: usize) -> (f32, f32) {
        let at = row * self.columns + column;
        let dx = self.means[at + 1] - self.means[at - 1];
        let dy = self.means[at + self.columns] - self.means[at - self.columns];
        (dx, dy)
    }

    fn is_open(self, column: usize, row: usize) -> bool {
        let at = row * self.columns + column;
        self.open[at - 1]
            & self.open[at]
            & self.open[at + 1]
            & self.open[at - self.columns]
            & self.open[at + self.columns]
    }

    /// How many cells have an edge.
    fn count(self) -> usize {
        let rows = 1..self.rows().saturating_sub(1);
        let cells = rows.flat_map(|row| (1..self.columns.saturating_sub(1)).map(move |column| (column, row)));
        let strong = |&(column, row): &(usize, usize)| {
            let (dx, dy) = self.gradient(column, row);
            dx * dx + dy * dy >= PLAIN * PLAIN
        };
        cells.filter(strong).count()
    }
}

impl Edges {
    /// Takes the edges of `field` in place of its own. Allocates only the first time.
    pub fn choose(&mut self, field: Field<'_>) {
        self.edges.clear();
        self.edges.reserve_exact(ALL_BLOCKS * MOST);
        self.cells = field.count();
        for block in 0..ALL_BLOCKS {
            self.choose_of(field, block);
        }
    }

    /// Takes those of `other` in place of its own.
    pub fn copy(&mut self, other: &Self) {
        self.edges.clear();
        self.edges.extend_from_slice(&other.edges);
        self.cells = other.cells;
    }

    /// Has none any more.
    pub fn clear(&mut self) {
        self.edges.clear();
        self.cells = 0;
    }

    /// Whether there is nothing to compare with.
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// The strongest edges of one block.
    fn choose_of(&mut self, field: Field<'_>, block: usize) {
        let (columns, rows) = (field.columns, field.rows());
        let (across, down) = (block % BLOCKS.0, block / BLOCKS.0);
        let part = |index: usize, of: usize, length: usize| {
            let inner = length.saturating_sub(2);
            1 + index * inner / of..1 + (index + 1) * inner / of
        };
        let first = self.edges.len();
        for row in part(down, BLOCKS.1, rows) {
            for column in part(across, BLOCKS.0, columns).filter(|column| field.is_open(*column, row)) {
                let (dx, dy) = field.gradient(column, row);
                let edge = Edge { column: column as u16, row: row as u16, dx, dy };
                if edge.strength() < PLAIN {
                    continue;
                }
                if self.edges.len() - first < MOST {
                    self.edges.push(edge);
                } else if let Some(weakest) = weakest(&mut self.edges[first..])
                    && weakest.strength() < edge.strength()
                {
                    *weakest = edge;
                }
            }
        }
    }

    /// The share of blocks, 0..1, most of whose edges are where they were in `field`. `None` where too few blocks have
    /// edges, or where few are found because the picture has hardly any: in the dark, in fog.
    pub fn fit(&self, field: Field<'_>) -> Option<f32> {
        let (mut found, mut all) = ([0u32; ALL_BLOCKS], [0u32; ALL_BLOCKS]);
        for edge in &self.edges {
            let block = edge.block(field.columns, field.rows());
            all[block] += 1;
            found[block] += u32::from(edge.is_in(field, 0, 0));
        }
        let voters = all.iter().filter(|all| **all >= FEWEST as u32).count();
        if voters < VOTERS {
            return None;
        }
        let votes =
            all.iter().zip(&found).filter(|(all, found)| **all >= FEWEST as u32 && **found * 2 >= **all).count();
        let fit = votes as f32 / voters as f32;
        let is_bare = fit < 0.5 && field.count() * 2 < self.cells;
        (!is_bare).then_some(fit)
    }

    /// How far, in cells to the right and down, these edges have moved in `field`, where that can be told.
    pub fn displacement(&self, field: Field<'_>) -> Option<(i32, i32)> {
        let (wide, high) = (field.columns as i32 / 3, field.rows() as i32 / 3);
        let shifts = (-high..=high).flat_map(|down| (-wide..=wide).map(move |right| (right, down)));
        let best = shifts.map(|(right, down)| (self.found_at(field, right, down), right, down));
        let (share, right, down) = best.max_by(|a, b| a.0.total_cmp(&b.0))?;
        (share >= FOUND).then_some((right, down))
    }

    /// The share of edges that are there when the view is shifted; none where too much of it is out of the picture.
    fn found_at(&self, field: Field<'_>, right: i32, down: i32) -> f32 {
        let (mut inside, mut found, mut all) = (0u32, 0u32, 0u32);
        for edge in self.edges.iter().step_by(SPARSE) {
            let (column, row) = (i32::from(edge.column) + right, i32::from(edge.row) + down);
            let is_inside = column > 0 && row > 0 && column < field.columns as i32 - 1 && row < field.rows() as i32 - 1;
            all += 1;
            if is_inside {
                inside += 1;
                found += u32::from(edge.is_in(field, right, down));
            }
        }
        if inside * 2 < all || inside < (VOTERS * FEWEST) as u32 / SPARSE as u32 {
            return 0.0;
        }
        found as f32 / inside as f32
    }
}

impl Edge {
    fn strength(self) -> f32 {
        (self.dx * self.dx + self.dy * self.dy).sqrt()
    }

    fn block(self, columns: usize, rows: usize) -> usize {
        let of = |at: u16, length: usize, blocks: usize| (usize::from(at) * blocks / length.max(1)).min(blocks - 1);
        of(self.row, rows, BLOCKS.1) * BLOCKS.0 + of(self.column, columns, BLOCKS.0)
    }

    /// Whether it is in `field`, that much to the right and down. The caller sees to it that this is inside.
    fn is_in(self, field: Field<'_>, right: i32, down: i32) -> bool {
        let column = usize::try_from(i32::from(self.column) + right).unwrap_or_default();
        let row = usize::try_from(i32::from(self.row) + down).unwrap_or_default();
        let (dx, dy) = field.gradient(column, row);
        let (was, is) = (self.strength(), (dx * dx + dy * dy).sqrt());
        is >= FAINTEST.max(was * WEAKEST) && self.dx * dx + self.dy * dy >= SAME_WAY * was * is
    }
}

fn weakest(edges: &mut [Edge]) -> Option<&mut Edge> {
    edges.iter_mut().min_by(|a, b| a.strength().total_cmp(&b.strength()))
}
