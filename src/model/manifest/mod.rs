//! What a model package says of itself: the manifest.
//!
//! It is canonical JSON ([`canonical`]) and the part of a package that is signed; through the digests in `files` it
//! vouches for everything else. A key that is not listed here is refused: a program that does not know what a key asks
//! for must not act as if it had done it. What a detector finds out itself (family, tensors, pre-processing) stands here
//! as well, is compared when the model is opened, and must agree.

mod check;
mod moment;
mod version;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vocab::{Id, Rect};

use super::canonical::{self, CanonicalError};
use super::onnx::{Dimension, Facts, Port};

pub use check::ManifestFault;
pub use moment::{Moment, NoMoment};
pub use version::{NoVersion, Version};

/// The version of this layout of keys.
pub const SCHEMA: u32 = 1;
/// The profile that runs wherever no other does.
pub const ANY_PROVIDER: &str = "any";

/// The manifest of a model package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The model's name, the same in all its versions; events name it.
    pub name: Id,
    /// The version for people, such as `1.4.0`.
    pub version: Version,
    /// Counts up with every release of this name.
    pub release: u64,
    /// Counts up when older packages must not be used any more.
    pub security_version: u64,
    /// When it was made.
    pub created: Moment,
    /// From when on it is not accepted any more; never, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Moment>,
    /// Where it runs.
    pub compatible: Compatible,
    /// What it does.
    pub task: Task,
    /// The family of detectors, as the configuration names it.
    pub family: String,
    /// The names of its classes, in order.
    pub labels: Vec<String>,
    /// What is asked of a detection where the configuration does not say.
    pub thresholds: Thresholds,
    /// How a picture becomes the input.
    pub preprocess: Preprocess,
    /// The files that run, by execution provider.
    pub profiles: Vec<Profile>,
    /// Everything that the package holds, in the order in which it lies there.
    pub files: Vec<FileEntry>,
    /// What the model must see in pictures that the package brings.
    pub golden: Golden,
    /// What running it may cost, where that was promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// What was measured, such as `coco_val64.map`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// How it was made 8-bit, in free words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calibration: BTreeMap<String, String>,
    /// What it was trained on and made from, in free words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub training: BTreeMap<String, String>,
    /// The licence, as an SPDX expression.
    pub licence: String,
}

/// Where a model runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compatible {
    /// Instruction sets as Rust names them, such as `x86_64` and `aarch64`; any, where none is named.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// The oldest program that may run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_min: Option<Version>,
    /// The newest program that may run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_max: Option<Version>,
}

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// It finds objects in pictures.
    Detect,
}

/// What is asked of a detection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// The score it must reach, 0..1.
    pub score: f64,
    /// The overlap with a better one of its class above which it is dropped, as intersection over union 0..1.
    pub nms_iou: f64,
    /// How many of one picture are kept, 1..10000.
    pub max_detections: u32,
}

impl Default for Thresholds {
    /// Those of a detector of which nothing is said.
    fn default() -> Self {
        Self { score: 0.4, nms_iou: 0.45, max_detections: 300 }
    }
}

/// How a picture becomes the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// How it is laid into the tensor: `stretch`, `top-left` or `centre`.
    pub fit: String,
    /// What is around it, 0..255.
    pub padding: f64,
    /// Which colour comes first: `rgb` or `bgr`.
    pub order: String,
    /// Subtracted from each channel, on the scale 0..255.
    pub mean: [f64; 3],
    /// Each channel is divided by this after that.
    pub std: [f64; 3],
}

/// A file that runs on one execution provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The provider as the configuration names it, or `any`.
    pub provider: String,
    /// The ONNX file, a name of `files`.
    pub file: String,
    /// What it is fed.
    pub inputs: Vec<Tensor>,
    /// What it gives.
    pub outputs: Vec<Tensor>,
    /// How ONNX Runtime must run it.
    pub session: SessionOptions,
}

/// An input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// The type of its elements, such as `f32`.
    pub dtype: String,
    /// Its dimensions: numbers, or names where they are free.
    pub shape: Vec<Side>,
}

/// One dimension of a [`Tensor`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Side {
    /// Fixed.
    Fixed(u64),
    /// Free, by its name.
    Free(String),
}

/// How ONNX Runtime must run a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOptions {
    /// Optimisers that must stay off, by ONNX Runtime's names.
    pub disabled_optimizers: Vec<String>,
}

/// One of the things that the package holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name; only ever compared, never a path.
    pub name: String,
    /// Where it begins, in bytes from the first blob on.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u64,
    /// Their SHA-256, in hex.
    pub sha256: String,
}

/// What the model must see in pictures that the package brings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// How far a score may be off, 0..1.
    pub score_tolerance: f64,
    /// How far a box must overlap the expected one, as intersection over union 0..1.
    pub min_iou: f64,
    /// What is seen in which picture.
    pub pictures: Vec<GoldenPicture>,
}

/// What one file must see in one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenPicture {
    /// The picture, JPEG or PNG, a name of `files`.
    pub picture: String,
    /// The ONNX file, a name of `files`.
    pub model: String,
    /// What it sees at the thresholds of the manifest, best first.
    pub detections: Vec<Expected>,
}

/// One expected object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The name of its class.
    pub label: String,
    /// Confidence, 0..1.
    pub score: f64,
    /// Left, top, right and bottom, normalised over the picture; may reach past its edges.
    #[serde(rename = "box")]
    pub bbox: [f64; 4],
}

/// What running a model may cost on the hardware that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory that opening and running it may add to the process, in MiB.
    pub memory_mib: u32,
    /// The median time of one inference at one thread, in milliseconds.
    pub inference_ms: f64,
}

impl Manifest {
    /// Reads a manifest and checks that it is whole and agrees with itself.
    ///
    /// # Errors
    /// When it is not the canonical text of a manifest, or says something impossible.
    pub fn read(text: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = canonical::read(text)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Its canonical text.
    ///
    /// # Errors
    /// When it says something impossible.
    pub fn write(&self) -> Result<Vec<u8>, ManifestError> {
        self.check()?;
        canonical::write(self).map_err(|error| ManifestError::Form(CanonicalError::Json(error)))
    }

    /// The file called `name`.
    pub fn file(&self, name: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.name == name)
    }

    /// The profile for a provider: its own, else the one for any.
    pub fn profile(&self, provider: &str) -> Option<&Profile> {
        let named = |wanted: &str| self.profiles.iter().find(|profile| profile.provider == wanted);
        named(provider).or_else(|| named(ANY_PROVIDER))
    }
}

/// Why a text is no usable manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not the canonical text of a manifest.
    #[error("the manifest cannot be read")]
    Form(#[from] CanonicalError),
    /// It says something impossible.
    #[error("the manifest is faulty")]
    Fault(#[from] ManifestFault),
}

impl Profile {
    /// Whether the file says the same of its tensors.
    pub fn agrees(&self, facts: &Facts) -> bool {
        self.inputs == Tensor::of(&facts.inputs) && self.outputs == Tensor::of(&facts.outputs)
    }
}

impl Tensor {
    /// As an ONNX file describes them.
    pub fn of(ports: &[Port]) -> Vec<Self> {
        let side = |dimension: &Dimension| match dimension {
            Dimension::Fixed(size) => Side::Fixed(*size),
            Dimension::Free(name) => Side::Free(name.clone()),
        };
        let tensor = |port: &Port| Self {
            name: port.name.clone(),
            dtype: port.element.to_string(),
            shape: port.shape.iter().map(side).collect(),
        };
        ports.iter().map(tensor).collect()
    }
}

impl Expected {
    /// The box.
    pub fn rect(&self) -> Rect {
        let [x1, y1, x2, y2] = self.bbox.map(|edge| edge as f32);
        Rect { x1, y1, x2, y2 }
    }
}
