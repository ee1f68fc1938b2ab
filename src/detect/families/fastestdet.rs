//! FastestDet: one map [1, 5 + classes, rows, columns] of objectness, box and classes.
//!
//! Objectness is through a sigmoid and classes through a softmax already, the box is not:
//! `score = objectness^0.6 * class^0.4`, `cx = (column + tanh(x)) / columns`, `w = sigmoid(w)` of the whole width
//! (dog-qiuqiu/FastestDet, `utils/tool.py`, `handle_preds`). Input: BGR, 0..1, stretched.

use crate::model::CLASSES_BEFORE;
use crate::vocab::{Detection, Rect};

use super::super::letterbox::{Fit, Order, Preprocess};
use super::values::{check_scores, form, mean, sigmoid};
use super::{Decode, Family, Implausible, Kind, Ports, Reading, Tensor, candidate, data};

pub(super) const KIND: Kind = Kind {
    family: Family::Fastestdet,
    name: "fastestdet",
    shapes: "one output [1, 5 + classes, rows, columns]",
    usual: None,
    fits: reading,
};

/// How much objectness and class weigh in a score.
const OBJECTNESS_POWER: f32 = 0.6;
const CLASS_POWER: f32 = 0.4;

/// Channels before the classes: objectness and the box.
const BEFORE_CLASSES: usize = 5;

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    let maps = ports.maps()?;
    let [map] = *maps.as_slice() else { return None };
    let classes = map.channels.checked_sub(BEFORE_CLASSES).filter(|&classes| classes > 0)?;
    // Cells are square and few: the only stride of the published models is 16.
    let stride = (ports.width as usize).checked_div(map.columns)?;
    let is_grid = stride * map.columns == ports.width as usize && stride * map.rows == ports.height as usize;
    if !(4..=64).contains(&stride) || !is_grid {
        return None;
    }
    let preprocess = Preprocess { fit: Fit::Stretch, order: Order::Bgr, mean: [0.0; 3], std: [255.0; 3] };
    let is_whole = ports.facts.metadata(CLASSES_BEFORE).is_none();
    let decoder = Fastestdet { columns: map.columns, rows: map.rows, classes, stride: stride as f32, is_whole };
    Some(Reading::new(preprocess, decoder).classes(classes))
}

struct Fastestdet {
    columns: usize,
    rows: usize,
    classes: usize,
    stride: f32,
    /// Whether no class was cut, so that their scores add up to 1.
    is_whole: bool,
}

impl Fastestdet {
    fn cells(&self) -> usize {
        self.columns * self.rows
    }

    /// The map of a run; none where it has another size.
    fn map<'a>(&self, outputs: &[Tensor<'a>]) -> Option<&'a [f32]> {
        Some(data(outputs, 0)).filter(|map| map.len() == (BEFORE_CLASSES + self.classes) * self.cells())
    }

    fn bbox(&self, map: &[f32], cell: usize) -> Rect {
        let value = |channel: usize| map[channel * self.cells() + cell];
        let (column, row) = ((cell % self.columns) as f32, (cell / self.columns) as f32);
        let (width, height) = (self.columns as f32 * self.stride, self.rows as f32 * self.stride);
        Rect::from_centre(
            (column + value(1).tanh()) * self.stride,
            (row + value(2).tanh()) * self.stride,
            sigmoid(value(3)) * width,
            sigmoid(value(4)) * height,
        )
    }
}

impl Decode for Fastestdet {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        let Some(map) = self.map(outputs) else { return };
        let cells = self.cells();
        // A class score is at most 1, so less objectness than this cannot reach the threshold.
        let least = threshold.powf(1.0 / OBJECTNESS_POWER);
        for (cell, &objectness) in map[..cells].iter().enumerate().filter(|(_, objectness)| **objectness >= least) {
            let (mut class, mut best) = (0, f32::NEG_INFINITY);
            for (index, &score) in map[BEFORE_CLASSES * cells + cell..].iter().step_by(cells).enumerate() {
                if score > best {
                    (class, best) = (index, score);
                }
            }
            let score = objectness.max(0.0).powf(OBJECTNESS_POWER) * best.max(0.0).powf(CLASS_POWER);
            if score >= threshold {
                found.extend(candidate(class, score, self.bbox(map, cell)));
            }
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        let map = self.map(outputs).unwrap_or_default();
        let (before, classes) = map.split_at_checked(BEFORE_CLASSES * self.cells()).unwrap_or((map, &[]));
        check_scores(outputs, before.iter().take(self.cells()).chain(classes).copied())?;
        // What a softmax made adds up to 1 in every cell.
        let sums = (0..self.cells()).map(|cell| classes.iter().skip(cell).step_by(self.cells()).sum::<f32>());
        let sum = mean(sums);
        let least = if self.is_whole { 0.9 } else { 0.0 };
        form((least..1.1).contains(&sum), || format!("the classes of a cell add up to {sum:.2}, not to 1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_placed_by_its_cell_and_sized_by_the_picture() {
        let mut decoder = Fastestdet { columns: 2, rows: 2, classes: 2, stride: 16.0, is_whole: true };
        let mut map = [[0.0f32; 4]; 7];
        map[5..].fill([0.5; 4]);
        // Cell 3 is column 1, row 1.
        (map[0][3], map[1][3], map[5][3], map[6][3]) = (0.81, 0.5f32.atanh(), 0.36, 0.64);
        let outputs = [Tensor { data: map.as_flattened() }];
        let mut found = Vec::new();
        decoder.decode(&outputs, 0.5, &mut found);
        assert_eq!((found.len(), found[0].class), (1, 1));
        assert!((found[0].score - 0.81f32.powf(0.6) * 0.64f32.powf(0.4)).abs() < 1e-6);
        assert!(found[0].bbox.iou(&Rect::from_centre(24.0, 16.0, 16.0, 16.0)) > 0.999);
        assert_eq!(decoder.plausible(&outputs), Ok(()));
        map[6][2] = 1.0;
        let verdict = decoder.plausible(&[Tensor { data: map.as_flattened() }]);
        assert!(matches!(verdict, Err(Implausible::OtherForm(reason)) if reason.contains("add up to 1.1")));
    }
    #[test]
    fn classes_that_were_cut_need_not_add_up_to_1() {
        let map = [[0.1f32; 4]; 7];
        let outputs = [Tensor { data: map.as_flattened() }];
        let verdict = |is_whole| {
            Fastestdet { columns: 2, rows: 2, classes: 2, stride: 16.0, is_whole }.plausible(&outputs).is_ok()
        };
        assert_eq!((verdict(true), verdict(false)), (false, true));
    }
}
