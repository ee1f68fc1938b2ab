//! NanoDet: class scores [1, cells, classes] and distance bins [1, cells, 32] for each stride; NanoDet-Plus: the same side
//! by side in one output [1, cells, classes + 32], or for each of four strides.
//!
//! Exports name the outputs after numbers, misname them, order them in several ways, and some lack the batch in front, so
//! they are known by their shapes. Distances begin in the middle of a cell, in Plus at its corner (RangiLyu/nanodet,
//! `nanodet/model/head/nanodet_head.py`, `get_single_level_center_point`, and `nanodet_plus_head.py`,
//! `get_single_level_center_priors`). Input: BGR with ImageNet's mean and deviation; scaled into the middle with padding
//! 0 before Plus (`keep_ratio: True` in its configurations), stretched in Plus (`keep_ratio: False`).

use super::super::letterbox::{Fit, Order, Preprocess};
use super::distances::Distances;
use super::grid::{FOUR_STRIDES, STRIDES};
use super::{Evidence, Family, IMAGENET_MEAN, IMAGENET_STD, Kind, Ports, Reading, reversed};

pub(super) const KIND: Kind = Kind {
    family: Family::Nanodet,
    name: "nanodet",
    shapes: "for strides 8, 16 and 32 outputs [1, cells, classes] and [1, cells, 32]",
    usual: None,
    fits: |ports| {
        let decoder = Distances::in_pairs(ports, &STRIDES, 0.5)?;
        Some(reading(decoder, Fit::Centre(0.0)))
    },
};

pub(super) const PLUS: Kind = Kind {
    family: Family::NanodetPlus,
    name: "nanodet-plus",
    shapes: "one output [1, cells, classes + 32] for strides 8, 16, 32 and 64, or [1, cells, classes] and [1, cells, 32] \
             for each of them",
    usual: None,
    fits: plus,
};

fn plus(ports: &Ports<'_>) -> Option<Reading> {
    if let Some(decoder) = Distances::in_one(ports, &FOUR_STRIDES, 0.0) {
        return Some(reading(decoder, Fit::Stretch));
    }
    let decoder = Distances::in_pairs(ports, &FOUR_STRIDES, 0.0)?;
    // PP-PicoDet has the very same outputs; it is not trained in PyTorch, and NanoDet is.
    Some(reading(decoder, Fit::Stretch).if_by(ports.facts.producer == "pytorch", Evidence::Metadata))
}

fn reading(decoder: Distances, fit: Fit) -> Reading {
    let (mean, std) = (reversed(IMAGENET_MEAN), reversed(IMAGENET_STD));
    let classes = decoder.classes;
    Reading::new(Preprocess { fit, order: Order::Bgr, mean, std }, decoder).classes(classes)
}
