//! Class scores and distances in bins: the head of Generalized Focal Loss, which NanoDet and PP-PicoDet share.
//!
//! Each side of a box is a distance from the cell's centre, told as logits over whole numbers of strides; the distance is
//! their expectation after a softmax (Li et al. 2020, "Generalized Focal Loss", section 3.2). Class scores are through a
//! sigmoid already; there is no objectness.

use crate::vocab::{Detection, Rect};

use super::grid::{self, Level};
use super::ports::Table;
use super::values::{best, check_scores};
use super::{Decode, Implausible, Ports, Tensor, candidate, data};

/// Columns of four distances with the bins 0..=7, which nearly all models have, and 0..=10.
const BINS: [usize; 2] = [4 * 8, 4 * 11];

/// Reads scores and distances.
pub(super) struct Distances {
    layers: Vec<Layer>,
    pub(super) classes: usize,
    /// Where in a cell, 0..1, distances begin.
    centre: f32,
}

/// One stride: where its rows are.
struct Layer {
    level: Level,
    scores: Part,
    distances: Part,
}

/// Some columns of some rows of an output.
struct Part {
    table: Table,
    first_row: usize,
    first_column: usize,
    /// How many columns it has.
    columns: usize,
}

impl Distances {
    /// For models with two outputs per stride, in any order and with any names: the rows tell the stride, and the columns
    /// scores from distances.
    pub(super) fn in_pairs(ports: &Ports<'_>, strides: &[u32], centre: f32) -> Option<Self> {
        let mut tables = ports.tables()?;
        let layer = |level: Level| {
            let mut take = || {
                let at = tables.iter().position(|table| table.rows == level.cells())?;
                Some(tables.swap_remove(at))
            };
            let (scores, distances) = told_apart(ports, take()?, take()?)?;
            Some(Layer { level, scores: Part::whole(scores), distances: Part::whole(distances) })
        };
        let layers: Vec<Layer> =
            grid::levels(ports.width, ports.height, strides).into_iter().map(layer).collect::<Option<_>>()?;
        let columns = |part: fn(&Layer) -> &Part| {
            let first = part(layers.first()?).columns;
            layers.iter().all(|layer| part(layer).columns == first).then_some(first)
        };
        let classes = columns(|layer| &layer.scores)?;
        columns(|layer| &layer.distances)?;
        tables.is_empty().then_some(Self { layers, classes, centre })
    }

    /// For models with one output, whose rows hold scores and then distances of eight bins, finest stride first.
    pub(super) fn in_one(ports: &Ports<'_>, strides: &[u32], centre: f32) -> Option<Self> {
        let (rows, columns) = ports.single_table()?;
        let classes = columns.checked_sub(BINS[0]).filter(|&classes| classes > 0)?;
        let levels = grid::levels(ports.width, ports.height, strides);
        if grid::count(&levels) != rows {
            return None;
        }
        let table = Table { at: 0, rows, columns };
        let mut first_row = 0;
        let layer = |level: Level| {
            let part = |first_column, columns| Part { table, first_row, first_column, columns };
            let layer = Layer { level, scores: part(0, classes), distances: part(classes, BINS[0]) };
            first_row += level.cells();
            layer
        };
        Some(Self { layers: levels.into_iter().map(layer).collect(), classes, centre })
    }
}

/// Which of two outputs of a stride are scores and which distances. Only where both have a number of columns that bins
/// have, the name has to tell.
fn told_apart(ports: &Ports<'_>, a: Table, b: Table) -> Option<(Table, Table)> {
    let is_named = |table: Table| ["dis", "reg", "bbox"].iter().any(|word| ports.outputs[table.at].name.contains(word));
    let is_distances = |table: Table| BINS.contains(&table.columns);
    match (is_distances(a), is_distances(b)) {
        (false, true) => Some((a, b)),
        (true, false) => Some((b, a)),
        (true, true) if is_named(a) != is_named(b) => Some(if is_named(b) { (a, b) } else { (b, a) }),
        _ => None,
    }
}

impl Part {
    fn whole(table: Table) -> Self {
        Self { table, first_row: 0, first_column: 0, columns: table.columns }
    }

    /// Its rows in a run, as many as a grid has cells.
    fn rows<'a>(&self, outputs: &[Tensor<'a>], level: &Level) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let rows = data(outputs, self.table.at).chunks_exact(self.table.columns);
        let (first, columns) = (self.first_column, self.columns);
        rows.skip(self.first_row).take(level.cells()).map(move |row| &row[first..first + columns])
    }
}

impl Decode for Distances {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        for Layer { level, scores, distances } in &self.layers {
            let stride = level.stride as f32;
            let rows = scores.rows(outputs, level).zip(distances.rows(outputs, level));
            for (cell, (scores, bins)) in rows.enumerate() {
                if let Some((class, score)) = best(scores, threshold) {
                    let at = |index: usize| (index as f32 + self.centre) * stride;
                    let (x, y) = (at(cell % level.columns), at(cell / level.columns));
                    let side = |side: usize| expectation(&bins[side * bins.len() / 4..][..bins.len() / 4]) * stride;
                    let bbox = Rect::new(x - side(0), y - side(1), x + side(2), y + side(3));
                    found.extend(candidate(class, score, bbox));
                }
            }
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        let rows = self.layers.iter().flat_map(|layer| layer.scores.rows(outputs, &layer.level));
        check_scores(outputs, rows.flatten().copied())
    }
}

/// The expectation of the index under the softmax of `logits`.
fn expectation(logits: &[f32]) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut weighted, mut sum) = (0.0, 0.0);
    for (index, logit) in logits.iter().enumerate() {
        let weight = (logit - highest).exp();
        weighted += weight * index as f32;
        sum += weight;
    }
    weighted / sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_the_expectation_of_its_bins() {
        assert!((expectation(&[0.0; 8]) - 3.5).abs() < 1e-6);
        assert!((expectation(&[-90.0, 90.0, -90.0, -90.0]) - 1.0).abs() < 1e-6);
        let between = [0.25f32.ln(), 0.75f32.ln()];
        assert!((expectation(&between) - 0.75).abs() < 1e-6);
    }
}
