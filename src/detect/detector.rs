//! A detector: one model made ready, that turns a picture into detections.

use crate::base::clock::SharedClock;
use crate::model::Facts;
use crate::model::manifest::Thresholds;
use crate::vocab::{Detection, FacePoints, Frame, Labels, ModelFacts};

use super::draw::{Draw, DrawFrame};
use super::error::DetectError;
use super::families::{Family, OutputPort, Reading, Tensor};
use super::input::{InputSpec, Inputs};
use super::keypoints;
use super::labels;
use super::letterbox::{Geometry, Letterbox, Preprocess};
use super::nms;
use super::open::GoldenReport;
use super::picture::{Picture, PictureError};
use super::provider::{Attempt, Provider, ProviderReport};
use super::recognise::{self, Recognised, Recognition};
use super::session::Session;
use super::settings::Settings;
use super::source::{ModelFile, PackageFacts};

/// How long the stages of one look took, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// From the frame's arrival at the worker until its turn; 0 where there is no worker.
    pub wait_us: u32,
    /// From the picture to the input tensor.
    pub letterbox_us: u32,
    /// The inference itself.
    pub infer_us: u32,
    /// From the outputs to detections, suppression included.
    pub decode_us: u32,
}

/// One output of a model for one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct RawOutput {
    /// Its name.
    pub name: String,
    /// Its sizes, as they were in the first run.
    pub shape: Vec<usize>,
    /// Its elements.
    pub data: Vec<f32>,
}

/// A model made ready. It belongs to one thread at a time; see [`Worker`](super::Worker) for sharing it.
pub struct Detector {
    settings: Settings,
    facts: Facts,
    family: Family,
    recognition: Recognition,
    labels: Labels,
    spec: InputSpec,
    report: ProviderReport,
    session: Session,
    letterbox: Letterbox,
    reading: Reading,
    /// The points of each face that the last look found. Kept for its memory.
    face_points: Vec<FacePoints>,
    /// The package it came from, and how it did on the pictures in it.
    package: Option<(PackageFacts, GoldenReport)>,
    clock: SharedClock,
}

impl Detector {
    /// Opens one file on one provider. `earlier` are the providers that were tried before.
    ///
    /// # Errors
    /// [`DetectError::Provider`] when another provider may do better; others lie in the file or the settings.
    pub(super) fn open_on(
        settings: &Settings,
        file: &ModelFile,
        provider: Provider,
        earlier: &[Attempt],
        clock: SharedClock,
    ) -> Result<Self, DetectError> {
        let (path, facts) = (settings.file.clone(), &file.facts);
        let named = labels::configured(settings.labels.as_ref())?;
        let inputs = Inputs::of(facts, settings.input).map_err(|reason| DetectError::Input {
            path: path.clone(),
            reason,
            inputs: facts.inputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        })?;
        let mut attempts = earlier.to_vec();
        match open_on(provider, &file.bytes, facts, settings, &inputs, named.as_ref()) {
            Ok((session, recognised)) => {
                attempts.push(Attempt { provider, refusal: None });
                let labels = labels::choose(named, recognised.reading.labels.clone(), recognised.reading.classes)?;
                let (facts, spec) = (facts.clone(), inputs.picture);
                let opened = Opened { facts, spec, session, recognised, labels, attempts };
                Ok(Self::assemble(settings, opened, clock))
            }
            Err(Refusal::Fault(error)) => Err(error),
            Err(Refusal::Provider(reason)) => {
                attempts.push(Attempt { provider, refusal: Some(reason) });
                Err(DetectError::Provider { path, asked: settings.provider, attempts })
            }
        }
    }

    fn assemble(settings: &Settings, opened: Opened, clock: SharedClock) -> Self {
        let Opened { facts, spec, session, recognised, labels, attempts } = opened;
        let Recognised { family, reading, letterbox, ruled_out } = recognised;
        let evidence = settings.family.is_none().then_some(reading.evidence);
        let recognition = Recognition { evidence, ruled_out };
        let report = ProviderReport::new(settings.provider, session.provider, session.placement, attempts, &facts);
        for warning in &report.warnings {
            tracing::warn!(model = %settings.name, "{warning}");
        }
        let (obtained, placement) = (report.obtained.as_str(), report.placement);
        tracing::info!(model = %settings.name, %family, asked = %report.asked, obtained, ?placement, "model is ready");
        let (settings, package, face_points) = (settings.clone(), None, Vec::new());
        Self {
            settings,
            facts,
            family,
            recognition,
            labels,
            spec,
            report,
            session,
            letterbox,
            reading,
            face_points,
            package,
            clock,
        }
    }

    /// Looks at a frame. `found` is emptied first and then holds what was seen, most confident first, with boxes over the
    /// whole frame, normalised. After the first frames of a size it allocates nothing itself.
    ///
    /// # Errors
    /// When the frame is impossible or the inference fails; the next frame may do better.
    pub fn detect(&mut self, frame: &Frame, found: &mut Vec<Detection>) -> Result<Timing, DetectError> {
        found.clear();
        let start = self.clock.mono();
        let geometry = self.session.fill(DrawFrame { letterbox: &mut self.letterbox, frame })?;
        self.look(start, geometry, (frame.width, frame.height), found)
    }

    /// As [`detect`](Self::detect), for a frame or a photograph.
    ///
    /// # Errors
    /// When the picture is impossible or the inference fails.
    pub fn detect_picture(&mut self, picture: &Picture, found: &mut Vec<Detection>) -> Result<Timing, DetectError> {
        found.clear();
        let start = self.clock.mono();
        let geometry = self.session.fill(Draw { letterbox: &mut self.letterbox, picture })?;
        self.look(start, geometry, (picture.width(), picture.height()), found)
    }

    /// What the model would be fed for `picture`, in the order of its input, as floats whatever its input is.
    ///
    /// # Errors
    /// When the picture is impossible.
    pub fn tensor_of(&self, picture: &Picture) -> Result<Vec<f32>, PictureError> {
        let mut letterbox = self.letterbox.anew();
        let mut tensor = vec![0f32; letterbox.len()];
        letterbox.draw(picture, &mut tensor)?;
        Ok(tensor)
    }

    fn look(
        &mut self,
        start: std::time::Duration,
        geometry: Geometry,
        size: (u32, u32),
        found: &mut Vec<Detection>,
    ) -> Result<Timing, DetectError> {
        let drawn = self.clock.mono();
        let (clock, decoder, threshold) = (&self.clock, &mut self.reading.decoder, self.settings.threshold);
        let inferred = self.session.run(|outputs| {
            let inferred = clock.mono();
            decoder.decode(outputs, threshold, found);
            inferred
        })?;
        // At 1 nothing is suppressed.
        let iou = if self.reading.is_suppressed { 1.0 } else { self.settings.nms_iou };
        nms::suppress(found, iou, self.settings.max_detections);
        keypoints::take_faces(&*self.reading.decoder, found, &geometry, &mut self.face_points);
        keypoints::take_trunks(&*self.reading.decoder, found, &geometry, size);
        for detection in found.iter_mut() {
            detection.bbox = geometry.to_picture(detection.bbox);
        }
        let micros =
            |from, to: std::time::Duration| u32::try_from(to.saturating_sub(from).as_micros()).unwrap_or(u32::MAX);
        Ok(Timing {
            wait_us: 0,
            letterbox_us: micros(start, drawn),
            infer_us: micros(drawn, inferred),
            decode_us: micros(inferred, self.clock.mono()),
        })
    }

    /// The five points of each face that the last look found, in its order, over the whole picture; none where the model
    /// does not tell them.
    pub fn face_points(&self) -> Option<&[FacePoints]> {
        self.reading.decoder.points().map(|_| self.face_points.as_slice())
    }

    /// What comes out of the model for a picture, before it is read; numbers of any type as 32-bit floats.
    ///
    /// # Errors
    /// When the picture is impossible or the inference fails.
    pub fn raw_outputs(&mut self, picture: &Picture) -> Result<Vec<RawOutput>, DetectError> {
        self.session.fill(Draw { letterbox: &mut self.letterbox, picture })?;
        let ports = self.session.outputs.clone();
        self.session.run(|outputs| {
            let raw = |(port, output): (OutputPort, &Tensor<'_>)| RawOutput {
                name: port.name,
                shape: port.shape,
                data: output.data.to_vec(),
            };
            ports.into_iter().zip(outputs).map(raw).collect()
        })
    }

    /// What the configuration says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// As [`detect_picture`](Self::detect_picture), with other thresholds this once.
    pub(super) fn detect_as(
        &mut self,
        picture: &Picture,
        thresholds: &Thresholds,
        found: &mut Vec<Detection>,
    ) -> Result<Timing, DetectError> {
        let before = self.settings.clone();
        self.set_thresholds(thresholds);
        let result = self.detect_picture(picture, found);
        self.settings = before;
        result
    }

    /// What is asked of a detection from the next picture on.
    pub fn set_thresholds(&mut self, thresholds: &Thresholds) {
        self.settings.threshold = thresholds.score as f32;
        self.settings.nms_iou = thresholds.nms_iou as f32;
        self.settings.max_detections = thresholds.max_detections as usize;
    }

    /// Notes the package that it came from, and how it did on the pictures in it.
    pub(super) fn came_from(&mut self, package: PackageFacts, golden: GoldenReport) {
        self.package = Some((package, golden));
    }

    /// The package it came from, if it came in one.
    pub fn package(&self) -> Option<&PackageFacts> {
        self.package.as_ref().map(|(package, _)| package)
    }

    /// How it did on the golden pictures of its package, if it came in one.
    pub fn golden(&self) -> Option<&GoldenReport> {
        self.package.as_ref().map(|(_, golden)| golden)
    }

    /// How a picture becomes the model's input.
    pub fn preprocess(&self) -> Preprocess {
        self.letterbox.preprocess()
    }

    /// The score a detection must reach from the next picture on.
    pub fn set_threshold(&mut self, threshold: f32) {
        self.settings.threshold = threshold;
    }

    /// What was asked for and what was obtained.
    pub fn provider(&self) -> &ProviderReport {
        &self.report
    }

    /// The family it was recognised as.
    pub fn family(&self) -> Family {
        self.family
    }

    /// How it was recognised.
    pub fn recognition(&self) -> &Recognition {
        &self.recognition
    }

    /// The names of its classes.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// What the file says of itself.
    pub fn file_facts(&self) -> &Facts {
        &self.facts
    }

    /// How it takes pictures.
    pub fn input(&self) -> InputSpec {
        self.spec
    }

    /// What an event says about the model that saw it.
    pub fn facts(&self) -> ModelFacts {
        let package = self.package();
        let version = || self.facts.metadata("version").unwrap_or_default().to_owned();
        ModelFacts {
            name: package.map_or_else(|| self.settings.name.to_string(), |package| package.name.clone()),
            version: package.map_or_else(version, |package| package.version.to_string()),
            sha256: self.facts.sha256.clone(),
            provider: self.report.obtained.as_str().to_owned(),
            threshold: self.settings.threshold,
        }
    }

    /// The process of its own that runs the model; none where it is this one, or while that is being started again.
    pub fn process(&self) -> Option<u32> {
        self.session.process()
    }

    /// How often the process of the model ended before its time, or could not be started again.
    pub fn restarts(&self) -> u64 {
        self.session.restarts()
    }

    /// The clock that stages are measured with.
    pub(super) fn clock(&self) -> &SharedClock {
        &self.clock
    }
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detector")
            .field("model", &self.settings.name)
            .field("family", &self.family)
            .field("provider", &self.report.obtained)
            .finish_non_exhaustive()
    }
}

/// What a detector is assembled from.
struct Opened {
    facts: Facts,
    spec: InputSpec,
    session: Session,
    recognised: Recognised,
    labels: Labels,
    attempts: Vec<Attempt>,
}

/// Why one provider did not do.
enum Refusal {
    /// Another provider may do better.
    Provider(String),
    /// The file or the settings are at fault.
    Fault(DetectError),
}

impl From<DetectError> for Refusal {
    fn from(error: DetectError) -> Self {
        Self::Fault(error)
    }
}

fn open_on(
    provider: Provider,
    bytes: &[u8],
    facts: &Facts,
    settings: &Settings,
    inputs: &Inputs,
    labels: Option<&Labels>,
) -> Result<(Session, Recognised), Refusal> {
    let mut session = Session::open(bytes, facts, settings, provider, inputs).map_err(Refusal::Provider)?;
    match recognise::recognise(&mut session, facts, settings, &inputs.picture, labels) {
        Ok(recognised) => Ok((session, recognised)),
        // On the CPU the blame for impossible outputs lies with the model.
        Err(error) if error.is_the_providers() && provider != Provider::Cpu => {
            Err(Refusal::Provider(error.to_string()))
        }
        Err(error) => Err(Refusal::Fault(error)),
    }
}
