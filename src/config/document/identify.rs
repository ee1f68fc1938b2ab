//! Recognising people by their faces, as it is written: what the box has for it, and what a camera makes of it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Private, Provider};
use crate::detect::embed::EmbeddingFamily;
use crate::vocab::{Id, Severity};

/// Recognising people by their faces. It is done only for cameras that have `identify` too.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identify {
    /// What finds faces.
    pub detector: FaceDetector,
    /// What makes a vector of a face.
    pub embedder: FaceEmbedder,
    /// The gallery that `vedette gallery enrol` makes, relative to this file. It is read anew when it was changed. With
    /// `from_hub` it is written by the agent, and must lie where that may write, such as its `state_dir`.
    #[schemars(length(min = 1, max = 4096), example = &"people.gallery")]
    pub gallery: String,
    /// The file of the gallery's key, relative to systemd's credentials directory when there is one, else to this file.
    #[schemars(example = &"gallery.key")]
    pub key_file: Private,
    /// Takes the gallery from the hub, which keeps it sealed, in place of one that is copied here. Needs the top-level `hub`.
    /// Default: it is copied here by hand.
    pub from_hub: Option<FromHub>,
    /// How alike a face and the closest one of the gallery must be, as the cosine of their vectors. What it is worth
    /// depends on the model: measure it.
    #[serde(default = "threshold")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f64,
    /// By how much that must exceed the likeness to anybody else.
    #[serde(default = "margin")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub margin: f64,
    /// What a face must come up to.
    #[serde(default)]
    pub quality: FaceQuality,
    /// The least time between two looks at one person, in seconds.
    #[serde(default = "every_seconds")]
    #[schemars(range(min = 0.1, max = 60.0))]
    pub every_seconds: f64,
}

/// Where on the hub the gallery is.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromHub {
    /// What it is called there: the name under which `vedette gallery publish` put it.
    #[schemars(example = &"people")]
    pub gallery: Id,
    /// How often the hub is asked whether there is a newer one, in seconds.
    #[serde(default = "ask_seconds")]
    #[schemars(range(min = 1.0, max = 86_400.0))]
    pub every_seconds: f64,
}

/// What finds faces.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaceDetector {
    /// The ONNX file of a detector that tells five points of a face: YuNet, or SCRFD with keypoints; relative to this file.
    #[schemars(length(min = 1, max = 4096), example = &"yunet.onnx")]
    pub file: String,
    /// Faces with a lower score are ignored.
    #[serde(default = "face_score")]
    #[schemars(range(min = 0.01, max = 1.0))]
    pub threshold: f64,
    /// Width and height of the input in pixels, for files that leave it open. It is shown the upper part of one person.
    #[serde(default = "face_input")]
    #[schemars(inner(range(min = 16, max = 8192)))]
    pub input: Option<[u32; 2]>,
    /// The execution provider that runs it.
    #[serde(default)]
    pub provider: Provider,
    /// Threads that one inference may use on the CPU.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub threads: u16,
}

/// What makes a vector of a face.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaceEmbedder {
    /// The ONNX file, relative to this file: an aligned face of 112x112 in, a vector out.
    #[schemars(length(min = 1, max = 4096), example = &"mobilefacenet.onnx")]
    pub file: String,
    /// How it is fed. `auto` tells it from the length of the vector and the names of the outputs; order and scale of the
    /// colours cannot be seen in a file.
    #[serde(default)]
    pub family: Embedding,
    /// The execution provider that runs it.
    #[serde(default)]
    pub provider: Provider,
    /// Threads that one inference may use on the CPU.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub threads: u16,
}

/// What a face must come up to, to be compared with anybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FaceQuality {
    /// The shorter side of its box, in pixels of the camera's picture.
    #[schemars(range(min = 8.0, max = 2000.0))]
    pub size_px: f64,
    /// How sharp it is: the variance of the Laplacian of the aligned face.
    #[schemars(range(min = 0.0, max = 100_000.0))]
    pub sharpness: f64,
    /// How far it may be turned to a side: how far the nose lies beside the middle of the eyes, in distances of the eyes.
    #[schemars(range(min = 0.01, max = 10.0))]
    pub yaw: f64,
    /// How far it may look up or down: how far the nose lies from where it is from in front, of the way from eyes to mouth.
    #[schemars(range(min = 0.01, max = 10.0))]
    pub pitch: f64,
    /// How far it may be tilted, in degrees.
    #[schemars(range(min = 1.0, max = 180.0))]
    pub roll_degrees: f64,
}

impl Default for FaceQuality {
    fn default() -> Self {
        Self { size_px: 40.0, sharpness: 25.0, yaw: 0.35, pitch: 0.25, roll_degrees: 40.0 }
    }
}

/// What a camera makes of who is recognised. The events of a person's track name him in any case.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraIdentify {
    /// Who is told of in an event of his own. Default: nobody.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub tell: Vec<Tell>,
}

/// Of whom an event `identified` tells.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tell {
    /// Its name in topics and events, unique among these and the camera's rules.
    #[schemars(example = &"banned")]
    pub id: Id,
    /// The watch lists of the gallery. Default: none.
    #[schemars(length(max = 32), example = ["staff"])]
    pub lists: Option<Vec<Id>>,
    /// Whether it tells of people who are not recognised.
    #[serde(default)]
    pub unknown: bool,
    /// Whether somebody should look now (topic `alert/…`) or it is kept for the record (topic `event/…`).
    #[serde(default)]
    pub severity: Severity,
}

const AUTO: &str = "auto";

/// How an embedding model is fed; none where it is told from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Embedding(pub Option<EmbeddingFamily>);

impl Serialize for Embedding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.map_or(AUTO, EmbeddingFamily::as_str))
    }
}

impl<'de> Deserialize<'de> for Embedding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        match text.as_ref() {
            AUTO => Ok(Self(None)),
            name => name.parse().map(|family| Self(Some(family))).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for Embedding {
    fn schema_name() -> Cow<'static, str> {
        "Embedding".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let faces = EmbeddingFamily::ALL.into_iter().filter(|family| family.is_of_faces());
        let names: Vec<&str> = std::iter::once(AUTO).chain(faces.map(EmbeddingFamily::as_str)).collect();
        json_schema!({ "description": "How an embedding model is fed.", "type": "string", "enum": names })
    }
}

fn threshold() -> f64 {
    0.45
}

fn margin() -> f64 {
    0.05
}

fn ask_seconds() -> f64 {
    60.0
}

fn every_seconds() -> f64 {
    0.5
}

fn face_score() -> f64 {
    0.7
}

fn face_input() -> Option<[u32; 2]> {
    Some([320, 320])
}

fn one() -> u16 {
    1
}
