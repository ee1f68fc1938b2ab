//! Why a detector cannot be opened or a picture not be looked at.

use std::path::PathBuf;

use crate::model::ModelError;
use crate::model::hostile::HostileError;
use crate::model::keys::TrustError;
use crate::model::policy::Refusal;
use crate::vocab::Id;

use super::picture::PictureError;
use super::provider::{Attempt, ProviderChoice};

/// Why a detector cannot be opened, or a picture not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// [`runtime::load`](super::runtime::load) has not succeeded yet.
    #[error("ONNX Runtime is not loaded")]
    NoRuntime,
    /// ONNX Runtime cannot take or run a model that is being worked on.
    #[error("ONNX Runtime cannot {operation} the model: {reason}")]
    Probe {
        /// What was tried.
        operation: &'static str,
        /// Its words.
        reason: String,
    },
    /// A setting is out of range.
    #[error("{key} of model {model} is {value}; allowed: {allowed}")]
    Setting {
        /// The model.
        model: Id,
        /// The setting.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// The model's file cannot be read.
    #[error("cannot read the model {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no ONNX model.
    #[error("cannot use the model {path}")]
    Model {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        source: ModelError,
    },
    /// The file is not handed to ONNX Runtime.
    #[error("the model {path} is refused")]
    Hostile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: HostileError,
    },
    /// The package may not be used.
    #[error("the package {path} is refused")]
    Package {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<Refusal>,
    },
    /// Only signed packages are run, and this is an ONNX file.
    #[error(
        "the model {path} is an ONNX file, and only signed packages are run here; make one with `vedette model package`"
    )]
    NotAPackage {
        /// The file.
        path: PathBuf,
    },
    /// Only signed packages are run, and nobody is trusted to sign one.
    #[error("model {model} must be signed, and nobody is trusted to sign it; name a file of keys under `trust`")]
    NobodyTrusted {
        /// The model.
        model: Id,
    },
    /// The file of trusted keys cannot be read.
    #[error("cannot read the trusted keys {path}")]
    ReadTrust {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file of trusted keys does not say whom to trust.
    #[error("cannot use the trusted keys {path}")]
    Trust {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TrustError,
    },
    /// The manifest of a package says something of the model that is not so.
    #[error("the package {path} says that the {key} of its model is {says}; it is {found}; make the package again")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What it says.
        says: String,
        /// What is so.
        found: String,
    },
    /// The model sees something else in a golden picture than its package says.
    #[error("the model {path} fails on {provider} at its golden picture {picture}: {reason}")]
    Golden {
        /// The file.
        path: PathBuf,
        /// What ran it.
        provider: &'static str,
        /// The picture.
        picture: String,
        /// What differs.
        reason: String,
    },
    /// No provider runs the model.
    #[error("no execution provider runs the model {path} (asked for {asked}){attempts}", attempts = list(.attempts))]
    Provider {
        /// The file.
        path: PathBuf,
        /// What the configuration asks for.
        asked: ProviderChoice,
        /// Each provider that was tried, and why it does not run the model.
        attempts: Vec<Attempt>,
    },
    /// The model cannot be run as a function of tensors.
    #[error("the model {path} cannot be fed with tensors: {reason}")]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What is in the way.
        reason: String,
    },
    /// The model cannot be fed with pictures.
    #[error("the model {path} cannot be fed with pictures: {reason}; its inputs are {inputs}")]
    Input {
        /// The file.
        path: PathBuf,
        /// What is in the way.
        reason: String,
        /// Its inputs.
        inputs: String,
    },
    /// No family has outputs like these.
    #[error(
        "no family of detectors matches the model {path}, with input {input} and outputs {outputs}{hints}\n{advice}"
    )]
    NoFamily {
        /// The file.
        path: PathBuf,
        /// Size of its input.
        input: String,
        /// Its outputs.
        outputs: String,
        /// What each family expects, or why it was ruled out, a line each.
        hints: String,
        /// What to do.
        advice: String,
    },
    /// More than one family is possible.
    #[error("the model {path}, with outputs {outputs}, can be any of {possible}; set `family:` for this model")]
    AmbiguousFamily {
        /// The file.
        path: PathBuf,
        /// Its outputs.
        outputs: String,
        /// The families that are possible.
        possible: String,
    },
    /// The model makes no vector of a face or a person.
    #[error("the model {path} cannot describe a face or a person: {reason}")]
    Embedding {
        /// The file.
        path: PathBuf,
        /// What is in the way.
        reason: String,
    },
    /// The model ran on the golden picture, and what came out is impossible.
    #[error("the model {path} failed its self-test on {provider}: {reason}")]
    SelfTest {
        /// The file.
        path: PathBuf,
        /// What ran it.
        provider: &'static str,
        /// What is impossible.
        reason: String,
    },
    /// The names of the classes are unknown.
    #[error("the model does not name its {count}classes; list their names under `labels:`", count = count(*classes))]
    NoLabels {
        /// How many classes it has, where it says.
        classes: Option<usize>,
    },
    /// There are more or fewer names than classes.
    #[error("{found} labels are given, but the model has {classes} classes")]
    LabelCount {
        /// How many names there are.
        found: usize,
        /// How many classes the model has.
        classes: usize,
    },
    /// The file with the names cannot be read.
    #[error("cannot read the labels {path}")]
    ReadLabels {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A picture cannot be looked at.
    #[error("cannot look at the picture")]
    Picture(#[from] PictureError),
    /// An inference failed.
    #[error("inference failed on {provider}: {reason}")]
    Run {
        /// What ran it.
        provider: &'static str,
        /// What the provider says.
        reason: String,
    },
}

impl DetectError {
    /// Whether another provider might do better. All other faults lie in the file or the settings.
    pub(super) fn is_the_providers(&self) -> bool {
        matches!(self, Self::Run { .. } | Self::SelfTest { .. })
    }
}

fn count(classes: Option<usize>) -> String {
    classes.map_or_else(String::new, |classes| format!("{classes} "))
}

fn list(attempts: &[Attempt]) -> String {
    attempts.iter().map(|a| format!("\n  {}: {}", a.provider, a.refusal.as_deref().unwrap_or("runs it"))).collect()
}
