//! How the agent is: `health`, retained, every ten seconds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConditionState;
use super::number::{short, write_short};
use crate::vocab::{CameraState, ClockState, DayNight, DropReason, Id, StageLatency};

/// The whole agent at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthMessage {
    /// When, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub time: String,
    /// How far that can be believed.
    pub clock: ClockState,
    /// The agent's version.
    pub version: String,
    /// Drawn at random when the agent started.
    pub boot: String,
    /// Seconds since then.
    pub uptime_s: u64,
    /// The configuration in force: the first 12 hex digits of its SHA-256, with that of the overlay over it.
    pub config_revision: String,
    /// The overlay from the hub that lies over the agent's file: the first 12 hex digits of its SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay: Option<String>,
    /// Why an overlay from the hub does not lie over the file although it was brought into force: the file has changed, and
    /// counts more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay_unfit: Option<String>,
    /// Every camera, by id.
    pub cameras: BTreeMap<Id, CameraHealth>,
    /// Every model, by its name in the configuration.
    pub models: BTreeMap<Id, ModelHealth>,
    /// What finds the faces that pictures must not show, by its name in the configuration: each inference is a picture in
    /// which faces were hidden, and the cause why the last one was withheld.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redaction: BTreeMap<Id, ModelHealth>,
    /// What recognises people by their faces; absent where nobody is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faces: Option<FacesHealth>,
    /// What recognises people again by how they look; absent where nobody is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reidentify: Option<ReidentifyHealth>,
    /// Latency of each stage over the last period, by the stage's name.
    pub stages: BTreeMap<String, Latency>,
    /// What waits on the disk.
    pub spool: SpoolHealth,
    /// The tracks of the last days; absent where none are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryHealth>,
    /// The connection to the broker.
    pub mqtt: LinkHealth,
    /// What the agent uses of the machine.
    pub resources: ResourceHealth,
}

/// One camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CameraHealth {
    /// How it is.
    pub state: CameraState,
    /// Since when, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// Why, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What else ails its picture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionState>,
    /// Whether it sees by day or by night, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<DayNight>,
    /// Frames that the camera sent since the start, whether or not they were worth decoding.
    #[serde(default)]
    pub received: u64,
    /// Frames decoded since the start.
    pub decoded: u64,
    /// Frames that the camera sent per second over the last period.
    #[serde(default, serialize_with = "write_short")]
    pub received_fps: f64,
    /// Frames decoded per second over the last period.
    #[serde(serialize_with = "write_short")]
    pub decoded_fps: f64,
    /// Frames looked at per second over the last period.
    #[serde(serialize_with = "write_short")]
    pub inferred_fps: f64,
    /// Pixels across and down, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(u32, u32)>,
    /// What decodes it, such as `avdec_h264`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<String>,
    /// How often it was connected anew since the start.
    pub reconnects: u64,
    /// How often its thread panicked since the start; each time it was connected anew.
    #[serde(default)]
    pub panics: u64,
    /// How often the process that decodes it ended before its time since the start, where it has one.
    #[serde(default)]
    pub decoder_restarts: u64,
    /// Frames not looked at since the start, by reason.
    pub drops: BTreeMap<DropReason, u64>,
    /// What entries of `suppress` have held back since the camera's rules began, by the entry's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub suppressed: BTreeMap<Id, SuppressedHealth>,
}

/// What one entry of `suppress` has held back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuppressedHealth {
    /// How many starts.
    pub count: u64,
    /// When the last of them was, RFC 3339 in UTC; absent while there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last: Option<String>,
    /// Until when the entry holds, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub until: String,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelHealth {
    /// Its version; empty when it has none.
    pub version: String,
    /// SHA-256 of the ONNX file, in hex.
    pub sha256: String,
    /// The provider that the configuration asks for.
    pub asked: String,
    /// The provider that really runs it; absent while it is not loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obtained: Option<String>,
    /// Why it is not loaded, or why another provider was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Inferences since the start.
    pub inferences: u64,
    /// How often the process that runs it ended before its time, or could not be started again, since the model was opened;
    /// absent where it has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u64>,
}

/// What recognises people by their faces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FacesHealth {
    /// What names the vectors of the embedding model, such as `mobilefacenet-3f2a9c0b71d4-128`; absent while the models do
    /// not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// The provider that really runs the face detector; absent while the models do not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<String>,
    /// The provider that really runs the embedding model; absent while the models do not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedder: Option<String>,
    /// The revision of the gallery in force; absent while none can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gallery: Option<u64>,
    /// How many people are in it.
    pub people: u64,
    /// How it is with a gallery that comes from the hub; absent where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_hub: Option<GalleryHealth>,
    /// Persons in whom a face was looked for, since the models were opened.
    pub looks: u64,
    /// Faces that were good enough and were compared with the gallery, since then.
    pub described: u64,
    /// Persons who wait for a look, at most one of each camera.
    pub waiting: u64,
    /// Persons whose look was given up for a newer picture of the same camera, since then.
    pub superseded: u64,
    /// Looks that failed, since then.
    pub failed: u64,
    /// Why nobody is recognised, or else why the last look failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// A gallery that comes from the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GalleryHealth {
    /// What it is called there.
    pub gallery: Id,
    /// The revision that the hub offered last; absent while it offered none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<u64>,
    /// The revision of the file on this box; absent while there is none that opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has: Option<u64>,
    /// When the hub answered last, RFC 3339 in UTC; absent while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub asked: Option<String>,
    /// Why what the hub offers is not here, or it does not answer; absent where all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// What recognises people again by how they look.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReidentifyHealth {
    /// What names the vectors of the model, such as `osnet-3f2a9c0b71d4-512`; absent while it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// The provider that really runs it; absent while it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedder: Option<String>,
    /// How many people are remembered.
    pub remembered: u64,
    /// Pictures of people that were described, since the model was opened.
    pub described: u64,
    /// Those of them that were of somebody who was seen before.
    pub again: u64,
    /// Persons who wait to be described, at most one of each camera.
    pub waiting: u64,
    /// Persons who were given up for a newer picture of the same camera, since the model was opened.
    pub superseded: u64,
    /// Looks that failed, since then.
    pub failed: u64,
    /// Why nobody is recognised again, or else why the last look failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// Latency of one stage, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// How many were measured.
    pub count: u64,
}

impl From<StageLatency> for Latency {
    fn from(latency: StageLatency) -> Self {
        Self {
            p50_ms: short(latency.p50),
            p95_ms: short(latency.p95),
            p99_ms: short(latency.p99),
            count: latency.count,
        }
    }
}

/// The tracks of the last days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryHealth {
    /// How much they take on the disk, in bytes.
    pub bytes: u64,
    /// Blocks of them that could not be kept since the start.
    pub lost: u64,
    /// Why the last one could not; absent once one could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// What waits on the disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpoolHealth {
    /// Alerts.
    pub alert: ClassHealth,
    /// Events.
    pub event: ClassHealth,
    /// Telemetry.
    pub telemetry: ClassHealth,
    /// Why new records are held in memory only; absent while the disk takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
}

/// One class of the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ClassHealth {
    /// Records not yet acknowledged.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Age of the oldest in seconds; 0 when there is none.
    pub oldest_s: u64,
    /// Records shed or damaged since the start.
    pub lost: u64,
}

/// The connection to the broker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkHealth {
    /// Since when it is connected, RFC 3339 in UTC; absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub connected_since: Option<String>,
    /// Why it was lost the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// How often it was connected anew since the start.
    pub reconnects: u64,
    /// Since when nothing of what is published is acknowledged, by the broker or, with `delivery: hub`, by the hub, although
    /// the connection stands, RFC 3339 in UTC; absent unless that has lasted half a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub stalled_since: Option<String>,
    /// Messages sent and not yet acknowledged.
    pub in_flight: u64,
    /// Messages too large to be sent since the start.
    pub refused: u64,
    /// Incoming messages that were not looked at because there were too many, since the start.
    pub ignored: u64,
}

/// What the agent uses of the machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ResourceHealth {
    /// Share of one core used over the last period: 1.0 is one core.
    #[serde(serialize_with = "write_short")]
    pub cpu_cores: f64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// Free bytes where the state lies.
    pub disk_free_bytes: u64,
}
