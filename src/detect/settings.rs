//! How one model is run: what the configuration says about it, and the defaults.

use std::path::PathBuf;

use crate::vocab::Id;

use super::families::Family;
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
        }
    }
}
