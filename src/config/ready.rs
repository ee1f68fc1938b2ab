//! The configuration as the program uses it: checked, with defaults filled in, paths resolved and secrets kept apart.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::access::{Login, Source, Tls};
use super::document::{Compat, Delivery, Family, Isolation, Picture, Provider, Transport};
use crate::behaviour::{Ground, Line, Rule, Suppression, Who, Zone};
use crate::detect::embed::EmbeddingFamily;
use crate::evidence::ClipSettings;
use crate::identify::{AppearanceSettings, Limits, Policy, ShotSettings};
use crate::model::keys::PublicKey;
use crate::vocab::{Id, Polygon, Severity};

/// Everything that a configuration says. Cameras and models can be compared, to apply a change to those it concerns.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Names this configuration: the first 12 hex digits of the SHA-256 of the file, and of the overlay over it.
    pub revision: String,
    /// The agent's name.
    pub id: Id,
    /// The site's name.
    pub site: Option<Id>,
    /// The folder for what must outlive a restart; absolute.
    pub state_dir: PathBuf,
    /// The time zone of schedules.
    pub timezone: TimeZone,
    /// The broker.
    pub mqtt: Mqtt,
    /// The hub that may change models, where there is one.
    pub hub: Option<Hub>,
    /// The models, in the order of their names.
    pub models: Vec<Model>,
    /// Recognising people by their faces, where that is wanted.
    pub identify: Option<Identify>,
    /// Recognising people again by how they look, where that is wanted.
    pub reidentify: Option<Reidentify>,
    /// ONNX Runtime's shared library, where one is named.
    pub runtime_library: Option<PathBuf>,
    /// Pictures and clips that show an event.
    pub evidence: Evidence,
    /// The tracks of the last days.
    pub history: History,
    /// The queue on disk.
    pub spool: Spool,
    /// The cameras, at least one, those switched off included, in the order of the file.
    pub cameras: Vec<Camera>,
}

impl Config {
    /// The watch lists and persons that it names; which there are, the gallery alone knows.
    pub fn people_named(&self) -> BTreeSet<Id> {
        let tells = self.cameras.iter().filter_map(|camera| camera.identify.as_ref()).flat_map(|own| &own.tell);
        let rules = self.cameras.iter().flat_map(|camera| &camera.rules).filter_map(|rule| rule.who.as_ref());
        tells.flat_map(|tell| &tell.lists).chain(rules.flat_map(Who::names)).cloned().collect()
    }
}

/// The broker and how to talk to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mqtt {
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// TLS, where the connection is over it.
    pub tls: Option<Tls>,
    /// User name and password.
    pub login: Option<Login>,
    /// Whose acknowledgement counts.
    pub delivery: Delivery,
    /// Topics for other programs.
    pub compat: BTreeSet<Compat>,
    /// How often the connection is probed.
    pub keep_alive: Duration,
    /// How many messages may be under way at once.
    pub inflight: u16,
    /// The largest message, in bytes.
    pub max_packet: usize,
}

/// The hub that may change models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// Where it answers, without a path.
    pub url: String,
    /// The file whose first line is the token.
    pub token_file: PathBuf,
    /// Certificates of the authorities that vouch for it; the public ones where there is none.
    pub ca_file: Option<PathBuf>,
    /// Whose signature counts.
    pub keys: Vec<PublicKey>,
}

/// One model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its name.
    pub name: Id,
    /// The ONNX file or package.
    pub file: PathBuf,
    /// The lowest score, 0..1, where given.
    pub threshold: Option<f32>,
    /// The overlap above which the lower score is dropped, 0..1, where given.
    pub nms: Option<f32>,
    /// Who runs it.
    pub provider: Provider,
    /// The provider's device.
    pub device: Option<String>,
    /// Whether only that provider will do.
    pub required: bool,
    /// What its outputs mean.
    pub family: Family,
    /// The names of its classes, where given.
    pub labels: Option<LabelSource>,
    /// Width and height of its input in pixels, where given.
    pub input: Option<(u32, u32)>,
    /// How many detections of one picture are kept, where given.
    pub max_detections: Option<usize>,
    /// Threads of one inference.
    pub threads: u16,
    /// Who may sign its package, where somebody is asked.
    pub trust: Option<PathBuf>,
    /// Whether nothing but a package signed by those will do.
    pub require_signed: bool,
    /// Where it runs.
    pub isolation: Isolation,
}

/// Where the names of a model's classes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelSource {
    /// Here, in the model's order.
    Names(Vec<String>),
    /// In this file, one per line.
    File(PathBuf),
}

/// Pictures and clips that show an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Where they are kept; absolute.
    pub folder: PathBuf,
    /// The space they may take, in bytes.
    pub quota: u64,
    /// The largest published snapshot, in bytes.
    pub snapshot_max: usize,
    /// How clips are kept, where they are.
    pub clips: Option<ClipSettings>,
}

/// The tracks of the last days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Where they are kept; absolute.
    pub folder: PathBuf,
    /// How long; none at all where this is zero.
    pub keep: Duration,
    /// The space they may take, in bytes.
    pub quota: u64,
}

/// The queue on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    /// Where it lies; absolute.
    pub folder: PathBuf,
    /// Space for alerts, in bytes.
    pub alert: u64,
    /// Space for other events, in bytes.
    pub event: u64,
    /// Space for health and counts, in bytes.
    pub telemetry: u64,
}

/// One camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// Its name.
    pub id: Id,
    /// Where its pictures come from; never with user name or password.
    pub source: Source,
    /// User name and password.
    pub login: Option<Login>,
    /// Whether it is used at all.
    pub enabled: bool,
    /// How RTSP carries the pictures.
    pub transport: Transport,
    /// How long RTSP waits for late packets.
    pub latency: Duration,
    /// Whether the certificate of an `rtsps` camera must be valid.
    pub verify_tls: bool,
    /// Where a software decoder runs.
    pub isolation: Isolation,
    /// The GStreamer element that decodes; none for the first that works.
    pub decoder: Option<String>,
    /// Threads for decoding in software; 0 for the decoder's own choice.
    pub threads: u16,
    /// How long the stream may deliver nothing.
    pub stall: Duration,
    /// How long an unchanging picture is not yet frozen.
    pub frozen_after: Duration,
    /// How long a picture without contrast is not yet covered.
    pub covered_after: Duration,
    /// Whether only keyframes are decoded while nothing moves.
    pub idle_keyframes: bool,
    /// Whether it is moved by somebody or by itself.
    pub ptz: bool,
    /// What is watched in the picture as a whole.
    pub picture: Picture,
    /// Whether clips are kept of it, where any are.
    pub clips: bool,
    /// What looks at the pictures.
    pub detect: Option<Detect>,
    /// What counts as motion.
    pub motion: Motion,
    /// Whether maps are made of where those who are followed stand and go.
    pub heat: bool,
    /// Areas of the picture.
    pub zones: Vec<Zone>,
    /// Lines in the picture.
    pub lines: Vec<Line>,
    /// The ground, where it is described.
    pub ground: Option<Ground>,
    /// What is never shown of it.
    pub privacy_masks: Vec<Polygon>,
    /// The model that finds the faces which its pictures must not show; none where they may.
    pub hide_faces: Option<Id>,
    /// Whether people are recognised by their faces, and who is told of.
    pub identify: Option<CameraIdentify>,
    /// Whether people are recognised again by how they look, and who is told of.
    pub reidentify: Option<CameraReidentify>,
    /// When to say something.
    pub rules: Vec<Rule>,
    /// Where nothing is raised for a while, what has expired included.
    pub suppress: Vec<Suppression>,
}

/// What the box has for recognising people by their faces.
#[derive(Debug, Clone, PartialEq)]
pub struct Identify {
    /// What finds faces.
    pub detector: FaceModel,
    /// What makes vectors of them.
    pub embedder: FaceModel,
    /// How that is fed, where it is said.
    pub family: Option<EmbeddingFamily>,
    /// The gallery's file.
    pub gallery: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
    /// Where it comes from, where that is the hub.
    pub from_hub: Option<FromHub>,
    /// When somebody is taken for a person of the gallery.
    pub policy: Policy,
    /// What a face must come up to.
    pub limits: Limits,
    /// How often people are looked at.
    pub shots: ShotSettings,
}

/// A gallery that comes from the hub.
#[derive(Debug, Clone, PartialEq)]
pub struct FromHub {
    /// What it is called there.
    pub gallery: Id,
    /// How often the hub is asked.
    pub every: Duration,
    /// The hub.
    pub hub: Hub,
}

/// What the box has for recognising people again by how they look.
#[derive(Debug, Clone, PartialEq)]
pub struct Reidentify {
    /// What makes vectors of them.
    pub embedder: FaceModel,
    /// When somebody is taken for one who was seen before, and how long that is known.
    pub appearances: AppearanceSettings,
}

/// What a camera makes of who comes again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CameraReidentify {
    /// Who is told of.
    pub tell: Vec<TellAgain>,
}

/// Of whom an event tells who comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TellAgain {
    /// Its name in topics and events.
    pub id: Id,
    /// The cameras of which one must have seen him last; every other one where none is named.
    pub from: Vec<Id>,
    /// Whether somebody should look now.
    pub severity: Severity,
}

/// A model of faces or people.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceModel {
    /// The ONNX file.
    pub file: PathBuf,
    /// The lowest score, 0..1.
    pub threshold: f32,
    /// Width and height of its input in pixels, where given.
    pub input: Option<(u32, u32)>,
    /// Who runs it.
    pub provider: Provider,
    /// Threads of one inference.
    pub threads: u16,
    /// Where it runs.
    pub isolation: Isolation,
}

/// What a camera makes of who is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CameraIdentify {
    /// Who is told of.
    pub tell: Vec<Tell>,
}

/// Of whom an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tell {
    /// Its name in topics and events.
    pub id: Id,
    /// The watch lists.
    pub lists: Vec<Id>,
    /// Whether it is of people who are not recognised.
    pub unknown: bool,
    /// Whether somebody should look now.
    pub severity: Severity,
}

/// What looks at a camera's pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Detect {
    /// One of [`Config::models`]; none where the background model looks.
    pub model: Option<Id>,
    /// Pictures a second.
    pub fps: f64,
    /// Whether it looks only while something moves.
    pub motion_gate: bool,
}

impl Camera {
    /// The model that looks at its pictures, where one does.
    pub fn model(&self) -> Option<&Id> {
        self.detect.as_ref()?.model.as_ref()
    }

    /// Whether whatever moves before the background is what is looked for.
    pub fn detects_motion(&self) -> bool {
        self.detect.as_ref().is_some_and(|detect| detect.model.is_none())
    }
}

/// What counts as motion.
#[derive(Debug, Clone, PartialEq)]
pub struct Motion {
    /// How far a cell must depart from its background, in levels of luma.
    pub threshold: f32,
    /// The share of the picture that must have changed, 0..1.
    pub area: f32,
    /// How long the camera counts as moving after the last motion.
    pub hold: Duration,
    /// Where motion is ignored.
    pub mask: Vec<Polygon>,
}
