//! PP-PicoDet without post-processing: class scores and distance bins for strides 8, 16, 32 and 64; and the rows that all
//! detectors of PaddleDetection have with it.
//!
//! Distances begin in the middle of a cell (PaddlePaddle/PaddleDetection, `ppdet/modeling/heads/pico_head.py`). Rows are
//! [rows, 6] of `class score x1 y1 x2 y2` and their number [1], already suppressed. These come in pixels of the original
//! picture by the `scale_factor` that the model takes beside it; it is told 1, so that they are pixels of the input.
//! PP-PicoDet, PP-YOLO and PP-YOLOE are fed RGB with ImageNet's mean and deviation, PP-YOLOE+ and the RT-DETR of
//! PaddleDetection RGB, 0..1 (`configs/*/_base_/*_reader.yml`, `NormalizeImage`), all stretched. Rows do not tell which; the
//! hard swish of PP-PicoDet and the `im_shape` of RT-DETR do, and for others the settings have to.

use crate::vocab::{Detection, Rect};

use super::super::letterbox::{Fit, Order, Preprocess};
use super::distances::Distances;
use super::grid::FOUR_STRIDES;
use super::values::{check_finite, form, is_score, share};
use super::{
    Decode, Evidence, Family, IMAGENET_MEAN, IMAGENET_STD, Implausible, Kind, Ports, Reading, STRETCHED_SHARES, Tensor,
    candidate, data,
};

pub(super) const KIND: Kind = Kind {
    family: Family::Picodet,
    name: "picodet",
    shapes: "for strides 8, 16, 32 and 64 outputs [1, cells, classes] and [1, cells, 32]",
    usual: None,
    fits: distances,
};

pub(super) const ROWS: Kind = Kind {
    family: Family::PicodetRows,
    name: "picodet-rows",
    shapes: "outputs [rows, 6] of rows class score x1 y1 x2 y2, and their number [1]",
    usual: None,
    fits: |ports| {
        let is_told = ["HardSwish", "HardSigmoid"].iter().any(|name| ports.facts.operators.contains_key(*name));
        Some(rows(ports, IMAGENET_INPUT)?.if_by(is_told, Evidence::Metadata))
    },
};

pub(super) const SHARES_ROWS: Kind = Kind {
    family: Family::PpyoloeRows,
    name: "ppyoloe-rows",
    shapes: "the same as picodet-rows, of models that are fed 0..1",
    usual: None,
    fits: |ports| {
        let is_told = ports.facts.inputs.iter().any(|port| port.name == "im_shape");
        Some(rows(ports, STRETCHED_SHARES)?.if_by(is_told, Evidence::Metadata))
    },
};

const IMAGENET_INPUT: Preprocess =
    Preprocess { fit: Fit::Stretch, order: Order::Rgb, mean: IMAGENET_MEAN, std: IMAGENET_STD };

fn distances(ports: &Ports<'_>) -> Option<Reading> {
    let decoder = Distances::in_pairs(ports, &FOUR_STRIDES, 0.5)?;
    let classes = decoder.classes;
    // NanoDet-Plus has the very same outputs.
    let is_paddle = ports.facts.producer.to_ascii_lowercase().contains("paddle");
    Some(Reading::new(IMAGENET_INPUT, decoder).classes(classes).if_by(is_paddle, Evidence::Metadata))
}

const COLUMNS: usize = 6;

fn rows(ports: &Ports<'_>, preprocess: Preprocess) -> Option<Reading> {
    let [first, second] = ports.outputs else { return None };
    let is_rows = first.is_float() && matches!(first.shape.as_slice(), [_, COLUMNS] | [1, _, COLUMNS]);
    if !is_rows || !second.is_integer() || second.shape.iter().any(|side| *side > 1) {
        return None;
    }
    Some(Reading::new(preprocess, Rows).names_of(ports.facts).suppressed())
}

struct Rows;

impl Decode for Rows {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        // Rows that are not needed have class -1.
        let rows = data(outputs, 0).as_chunks::<COLUMNS>().0.iter();
        for &[class, score, x1, y1, x2, y2] in rows.filter(|row| row[1] >= threshold && row[0] >= 0.0) {
            found.extend(candidate(class as usize, score, Rect::new(x1, y1, x2, y2)));
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_finite(outputs)?;
        let is_row = |[class, score, x1, y1, x2, y2]: &[f32; COLUMNS]| {
            *class < 0.0 || (class.fract() == 0.0 && is_score(*score) && x1 <= x2 && y1 <= y2)
        };
        let rows = share(data(outputs, 0).as_chunks::<COLUMNS>().0.iter().map(is_row));
        form(rows > 0.98, || format!("{:.0} % of the rows are a class, a score and corners", rows * 100.0))
    }
}
