//! Models that make a vector of a face or a person: two pictures of the same have vectors that point the same way.
//!
//! An [`Embedder`] is such a model made ready. It is fed in two steps, so that what was drawn can be judged before the
//! inference is paid for: [`draw`](Embedder::draw) cuts the face or person out of a picture, [`embed`](Embedder::embed) runs
//! the model on it. Vectors of different models, or of one model that was fed differently, must never be compared:
//! [`space`](Embedder::space) names what can be.

mod family;

use std::path::PathBuf;

use crate::base::clock::SharedClock;
use crate::model::Facts;

pub use family::{EmbeddingFamily, UnknownEmbedding};

use super::error::DetectError;
use super::golden;
use super::input::{InputSpec, Inputs};
use super::letterbox::{Affine, Element, Warp};
use super::open::{candidates, may_run};
use super::picture::{Picture, PictureError};
use super::provider::{Attempt, Provider, ProviderReport};
use super::runtime;
use super::session::{Fill, Session};
use super::settings::Settings;
use super::source::{ModelFile, Source};

/// The shortest and the longest vector that a model may make.
const DIMENSIONS: std::ops::RangeInclusive<usize> = 16..=4096;

/// A model made ready. It belongs to one thread at a time.
pub struct Embedder {
    facts: Facts,
    family: EmbeddingFamily,
    dimension: usize,
    spec: InputSpec,
    session: Session,
    warp: Warp,
    report: ProviderReport,
    clock: SharedClock,
}

/// What a vector costs, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EmbedTiming {
    /// The inference itself.
    pub infer_us: u32,
}

impl Embedder {
    /// Reads the model, opens it on what the settings ask for, and shows it the picture that every model is shown. `family`
    /// is how it is fed, where the file does not tell. Of the settings only those of the file and of what runs it matter.
    ///
    /// # Errors
    /// When the file is unreadable, must not be used, makes no vector of a picture, no provider runs it, or what it makes
    /// of the picture is impossible.
    pub fn open(settings: &Settings, family: Option<EmbeddingFamily>, clock: SharedClock) -> Result<Self, DetectError> {
        settings.check()?;
        runtime::loaded().ok_or(DetectError::NoRuntime)?;
        let source = Source::read(settings, &*clock)?;
        if source.package.is_some() {
            return Err(refused(&settings.file, "it is a package, and packages hold detectors; name the ONNX file"));
        }
        let mut attempts: Vec<Attempt> = Vec::new();
        for provider in candidates(settings) {
            let Some(file) = source.file(provider).filter(|file| may_run(provider, file, settings)) else { continue };
            match Self::open_on(settings, family, file, provider, &attempts, clock.clone()) {
                Ok(embedder) => return Ok(embedder),
                Err(Refusal::Fault(error)) => return Err(error),
                Err(Refusal::Provider(reason)) => attempts.push(Attempt { provider, refusal: Some(reason) }),
            }
        }
        Err(DetectError::Provider { path: settings.file.clone(), asked: settings.provider, attempts })
    }

    fn open_on(
        settings: &Settings,
        family: Option<EmbeddingFamily>,
        file: &ModelFile,
        provider: Provider,
        earlier: &[Attempt],
        clock: SharedClock,
    ) -> Result<Self, Refusal> {
        let facts = file.facts.clone();
        let fault = |reason: String| Refusal::Fault(refused(&settings.file, &reason));
        let inputs = Inputs::of(&facts, settings.input).map_err(fault)?;
        if !inputs.constants.is_empty() {
            return Err(fault("beside the picture it takes other inputs".to_owned()));
        }
        let session = Session::open(&file.bytes, &facts, settings, provider, &inputs).map_err(Refusal::Provider)?;
        let spec = inputs.picture;
        let (found, dimension) = family::recognise(&spec, &session.outputs).map_err(fault)?;
        let family = family.unwrap_or(found);
        if !DIMENSIONS.contains(&dimension) || family.size() != (spec.width, spec.height) {
            let (width, height) = family.size();
            let reason = format!(
                "{family} takes pictures of {width}x{height} and makes vectors of {} to {} numbers; this takes {}x{} and \
                 makes {dimension}",
                DIMENSIONS.start(),
                DIMENSIONS.end(),
                spec.width,
                spec.height
            );
            return Err(fault(reason));
        }
        let mut attempts = earlier.to_vec();
        attempts.push(Attempt { provider, refusal: None });
        let report = ProviderReport::new(settings.provider, session.provider, session.placement, attempts, &facts);
        let warp = Warp::new(spec.width, spec.height, spec.layout, family.preprocess());
        let mut embedder = Self { facts, family, dimension, spec, session, warp, report, clock };
        match embedder.test() {
            Ok(()) => {}
            // On the CPU the blame for impossible vectors lies with the model.
            Err(reason) if provider != Provider::Cpu => return Err(Refusal::Provider(reason)),
            Err(reason) => return Err(fault(reason)),
        }
        let (obtained, warnings) = (embedder.report.obtained.as_str(), embedder.report.warnings.join("; "));
        tracing::info!(model = %settings.name, %family, obtained, warnings, "embedding model is ready");
        Ok(embedder)
    }

    /// Two pictures must have vectors, and different ones.
    fn test(&mut self) -> Result<(), String> {
        let picture = golden::picture();
        let scale = (picture.width().saturating_sub(1)) as f32 / self.spec.width as f32;
        let upright = Affine { x: [scale, 0.0, 0.0], y: [0.0, scale, 0.0] };
        let mirrored = Affine { x: [-scale, 0.0, scale * self.spec.width as f32], ..upright };
        let mut vectors = [Vec::new(), Vec::new()];
        for (map, vector) in [upright, mirrored].iter().zip(&mut vectors) {
            self.draw(&picture, map).map_err(|error| error.to_string())?;
            self.embed(vector).map_err(|error| error.to_string())?;
        }
        let is_usual = |vector: &Vec<f32>| vector.iter().all(|v| v.is_finite()) && vector.iter().any(|v| *v != 0.0);
        if !vectors.iter().all(is_usual) {
            return Err("a vector that it makes is zero or not finite".to_owned());
        }
        if vectors[0] == vectors[1] {
            return Err("it makes the same vector of two different pictures".to_owned());
        }
        Ok(())
    }

    /// Cuts out of `picture` what `map` says, for [`luma`](Self::luma) and [`embed`](Self::embed).
    ///
    /// # Errors
    /// When the picture is impossible.
    pub fn draw(&mut self, picture: &Picture, map: &Affine) -> Result<(), PictureError> {
        self.session.fill(Draw { warp: &mut self.warp, picture, map })
    }

    /// The brightness of what was drawn, 0..255, row by row, in the size of the input.
    pub fn luma(&self) -> &[u8] {
        self.warp.luma()
    }

    /// The vector of what was drawn, as the model makes it: of any length but zero.
    ///
    /// # Errors
    /// When the inference fails.
    pub fn embed(&mut self, vector: &mut Vec<f32>) -> Result<EmbedTiming, DetectError> {
        let start = self.clock.mono();
        let clock = &self.clock;
        let inferred = self.session.run(|outputs| {
            let inferred = clock.mono();
            vector.clear();
            vector.extend_from_slice(outputs.first().map_or(&[], |output| output.data));
            inferred
        })?;
        let took = inferred.saturating_sub(start).as_micros();
        Ok(EmbedTiming { infer_us: u32::try_from(took).unwrap_or(u32::MAX) })
    }

    /// How it is fed.
    pub fn family(&self) -> EmbeddingFamily {
        self.family
    }

    /// Pixels across and down of its input.
    pub fn size(&self) -> (u32, u32) {
        (self.spec.width, self.spec.height)
    }

    /// Numbers of its vectors.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Names the vectors that can be compared with those of this model, such as `mobilefacenet-3f2a9c0b71d4-128`: how it is
    /// fed, the first 12 digits of its file's SHA-256 and how many numbers a vector has.
    pub fn space(&self) -> String {
        let digits: String = self.facts.sha256.chars().take(12).collect();
        format!("{}-{digits}-{}", self.family, self.dimension)
    }

    /// What was asked for and what was obtained.
    pub fn provider(&self) -> &ProviderReport {
        &self.report
    }
}

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedder").field("space", &self.space()).finish_non_exhaustive()
    }
}

/// Why one provider did not do.
enum Refusal {
    /// Another provider may do better.
    Provider(String),
    /// The file or the settings are at fault.
    Fault(DetectError),
}

fn refused(path: &std::path::Path, reason: &str) -> DetectError {
    DetectError::Embedding { path: PathBuf::from(path), reason: reason.to_owned() }
}

struct Draw<'a> {
    warp: &'a mut Warp,
    picture: &'a Picture,
    map: &'a Affine,
}

impl Fill for Draw<'_> {
    type Output = Result<(), PictureError>;

    fn fill<T: Element>(self, tensor: &mut [T]) -> Self::Output {
        self.warp.draw(self.picture, self.map, tensor)
    }
}
