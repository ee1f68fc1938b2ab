//! RF-DETR: outputs `dets` [1, queries, 4] with normalised `cx cy w h` and `labels` [1, queries, columns] with logits.
//!
//! Files for COCO have 91 columns, which are COCO's category numbers, of which 80 are classes (roboflow/rf-detr,
//! `rfdetr/models/lwdetr.py`, `PostProcess`). Other numbers of columns are taken as that many classes, whose names the
//! settings give, in the order of the columns. Input: RGB with ImageNet's mean and deviation, stretched.

use super::super::labels;
use super::super::letterbox::{Fit, Order, Preprocess};
use super::detr::Queries;
use super::{Evidence, Family, IMAGENET_MEAN, IMAGENET_STD, Kind, Ports, Reading};

pub(super) const KIND: Kind = Kind {
    family: Family::RfDetr,
    name: "rf-detr",
    shapes: "outputs dets [1, queries, 4] with normalised boxes and labels [1, queries, classes] with logits",
    usual: None,
    fits: reading,
};

/// Columns of a file for COCO: number 0, which is no category, and 1 to 90.
const COCO_COLUMNS: usize = 91;

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    let (logits, boxes) = ports.scores_and_boxes()?;
    let queries = Queries::new(ports, logits.at, boxes.at, logits.columns);
    let preprocess = Preprocess { fit: Fit::Stretch, order: Order::Rgb, mean: IMAGENET_MEAN, std: IMAGENET_STD };
    let is_coco =
        logits.columns == COCO_COLUMNS && ports.labels.is_none_or(|labels| labels.len() == labels::COCO.len());
    let reading = if is_coco {
        let classes = (0..COCO_COLUMNS).map(labels::coco_class).collect();
        Reading::new(preprocess, queries.with_classes(classes)).classes(labels::COCO.len())
    } else {
        Reading::new(preprocess, queries).classes(logits.columns).names_of(ports.facts)
    };
    let is_named = ports.named("labels") == Some(logits.at) && ports.named("dets") == Some(boxes.at);
    Some(reading.suppressed().if_by(is_named, Evidence::Names))
}
