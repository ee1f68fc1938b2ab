//! The configuration of one camera as it is written: stream, detection, geometry and rules.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{CameraIdentify, CameraReidentify, Picture, Private, Rule};
use crate::behaviour::Anchor;
use crate::vocab::Id;

/// One camera.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Its name in topics and events, unique on this agent.
    #[schemars(example = &"door")]
    pub id: Id,
    /// Where its pictures come from: `rtsp://`, `rtsps://`, `v4l2:///dev/video0`, `file://` or the path of a clip
    /// relative to this file, or `scene://` for the bundled street scene. Without user name and password.
    #[schemars(example = &"rtsp://10.0.0.5/stream2")]
    pub url: Private,
    /// The user name at the camera. Default: none.
    pub username: Option<Private>,
    /// The file that holds the password, relative to systemd's credentials directory when there is one, else to this
    /// file. Needs `username`. Default: none.
    pub password_file: Option<Private>,
    /// Whether it is used at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How RTSP carries the pictures.
    #[serde(default)]
    pub transport: Transport,
    /// A stream that delivers nothing for so many seconds is reported as stalled, and soon opened anew.
    #[serde(default = "stall_seconds")]
    #[schemars(range(min = 1.0, max = 60.0))]
    pub stall_seconds: f64,
    /// A picture that has not changed for so many seconds, not even by sensor noise, is reported as frozen.
    #[serde(default = "frozen_seconds")]
    #[schemars(range(min = 2.0, max = 3600.0))]
    pub frozen_seconds: f64,
    /// A picture that has shown nothing (black, or of one brightness) for so many seconds is reported as black or covered.
    #[serde(default = "covered_seconds")]
    #[schemars(range(min = 1.0, max = 3600.0))]
    pub covered_seconds: f64,
    /// How long RTSP waits for late packets, in milliseconds.
    #[serde(default = "latency_ms")]
    #[schemars(range(min = 0, max = 10_000))]
    pub latency_ms: u32,
    /// Whether the certificate of an `rtsps://` camera must be valid.
    #[serde(default = "yes")]
    pub verify_tls: bool,
    /// The GStreamer element that decodes, such as `avdec_h264`. `auto` tries hardware, then software; which one runs
    /// is in `health`.
    #[serde(default = "auto")]
    #[schemars(length(min = 1, max = 64))]
    pub decoder: String,
    /// Threads for decoding in software; 0 lets the decoder choose.
    #[serde(default = "threads")]
    #[schemars(range(min = 0, max = 16))]
    pub threads: u16,
    /// Decode only keyframes while nothing moves, which saves most of the work of an idle camera. What begins and ends
    /// between two keyframes is then missed.
    #[serde(default)]
    pub idle_keyframes: bool,
    /// The camera is moved by somebody or by itself: it is not reported as moved. One that goes from view to view again and
    /// again is recognised without this.
    #[serde(default)]
    pub ptz: bool,
    /// What is watched in the picture as a whole.
    #[serde(default)]
    pub picture: Picture,
    /// Whether clips are kept of it, where `evidence.clips.keep` says that they are. Only streams in H.264 and H.265 can be.
    #[serde(default = "yes")]
    pub clips: bool,
    /// What looks at the pictures. Default: nothing; the camera is only watched over.
    pub detect: Option<Detect>,
    /// What counts as motion.
    #[serde(default)]
    pub motion: Motion,
    /// Areas of the picture that rules refer to. Default: none.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub zones: Vec<Zone>,
    /// Lines in the picture that rules refer to. Default: none.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub lines: Vec<Line>,
    /// Which maps are made of where those who are followed stand and go.
    #[serde(default)]
    pub maps: Maps,
    /// The ground before the camera, for what is measured in metres. Default: none.
    pub ground: Option<Ground>,
    /// Whether people before it are recognised by their faces, and who is told of. Needs the top-level `identify`.
    /// Default: nobody is recognised.
    pub identify: Option<CameraIdentify>,
    /// Whether people before it are recognised again by how they look, and who is told of. Needs the top-level `reidentify`.
    /// Rules of kind journey and repeated-passing go by it too. Default: they are not.
    pub reidentify: Option<CameraReidentify>,
    /// What is never shown of it. Default: nothing is hidden.
    #[serde(default)]
    pub privacy: Privacy,
    /// When to say something. Default: none.
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub rules: Vec<Rule>,
    /// Where nothing is raised for a while, because somebody said that what stands there is no reason. Default: nowhere.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub suppress: Vec<Suppress>,
}

/// A region in which starts of rules are held back and counted until it expires. What is about a zone as a whole, such as an
/// occupancy, is not held back.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suppress {
    /// Its name, unique among the camera's entries.
    #[schemars(example = &"hedge")]
    pub id: Id,
    /// The rules that it is about, one or a list. Default: all.
    #[serde(default)]
    #[schemars(schema_with = "one_or_more")]
    pub rule: Vec<Id>,
    /// The labels that it is about, as in rules. Default: all.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(min = 1, max = 64)))]
    pub labels: Vec<String>,
    /// Its corners in order, `[[x, y], …]`, 3 to 64 of them. The point of an object that must be inside is the one by which the
    /// rule's zone or line goes.
    #[schemars(length(min = 3, max = 64))]
    #[schemars(example = [[0.7, 0.4], [0.9, 0.4], [0.9, 0.6], [0.7, 0.6]])]
    pub region: Corners,
    /// Until when it holds, as in RFC 3339.
    #[schemars(length(min = 1, max = 64), example = &"2027-01-31T06:00:00Z")]
    pub until: String,
    /// Why, for people.
    #[schemars(length(min = 1, max = 400), example = &"the hedge in the wind, verdict of 2026-11-24")]
    pub reason: String,
}

/// An id, or a list of some.
fn one_or_more(generator: &mut SchemaGenerator) -> Schema {
    let id = generator.subschema_for::<Id>();
    json_schema!({ "anyOf": [{ "type": "array", "items": id, "maxItems": 128, "x-single": true }, id] })
}

/// How RTSP carries the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Within the RTSP connection: nothing is lost.
    #[default]
    Tcp,
    /// In datagrams: less delay, but a full network damages pictures.
    Udp,
    /// In datagrams, and within the connection when none arrive.
    Auto,
}

/// What looks at a camera's pictures.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// A name from `models`. Default: none, and then `from` must say what else looks.
    #[schemars(example = &"people")]
    pub model: Option<Id>,
    /// What looks in place of a model. `background`: whatever moves before the learnt background is an object with the label
    /// `moving`, for views that no model knows, such as from straight above. Default: none.
    pub from: Option<Onlooker>,
    /// How many pictures a second it looks at.
    #[serde(default = "fps")]
    #[schemars(range(min = 0.1, max = 60.0))]
    pub fps: f64,
    /// Look only while something moves or a followed object is in sight.
    #[serde(default = "yes")]
    pub motion_gate: bool,
}

/// What looks where no model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Onlooker {
    /// The background model.
    Background,
}

/// What counts as motion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Motion {
    /// How much brighter or darker a small cell of the picture must become, in levels of 0..255.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub threshold: f64,
    /// The share of the picture that must have changed, 0..1.
    #[schemars(range(min = 0.0001, max = 0.5))]
    pub area: f64,
    /// How many seconds the camera counts as moving after the last motion.
    #[schemars(range(min = 0.5, max = 300.0))]
    pub hold_seconds: f64,
    /// Polygons in which motion is ignored, such as burned-in clocks. Default: none.
    #[schemars(length(max = 32))]
    pub mask: Vec<Corners>,
}

impl Default for Motion {
    fn default() -> Self {
        Self { threshold: 6.0, area: 0.0008, hold_seconds: 2.0, mask: Vec::new() }
    }
}

/// Which maps are made of where those who are followed stand and go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Maps {
    /// Once an hour, a map of how long they stood in each part of the picture and which way they went there: an event
    /// `heat-map` with its numbers, and a picture. Needs `detect`.
    pub heat: bool,
}

/// What is never shown of a camera, in pictures that are kept, published or asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Privacy {
    /// Polygons that are filled with grey, such as a neighbour's windows. Detectors still look there. Default: none.
    #[schemars(length(max = 32))]
    pub masks: Vec<Corners>,
    /// A name from `models`: the detector that finds faces, which are pixelated, and with them the upper part of every person
    /// in whom it finds none. While it does not run, there are no pictures. Default: none, and faces are shown.
    pub faces: Option<Id>,
}

/// A part of the picture's width or height, 0..1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("x-remedy" = "geometry is normalised: divide pixels by the picture's width (x) or height (y)"))]
pub struct Share(#[schemars(range(min = 0.0, max = 1.0))] pub f64);

/// A point, `[x, y]`, with x to the right and y down.
pub type Corner = [Share; 2];

/// The corners of a polygon in order, 3 to 64.
pub type Corners = Vec<Corner>;

/// An area of the picture.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Its name, unique among the camera's zones and lines.
    #[schemars(example = &"yard")]
    pub id: Id,
    /// Its corners in order, `[[x, y], …]`, 3 to 64 of them.
    #[schemars(length(min = 3, max = 64))]
    #[schemars(example = [[0.1, 0.2], [0.9, 0.2], [0.9, 0.95], [0.1, 0.95]])]
    pub polygon: Corners,
    /// The point of an object that must be inside.
    #[serde(default)]
    pub anchor: Anchor,
}

/// A line in the picture, seen as a walk from one end to the other, which gives it a left and a right side.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its name, unique among the camera's zones and lines.
    #[schemars(example = &"gate")]
    pub id: Id,
    /// Where it starts, `[x, y]`.
    #[schemars(example = [0.2, 0.8])]
    pub from: Corner,
    /// Where it ends, `[x, y]`.
    #[schemars(example = [0.8, 0.8])]
    pub to: Corner,
    /// The point of an object that must cross.
    #[serde(default)]
    pub anchor: Anchor,
    /// How far beyond the line that point must come to have crossed it, as a share of the picture.
    #[serde(default = "margin")]
    #[schemars(range(min = 0.0, max = 0.5))]
    pub margin: f64,
}

/// A flat ground, by four of its points that you know: a parking bay, a zebra crossing, the corners of a yard.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ground {
    /// Where in the picture they are, `[[x, y], …]`, in order around a convex outline. The larger it is, the better.
    #[schemars(length(min = 4, max = 4))]
    #[schemars(example = [[0.1, 0.9], [0.9, 0.9], [0.65, 0.4], [0.35, 0.4]])]
    pub points: Corners,
    /// Where on the ground they are, in metres, `[[x, y], …]`, in the same order. Origin and directions are yours to choose:
    /// what lies 8 m wide and 20 m deep is `[[0, 0], [8, 0], [8, 20], [0, 20]]`.
    #[schemars(length(min = 4, max = 4))]
    #[schemars(example = [[0, 0], [8, 0], [8, 20], [0, 20]])]
    pub metres: Vec<[Metres; 2]>,
}

/// A place along one direction of the ground, in metres.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("x-remedy" = "write metres, such as 12.5"))]
pub struct Metres(#[schemars(range(min = -10000.0, max = 10000.0))] pub f64);

fn yes() -> bool {
    true
}

fn stall_seconds() -> f64 {
    4.0
}

fn frozen_seconds() -> f64 {
    15.0
}

fn covered_seconds() -> f64 {
    8.0
}

fn fps() -> f64 {
    5.0
}

fn latency_ms() -> u32 {
    200
}

fn threads() -> u16 {
    1
}

fn auto() -> String {
    "auto".to_owned()
}

fn margin() -> f64 {
    0.01
}
