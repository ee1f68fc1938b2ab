//! Says what a model file is: what it holds, what it costs, how it is read, and who would run it here.
//!
//! Whatever needs ONNX Runtime is left out, with the reason, where that is missing or the file must not be handed to it.

mod advice;
mod model;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::clock::SharedClock;
use crate::detect::{self, DetectError, Detector, Settings};
use crate::model::hostile::HostileError;
use crate::model::manifest::Manifest;
use crate::model::package::{Envelope, PackageError, is_package};
use crate::model::{ModelError, sha256_hex};

pub use model::{CostReport, KindReport, ModelReport, PortReport, ProviderTrial, Side, WeightReport};

/// What a file is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// `onnx` or `package`.
    pub kind: &'static str,
    /// Its bytes.
    pub bytes: u64,
    /// SHA-256 of the whole file, in hex.
    pub sha256: String,
    /// What the package says of itself, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageReport>,
    /// The detector that it is, or why it is none.
    pub detector: Told<Box<Recognised>>,
    /// The ONNX files: one, or those of the package.
    pub models: Vec<ModelReport>,
}

/// What a package says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackageReport {
    /// The model's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its release.
    pub release: u64,
    /// The licence.
    pub licence: String,
    /// Whose keys have signed it; nothing says here that they are trusted.
    pub signers: Vec<String>,
    /// Photographs in which it must see what it says.
    pub golden_pictures: usize,
}

/// Something that is known, or why it is not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Told<T> {
    /// It is known.
    Known(T),
    /// It is not.
    Unknown {
        /// Why.
        unknown_because: String,
    },
}

impl<T> From<Result<T, String>> for Told<T> {
    fn from(result: Result<T, String>) -> Self {
        match result {
            Ok(known) => Self::Known(known),
            Err(unknown_because) => Self::Unknown { unknown_because },
        }
    }
}

/// A detector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recognised {
    /// The family.
    pub family: String,
    /// What that claim rests on.
    pub because: String,
    /// Families whose outputs have the same shapes, and what speaks against each.
    pub ruled_out: Vec<String>,
    /// Width and height of its input in pixels.
    pub input: [u32; 2],
    /// How a picture becomes the input.
    pub preprocess: String,
    /// The names of its classes.
    pub labels: Vec<String>,
}

/// Why nothing can be said of a file.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no ONNX model.
    #[error("cannot inspect {path}")]
    Model {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        source: ModelError,
    },
    /// It is a package that cannot be taken apart.
    #[error("cannot inspect the package {path}")]
    Package {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PackageError,
    },
    /// It was described as far as it goes, but must not be run.
    #[error("{path} would not be run")]
    Hostile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: HostileError,
    },
}

/// An ONNX file to be described.
struct Part<'a> {
    /// Its name in the package; none for a file of its own.
    name: Option<String>,
    /// The providers that the package has it for.
    providers: Vec<String>,
    bytes: &'a [u8],
    /// Optimisers that the package says must stay off.
    disabled_optimizers: Vec<String>,
}

/// Describes the file that `settings` name. `runtime` says why ONNX Runtime is not loaded, where it is not.
///
/// # Errors
/// When the file cannot be read, or is neither an ONNX model nor a package.
pub fn inspect(settings: &Settings, runtime: Result<(), String>, clock: &SharedClock) -> Result<Report, InspectError> {
    let path = &settings.file;
    let bytes = detect::read_file(path).map_err(|source| InspectError::Read { path: path.clone(), source })?;
    let opened = match is_package(&bytes) {
        true => Some(open_package(path, &bytes)?),
        false => None,
    };
    let parts = match &opened {
        Some((package, _)) => package_parts(package),
        None => vec![Part { name: None, providers: Vec::new(), bytes: &bytes, disabled_optimizers: Vec::new() }],
    };
    let mut models = Vec::with_capacity(parts.len());
    for part in &parts {
        let described = model::describe(part, settings, &runtime);
        models.push(described.map_err(|source| InspectError::Model { path: path.clone(), source })?);
    }
    let refused = models.iter().find_map(|model| model.refused.as_ref());
    let detector = match (refused, &runtime) {
        (Some(reason), _) => Err(format!("it would not be run: {reason}")),
        (None, Err(reason)) => Err(format!("that takes ONNX Runtime: {reason}")),
        (None, Ok(())) => detector(settings, clock).map_err(|error| chain(&error)),
    };
    Ok(Report {
        file: path.display().to_string(),
        kind: if opened.is_some() { "package" } else { "onnx" },
        bytes: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
        package: opened.map(|(_, report)| report),
        detector: detector.map(Box::new).into(),
        models,
    })
}

/// Whether every ONNX file of the report would be handed to ONNX Runtime.
///
/// # Errors
/// What speaks against the first that would not.
pub fn verdict(report: Report) -> Result<(), InspectError> {
    let path = PathBuf::from(report.file);
    match report.models.into_iter().find_map(|model| model.refused) {
        Some(source) => Err(InspectError::Hostile { path, source }),
        None => Ok(()),
    }
}

type Package<'a> = crate::model::package::Package<'a>;

fn open_package<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Package<'a>, PackageReport), InspectError> {
    let open = || {
        let envelope = Envelope::parse(bytes)?;
        let (signers, package) = (envelope.signers()?, envelope.open()?);
        package.check_digests()?;
        Ok((signers, package))
    };
    let (signers, package) = open().map_err(|source| InspectError::Package { path: path.to_owned(), source })?;
    let Manifest { name, version, release, licence, golden, .. } = package.manifest.clone();
    let report = PackageReport {
        name: name.to_string(),
        version: version.to_string(),
        release,
        licence,
        signers: signers.iter().map(|key| key.id()).collect(),
        golden_pictures: golden.pictures.len(),
    };
    Ok((package, report))
}

/// Each ONNX file once, whoever it is for.
fn package_parts<'a>(package: &Package<'a>) -> Vec<Part<'a>> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    for profile in &package.manifest.profiles {
        if let Some(part) = parts.iter_mut().find(|part| part.name.as_ref() == Some(&profile.file)) {
            part.providers.push(profile.provider.clone());
            continue;
        }
        parts.push(Part {
            name: Some(profile.file.clone()),
            providers: vec![profile.provider.clone()],
            bytes: package.blob(&profile.file).unwrap_or_default(),
            disabled_optimizers: profile.session.disabled_optimizers.clone(),
        });
    }
    parts
}

fn detector(settings: &Settings, clock: &SharedClock) -> Result<Recognised, DetectError> {
    let detector = Detector::open(settings, clock.clone())?;
    let recognition = detector.recognition();
    let because = match recognition.evidence {
        Some(evidence) => format!("known by {}, and by what it makes of the self-test picture", evidence.as_str()),
        None => "named by whoever asks".to_owned(),
    };
    let told = detect::told_preprocess(&detector.preprocess());
    let spec = detector.input();
    Ok(Recognised {
        family: detector.family().to_string(),
        because,
        ruled_out: recognition.ruled_out.iter().map(|(family, reason)| format!("{family}: {reason}")).collect(),
        input: [spec.width, spec.height],
        preprocess: format!(
            "{} {}, minus {}, divided by {}, padding {}",
            told.fit,
            told.order,
            three(told.mean),
            three(told.std),
            told.padding
        ),
        labels: detector.labels().iter().map(str::to_owned).collect(),
    })
}

/// A number per channel to two decimals, or a single one where they are the same.
fn three(values: [f64; 3]) -> String {
    let shown = values.map(|value| ((value * 100.0).round() / 100.0).to_string());
    if shown[0] == shown[1] && shown[1] == shown[2] { shown[0].clone() } else { shown.join("/") }
}

/// An error with its causes, in one line each.
fn chain(error: &DetectError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
