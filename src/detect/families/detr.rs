//! RT-DETR and D-FINE: with their post-processing labels, boxes and scores; without it logits and boxes; and the rows of
//! Ultralytics' export.
//!
//! Post-processed files take the size of the original picture beside it; they are told the size of the input, so that boxes
//! come in its pixels. Without post-processing, logits [1, queries, classes] go through a sigmoid and boxes [1, queries, 4]
//! are normalised `cx cy w h`; one query may be several classes (lyuwenyu/RT-DETR, `rtdetrv2_pytorch/src/zoo/rtdetr/
//! rtdetr_postprocessor.py`). Rows [1, 300, 4 + classes] are such a box and scores through a sigmoid (ultralytics,
//! `nn/modules/head.py`, `RTDETRDecoder`). None needs suppression. Input: RGB, 0..1, stretched.

use crate::vocab::{Detection, Rect};

use super::values::{check_finite, check_scores, form, is_score, logit, share, sigmoid};
use super::{Decode, Evidence, Family, Implausible, Kind, Ports, Reading, STRETCHED_SHARES, Tensor, candidate, data};

pub(super) const PROCESSED: Kind = Kind {
    family: Family::RtDetr,
    name: "rt-detr",
    shapes: "outputs labels [1, queries], boxes [1, queries, 4] in pixels and scores [1, queries]",
    usual: None,
    fits: processed,
};

pub(super) const RAW: Kind = Kind {
    family: Family::RtDetrRaw,
    name: "rt-detr-raw",
    shapes: "outputs [1, queries, classes] with logits and [1, queries, 4] with normalised boxes",
    usual: None,
    fits: raw,
};

pub(super) const ROWS: Kind = Kind {
    family: Family::RtDetrRows,
    name: "rt-detr-rows",
    shapes: "one output [1, 300, 4 + classes] with normalised boxes and scores",
    usual: None,
    fits: rows,
};

/// Columns of the first DETR for COCO: 91 and one for nothing, through a softmax, which is no family here.
const WITH_NOTHING: usize = 92;

fn processed(ports: &Ports<'_>) -> Option<Reading> {
    let [_, _, _] = ports.outputs else { return None };
    let is_boxes = |at: &usize| {
        let port = &ports.outputs[*at];
        port.is_float() && port.shape.len() >= 2 && port.shape.last() == Some(&4)
    };
    let boxes = (0..3).find(is_boxes)?;
    let is_one_each = |at: &usize| ports.outputs[*at].shape.len() <= 2 && *at != boxes;
    let labels = ports.named("labels").or_else(|| (0..3).find(|at| ports.outputs[*at].is_integer()))?;
    let scores = (0..3).find(|at| ![labels, boxes].contains(at) && ports.outputs[*at].is_float())?;
    if ![labels, scores].iter().all(is_one_each) {
        return None;
    }
    let decoder = Processed { labels, boxes, scores, size: [ports.width, ports.height].map(|side| side as f32) };
    let is_named = ["labels", "boxes", "scores"].iter().all(|name| ports.named(name).is_some());
    let reading = Reading::new(STRETCHED_SHARES, decoder).names_of(ports.facts).suppressed();
    Some(reading.if_by(is_named, Evidence::Names))
}

fn raw(ports: &Ports<'_>) -> Option<Reading> {
    let (logits, boxes) = ports.scores_and_boxes()?;
    if logits.columns == WITH_NOTHING {
        return None;
    }
    let queries = Queries::new(ports, logits.at, boxes.at, logits.columns);
    let is_named = ports.outputs[logits.at].name.contains("logits") && ports.outputs[boxes.at].name.contains("boxes");
    let reading = Reading::new(STRETCHED_SHARES, queries).classes(logits.columns).names_of(ports.facts).suppressed();
    Some(reading.if_by(is_named, Evidence::Names))
}

fn rows(ports: &Ports<'_>) -> Option<Reading> {
    let (300, columns) = ports.single_table()? else { return None };
    let classes = columns.checked_sub(4).filter(|&classes| classes > 0)?;
    if ports.task().is_some_and(|task| task != "detect") {
        return None;
    }
    let decoder = Rows { columns, size: [ports.width, ports.height].map(|side| side as f32) };
    Some(Reading::new(STRETCHED_SHARES, decoder).classes(classes).names_of(ports.facts).suppressed())
}

struct Processed {
    labels: usize,
    boxes: usize,
    scores: usize,
    size: [f32; 2],
}

impl Decode for Processed {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        let scored = data(outputs, self.labels).iter().zip(data(outputs, self.scores));
        let rows = scored.zip(data(outputs, self.boxes).as_chunks::<4>().0);
        for ((&label, &score), &edges) in rows.filter(|((label, score), _)| **score >= threshold && **label >= 0.0) {
            found.extend(candidate(label as usize, score, Rect::from(edges)));
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_finite(outputs)?;
        let scores = data(outputs, self.scores);
        let are_scores = scores.iter().all(|score| is_score(*score));
        let are_labels = data(outputs, self.labels).iter().all(|label| *label >= 0.0 && label.fract() == 0.0);
        let [w, h] = self.size;
        let is_box = |[x1, y1, x2, y2]: &[f32; 4]| {
            let is_near = |value: f32, side: f32| (-side..=2.0 * side).contains(&value);
            x1 <= x2
                && y1 <= y2
                && [*x1, *x2].iter().all(|x| is_near(*x, w))
                && [*y1, *y2].iter().all(|y| is_near(*y, h))
        };
        let boxes = data(outputs, self.boxes).as_chunks::<4>().0;
        let near = share(boxes.iter().map(is_box));
        // Boxes that were told of no size stay within 0..1.
        let reach = boxes.iter().flatten().copied().fold(0.0, f32::max);
        let are_pixels = boxes.is_empty() || reach > 2.0;
        form(are_scores && are_labels && near > 0.98 && are_pixels, || {
            format!(
                "scores {} 0..1, labels {} whole, {:.0} % of the boxes are corners, and they reach {reach:.1} pixels",
                if are_scores { "lie in" } else { "leave" },
                if are_labels { "are" } else { "are not" },
                near * 100.0
            )
        })
    }
}

/// Reads logits and normalised boxes.
pub(super) struct Queries {
    logits: usize,
    boxes: usize,
    columns: usize,
    size: [f32; 2],
    /// The class that each column stands for; none for a column of no class.
    classes: Vec<Option<usize>>,
}

impl Queries {
    /// For outputs that stand there, with a class per column.
    pub(super) fn new(ports: &Ports<'_>, logits: usize, boxes: usize, columns: usize) -> Self {
        let size = [ports.width, ports.height].map(|side| side as f32);
        Self { logits, boxes, columns, size, classes: (0..columns).map(Some).collect() }
    }

    /// The same with these classes for the columns.
    pub(super) fn with_classes(self, classes: Vec<Option<usize>>) -> Self {
        Self { classes, ..self }
    }
}

/// A normalised `cx cy w h` in pixels of an input of this size.
fn scaled([cx, cy, w, h]: [f32; 4], [width, height]: [f32; 2]) -> Rect {
    Rect::from_centre(cx * width, cy * height, w * width, h * height)
}

impl Decode for Queries {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        let least = logit(threshold);
        let queries = data(outputs, self.logits).chunks_exact(self.columns);
        for (logits, &place) in queries.zip(data(outputs, self.boxes).as_chunks::<4>().0) {
            for (&value, class) in logits.iter().zip(&self.classes) {
                let score = if value >= least { sigmoid(value) } else { continue };
                if let Some(class) = class.filter(|_| score >= threshold) {
                    found.extend(candidate(class, score, scaled(place, self.size)));
                }
            }
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_finite(outputs)?;
        let logits = data(outputs, self.logits);
        let are_logits = logits.iter().any(|value| !is_score(*value));
        let places = share(data(outputs, self.boxes).iter().map(|value| is_score(*value)));
        form(are_logits && places > 0.98, || {
            let kind = if are_logits { "logits" } else { "scores" };
            format!("the first output holds {kind}, and {:.0} % of the others lie in 0..1", places * 100.0)
        })
    }
}

struct Rows {
    columns: usize,
    size: [f32; 2],
}

impl Decode for Rows {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        for row in data(outputs, 0).chunks_exact(self.columns) {
            let place = [row[0], row[1], row[2], row[3]];
            for (class, &score) in row[4..].iter().enumerate().filter(|(_, score)| **score >= threshold) {
                found.extend(candidate(class, score, scaled(place, self.size)));
            }
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        let rows = || data(outputs, 0).chunks_exact(self.columns);
        // Every query has a box, so rows of zeros are not of this form.
        let is_place = |row: &[f32]| row[..4].iter().all(|value| is_score(*value)) && row[2] > 0.0 && row[3] > 0.0;
        let places = share(rows().map(is_place));
        form(places > 0.99, || format!("{:.0} % of the rows begin with a normalised box", places * 100.0))?;
        check_scores(outputs, rows().flat_map(|row| row[4..].iter().copied()))
    }
}
