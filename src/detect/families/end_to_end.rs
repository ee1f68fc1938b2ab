//! YOLOv10, YOLO26 and Ultralytics exports with `nms=True`: one output [1, rows, 6], already suppressed.
//!
//! A row is `x1 y1 x2 y2 score class`, corners in pixels of the input, most confident first; rows that are not needed
//! are zero. Input as for YOLOv8.

use crate::vocab::{Detection, Labels, Rect};

use super::super::labels;
use super::{Decode, Family, Implausible, Kind, Ports, Reading, Tensor, candidate, check_finite, ultralytics_input};

pub(super) const KIND: Kind =
    Kind { family: Family::EndToEnd, shapes: "one output [1, rows, 6] of rows x1 y1 x2 y2 score class", fits: reading };

const COLUMNS: usize = 6;

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    let (_, COLUMNS) = ports.single_matrix()? else { return None };
    if ports.facts.metadata("task").is_some_and(|task| task != "detect") {
        return None;
    }
    let labels = ports.facts.metadata("names").and_then(labels::from_python_dict).map(Labels::new);
    let classes = labels.as_ref().map(Labels::len);
    Some(Reading { preprocess: ultralytics_input(), classes, labels, decoder: Box::new(EndToEnd) })
}

struct EndToEnd;

fn rows<'a>(outputs: &[Tensor<'a>]) -> std::slice::ChunksExact<'a, f32> {
    outputs.first().map_or(&[][..], |output| output.data).chunks_exact(COLUMNS)
}

impl Decode for EndToEnd {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        for row in rows(outputs).filter(|row| row[4] >= threshold && row[5] >= 0.0) {
            found.extend(candidate(row[5] as usize, row[4], Rect::new(row[0], row[1], row[2], row[3])));
        }
    }

    fn plausible(&self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_finite(outputs)?;
        // A picture in which nothing is seen gives rows of zeros, so zeros are no fault here.
        let is_row = |row: &[f32]| {
            let is_class = row[5] >= 0.0 && row[5].fract() == 0.0 && row[5] <= f32::from(u16::MAX);
            is_class && (0.0..=1.01).contains(&row[4]) && row[0] <= row[2] && row[1] <= row[3]
        };
        let is_sorted = rows(outputs).zip(rows(outputs).skip(1)).all(|(a, b)| a[4] >= b[4]);
        match rows(outputs).position(|row| !is_row(row)) {
            None if is_sorted => Ok(()),
            None => Err(Implausible::OtherForm("on the golden picture rows are not sorted by score".to_owned())),
            Some(at) => {
                let row = rows(outputs).nth(at).unwrap_or_default();
                Err(Implausible::OtherForm(format!("on the golden picture row {at} is {row:?}")))
            }
        }
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
        EndToEnd.decode(&outputs, 0.25, &mut found);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], Detection { class: 2, score: 0.9, bbox: Rect::new(8.0, 9.0, 20.0, 30.0) });
        assert_eq!(EndToEnd.plausible(&outputs), Ok(()));
        assert_eq!(EndToEnd.plausible(&[Tensor { data: &[0.0; 18] }]), Ok(()));
    }

    #[test]
    fn rows_of_another_meaning_are_not_plausible() {
        let verdict = |rows: &[[f32; 6]]| EndToEnd.plausible(&[Tensor { data: rows.as_flattened() }]);
        assert!(verdict(&[[8.0, 9.0, 2.0, 3.0, 0.9, 0.0]]).is_err(), "a width is no right edge");
        assert!(verdict(&[[1.0, 1.0, 2.0, 3.0, 0.9, 0.5]]).is_err(), "a score is no class");
        assert!(verdict(&[[1.0, 1.0, 2.0, 3.0, 0.2, 0.0], [1.0, 1.0, 2.0, 3.0, 0.9, 0.0]]).is_err(), "not sorted");
    }
}
