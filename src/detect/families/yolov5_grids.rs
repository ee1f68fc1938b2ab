//! YOLOv5 and YOLOv7 cut before their last layer: for strides 8, 16 and 32 a grid [1, 3, rows, columns, 5 + classes] or a
//! map [1, 3 * (5 + classes), rows, columns], as logits or through a sigmoid.
//!
//! The formulas are those of [`yolov5`](super::yolov5). Anchors are in no such file, and YOLOv5's differ from YOLOv7's, so
//! a file that says nothing of itself can be either and the settings have to tell; YOLOv7-tiny has YOLOv5's. Ultralytics
//! writes `stride` and `names` into its files, WongKinYiu/yolov7 does not (`cfg/training/yolov7.yaml` for its anchors).

use crate::vocab::Detection;

use super::grid::{self, Level, STRIDES};
use super::values::{check_finite, check_scores, form, is_score, logit, mean, sigmoid};
use super::yolov5::{ANCHORS, anchored};
use super::{
    Decode, Evidence, Family, Implausible, Kind, OutputPort, Ports, Reading, Tensor, ULTRALYTICS_INPUT, candidate, data,
};

pub(super) const V5: Kind = Kind {
    family: Family::Yolov5Grids,
    name: "yolov5-grids",
    shapes: "for strides 8, 16 and 32 outputs [1, 3, rows, columns, 5 + classes] or [1, 3 * (5 + classes), rows, columns]",
    usual: None,
    fits: |ports| {
        let is_ultralytics = ports.facts.metadata("stride").is_some() && ports.facts.metadata("names").is_some();
        Some(reading(ports, ANCHORS)?.if_by(is_ultralytics, Evidence::Metadata))
    },
};

pub(super) const V7: Kind = Kind {
    family: Family::Yolov7Grids,
    name: "yolov7-grids",
    shapes: "the same as yolov5-grids, with YOLOv7's anchors",
    usual: None,
    fits: |ports| reading(ports, V7_ANCHORS),
};

const V7_ANCHORS: [[[f32; 2]; 3]; 3] = [
    [[12.0, 16.0], [19.0, 36.0], [40.0, 28.0]],
    [[36.0, 75.0], [76.0, 55.0], [72.0, 146.0]],
    [[142.0, 110.0], [192.0, 243.0], [459.0, 401.0]],
];

fn reading(ports: &Ports<'_>, anchors: [[[f32; 2]; 3]; 3]) -> Option<Reading> {
    let levels = grid::levels(ports.width, ports.height, &STRIDES);
    if ports.outputs.len() != levels.len() {
        return None;
    }
    let layer = |(level, anchors): (Level, [[f32; 2]; 3])| {
        ports.outputs.iter().enumerate().find_map(|(at, port)| Layer::of(at, port, level, anchors))
    };
    let layers: Vec<Layer> = levels.into_iter().zip(anchors).map(layer).collect::<Option<_>>()?;
    let values = layers.first()?.values;
    if layers.iter().any(|layer| layer.values != values) {
        return None;
    }
    let decoder = Grids { layers, classes: values - 5, is_logits: true };
    Some(Reading::new(ULTRALYTICS_INPUT, decoder).classes(values - 5).names_of(ports.facts))
}

struct Grids {
    layers: Vec<Layer>,
    classes: usize,
    /// As it was on the golden picture.
    is_logits: bool,
}

/// One stride: where its output stands and how it is ordered.
struct Layer {
    at: usize,
    level: Level,
    anchors: [[f32; 2]; 3],
    /// How many values a prediction has.
    values: usize,
    /// Whether a prediction's values lie side by side, and not channel by channel.
    is_grid: bool,
}

impl Layer {
    fn of(at: usize, port: &OutputPort, level: Level, anchors: [[f32; 2]; 3]) -> Option<Self> {
        let (values, rows, columns, is_grid) = match *port.shape.as_slice() {
            [1, 3, rows, columns, values] => (values, rows, columns, true),
            [1, channels, rows, columns] if channels % 3 == 0 => (channels / 3, rows, columns, false),
            _ => return None,
        };
        let fits = port.is_float() && values > 5 && (rows, columns) == (level.rows, level.columns);
        fits.then_some(Self { at, level, anchors, values, is_grid })
    }

    /// The output of a run; nothing where it has another size.
    fn data<'a>(&self, outputs: &[Tensor<'a>]) -> &'a [f32] {
        Some(data(outputs, self.at))
            .filter(|data| data.len() == 3 * self.values * self.level.cells())
            .unwrap_or_default()
    }

    /// Where value `index` of the prediction of an anchor in a cell stands.
    fn place(&self, anchor: usize, cell: usize, index: usize) -> usize {
        let cells = self.level.cells();
        if self.is_grid {
            (anchor * cells + cell) * self.values + index
        } else {
            (anchor * self.values + index) * cells + cell
        }
    }
}

impl Grids {
    fn share(&self, value: f32) -> f32 {
        if self.is_logits { sigmoid(value) } else { value }
    }

    /// The objectness of every prediction as it stands in the outputs.
    fn objectness<'a>(&'a self, outputs: &'a [Tensor<'a>]) -> impl Iterator<Item = f32> + 'a {
        self.layers.iter().flat_map(|layer| {
            let data = layer.data(outputs);
            let cells = if data.is_empty() { 0 } else { layer.level.cells() };
            (0..3).flat_map(move |anchor| (0..cells).map(move |cell| data[layer.place(anchor, cell, 4)]))
        })
    }
}

impl Decode for Grids {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        let least = if self.is_logits { logit(threshold) } else { threshold };
        for layer in &self.layers {
            let data = layer.data(outputs);
            let cells = if data.is_empty() { 0 } else { layer.level.cells() };
            for (anchor, size) in layer.anchors.into_iter().enumerate() {
                for cell in 0..cells {
                    let value = |index: usize| data[layer.place(anchor, cell, index)];
                    // A class score is at most 1, so most predictions are done at their objectness.
                    if value(4) < least {
                        continue;
                    }
                    let (mut class, mut best) = (0, f32::NEG_INFINITY);
                    for index in 0..self.classes {
                        if value(5 + index) > best {
                            (class, best) = (index, value(5 + index));
                        }
                    }
                    let score = self.share(value(4)) * self.share(best);
                    if score >= threshold {
                        let at = [(cell % layer.level.columns) as f32, (cell / layer.level.columns) as f32];
                        let bbox =
                            anchored([0, 1, 2, 3].map(|i| self.share(value(i))), at, layer.level.stride as f32, size);
                        found.extend(candidate(class, score, bbox));
                    }
                }
            }
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_finite(outputs)?;
        self.is_logits = !outputs.iter().all(|output| output.data.iter().all(|value| is_score(*value)));
        check_scores(&[], self.objectness(outputs).map(|value| self.share(value)))?;
        // Most of any picture shows nothing.
        let objectness = mean(self.objectness(outputs).map(|value| self.share(value)));
        form(objectness < 0.3, || format!("the objectness averages {objectness:.2}, as if everything were an object"))
    }
}
