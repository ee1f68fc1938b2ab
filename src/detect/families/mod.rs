//! The families of detectors: how each lays out its outputs, and how a model is recognised as one of them.
//!
//! A family is one file with a [`Kind`]: whether a model's ports fit it, and a decoder that reads the outputs. To add
//! one, write the file, add a variant to [`Family`] and a line to [`KINDS`].
//!
//! A model is recognised in two steps. First by its ports, and a kind says what its claim rests on: metadata, names, or
//! only shapes ([`Evidence`]). Then by values: the model is shown the golden picture, and a kind stays only if the
//! outputs can be what it says they are, such as YOLOX with and without its grid applied, which have the same names and
//! shapes. Of those that stay, the strongest evidence wins; if none or several have it, the model is refused and the
//! message names the key to set. Nothing is guessed.

mod centernet;
mod damo_yolo;
mod detr;
mod distances;
mod end_to_end;
mod fastestdet;
mod grid;
mod nanodet;
mod picodet;
mod ports;
mod rf_detr;
mod scrfd;
mod ssd_mobilenet;
mod trunk;
mod ultraface;
mod values;
mod yolo_fastest;
mod yolo_pose;
mod yolov5;
mod yolov5_grids;
mod yolov8;
mod yolox;
mod yunet;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::model::Facts;
use crate::vocab::{Detection, FacePoints, Labels, Rect};

use super::letterbox::{Fit, Order, Preprocess};

pub(super) use ports::{OutputPort, Ports, Tensor};
pub(super) use trunk::TrunkEnds;

/// A family, as the configuration names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// YOLOX as exported by default: offsets in a grid.
    Yolox,
    /// YOLOX exported with `--decode_in_inference`: boxes in pixels.
    YoloxDecoded,
    /// YOLOv5, and YOLOv7 with the same rows: three anchors per cell, boxes in pixels.
    Yolov5,
    /// YOLOv5-Lite: the same rows through a sigmoid, without grid and anchors applied.
    Yolov5Lite,
    /// YOLOv5 cut before its last layer: a map or grid per stride.
    Yolov5Grids,
    /// The same of YOLOv7, with other anchors.
    Yolov7Grids,
    /// Ultralytics YOLOv8, 9, 11, 12 and YOLOv5u: boxes in pixels, channel by channel.
    Yolov8,
    /// Ultralytics poses, with or without suppression inside: boxes are read, and the trunks of people.
    YoloPose,
    /// YOLOv10, YOLO26 and exports with suppression inside: rows of corners, score and class.
    EndToEnd,
    /// RT-DETR and D-FINE with their post-processing: labels, boxes and scores.
    RtDetr,
    /// RT-DETR and D-FINE without post-processing: logits and normalised boxes.
    RtDetrRaw,
    /// RT-DETR as Ultralytics exports it: rows of a normalised box and scores.
    RtDetrRows,
    /// RF-DETR: normalised boxes and logits of COCO's category numbers.
    RfDetr,
    /// NanoDet before Plus: class scores and distance bins for three strides.
    Nanodet,
    /// NanoDet-Plus: class scores and distance bins of four strides, in one output or in eight.
    NanodetPlus,
    /// PP-PicoDet without post-processing: class scores and distance bins for four strides.
    Picodet,
    /// PP-PicoDet and other models of PaddleDetection with their post-processing, fed with ImageNet's mean and deviation:
    /// rows of class, score and corners.
    PicodetRows,
    /// The same of models that are fed 0..1: PP-YOLOE+ and PaddleDetection's RT-DETR.
    PpyoloeRows,
    /// SSD-MobileNet and others of TensorFlow's object detection: boxes, scores, classes and their number.
    SsdMobilenet,
    /// DAMO-YOLO: class scores and boxes in pixels.
    DamoYolo,
    /// FastestDet: one map of objectness, box and classes.
    Fastestdet,
    /// YOLO-Fastest V2: boxes, objectness and classes of two strides with three anchors.
    YoloFastestV2,
    /// UltraFace and SSDs with decoded, normalised boxes.
    Ultraface,
    /// UltraFace without post-processing: SSD offsets from priors.
    UltrafaceRaw,
    /// YuNet: faces on three strides, with five points.
    Yunet,
    /// SCRFD: faces on three strides with two anchors, or on five with one; in some files with five points.
    Scrfd,
    /// CenterNet: a heat map per class, sizes and offsets.
    Centernet,
    /// CenterFace: one heat map, logarithms of sizes, offsets and keypoints, which are not read.
    Centerface,
}

/// A kind of model that can be decoded.
pub(super) struct Kind {
    pub(super) family: Family,
    /// Its name in a configuration.
    pub(super) name: &'static str,
    /// What its outputs look like, for the message that refuses a model.
    pub(super) shapes: &'static str,
    /// The size of input at which it is usually run, for files that leave it open.
    pub(super) usual: Option<Usual>,
    /// A reading of the model, if its ports fit.
    pub(super) fits: fn(&Ports<'_>) -> Option<Reading>,
}

/// The size of input at which a family is usually run, and how its files are known before they have run.
pub(super) struct Usual {
    /// Files that have all these outputs.
    pub(super) outputs: &'static [&'static str],
    /// Width and height in pixels.
    pub(super) size: (u32, u32),
}

/// What the claim that a model is of a kind rests on, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// The shapes of the outputs.
    Shapes,
    /// Their names too.
    Names,
    /// What the file says of itself.
    Metadata,
}

impl Evidence {
    /// As a phrase that continues "known by …".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shapes => "the shapes of its outputs",
            Self::Names => "the names of its outputs",
            Self::Metadata => "its metadata",
        }
    }
}

/// How a model is to be fed and read.
pub(super) struct Reading {
    pub(super) preprocess: Preprocess,
    /// How many classes the outputs tell apart, where their shape or the metadata says.
    pub(super) classes: Option<usize>,
    /// Names of the classes, where the family or the metadata knows them.
    pub(super) labels: Option<Labels>,
    /// What the claim rests on.
    pub(super) evidence: Evidence,
    /// Whether the model itself leaves one box per object, so that suppression could only take true ones away.
    pub(super) is_suppressed: bool,
    pub(super) decoder: Box<dyn Decode>,
}

/// Reads the outputs of one family.
pub(super) trait Decode: Send {
    /// Appends every candidate that reaches `threshold` to `found`, with its box in pixels of the model's input.
    /// Outputs have the ranks and types that [`Kind::fits`] saw; where the model suppresses by itself, the number of rows
    /// may differ from run to run.
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>);

    /// The five points of each candidate of the last [`decode`](Self::decode), by its box; none where the model
    /// does not tell them.
    fn points(&self) -> Option<&[(Rect, FacePoints)]> {
        None
    }

    /// The trunk of each candidate of the last [`decode`](Self::decode), by its box, where it was seen; none where the model
    /// does not tell them.
    fn trunks(&self) -> Option<&[(Rect, Option<TrunkEnds>)]> {
        None
    }

    /// Whether these outputs, of a run on the golden picture, can be what this decoder takes them for. A decoder of
    /// several forms keeps in mind which one it saw.
    ///
    /// # Errors
    /// What speaks against it.
    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible>;
}

/// Why outputs cannot be what a decoder takes them for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Implausible {
    /// The model is of another form of the family.
    OtherForm(String),
    /// The model is broken, whatever its form.
    Broken(String),
}

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherForm(reason) | Self::Broken(reason) => f.write_str(reason),
        }
    }
}

/// Every kind, in the order in which messages list them.
pub(super) const KINDS: &[Kind] = &[
    yolox::RAW,
    yolox::DECODED,
    yolov5::DECODED,
    yolov5::LITE,
    yolov5_grids::V5,
    yolov5_grids::V7,
    yolov8::KIND,
    yolo_pose::KIND,
    end_to_end::KIND,
    detr::PROCESSED,
    detr::RAW,
    detr::ROWS,
    rf_detr::KIND,
    nanodet::KIND,
    nanodet::PLUS,
    picodet::KIND,
    picodet::ROWS,
    picodet::SHARES_ROWS,
    ssd_mobilenet::KIND,
    damo_yolo::KIND,
    fastestdet::KIND,
    yolo_fastest::KIND,
    ultraface::DECODED,
    ultraface::RAW,
    yunet::KIND,
    scrfd::KIND,
    centernet::NET,
    centernet::FACE,
];

/// A name that is no family's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no model family is called {0:?}; allowed: {names}", names = Family::names().collect::<Vec<_>>().join(", "))]
pub struct UnknownFamily(String);

impl Family {
    /// The name as it stands in a configuration.
    pub fn as_str(self) -> &'static str {
        KINDS.iter().find(|kind| kind.family == self).map_or("unknown", |kind| kind.name)
    }

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|kind| kind.name)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = KINDS.iter().find(|kind| kind.name == text);
        found.map(|kind| kind.family).ok_or_else(|| UnknownFamily(text.chars().take(40).collect()))
    }
}

/// The size (width, height) at which files with these outputs are usually run, where a family knows them by name.
pub(super) fn usual_size(facts: &Facts) -> Option<(u32, u32)> {
    let has =
        |name: &&str| facts.outputs.iter().any(|port| port.name.strip_suffix(":0").unwrap_or(&port.name) == *name);
    let mut usual = KINDS.iter().filter_map(|kind| kind.usual.as_ref());
    usual.find(|usual| usual.outputs.iter().all(has)).map(|usual| usual.size)
}

impl Reading {
    /// A reading that rests on shapes, of a model that does not suppress by itself and says nothing of its classes.
    fn new(preprocess: Preprocess, decoder: impl Decode + 'static) -> Self {
        Self {
            preprocess,
            classes: None,
            labels: None,
            evidence: Evidence::Shapes,
            is_suppressed: false,
            decoder: Box::new(decoder),
        }
    }

    /// The same with so many classes.
    fn classes(self, classes: usize) -> Self {
        Self { classes: Some(classes), ..self }
    }

    /// The same with one class of this name.
    fn only(self, label: &str) -> Self {
        Self { classes: Some(1), labels: Some(Labels::new([label])), ..self }
    }

    /// The same with the names that Ultralytics and others write as `names`, if they are as many as the classes, where
    /// those are known.
    pub(super) fn names_of(self, facts: &Facts) -> Self {
        let names = facts.metadata("names").and_then(super::labels::from_python_dict);
        let fitting = names.filter(|names| self.classes.is_none_or(|classes| classes == names.len()));
        let Some(labels) = fitting.map(Labels::new) else { return self };
        Self { classes: Some(labels.len()), labels: Some(labels), ..self }
    }

    /// The same with better evidence, if it is given.
    fn if_by(self, is_given: bool, evidence: Evidence) -> Self {
        let evidence = if is_given { evidence.max(self.evidence) } else { self.evidence };
        Self { evidence, ..self }
    }

    /// The same of a model that suppresses by itself.
    fn suppressed(self) -> Self {
        Self { is_suppressed: true, ..self }
    }
}

/// ImageNet's mean and deviation in the order RGB, on the scale 0..255: what most networks in Python are trained with.
const IMAGENET_MEAN: [f32; 3] = [123.675, 116.28, 103.53];
const IMAGENET_STD: [f32; 3] = [58.395, 57.12, 57.375];

/// What every export of Ultralytics is fed: RGB, 0..1, scaled into the middle, padding 114.
const ULTRALYTICS_INPUT: Preprocess =
    Preprocess { fit: Fit::Centre(114.0), order: Order::Rgb, mean: [0.0; 3], std: [255.0; 3] };

/// RGB, 0..1, stretched.
const STRETCHED_SHARES: Preprocess =
    Preprocess { fit: Fit::Stretch, order: Order::Rgb, mean: [0.0; 3], std: [255.0; 3] };

/// The three values in reverse order: a mean or deviation for BGR.
const fn reversed([a, b, c]: [f32; 3]) -> [f32; 3] {
    [c, b, a]
}

/// A candidate, unless its class is out of range.
fn candidate(class: usize, score: f32, bbox: Rect) -> Option<Detection> {
    u16::try_from(class).ok().map(|class| Detection::new(class, score, bbox))
}

/// The elements of output `at`; none where there is no such output.
fn data<'a>(outputs: &[Tensor<'a>], at: usize) -> &'a [f32] {
    outputs.get(at).map_or(&[], |output| output.data)
}
