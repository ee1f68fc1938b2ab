//! The configuration as it is written: every key with its meaning, range and default.
//!
//! These types are the one place where keys are declared. `structure` checks a file against the JSON Schema made from
//! them, the same schema serves editors, and the defaults here are the documented ones. Two words are added to the
//! schema for the sake of good faults: `x-remedy` (what to do about a wrong value) and `x-private` (never show a value).

mod camera;
mod clips;
mod family;
mod identify;
mod picture;
mod reidentify;
mod rule;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::detect::bundled;
use crate::vocab::Id;

pub use camera::{
    Camera, Corner, Corners, Detect, Ground, Line, Maps, Metres, Motion, Privacy, Share, Suppress, Transport, Zone,
};
pub use clips::{Clips, Keep};
pub use family::Family;
pub use identify::{CameraIdentify, Embedding, FaceDetector, FaceEmbedder, FaceQuality, FromHub, Identify, Tell};
pub use picture::Picture;
pub use reidentify::{CameraReidentify, PersonEmbedder, Reidentify, TellAgain};
pub use rule::{Rule, Who};

/// A Vedette agent: one site's box, its cameras, its models and the broker it reports to.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Vedette agent configuration")]
pub struct Document {
    /// Who this agent is.
    pub agent: Agent,
    /// The broker that events are published to.
    pub mqtt: Mqtt,
    /// The hub that may say which models run here, and lay an overlay over this file. Default: none, and then both change
    /// only with this file.
    #[serde(default)]
    pub hub: Option<Hub>,
    /// The detectors, by a name that cameras refer to. Names have the form of ids. Default: none.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 32))]
    pub models: BTreeMap<String, Model>,
    /// What runs the models.
    #[serde(default)]
    pub runtime: Runtime,
    /// Recognising people by their faces; only for cameras that ask for it too. Default: nobody is recognised.
    pub identify: Option<Identify>,
    /// Recognising people again by how they look, over cameras and pauses; only for cameras that ask for it too.
    /// Default: nobody is recognised again.
    pub reidentify: Option<Reidentify>,
    /// Pictures and clips that show an event.
    #[serde(default)]
    pub evidence: Evidence,
    /// The tracks of the last days, which `vedette rules test` tries changed rules on: boxes, classes and scores, no
    /// pictures.
    #[serde(default)]
    pub history: History,
    /// The queue on disk in which events wait until they are delivered.
    #[serde(default)]
    pub spool: Spool,
    /// The cameras, at least one.
    #[schemars(length(min = 1, max = 256))]
    pub cameras: Vec<Camera>,
}

/// Who this agent is.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Its name in every topic and event, unique among all agents of the broker.
    #[schemars(example = &"gate-north")]
    pub id: Id,
    /// The site it stands on. Default: none.
    pub site: Option<Id>,
    /// The folder for what must outlive a restart: spool, counts, evidence.
    #[serde(default = "state_dir")]
    #[schemars(length(min = 1, max = 4096))]
    pub state_dir: String,
    /// The time zone of the rules' schedules, such as `Europe/Berlin`. Default: the machine's own.
    pub timezone: Option<String>,
}

/// The broker that events are published to. The client id is the agent's id.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mqtt {
    /// Where the broker listens: `mqtt://HOST[:1883]`, or `mqtts://HOST[:8883]` over TLS.
    #[schemars(example = &"mqtt://localhost")]
    pub url: Private,
    /// The user name. Default: none.
    pub username: Option<Private>,
    /// The file that holds the password, relative to systemd's credentials directory when there is one, else to this
    /// file. Needs `username`. Default: none.
    pub password_file: Option<Private>,
    /// Certificates (PEM) of the authorities that may vouch for the broker; needs `mqtts`. Default: those of the system.
    pub ca_file: Option<Private>,
    /// This agent's own certificate (PEM); needs `mqtts` and `key_file`. Default: none.
    pub cert_file: Option<Private>,
    /// The private key (PEM) of `cert_file`, found as `password_file` is. Default: none.
    pub key_file: Option<Private>,
    /// Who must have acknowledged an event before it leaves the spool.
    #[serde(default)]
    pub delivery: Delivery,
    /// Further topics to publish for other programs. Default: none.
    #[serde(default)]
    #[schemars(length(max = 3))]
    pub compat: Vec<Compat>,
    /// How often the broker is asked for a sign of life, in seconds; after 2.5 times as long without any, the connection
    /// is given up.
    #[serde(default = "keep_alive_seconds")]
    #[schemars(range(min = 1, max = 300))]
    pub keep_alive_seconds: u32,
    /// How many messages may be under way at once.
    #[serde(default = "inflight")]
    #[schemars(range(min = 1, max = 1000))]
    pub inflight: u16,
    /// The largest message in both directions, in KiB; it must not exceed the broker's own limit.
    #[serde(default = "max_packet_kib")]
    #[schemars(range(min = 16, max = 16384))]
    pub max_packet_kib: u32,
}

/// The form of a public key; nobody has its secret.
const EXAMPLE_KEY: &str = "ed25519:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The hub that may say which models run here, and lay an overlay over this file. What it wishes comes over the broker;
/// packages are fetched from it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// Where the hub answers: `https://HOST[:PORT]`; `http://` only within one machine or a network of your own.
    #[schemars(example = &"https://hub.example:8642")]
    pub url: Private,
    /// The file that holds a token of the hub's with the role `viewer` in its first line, relative to systemd's
    /// credentials directory when there is one, else to this file.
    #[schemars(example = &"hub.token")]
    pub token_file: Private,
    /// Certificates (PEM) of the authorities that may vouch for the hub. Default: the public ones.
    pub ca_file: Option<Private>,
    /// The public keys of the hub, one of which must have signed what it wishes; the hub tells its own at
    /// `GET /api/v1/hub-key`.
    #[schemars(length(min = 1, max = 8), inner(length(min = 72, max = 72)), example = [EXAMPLE_KEY])]
    pub keys: Vec<String>,
}

/// Who must have acknowledged an event before it leaves the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// The broker has it.
    #[default]
    Broker,
    /// The hub has stored it, which survives a broker that loses what it acknowledged.
    Hub,
}

/// Topics in the shape of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// Frigate's topics.
    Frigate,
    /// ONVIF Profile M's topics.
    Onvif,
    /// Home Assistant's discovery.
    Homeassistant,
}

/// One detector.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The ONNX file, or the signed package that `vedette model package` makes of one, relative to this file; or
    /// `bundled:vedette-nano`, the detector of people, vehicles and bikes that the program brings.
    #[serde(default = "bundled_detector")]
    #[schemars(length(min = 1, max = 4096))]
    pub file: String,
    /// Detections with a lower score are ignored. Default: what the package says, else 0.4.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub threshold: Option<f64>,
    /// How far two boxes of one class may overlap (intersection over union) before the lower score is dropped.
    /// Default: what the package says, else 0.45.
    #[schemars(range(min = 0.05, max = 1.0))]
    pub nms: Option<f64>,
    /// The execution provider that runs it. `auto` takes the fastest that this machine has.
    #[serde(default)]
    pub provider: Provider,
    /// Which device of the provider: `GPU` or `NPU` for OpenVINO, a number for CUDA and TensorRT, the path of the backend
    /// library for QNN. Default: the provider's own.
    #[schemars(length(min = 1, max = 4096))]
    pub device: Option<String>,
    /// Whether the agent refuses to start when the provider cannot be had, instead of running the model on the CPU and
    /// saying so.
    #[serde(default)]
    pub required: bool,
    /// What the outputs mean. `auto` takes what the package says, or tells it from the file's metadata, names and shapes,
    /// and from what it makes of a picture.
    #[serde(default)]
    pub family: Family,
    /// The names of the classes in the model's order. Default: those of the package or in the file's metadata, else the
    /// 80 of COCO where the model has 80 classes.
    #[serde(default)]
    #[schemars(length(max = 4096), inner(length(min = 1, max = 64)))]
    pub labels: Vec<String>,
    /// A text file with one class name per line, relative to this file, instead of `labels`. Default: none.
    #[schemars(length(min = 1, max = 4096))]
    pub labels_file: Option<String>,
    /// Width and height of the input in pixels, for files that leave it open. Default: the file's, else what its family
    /// usually has, which mostly is `[640, 640]`.
    #[schemars(inner(range(min = 16, max = 8192)))]
    pub input: Option<[u32; 2]>,
    /// How many detections of one picture are kept, the best ones. Default: what the package says, else 300.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_detections: Option<u32>,
    /// Threads that one inference may use on the CPU.
    #[serde(default = "model_threads")]
    #[schemars(range(min = 1, max = 64))]
    pub threads: u16,
}

/// Who runs a model. Only those that ONNX Runtime was built with can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-remedy" = "take one of those that `vedette doctor` lists for this machine"))]
#[expect(missing_docs, reason = "the names are those of ONNX Runtime's execution providers")]
pub enum Provider {
    #[default]
    Auto,
    Cpu,
    Cuda,
    Tensorrt,
    Nvrtx,
    Openvino,
    Qnn,
    Acl,
    Xnnpack,
    Coreml,
    Migraphx,
    Cann,
    Vitis,
    Webgpu,
    Onednn,
    Directml,
}

/// What runs the models.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Runtime {
    /// ONNX Runtime's shared library. Default: looked for in `VEDETTE_ORT`, beside the program, in `/usr/lib/vedette`,
    /// in the system.
    #[schemars(length(min = 1, max = 4096))]
    pub library: Option<String>,
    /// Who may sign model packages: the list that `vedette keys rotate` writes, or public keys one per line; relative to
    /// this file. Default: a package is checked, and anybody may have signed it.
    #[schemars(length(min = 1, max = 4096))]
    pub trust: Option<String>,
    /// Whether only packages signed by those of `trust` are run, and no ONNX files.
    pub require_signed: bool,
    /// Where models run and video is decoded: in the agent's own process, or each model and each camera in one of its own,
    /// without credentials, with a limit to its memory and, where the provider is `cpu` and the decoder no hardware, without
    /// files and network. What crashes it costs that model or camera a restart. The second takes more memory for each.
    /// Hardware decoders stay in the agent's own process.
    pub isolation: Isolation,
}

/// Where models run and video is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In the agent's own process.
    #[default]
    None,
    /// Each in a process of its own.
    Process,
}

/// Pictures and clips that show an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evidence {
    /// Where they are kept, relative to `agent.state_dir`.
    #[schemars(length(min = 1, max = 4096))]
    pub folder: String,
    /// The space that pictures may take, in MiB; the oldest make room.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub quota_mib: u32,
    /// The largest snapshot that is published, in KiB; it must fit into `mqtt.max_packet_kib`.
    #[schemars(range(min = 8, max = 16384))]
    pub snapshot_kib: u32,
    /// What cameras send around an alert, kept as video. Default: nothing is kept.
    pub clips: Clips,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { folder: "evidence".to_owned(), quota_mib: 512, snapshot_kib: 128, clips: Clips::default() }
    }
}

/// The tracks of the last days, which `vedette rules test` tries changed rules on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Where they are kept, relative to `agent.state_dir`.
    #[schemars(length(min = 1, max = 4096))]
    pub folder: String,
    /// How many days they are kept; 0 keeps none.
    #[schemars(range(min = 0, max = 366))]
    pub days: u32,
    /// The space they may take, in MiB; the oldest make room.
    #[schemars(range(min = 8, max = 1_048_576))]
    pub quota_mib: u32,
}

impl Default for History {
    fn default() -> Self {
        Self { folder: "tracks".to_owned(), days: 3, quota_mib: 128 }
    }
}

/// The queue on disk in which events wait until they are delivered. When a class is full, its oldest make room, and the
/// loss is counted and published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spool {
    /// Where it lies, relative to `agent.state_dir`.
    #[schemars(length(min = 1, max = 4096))]
    pub folder: String,
    /// Space for alerts, in MiB.
    #[schemars(range(min = 1, max = 65536))]
    pub alert_mib: u32,
    /// Space for other events, in MiB.
    #[schemars(range(min = 1, max = 65536))]
    pub event_mib: u32,
    /// Space for health and counts, in MiB.
    #[schemars(range(min = 1, max = 65536))]
    pub telemetry_mib: u32,
}

impl Default for Spool {
    fn default() -> Self {
        Self { folder: "spool".to_owned(), alert_mib: 32, event_mib: 96, telemetry_mib: 16 }
    }
}

/// A text that is, or may by mistake hold, a secret: neither `Debug` nor a fault shows it.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("x-private" = true))]
pub struct Private(pub String);

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private(…)")
    }
}

fn state_dir() -> String {
    "/var/lib/vedette".to_owned()
}

fn keep_alive_seconds() -> u32 {
    5
}

fn inflight() -> u16 {
    64
}

fn max_packet_kib() -> u32 {
    256
}

fn bundled_detector() -> String {
    bundled::DETECTOR.to_owned()
}

fn model_threads() -> u16 {
    1
}
