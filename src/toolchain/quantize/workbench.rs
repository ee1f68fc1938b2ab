//! Candidates as detectors: each is written to a working file, as a box would have it, and opened from there.

use std::path::{Path, PathBuf};

use crate::base::clock::SharedClock;
use crate::detect::{DetectError, Detector, LabelSource, Provider, ProviderChoice, Settings};
use crate::model::proto::ModelProto;
use crate::toolchain::eval::detect;

use super::error::QuantizeError;
use super::judge::{Judge, Score, Seen};

/// Opens models from bytes.
pub(super) struct Workbench {
    settings: Settings,
    clock: SharedClock,
    /// Beside the output, so that it lies on a disk that has room for it.
    trial: PathBuf,
}

impl Workbench {
    /// For candidates of the model that `settings` name; the output's place says where working files lie.
    pub(super) fn new(settings: &Settings, output: &Path, clock: SharedClock) -> Self {
        let settings = Settings {
            provider: ProviderChoice::One(Provider::Cpu),
            required: true,
            threshold: detect::THRESHOLD,
            nms_iou: detect::NMS_IOU,
            max_detections: detect::MAX_DETECTIONS,
            ..settings.clone()
        };
        Self { settings, clock, trial: beside(output, "trial") }
    }

    /// The float model, of the family that the settings or its file say.
    pub(super) fn float(&self) -> Result<Detector, DetectError> {
        Detector::open(&self.settings, self.clock.clone())
    }

    /// What a candidate makes of the pictures held back. One that fails its self-test sees nothing.
    pub(super) fn score(
        &self,
        model: &ModelProto,
        float: &Detector,
        judge: &Judge<'_>,
    ) -> Result<(Score, Seen), QuantizeError> {
        let seen = match self.open(model, float) {
            Ok(mut detector) => judge.look(&mut detector)?,
            Err(QuantizeError::Detect(DetectError::SelfTest { .. } | DetectError::NoFamily { .. })) => {
                vec![Vec::new(); judge.float.len()]
            }
            Err(error) => return Err(error),
        };
        Ok((judge.score(&seen), seen))
    }

    fn open(&self, model: &ModelProto, float: &Detector) -> Result<Detector, QuantizeError> {
        let write = std::fs::write(&self.trial, model.to_bytes());
        write.map_err(|source| QuantizeError::Scratch { path: self.trial.clone(), source })?;
        let settings = Settings {
            file: self.trial.clone(),
            family: Some(float.family()),
            labels: Some(LabelSource::Names(float.labels().iter().map(str::to_owned).collect())),
            ..self.settings.clone()
        };
        // That a dozen candidates are ready, each on the CPU as asked, is no news.
        let silent = tracing::subscriber::NoSubscriber::default();
        Ok(tracing::subscriber::with_default(silent, || Detector::open(&settings, self.clock.clone()))?)
    }
}

impl Drop for Workbench {
    fn drop(&mut self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.trial);
    }
}

/// A working file beside `output`.
pub(super) fn beside(output: &Path, what: &str) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!(".{name}.{what}"))
}
