//! Makes a package: runs each file over the golden photographs to learn what it sees, and writes all of it signed.

use std::path::{Path, PathBuf};

use crate::base::clock::SystemClock;
use crate::detect::{
    self, DetectError, Detector, Family, LabelSource, Provider, ProviderChoice, Settings, told_preprocess,
};
use crate::model::keys::SecretKey;
use crate::model::manifest::{
    ANY_PROVIDER, Expected, Golden, GoldenPicture, Manifest, Moment, Profile, SCHEMA, Task, Tensor,
};
use crate::model::package::{self, Blob, WriteError};
use crate::vocab::Detection;

use super::super::photographs::{self, PhotographError};
use super::draft::Draft;

/// A file and the provider that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSource {
    /// The ONNX file.
    pub path: PathBuf,
    /// The provider as the configuration names it, or `any`.
    pub provider: String,
}

/// What a package is made of.
#[derive(Debug)]
pub struct Ingredients {
    /// What its maker says.
    pub draft: Draft,
    /// The files, at least one.
    pub models: Vec<ModelSource>,
    /// A folder of photographs.
    pub golden: Option<PathBuf>,
    /// Who signs.
    pub signers: Vec<SecretKey>,
    /// What time it is.
    pub now: Moment,
}

/// Why a package cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// A provider is named that there is none of, or one twice.
    #[error("no file can be for the provider {0:?}: name one as `--provider` does, or `any`, and each once")]
    Provider(String),
    /// The draft says something that the file contradicts.
    #[error("the family {0:?} of the draft is none that is read")]
    Family(String),
    /// A file cannot be opened as a detector.
    #[error("cannot make a package of the model")]
    Open(#[from] Box<DetectError>),
    /// Two files are not two forms of the same model.
    #[error("{path} has another {what} than the file before it; a package holds forms of one model")]
    Differs {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// A photograph cannot be read.
    #[error("cannot use the golden photographs")]
    Photograph(#[from] PhotographError),
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest is impossible, or too long.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A golden photograph.
struct Photograph {
    name: String,
    path: PathBuf,
}

/// Makes a package; ONNX Runtime must be loaded.
///
/// # Errors
/// When a file is no detector, the files are not forms of one, or something cannot be read or written.
pub fn make(ingredients: &Ingredients) -> Result<Vec<u8>, MakeError> {
    let photographs = find_photographs(ingredients.golden.as_deref())?;
    let mut blobs = Vec::new();
    let mut manifest: Option<Manifest> = None;
    for model in &ingredients.models {
        let file = format!("{}.onnx", model.provider);
        let is_provider = model.provider == ANY_PROVIDER || Provider::all().any(|p| p.as_str() == model.provider);
        if !is_provider || blobs.iter().any(|blob: &Blob| blob.name == file) {
            return Err(MakeError::Provider(model.provider.clone()));
        }
        let mut detector = open(&ingredients.draft, model)?;
        let own = manifest_of(ingredients, model, &file, &detector);
        let manifest = match &mut manifest {
            None => manifest.insert(own),
            Some(earlier) => {
                join(earlier, own, &model.path)?;
                earlier
            }
        };
        for photograph in &photographs {
            let seen = look(&mut detector, manifest, photograph, &file)?;
            manifest.golden.pictures.push(seen);
        }
        blobs.push(Blob { name: file, content: read(&model.path)? });
    }
    for photograph in photographs {
        blobs.push(Blob { content: read(&photograph.path)?, name: photograph.name });
    }
    let manifest = manifest.ok_or_else(|| MakeError::Provider(String::new()))?;
    Ok(package::write(manifest, &blobs, &ingredients.signers)?)
}

fn read(path: &Path) -> Result<Vec<u8>, MakeError> {
    detect::read_file(path).map_err(|source| MakeError::Read { path: path.to_owned(), source })
}

fn find_photographs(folder: Option<&Path>) -> Result<Vec<Photograph>, MakeError> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let named = |(index, path): (usize, PathBuf)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        let name: String = name.chars().map(plain).collect();
        // The number keeps names apart that are the same once they are plain.
        let end = name.char_indices().rev().nth(99).map_or(0, |(at, _)| at);
        Photograph { name: format!("golden-{:03}-{}", index + 1, &name[end..]), path }
    };
    Ok(photographs::in_folder(folder)?.into_iter().enumerate().map(named).collect())
}

/// Opens a file on its provider where this machine has it, else on the CPU.
fn open(draft: &Draft, model: &ModelSource) -> Result<Detector, MakeError> {
    let family = match &draft.family {
        Some(name) => Some(name.parse::<Family>().map_err(|_| MakeError::Family(name.clone()))?),
        None => None,
    };
    let provider = model.provider.parse().unwrap_or(ProviderChoice::One(Provider::Cpu));
    let settings = Settings {
        provider,
        family,
        labels: draft.labels.clone().map(LabelSource::Names),
        disabled_optimizers: draft.session.get(&model.provider).cloned().unwrap_or_default().disabled_optimizers,
        threshold: draft.thresholds.score as f32,
        nms_iou: draft.thresholds.nms_iou as f32,
        max_detections: draft.thresholds.max_detections as usize,
        ..Settings::new(draft.name.clone(), &model.path)
    };
    Ok(Detector::open(&settings, SystemClock::shared()).map_err(Box::new)?)
}

/// The manifest of a package with this file alone.
fn manifest_of(ingredients: &Ingredients, model: &ModelSource, file: &str, detector: &Detector) -> Manifest {
    let draft = ingredients.draft.clone();
    let facts = detector.file_facts();
    let mut session = draft.session.get(&model.provider).cloned().unwrap_or_default();
    if facts.is_quantised() && session.disabled_optimizers.is_empty() {
        session.disabled_optimizers = detect::OFF_FOR_8_BIT.map(str::to_owned).to_vec();
    }
    Manifest {
        schema: SCHEMA,
        name: draft.name,
        version: draft.version,
        release: draft.release,
        security_version: draft.security_version,
        created: draft.created.unwrap_or(ingredients.now),
        expires: draft.expires,
        compatible: draft.compatible,
        task: Task::Detect,
        family: detector.family().as_str().to_owned(),
        labels: detector.labels().iter().map(str::to_owned).collect(),
        thresholds: draft.thresholds,
        preprocess: told_preprocess(&detector.preprocess()),
        profiles: vec![Profile {
            provider: model.provider.clone(),
            file: file.to_owned(),
            inputs: Tensor::of(&facts.inputs),
            outputs: Tensor::of(&facts.outputs),
            session,
        }],
        files: Vec::new(),
        golden: Golden {
            score_tolerance: draft.golden.score_tolerance,
            min_iou: draft.golden.min_iou,
            pictures: Vec::new(),
        },
        limits: draft.limits,
        metrics: draft.metrics,
        calibration: draft.calibration,
        training: draft.training,
        licence: draft.licence,
    }
}

/// Adds the profile of another file of the same model.
fn join(manifest: &mut Manifest, own: Manifest, path: &Path) -> Result<(), MakeError> {
    let differs = |what| Err(MakeError::Differs { path: path.to_owned(), what });
    match () {
        () if own.family != manifest.family => differs("family"),
        () if own.labels != manifest.labels => differs("list of labels"),
        () if own.preprocess != manifest.preprocess => differs("pre-processing"),
        () => {
            manifest.profiles.extend(own.profiles);
            Ok(())
        }
    }
}

fn look(
    detector: &mut Detector,
    manifest: &Manifest,
    photograph: &Photograph,
    file: &str,
) -> Result<GoldenPicture, MakeError> {
    let picture = photographs::read(&photograph.path)?;
    let mut found = Vec::new();
    detector.detect_picture(&picture, &mut found).map_err(Box::new)?;
    let expected = |d: &Detection| {
        let label = manifest.labels.get(usize::from(d.class))?.clone();
        let bbox = <[f32; 4]>::from(d.bbox).map(|edge| rounded(edge, 1e5));
        Some(Expected { label, score: rounded(d.score, 1e4), bbox })
    };
    let detections = found.iter().filter_map(expected).collect();
    Ok(GoldenPicture { picture: photograph.name.clone(), model: file.to_owned(), detections })
}

fn rounded(value: f32, steps: f64) -> f64 {
    (f64::from(value) * steps).round() / steps
}
