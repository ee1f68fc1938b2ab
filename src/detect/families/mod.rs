//! The families of detectors: how each lays out its outputs, and how a model is recognised as one of them.
//!
//! A family is one file with a [`Kind`]: whether a model's ports fit it, and a decoder that reads the outputs. To add
//! one, write the file, add a variant to [`Family`] and a line to [`KINDS`].
//!
//! A model is recognised in two steps. First by its ports: names, shapes and metadata. Where several kinds fit, such as
//! YOLOX with and without its grid applied, which have the same names and shapes, the values decide: the model is shown
//! the golden picture, and a kind stays only if the outputs can be what it says they are. If none or several stay, the
//! model is refused and the message names the key to set; nothing is guessed.

mod end_to_end;
mod ultraface;
mod yolov8;
mod yolox;

use std::fmt;
use std::str::FromStr;

use crate::model::Facts;
use crate::vocab::{Detection, Labels, Rect};

use super::letterbox::{Fit, Order, Preprocess};

/// A family, as the configuration names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// YOLOX as exported by default: offsets in a grid.
    Yolox,
    /// YOLOX exported with `--decode_in_inference`: boxes in pixels.
    YoloxDecoded,
    /// Ultralytics YOLOv8, 9, 11, 12 and YOLOv5u: boxes in pixels, channel by channel.
    Yolov8,
    /// YOLOv10, YOLO26 and exports with suppression inside: rows of corners, score and class.
    EndToEnd,
    /// UltraFace and SSDs with decoded, normalised boxes.
    Ultraface,
    /// UltraFace without post-processing: SSD offsets from priors.
    UltrafaceRaw,
}

/// What a model and its session say, once shapes are known.
pub(super) struct Ports<'a> {
    /// Width of the input in pixels.
    pub(super) width: u32,
    /// Height of the input in pixels.
    pub(super) height: u32,
    /// The outputs as they came out of a first run.
    pub(super) outputs: &'a [OutputPort],
    /// The file's own words.
    pub(super) facts: &'a Facts,
}

/// An output as it came out of a first run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutputPort {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// Whether the elements are 32-bit floats, the only ones that decoders read.
    pub(super) is_f32: bool,
}

/// One output of one run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tensor<'a> {
    /// The elements; empty where they are no 32-bit floats.
    pub(super) data: &'a [f32],
}

/// A kind of model that can be decoded.
pub(super) struct Kind {
    pub(super) family: Family,
    /// What its outputs look like, for the message that refuses a model.
    pub(super) shapes: &'static str,
    /// A reading of the model, if its ports fit.
    pub(super) fits: fn(&Ports<'_>) -> Option<Reading>,
}

/// How a model is to be fed and read.
pub(super) struct Reading {
    pub(super) preprocess: Preprocess,
    /// How many classes the outputs tell apart, where their shape or the metadata says.
    pub(super) classes: Option<usize>,
    /// Names of the classes, where the family or the metadata knows them.
    pub(super) labels: Option<Labels>,
    pub(super) decoder: Box<dyn Decode>,
}

/// Reads the outputs of one family.
pub(super) trait Decode: Send {
    /// Appends every candidate that reaches `threshold` to `found`, with its box in pixels of the model's input.
    /// Outputs have the shapes that [`Kind::fits`] saw.
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>);

    /// Whether these outputs, of a run on the golden picture, can be what this decoder takes them for.
    ///
    /// # Errors
    /// What speaks against it.
    fn plausible(&self, outputs: &[Tensor<'_>]) -> Result<(), Implausible>;
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

/// Every kind, in no particular order.
pub(super) const KINDS: [Kind; 6] =
    [yolox::RAW, yolox::DECODED, yolov8::KIND, end_to_end::KIND, ultraface::DECODED, ultraface::RAW];

const NAMED: [(Family, &str); 6] = [
    (Family::Yolox, "yolox"),
    (Family::YoloxDecoded, "yolox-decoded"),
    (Family::Yolov8, "yolov8"),
    (Family::EndToEnd, "end-to-end"),
    (Family::Ultraface, "ultraface"),
    (Family::UltrafaceRaw, "ultraface-raw"),
];

/// A name that is no family's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no model family is called {0:?}; allowed: {names}", names = Family::names().collect::<Vec<_>>().join(", "))]
pub struct UnknownFamily(String);

impl Family {
    /// The name as it stands in a configuration.
    pub fn as_str(self) -> &'static str {
        NAMED.iter().find(|(family, _)| *family == self).map_or("yolox", |(_, name)| name)
    }

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(_, name)| *name)
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
        let found = NAMED.iter().find(|(_, name)| *name == text);
        found.map(|(family, _)| *family).ok_or_else(|| UnknownFamily(text.chars().take(40).collect()))
    }
}

impl OutputPort {
    /// Its shape as text, such as `[1,3549,85]`.
    pub(super) fn shape_text(&self) -> String {
        let sizes: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        format!("[{}]", sizes.join(","))
    }
}

impl Ports<'_> {
    /// The only output, if there is one of 32-bit floats and rank 3 with a leading 1: its last two sizes.
    fn single_matrix(&self) -> Option<(usize, usize)> {
        match self.outputs {
            [OutputPort { shape, is_f32: true, .. }] => match shape.as_slice() {
                [1, rows, columns] => Some((*rows, *columns)),
                _ => None,
            },
            _ => None,
        }
    }

    /// How many cells the grids of these strides have together; none where the input is no multiple of them.
    fn cells(&self, strides: &[u32]) -> Option<usize> {
        let count = |&stride: &u32| {
            let is_whole = self.width.is_multiple_of(stride) && self.height.is_multiple_of(stride);
            is_whole.then(|| (self.width / stride) as usize * (self.height / stride) as usize)
        };
        strides.iter().map(count).sum()
    }
}

/// Strides of the detection layers that all YOLO families here share.
const STRIDES: [u32; 3] = [8, 16, 32];

/// The cells of the grids of [`STRIDES`] in the order in which their predictions come: (column, row, stride).
fn grid(width: u32, height: u32) -> Vec<[f32; 3]> {
    let layer = |stride: u32| {
        let cell = move |row: u32, column: u32| [column as f32, row as f32, stride as f32];
        (0..height / stride).flat_map(move |row| (0..width / stride).map(move |column| cell(row, column)))
    };
    STRIDES.into_iter().flat_map(layer).collect()
}

/// Checks what holds for every family: all outputs finite, all scores within 0..1 (to within rounding), and not all of
/// them exactly zero, as they are when a whole detector was quantised with one scale for boxes and scores.
fn check_scores(outputs: &[Tensor<'_>], scores: impl Iterator<Item = f32>) -> Result<(), Implausible> {
    check_finite(outputs)?;
    let mut highest = f32::NEG_INFINITY;
    for score in scores {
        if !(-0.01..=1.01).contains(&score) {
            return Err(Implausible::Broken(format!("a score is {score}; scores lie in 0..1")));
        }
        highest = highest.max(score);
    }
    if highest <= 0.0 {
        let reason = "every score is exactly 0; was the whole model quantised, its last layers included?";
        return Err(Implausible::Broken(reason.to_owned()));
    }
    Ok(())
}

fn check_finite(outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
    for (index, output) in outputs.iter().enumerate() {
        if let Some(at) = output.data.iter().position(|v| !v.is_finite()) {
            return Err(Implausible::Broken(format!("output {index} is {} at element {at}", output.data[at])));
        }
    }
    Ok(())
}

/// What every export of Ultralytics is fed: RGB, 0..1, scaled into the middle, padding 114.
fn ultralytics_input() -> Preprocess {
    Preprocess { fit: Fit::Centre(114.0), order: Order::Rgb, mean: [0.0; 3], std: [255.0; 3] }
}

/// The mean of `values`; 0 for none.
fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0f64, 0u32), |(sum, count), v| (sum + f64::from(v), count + 1));
    if count == 0 { 0.0 } else { (sum / f64::from(count)) as f32 }
}

/// A candidate, unless its class is out of range.
fn candidate(class: usize, score: f32, bbox: Rect) -> Option<Detection> {
    u16::try_from(class).ok().map(|class| Detection { class, score, bbox })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The kinds that fit an input of 64 by 64 and outputs of these shapes, with their readings.
    fn fitting(shapes: &[&[usize]]) -> Vec<(Family, Reading)> {
        let port = |shape: &&[usize]| OutputPort { name: "output".into(), shape: shape.to_vec(), is_f32: true };
        let outputs: Vec<_> = shapes.iter().map(port).collect();
        let facts = Facts::default();
        let ports = Ports { width: 64, height: 64, outputs: &outputs, facts: &facts };
        KINDS.iter().filter_map(|kind| (kind.fits)(&ports).map(|reading| (kind.family, reading))).collect()
    }

    #[test]
    fn shapes_leave_only_the_forms_of_one_family() {
        let families = |shapes: &[&[usize]]| fitting(shapes).into_iter().map(|(f, _)| f).collect::<Vec<_>>();
        assert_eq!(families(&[&[1, 84, 85]]), [Family::Yolox, Family::YoloxDecoded]);
        assert_eq!(families(&[&[1, 6, 84]]), [Family::Yolov8]);
        assert_eq!(families(&[&[1, 100, 2], &[1, 100, 4]]), [Family::Ultraface]);
        assert_eq!(families(&[&[1, 100, 4], &[1, 100, 21]]), [Family::Ultraface]);
        assert_eq!(families(&[&[1, 300, 6]]), [Family::EndToEnd]);
        // With a row per cell it may also be a YOLOX of one class; the values tell.
        assert_eq!(families(&[&[1, 84, 6]]), [Family::Yolox, Family::YoloxDecoded, Family::EndToEnd]);
        for strange in [&[1usize, 84, 5][..], &[1, 84, 4], &[84, 85], &[1, 85, 8, 8]] {
            assert_eq!(families(&[strange]), [], "{strange:?}");
        }
    }

    proptest! {
        #[test]
        fn no_output_makes_a_decoder_panic(
            values in proptest::collection::vec(proptest::num::f32::ANY, 0..700), threshold in 0f32..1.0,
        ) {
            for shapes in [&[&[1usize, 84, 7][..]][..], &[&[1, 6, 84]], &[&[1, 9, 6]], &[&[1, 84, 2], &[1, 84, 4]]] {
                let outputs: Vec<Tensor<'_>> = shapes.iter().map(|_| Tensor { data: &values }).collect();
                for (_, mut reading) in fitting(shapes) {
                    let mut found = Vec::new();
                    let _ = reading.decoder.plausible(&outputs);
                    reading.decoder.decode(&outputs, threshold, &mut found);
                    reading.decoder.decode(&[], threshold, &mut found);
                    prop_assert!(found.iter().all(|d| d.score >= threshold));
                }
            }
        }
    }
}
