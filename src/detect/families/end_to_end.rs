//! YOLOv10, YOLO26 and Ultralytics exports with `nms=True`: one output [1, rows, 6], already suppressed.
//!
//! A row is `x1 y1 x2 y2 score class`, corners in pixels of the input, most confident first; rows that are not needed
//! are zero. Input as for YOLOv8.

use crate::vocab::{Detection, Rect};

use super::values::{check_finite, form};
use super::{Decode, Evidence, Family, Implausible, Kind, Ports, Reading, Tensor, ULTRALYTICS_INPUT, candidate, data};

pub(super) const KIND: Kind = Kind {
    family: Family::EndToEnd,
    name: "end-to-end",
    shapes: "one output [1, rows, 6] of rows x1 y1 x2 y2 score class",
    usual: None,
    fits: reading,
};

const COLUMNS: usize = 6;

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    let (_, COLUMNS) = ports.single_table()? else { return None };
    if ports.task().is_some_and(|task| task != "detect") {
        return None;
    }
    let reading = Reading::new(ULTRALYTICS_INPUT, EndToEnd { columns: COLUMNS }).names_of(ports.facts).suppressed();
    Some(reading.if_by(ports.task().is_some(), Evidence::Metadata))
}

/// Reads the first six values of each row, and leaves those behind them alone.
pub(super) struct EndToEnd {
    pub(super) columns: usize,
}

impl EndToEnd {
    fn rows<'a>(&self, outputs: &[Tensor<'a>]) -> std::slice::ChunksExact<'a, f32> {
        data(outputs, 0).chunks_exact(self.columns)
    }

    /// Tells every candidate that reaches `threshold`, with its row.
    pub(super) fn candidates(&self, outputs: &[Tensor<'_>], threshold: f32, mut tell: impl FnMut(&[f32], Detection)) {
        for row in self.rows(outputs).filter(|row| row[4] >= threshold && row[5] >= 0.0) {
            let found = candidate(row[5] as usize, row[4], Rect::new(row[0], row[1], row[2], row[3]));
            found.into_iter().for_each(|found| tell(row, found));
        }
    }
}

impl Decode for EndToEnd {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        self.candidates(outputs, threshold, |_, candidate| found.push(candidate));
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_finite(outputs)?;
        // A picture in which nothing is seen gives rows of zeros, so zeros are no fault here.
        let is_row = |row: &[f32]| {
            let is_class = row[5] >= 0.0 && row[5].fract() == 0.0 && row[5] <= f32::from(u16::MAX);
            is_class && (0.0..=1.01).contains(&row[4]) && row[0] <= row[2] && row[1] <= row[3]
        };
        let rows = || self.rows(outputs);
        if let Some(row) = rows().find(|row| !is_row(row)) {
            return form(false, || format!("a row is {:?}", &row[..COLUMNS]));
        }
        form(rows().zip(rows().skip(1)).all(|(a, b)| a[4] >= b[4]), || "rows are not sorted by score".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_as_they_are_and_padding_is_no_object() {
        let data = [[8.0, 9.0, 20.0, 30.0, 0.9, 2.0], [0.0, 0.0, 5.0, 5.0, 0.3, 1.0], [0.0; 6]];
        let outputs = [Tensor { data: data.as_flattened() }];
        let mut found = Vec::new();
        EndToEnd { columns: COLUMNS }.decode(&outputs, 0.25, &mut found);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], Detection::new(2, 0.9, Rect::new(8.0, 9.0, 20.0, 30.0)));
        assert_eq!(EndToEnd { columns: COLUMNS }.plausible(&outputs), Ok(()));
        assert_eq!(EndToEnd { columns: COLUMNS }.plausible(&[Tensor { data: &[0.0; 18] }]), Ok(()));
    }

    #[test]
    fn rows_of_another_meaning_are_not_plausible() {
        let verdict =
            |rows: &[[f32; 6]]| EndToEnd { columns: COLUMNS }.plausible(&[Tensor { data: rows.as_flattened() }]);
        assert!(verdict(&[[8.0, 9.0, 2.0, 3.0, 0.9, 0.0]]).is_err(), "a width is no right edge");
        assert!(verdict(&[[1.0, 1.0, 2.0, 3.0, 0.9, 0.5]]).is_err(), "a score is no class");
        assert!(verdict(&[[1.0, 1.0, 2.0, 3.0, 0.2, 0.0], [1.0, 1.0, 2.0, 3.0, 0.9, 0.0]]).is_err(), "not sorted");
    }
}
