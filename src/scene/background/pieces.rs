//! Cells that belong together: those that touch, or nearly do.

/// The columns and rows, each from the first to the one after the last, that something lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub columns: [usize; 2],
    pub rows: [usize; 2],
}

/// Cells that belong together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Piece {
    pub span: Span,
    /// How many they are.
    pub cells: usize,
    /// Where they lie in [`Pieces::cells_of`].
    from: usize,
}

/// The pieces of one picture. Kept for its memory.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    found: Vec<Piece>,
    /// The cells of all of them, one piece after the other.
    cells: Vec<u32>,
    is_open: Vec<bool>,
}

impl Span {
    pub fn of_cell(column: usize, row: usize) -> Self {
        Self { columns: [column, column + 1], rows: [row, row + 1] }
    }

    pub fn around(self, other: Self) -> Self {
        let both = |a: [usize; 2], b: [usize; 2]| [a[0].min(b[0]), a[1].max(b[1])];
        Self { columns: both(self.columns, other.columns), rows: both(self.rows, other.rows) }
    }

    pub fn area(self) -> usize {
        self.columns[1].saturating_sub(self.columns[0]) * self.rows[1].saturating_sub(self.rows[0])
    }

    /// With so many more cells on each side.
    pub fn widened(self, by: usize) -> Self {
        let both = |[first, after]: [usize; 2]| [first.saturating_sub(by), after + by];
        Self { columns: both(self.columns), rows: both(self.rows) }
    }

    /// What of it lies in a grid of `columns` by `rows`.
    pub fn within(self, columns: usize, rows: usize) -> Self {
        let both = |span: [usize; 2], end: usize| span.map(|at| at.min(end));
        Self { columns: both(self.columns, columns), rows: both(self.rows, rows) }
    }

    /// Its cells, in a grid of `columns`.
    pub fn cells(self, columns: usize) -> impl Iterator<Item = usize> + Clone + use<> {
        let [left, right] = self.columns;
        (self.rows[0]..self.rows[1]).flat_map(move |row| row * columns + left..row * columns + right)
    }

    /// How many cells both have.
    pub fn shared(self, other: Self) -> usize {
        let both = |a: [usize; 2], b: [usize; 2]| a[1].min(b[1]).saturating_sub(a[0].max(b[0]));
        both(self.columns, other.columns) * both(self.rows, other.rows)
    }
}

impl Pieces {
    /// Finds those of the cells that `belongs` says, in a grid of `columns` by `rows`. Cells of one piece are at most `reach`
    /// apart in each direction; 1 is touching.
    pub fn find(&mut self, (columns, rows): (usize, usize), reach: usize, belongs: impl Fn(usize) -> bool) -> &[Piece] {
        self.found.clear();
        self.cells.clear();
        self.is_open.clear();
        self.is_open.extend((0..columns * rows).map(belongs));
        for start in 0..self.is_open.len() {
            if std::mem::take(&mut self.is_open[start]) {
                let piece = self.flood(start, columns, rows, reach);
                self.found.push(piece);
            }
        }
        &self.found
    }

    pub fn all(&self) -> &[Piece] {
        &self.found
    }

    pub fn cells_of(&self, piece: &Piece) -> impl Iterator<Item = usize> + Clone + '_ {
        self.cells[piece.from..piece.from + piece.cells].iter().map(|cell| *cell as usize)
    }

    /// Everything that hangs together with `start`, which has been taken out already.
    fn flood(&mut self, start: usize, columns: usize, rows: usize, reach: usize) -> Piece {
        let from = self.cells.len();
        let mut span = Span::of_cell(start % columns, start / columns);
        self.cells.push(start as u32);
        let mut next = from;
        while let Some(&cell) = self.cells.get(next) {
            next += 1;
            let (column, row) = (cell as usize % columns, cell as usize / columns);
            span = span.around(Span::of_cell(column, row));
            let right = (column + reach + 1).min(columns);
            for row in row.saturating_sub(reach)..(row + reach + 1).min(rows) {
                for at in row * columns + column.saturating_sub(reach)..row * columns + right {
                    if std::mem::take(&mut self.is_open[at]) {
                        self.cells.push(at as u32);
                    }
                }
            }
        }
        Piece { span, cells: self.cells.len() - from, from }
    }
}
