//! Optimal assignment of rows to columns where leaving a row out has a price.
//!
//! Shortest augmenting paths with dual prices (Jonker and Volgenant, "A shortest augmenting path algorithm for dense and
//! sparse linear assignment problems", Computing 38, 1987), on a rectangular matrix. Each row additionally has a way out
//! of its own, staying unmatched for `limit`, so gated pairs need no padding of the matrix and never get chosen.

/// Solves assignments and keeps its buffers, so that a caller who solves one per frame allocates nothing.
#[derive(Debug, Default)]
pub struct Assignment {
    row_price: Vec<f64>,
    column_price: Vec<f64>,
    column_of: Vec<Option<usize>>,
    row_of: Vec<Option<usize>>,
    distance: Vec<f64>,
    reached_from: Vec<usize>,
    settled: Vec<bool>,
    path: Vec<usize>,
}

/// Where a search for a new row's place ended.
enum End {
    /// At a column nobody holds.
    Free(usize),
    /// At a row that is best left out.
    LeftOut(usize),
}

impl Assignment {
    /// Chooses pairs so that the sum of their costs plus `limit` for each unmatched row is as small as possible. Returns
    /// the column of each row.
    ///
    /// `cost` holds `rows * columns` values, row by row; a pair that costs `limit` or more, or NaN, is never chosen.
    /// Among equally good answers the one returned depends on nothing but the order of rows and columns. Takes
    /// `O(rows² · columns)` at worst.
    ///
    /// # Panics
    /// When `cost` is shorter than `rows * columns`.
    pub fn solve(&mut self, rows: usize, columns: usize, cost: &[f64], limit: f64) -> &[Option<usize>] {
        refill(&mut self.row_price, rows, 0.0);
        refill(&mut self.column_price, columns, 0.0);
        refill(&mut self.column_of, rows, None);
        refill(&mut self.row_of, columns, None);
        refill(&mut self.reached_from, columns, 0);
        for row in 0..rows {
            let (end, length) = self.search(row, columns, cost, limit);
            self.reprice(row, length);
            self.augment(row, &end);
        }
        &self.column_of
    }

    /// Dijkstra's search from `row` over reduced costs; leaves the settled columns in `path`.
    fn search(&mut self, row: usize, columns: usize, cost: &[f64], limit: f64) -> (End, f64) {
        refill(&mut self.distance, columns, f64::INFINITY);
        refill(&mut self.settled, columns, false);
        self.path.clear();
        let (mut current, mut travelled) = (row, 0.0);
        let (mut left_out, mut left_out_at) = (row, f64::INFINITY);
        loop {
            let out = travelled + limit - self.row_price[current];
            if out < left_out_at {
                (left_out, left_out_at) = (current, out);
            }
            let costs = &cost[current * columns..(current + 1) * columns];
            let (mut nearest, mut nearest_at) = (None, left_out_at);
            for (column, &price) in costs.iter().enumerate() {
                if self.settled[column] {
                    continue;
                }
                if price < limit {
                    let at = travelled + price - self.row_price[current] - self.column_price[column];
                    if at < self.distance[column] {
                        self.distance[column] = at;
                        self.reached_from[column] = current;
                    }
                }
                if self.distance[column] < nearest_at {
                    (nearest, nearest_at) = (Some(column), self.distance[column]);
                }
            }
            let Some(column) = nearest else { return (End::LeftOut(left_out), left_out_at) };
            let Some(holder) = self.row_of[column] else { return (End::Free(column), nearest_at) };
            self.settled[column] = true;
            self.path.push(column);
            (current, travelled) = (holder, nearest_at);
        }
    }

    /// Keeps reduced costs of chosen pairs at zero and of all others at or above it.
    fn reprice(&mut self, row: usize, length: f64) {
        self.row_price[row] += length;
        for &column in &self.path {
            let gain = length - self.distance[column];
            self.column_price[column] -= gain;
            if let Some(holder) = self.row_of[column] {
                self.row_price[holder] += gain;
            }
        }
    }

    /// Hands columns on along the path that ends at `end`.
    fn augment(&mut self, row: usize, end: &End) {
        let mut column = match *end {
            End::Free(column) => Some(column),
            End::LeftOut(left_out) => self.column_of[left_out].take(),
        };
        while let Some(taken) = column {
            let taker = self.reached_from[taken];
            column = self.column_of[taker].replace(taken);
            self.row_of[taken] = Some(taker);
            if taker == row {
                break;
            }
        }
    }
}

fn refill<T: Copy>(buffer: &mut Vec<T>, length: usize, value: T) {
    buffer.clear();
    buffer.resize(length, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(columns: usize, cost: &[f64], limit: f64, chosen: &[Option<usize>]) -> f64 {
        chosen.iter().enumerate().map(|(r, c)| c.map_or(limit, |c| cost[r * columns + c])).sum()
    }

    /// The best total by trying everything.
    fn best(row: usize, rows: usize, columns: usize, cost: &[f64], limit: f64, taken: &mut Vec<bool>) -> f64 {
        if row == rows {
            return 0.0;
        }
        let mut least = limit + best(row + 1, rows, columns, cost, limit, taken);
        for column in 0..columns {
            if !taken[column] && cost[row * columns + column] < limit {
                taken[column] = true;
                least = least.min(cost[row * columns + column] + best(row + 1, rows, columns, cost, limit, taken));
                taken[column] = false;
            }
        }
        least
    }

    #[test]
    fn the_greedy_choice_is_given_up_when_the_whole_is_cheaper() {
        let chosen = Assignment::default().solve(2, 2, &[0.1, 0.2, 0.15, 0.9], 1.0).to_vec();
        assert_eq!(chosen, [Some(1), Some(0)]);
    }

    #[test]
    fn a_row_stays_out_when_that_is_cheaper_for_all() {
        let chosen = Assignment::default().solve(2, 1, &[0.4, 0.3], 1.0).to_vec();
        assert_eq!(chosen, [None, Some(0)]);
        assert_eq!(Assignment::default().solve(1, 2, &[1.0, f64::NAN], 1.0), [None]);
        assert!(Assignment::default().solve(0, 5, &[], 1.0).is_empty());
        assert_eq!(Assignment::default().solve(2, 0, &[], 1.0), [None, None]);
    }

    proptest! {
        #[test]
        fn no_other_choice_is_cheaper(
            rows in 0usize..6,
            columns in 0usize..6,
            values in proptest::collection::vec(-1.0f64..1.5, 36),
            limit in 0.0f64..1.2,
        ) {
            let cost = &values[..rows * columns];
            let mut solver = Assignment::default();
            let chosen = solver.solve(rows, columns, cost, limit).to_vec();
            let mut seen = vec![false; columns];
            for column in chosen.iter().flatten() {
                prop_assert!(!std::mem::replace(&mut seen[*column], true));
            }
            let least = best(0, rows, columns, cost, limit, &mut vec![false; columns]);
            prop_assert!((total(columns, cost, limit, &chosen) - least).abs() < 1e-9);
        }
    }
}
