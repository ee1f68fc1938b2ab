//! Recognising people again by how they look, as it is written: what the box has for it, and what a camera makes of it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Provider;
use crate::vocab::{Id, Severity};

/// Recognising people again by how they look, whoever they are. It is done only for cameras that have `reidentify` too.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reidentify {
    /// What makes a vector of a person.
    pub embedder: PersonEmbedder,
    /// How alike two pictures of people must be, as the cosine of their vectors, to be taken for one person. What it is
    /// worth depends on the model and the cameras: measure it.
    #[serde(default = "threshold")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f64,
    /// By how much that must exceed the likeness to anybody else who is remembered.
    #[serde(default = "margin")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub margin: f64,
    /// How long somebody whom no camera sees is remembered, in seconds.
    #[serde(default = "forget_seconds")]
    #[schemars(range(min = 10, max = 86_400))]
    pub forget_seconds: u32,
    /// How many people are remembered at most; whoever was seen longest ago makes room. Each takes up to 12 KiB.
    #[serde(default = "most")]
    #[schemars(range(min = 1, max = 2000))]
    pub most: u32,
}

/// What makes a vector of a person.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonEmbedder {
    /// The ONNX file, relative to this file: a person of 128x256 (width by height) in, a vector out, such as an OSNet of
    /// torchreid.
    #[schemars(length(min = 1, max = 4096), example = &"osnet.onnx")]
    pub file: String,
    /// The execution provider that runs it.
    #[serde(default)]
    pub provider: Provider,
    /// Threads that one inference may use on the CPU.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub threads: u16,
}

/// What a camera makes of who comes again. The events of a person's track say that he was seen before in any case.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraReidentify {
    /// Who is told of in an event of his own. Default: nobody.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub tell: Vec<TellAgain>,
}

/// Of whom an event `reappeared` tells.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TellAgain {
    /// Its name in topics and events, unique among these and the camera's rules.
    #[schemars(example = &"from-the-gate")]
    pub id: Id,
    /// The cameras of which one must have seen him last; this camera itself tells of who comes back to it. Default: every
    /// other camera that has `reidentify`.
    #[schemars(length(min = 1, max = 64), example = ["door"])]
    pub from: Option<Vec<Id>>,
    /// Whether somebody should look now (topic `alert/…`) or it is kept for the record (topic `event/…`).
    #[serde(default)]
    pub severity: Severity,
}

fn threshold() -> f64 {
    0.9
}

fn margin() -> f64 {
    0.03
}

fn forget_seconds() -> u32 {
    1800
}

fn most() -> u32 {
    200
}

fn one() -> u16 {
    1
}
