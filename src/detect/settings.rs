//! How one model is run: what the configuration says about it, and the defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::model::policy::Accepted;
use crate::vocab::Id;

use super::error::DetectError;
use super::families::Family;
use super::isolation::Isolation;
use super::provider::ProviderChoice;

/// One model of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Its name in the configuration; health and events name it.
    pub name: Id,
    /// The ONNX file.
    pub file: PathBuf,
    /// The score a detection must reach, 0..1; 0.4 by default.
    pub threshold: f32,
    /// Two boxes of one class that overlap by more than this are one object, as intersection over union 0..1; 0.45 by
    /// default. The less confident box is dropped.
    pub nms_iou: f32,
    /// At most this many detections per frame, the most confident ones; 300 by default.
    pub max_detections: usize,
    /// What should run it; `auto` by default.
    pub provider: ProviderChoice,
    /// Which device of the provider, in the provider's own words, such as `GPU` or `NPU` for OpenVINO, the path of the
    /// backend library for QNN, or the number of the device for CUDA and TensorRT. None by default: the provider's own
    /// default.
    pub device: Option<String>,
    /// Whether to refuse to start when the provider cannot run it, instead of running on the CPU and saying so; false
    /// by default. With `auto` it refuses only when nothing at all can run the model.
    pub required: bool,
    /// Threads of one inference, 1..64; 1 by default, which on small boxes leaves the other cores to decoding.
    pub threads: u16,
    /// How the model's outputs are to be read; recognised from the file by default.
    pub family: Option<Family>,
    /// Names of the classes; taken from the model's metadata, or COCO's 80 for 80 classes, by default.
    pub labels: Option<LabelSource>,
    /// Width and height of the model's input in pixels, for files that leave it open; for those what the family usually
    /// has by default, mostly 640 by 640.
    pub input: Option<(u32, u32)>,
    /// Where providers that compile models (TensorRT, OpenVINO, …) keep the result; none by default, which compiles at
    /// every start.
    pub cache_dir: Option<PathBuf>,
    /// A file that says who may sign packages: a list of keys, or public keys one per line. None by default: a package is
    /// checked, and anybody may have signed it.
    pub trust: Option<PathBuf>,
    /// Whether only packages signed by those of `trust` are run; false by default.
    pub require_signed: bool,
    /// The packages that were accepted before, by the names of their models: no older security version is accepted after
    /// them, and the same one may go on after it has expired. None by default.
    pub accepted: BTreeMap<String, Accepted>,
    /// Optimisers of ONNX Runtime that must stay off; a package brings its own. None by default.
    pub disabled_optimizers: Vec<String>,
    /// Where it runs; in this process by default.
    pub isolation: Isolation,
}

/// Where the names of the classes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelSource {
    /// Listed in order of the class index.
    Names(Vec<String>),
    /// A text file with one name per line; empty lines at the end are ignored.
    File(PathBuf),
}

impl Settings {
    /// The defaults for the model `name` in `file`.
    pub fn new(name: Id, file: impl Into<PathBuf>) -> Self {
        Self {
            name,
            file: file.into(),
            threshold: 0.4,
            nms_iou: 0.45,
            max_detections: 300,
            provider: ProviderChoice::Auto,
            device: None,
            required: false,
            threads: 1,
            family: None,
            labels: None,
            input: None,
            cache_dir: None,
            trust: None,
            require_signed: false,
            accepted: BTreeMap::new(),
            disabled_optimizers: Vec::new(),
            isolation: Isolation::None,
        }
    }

    /// The number of the device, for providers that count theirs.
    pub(super) fn device_number(&self) -> i32 {
        self.device.as_deref().and_then(|device| device.parse().ok()).unwrap_or(0)
    }

    /// Whether every number is in its range.
    ///
    /// # Errors
    /// The first that is not.
    pub(super) fn check(&self) -> Result<(), DetectError> {
        let refuse =
            |key, value: String, allowed| Err(DetectError::Setting { model: self.name.clone(), key, value, allowed });
        let share = 0.0..=1.0;
        if !share.contains(&self.threshold) {
            return refuse("threshold", self.threshold.to_string(), "0 to 1");
        }
        if !share.contains(&self.nms_iou) {
            return refuse("nms_iou", self.nms_iou.to_string(), "0 to 1");
        }
        if !(1..=64).contains(&self.threads) {
            return refuse("threads", self.threads.to_string(), "1 to 64");
        }
        if self.max_detections == 0 {
            return refuse("max_detections", "0".to_owned(), "1 and more");
        }
        Ok(())
    }
}
