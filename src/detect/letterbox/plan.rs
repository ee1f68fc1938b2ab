//! The tables for pictures of one size: which source rows and columns make each output row and column.

use super::geometry::Geometry;

/// Two neighbouring source samples and how much of the second to take.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPair {
    pub(super) first: u32,
    pub(super) second: u32,
    /// Share of the second, 0..=256.
    pub(super) weight: u16,
}

/// For each output column the first of two neighbouring samples, and the share of the second, 0..1. A row buffer has one
/// sample more than the source, equal to its last, so that the second always exists.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) first: Vec<u32>,
    pub(super) share: Vec<f32>,
}

/// The tables for pictures of one size.
#[derive(Debug)]
pub(super) struct Plan {
    width: u32,
    height: u32,
    has_chroma: bool,
    pub(super) geometry: Geometry,
    pub(super) rows: Vec<RowPair>,
    pub(super) columns: Columns,
    /// Empty without chroma.
    pub(super) chroma_rows: Vec<RowPair>,
    /// Empty without chroma.
    pub(super) chroma_columns: Columns,
}

impl Plan {
    pub(super) fn new(width: u32, height: u32, has_chroma: bool, geometry: Geometry) -> Self {
        let xs = positions(width, geometry.width);
        let ys = positions(height, geometry.height);
        let mut plan = Self {
            width,
            height,
            has_chroma,
            geometry,
            rows: rows(&ys, height),
            columns: columns(&xs, width),
            chroma_rows: Vec::new(),
            chroma_columns: Columns::default(),
        };
        if has_chroma {
            // Chroma lies between two rows of luma, and in the column of every second luma sample: the siting that
            // H.264 and H.265 mean when they say nothing.
            let chroma_xs: Vec<f64> = xs.iter().map(|x| x / 2.0).collect();
            let chroma_ys: Vec<f64> = ys.iter().map(|y| y / 2.0 - 0.25).collect();
            plan.chroma_rows = rows(&chroma_ys, height.div_ceil(2));
            plan.chroma_columns = columns(&chroma_xs, width.div_ceil(2));
        }
        plan
    }

    pub(super) fn is_for(&self, width: u32, height: u32, has_chroma: bool) -> bool {
        (self.width, self.height, self.has_chroma) == (width, height, has_chroma)
    }
}

/// Where the centre of each of `target` output samples lies among `source` samples: OpenCV's `INTER_LINEAR`.
fn positions(source: u32, target: u32) -> Vec<f64> {
    let scale = f64::from(source) / f64::from(target);
    (0..target).map(|i| (f64::from(i) + 0.5) * scale - 0.5).collect()
}

/// Splits a position into the sample before it and the share of the next, at most at the last of `count` samples.
fn split(position: f64, count: u32) -> (u32, f64) {
    let last = f64::from(count.saturating_sub(1));
    let position = position.clamp(0.0, last);
    (position.floor() as u32, position.fract())
}

fn rows(positions: &[f64], count: u32) -> Vec<RowPair> {
    let pair = |&position: &f64| {
        let (first, share) = split(position, count);
        let second = (first + 1).min(count.saturating_sub(1));
        RowPair { first, second, weight: (share * 256.0).round() as u16 }
    };
    positions.iter().map(pair).collect()
}

fn columns(positions: &[f64], count: u32) -> Columns {
    let (first, share) = positions.iter().map(|&position| split(position, count)).map(|(f, s)| (f, s as f32)).unzip();
    Columns { first, share }
}
