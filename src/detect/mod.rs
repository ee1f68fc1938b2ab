//! Frame to detections: letterbox, inference, decoding, suppression. The only room that names `ort`.
//!
//! ```text
//! Frame ── letterbox ──> input tensor ── session ──> outputs ── families ──> candidates ── nms ──> detections
//! ```
//!
//! [`runtime`] loads ONNX Runtime once per process. A [`Detector`] is one model made ready on one provider, recognised
//! as one of the [`families`](Family), and shown a golden picture before it is trusted. A [`Worker`] is the thread that
//! owns a detector and takes turns among cameras. An [`Embedder`](embed::Embedder) makes a vector of a face or a person that
//! was cut out of a picture. [`tensors`] runs any model as a function of named tensors, for the hub. [`isolation`] is how the
//! session of a detector or an embedder runs in a process of its own.

mod deadline;
mod detector;
mod draw;
pub mod embed;
mod error;
mod families;
mod feed;
mod golden;
mod input;
pub mod isolation;
mod keypoints;
mod labels;
mod latency;
pub mod letterbox;
mod local;
pub mod nms;
mod open;
mod picture;
pub mod probe;
mod provider;
mod recognise;
mod recorded;
pub mod runtime;
mod session;
mod settings;
mod source;
pub mod tensors;
mod trial;
mod version;
mod worker;

pub use crate::model::bundled;
pub use crate::model::manifest::Thresholds;
pub use crate::model::policy::Accepted;
pub use detector::{Detector, RawOutput, Timing};
pub use error::DetectError;
pub use families::{Evidence, Family, UnknownFamily};
pub use golden::picture as self_test_picture;
pub use input::{InputSpec, input_sizes};
pub use isolation::Isolation;
pub use labels::COCO;
pub use latency::Histogram;
pub use local::{DISABLED_OPTIMIZERS_KEY, OFF_FOR_8_BIT};
pub use open::{GoldenReport, PhotographError, photograph, told_preprocess};
pub use picture::{MAX_SIDE, Picture, PictureError, RgbPicture};
pub use provider::{Attempt, Placement, Provider, ProviderChoice, ProviderReport, UnknownProvider};
pub use recognise::Recognition;
pub use runtime::{LibrarySearch, RuntimeError, RuntimeFacts};
pub use settings::{LabelSource, Settings};
pub use source::{PackageFacts, read_file, read_trust, this_machine};
pub use trial::{Trial, Tried, try_providers};
pub use worker::{CameraKey, Results, Worker, WorkerReport, WorkerTotals};
