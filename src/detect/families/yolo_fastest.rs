//! YOLO-Fastest V2: strides 16 and 32, three anchors, and one set of classes per cell for all three.
//!
//! Either maps for each stride, [1, 12, rows, columns] of boxes, [1, 3, …] of objectness and [1, classes, …], as logits; or
//! one output [1, rows, columns, 15 + classes] for each stride, or all cells in one [cells, 15 + classes], through sigmoid
//! and, the classes, softmax. `cx = (2x - 0.5 + column) * stride`, `w = (2w)^2 * anchor`, `score = objectness * class`
//! (dog-qiuqiu/Yolo-FastestV2, `utils/utils.py`, `handel_preds`, and `model/detector.py`; anchors of `data/coco.data`, for
//! 352 by 352). Input: BGR, 0..1, stretched.

use crate::vocab::Detection;

use super::super::letterbox::{Fit, Order, Preprocess};
use super::grid::{self, Level};
use super::values::{check_finite, check_scores, form, is_score, mean, sigmoid};
use super::yolov5::anchored;
use super::{Decode, Family, Implausible, Kind, Ports, Reading, Tensor, candidate, data};

pub(super) const KIND: Kind = Kind {
    family: Family::YoloFastestV2,
    name: "yolo-fastest-v2",
    shapes: "for strides 16 and 32 outputs [1, 12, rows, columns], [1, 3, rows, columns] and [1, classes, rows, columns], \
             or [1, rows, columns, 15 + classes], or one [cells, 15 + classes]",
    usual: None,
    fits: reading,
};

const STRIDES: [u32; 2] = [16, 32];
const ANCHORS: [[[f32; 2]; 3]; 2] =
    [[[12.64, 19.39], [37.88, 51.48], [55.71, 138.31]], [[126.91, 78.23], [131.57, 214.55], [279.92, 258.87]]];
/// Channels of the boxes and of the objectness.
const BOXES: usize = 12;
const OBJECTNESS: usize = 3;
const BEFORE_CLASSES: usize = BOXES + OBJECTNESS;

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    let levels = grid::levels(ports.width, ports.height, &STRIDES);
    let (layers, classes) =
        in_maps(ports, &levels).or_else(|| side_by_side(ports, &levels)).or_else(|| in_one(ports, &levels))?;
    let preprocess = Preprocess { fit: Fit::Stretch, order: Order::Bgr, mean: [0.0; 3], std: [255.0; 3] };
    Some(Reading::new(preprocess, YoloFastest { layers, classes, is_logits: true }).classes(classes))
}

/// Three maps for each stride. Where they have as many channels as each other, the order of the export tells.
fn in_maps(ports: &Ports<'_>, levels: &[Level]) -> Option<(Vec<Layer>, usize)> {
    let mut maps = ports.maps().filter(|maps| maps.len() == 3 * levels.len())?;
    let mut classes = None;
    let layer = |(level, anchors): (&Level, _)| {
        let mut take = |channels: Option<usize>| {
            let fits = |map: &super::ports::Map| {
                (map.rows, map.columns) == (level.rows, level.columns) && channels.is_none_or(|c| c == map.channels)
            };
            let at = maps.iter().position(fits)?;
            Some(maps.remove(at))
        };
        let (boxes, objectness, scores) = (take(Some(BOXES))?, take(Some(OBJECTNESS))?, take(None)?);
        let is_same = *classes.get_or_insert(scores.channels) == scores.channels;
        let part = |at: usize| Part { at, first: 0, per_cell: 1, per_channel: level.cells() };
        let parts = [boxes.at, objectness.at, scores.at].map(part);
        (is_same && scores.channels > 0).then_some(Layer { level: *level, anchors, parts })
    };
    let layers = levels.iter().zip(ANCHORS).map(layer).collect::<Option<_>>()?;
    Some((layers, classes?))
}

/// An output for each stride with all values of a cell side by side.
fn side_by_side(ports: &Ports<'_>, levels: &[Level]) -> Option<(Vec<Layer>, usize)> {
    let maps = ports.maps().filter(|maps| maps.len() == levels.len())?;
    // The last side is the values, which the map takes for columns.
    let values = maps.first()?.columns;
    let layer = |(level, anchors): (&Level, _)| {
        let is_level =
            |map: &&super::ports::Map| (map.channels, map.rows, map.columns) == (level.rows, level.columns, values);
        let at = maps.iter().find(is_level)?.at;
        Some(Layer { level: *level, anchors, parts: beside(at, 0, values) })
    };
    let layers = levels.iter().zip(ANCHORS).map(layer).collect::<Option<_>>()?;
    Some((layers, values.checked_sub(BEFORE_CLASSES).filter(|&classes| classes > 0)?))
}

/// One output with the cells of both strides.
fn in_one(ports: &Ports<'_>, levels: &[Level]) -> Option<(Vec<Layer>, usize)> {
    let (rows, values) = ports.single_table()?;
    let classes = values.checked_sub(BEFORE_CLASSES).filter(|&classes| classes > 0)?;
    let mut first = 0;
    let layer = |(level, anchors): (&Level, _)| {
        let layer = Layer { level: *level, anchors, parts: beside(0, first, values) };
        first += level.cells() * values;
        layer
    };
    let layers = levels.iter().zip(ANCHORS).map(layer).collect();
    (rows == grid::count(levels)).then_some((layers, classes))
}

fn beside(at: usize, first: usize, values: usize) -> [Part; 3] {
    [0, BOXES, BEFORE_CLASSES].map(|channel| Part { at, first: first + channel, per_cell: values, per_channel: 1 })
}

struct YoloFastest {
    layers: Vec<Layer>,
    classes: usize,
    /// As it was on the golden picture.
    is_logits: bool,
}

/// One stride: where boxes, objectness and classes stand.
struct Layer {
    level: Level,
    anchors: [[f32; 2]; 3],
    parts: [Part; 3],
}

/// Where values stand in an output.
#[derive(Debug, Clone, Copy)]
struct Part {
    at: usize,
    first: usize,
    per_cell: usize,
    per_channel: usize,
}

impl Part {
    /// A value of a cell; none where the output is shorter than its shape said.
    fn value(&self, outputs: &[Tensor<'_>], cell: usize, channel: usize) -> Option<f32> {
        data(outputs, self.at).get(self.first + cell * self.per_cell + channel * self.per_channel).copied()
    }
}

impl YoloFastest {
    fn share(&self, value: f32) -> f32 {
        if self.is_logits { sigmoid(value) } else { value }
    }

    /// The best class of a cell and its score.
    fn class(&self, layer: &Layer, outputs: &[Tensor<'_>], cell: usize) -> Option<(usize, f32)> {
        let (mut class, mut best, mut sum) = (0, f32::NEG_INFINITY, 0.0);
        let value = |index: usize| layer.parts[2].value(outputs, cell, index);
        for index in 0..self.classes {
            let value = value(index)?;
            if value > best {
                (class, best) = (index, value);
            }
        }
        if self.is_logits {
            for index in 0..self.classes {
                sum += (value(index)? - best).exp();
            }
            best = 1.0 / sum;
        }
        Some((class, best))
    }

    fn objectness<'a>(&'a self, outputs: &'a [Tensor<'a>]) -> impl Iterator<Item = f32> + 'a {
        self.layers.iter().flat_map(move |layer| {
            let cells = (0..layer.level.cells()).flat_map(|cell| (0..OBJECTNESS).map(move |anchor| (cell, anchor)));
            cells.filter_map(move |(cell, anchor)| layer.parts[1].value(outputs, cell, anchor)).map(|v| self.share(v))
        })
    }

    fn look(
        &self,
        layer: &Layer,
        cell: usize,
        outputs: &[Tensor<'_>],
        threshold: f32,
        found: &mut Vec<Detection>,
    ) -> Option<()> {
        // Read only for a cell with enough objectness, and once for its three anchors.
        let mut class = None;
        for (anchor, &size) in layer.anchors.iter().enumerate() {
            let objectness = self.share(layer.parts[1].value(outputs, cell, anchor)?);
            if objectness < threshold {
                continue;
            }
            let (class, share) = match class {
                Some(known) => known,
                None => *class.insert(self.class(layer, outputs, cell)?),
            };
            let score = objectness * share;
            if score >= threshold {
                let mut place = [0.0; 4];
                for (index, value) in place.iter_mut().enumerate() {
                    *value = self.share(layer.parts[0].value(outputs, cell, 4 * anchor + index)?);
                }
                let at = [(cell % layer.level.columns) as f32, (cell / layer.level.columns) as f32];
                found.extend(candidate(class, score, anchored(place, at, layer.level.stride as f32, size)));
            }
        }
        Some(())
    }
}

impl Decode for YoloFastest {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        for layer in &self.layers {
            for cell in 0..layer.level.cells() {
                if self.look(layer, cell, outputs, threshold, found).is_none() {
                    return;
                }
            }
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_finite(outputs)?;
        self.is_logits = !outputs.iter().all(|output| output.data.iter().all(|value| is_score(*value)));
        check_scores(&[], self.objectness(outputs))?;
        let objectness = mean(self.objectness(outputs));
        // Most of any picture shows nothing.
        form(objectness < 0.3, || format!("the objectness averages {objectness:.2}, as if everything were an object"))
    }
}
