//! An event as the line makes it, before `wire` gives it an id and its JSON form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Appearance, Condition, FiringKind, HeatMap, Id, Identity, Measure, MediaTime, Rect, TrackId, WallTime};

/// Something that happened, with all that a person needs to trust it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// Whether somebody should look now.
    pub severity: Severity,
    /// Which part of the happening this is.
    pub phase: Phase,
    /// The same text for every phase of one happening, and for no other happening of this agent, ever.
    pub episode: String,
    /// The camera, where one saw it.
    pub camera: Option<Id>,
    /// The rule, where one fired.
    pub rule: Option<Id>,
    /// The zone or line, where the rule has one.
    pub place: Option<Place>,
    /// Who or what, where the event is about one object.
    pub subject: Option<Subject>,
    /// Where in the picture it happened, normalised, where it is about a place and no track.
    pub region: Option<Rect>,
    /// Why it was raised.
    pub explanation: Explanation,
    /// When the picture was captured, on the camera's media clock.
    pub pts: MediaTime,
    /// When the picture was captured, on the wall clock.
    pub captured: WallTime,
    /// How far the wall clock can be believed.
    pub clock: ClockState,
    /// The model whose detections led here.
    pub model: Option<ModelFacts>,
    /// Names the configuration that was in force: the first 12 hex digits of its SHA-256.
    pub config_revision: String,
    /// Pictures and clips that show it.
    pub evidence: Evidence,
    /// Numbers of records that will not be sent any more, with an event that tells of a loss.
    pub gap: Option<Gap>,
    /// What ails the camera's picture, with an event that tells of that.
    pub condition: Option<Condition>,
    /// Where people stood and went, with an event that tells of that.
    pub heat: Option<Box<HeatMap>>,
}

/// Records that will not be sent any more, by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Their class as it stands in the ids of messages, such as `alert`.
    pub class: String,
    /// Their epoch.
    pub epoch: u64,
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A rule of this kind: see [`FiringKind`](super::FiringKind).
    Intrusion,
    /// As above.
    Loitering,
    /// As above.
    LineCrossing,
    /// As above.
    Occupancy,
    /// As above.
    WrongWay,
    /// As above.
    Speed,
    /// As above.
    Running,
    /// As above.
    Stopped,
    /// As above.
    NearVehicle,
    /// As above.
    Fall,
    /// As above.
    Crowding,
    /// As above.
    Tailgating,
    /// As above.
    Queue,
    /// As above.
    Journey,
    /// As above.
    Gathering,
    /// As above.
    Scattering,
    /// As above.
    RepeatedPassing,
    /// As above.
    ObjectLeft,
    /// As above.
    ObjectRemoved,
    /// Somebody on a watch list was recognised, or somebody was not.
    Identified,
    /// Somebody who was seen before was seen again, by another camera or after a while.
    Reappeared,
    /// A confirmed track began or ended.
    Track,
    /// A camera changed its state.
    CameraState,
    /// Something is wrong with the picture of a camera that goes on streaming, from the start to the end of this.
    CameraCondition,
    /// A camera switched its infrared filter.
    DayNight,
    /// Where those who were followed stood and went over an hour.
    HeatMap,
    /// The media clock of a camera jumped, or its picture size changed; tracks were cut.
    Discontinuity,
    /// Records were lost or shed; the numbers that are missing stand in the measures, and in `gap` where they are known
    /// exactly. One that was too large to be sent is told under its own id, in its place.
    Gap,
    /// The machine's wall clock was set by more than 250 ms.
    ClockStep,
    /// A model was loaded, replaced, failed its self-test, hangs or looks again.
    ModelChange,
    /// The configuration was replaced, or a replacement was refused.
    ConfigChange,
    /// A clip that other events announced is on the disk, or will never be; see [`Evidence`].
    Clip,
}

impl From<FiringKind> for EventKind {
    fn from(kind: FiringKind) -> Self {
        match kind {
            FiringKind::Intrusion => Self::Intrusion,
            FiringKind::Loitering => Self::Loitering,
            FiringKind::LineCrossing => Self::LineCrossing,
            FiringKind::Occupancy => Self::Occupancy,
            FiringKind::WrongWay => Self::WrongWay,
            FiringKind::Speed => Self::Speed,
            FiringKind::Running => Self::Running,
            FiringKind::Stopped => Self::Stopped,
            FiringKind::NearVehicle => Self::NearVehicle,
            FiringKind::Fall => Self::Fall,
            FiringKind::Crowding => Self::Crowding,
            FiringKind::Tailgating => Self::Tailgating,
            FiringKind::Queue => Self::Queue,
            FiringKind::Journey => Self::Journey,
            FiringKind::Gathering => Self::Gathering,
            FiringKind::Scattering => Self::Scattering,
            FiringKind::RepeatedPassing => Self::RepeatedPassing,
            FiringKind::ObjectLeft => Self::ObjectLeft,
            FiringKind::ObjectRemoved => Self::ObjectRemoved,
        }
    }
}

impl EventKind {
    /// Whether a happening of this kind goes on after its start, and has an end.
    pub fn lasts(self) -> bool {
        !matches!(
            self,
            Self::LineCrossing
                | Self::Tailgating
                | Self::Journey
                | Self::Scattering
                | Self::RepeatedPassing
                | Self::Identified
                | Self::Reappeared
        )
    }

    /// The kind as it stands in topics and event types, such as `line-crossing`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intrusion => "intrusion",
            Self::Loitering => "loitering",
            Self::LineCrossing => "line-crossing",
            Self::Occupancy => "occupancy",
            Self::WrongWay => "wrong-way",
            Self::Speed => "speed",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::NearVehicle => "near-vehicle",
            Self::Fall => "fall",
            Self::Crowding => "crowding",
            Self::Tailgating => "tailgating",
            Self::Queue => "queue",
            Self::Journey => "journey",
            Self::Gathering => "gathering",
            Self::Scattering => "scattering",
            Self::RepeatedPassing => "repeated-passing",
            Self::ObjectLeft => "object-left",
            Self::ObjectRemoved => "object-removed",
            Self::Identified => "identified",
            Self::Reappeared => "reappeared",
            Self::Track => "track",
            Self::CameraState => "camera-state",
            Self::CameraCondition => "camera-condition",
            Self::DayNight => "day-night",
            Self::HeatMap => "heat-map",
            Self::Discontinuity => "discontinuity",
            Self::Gap => "gap",
            Self::ClockStep => "clock-step",
            Self::ModelChange => "model-change",
            Self::ConfigChange => "config-change",
            Self::Clip => "clip",
        }
    }
}

/// Whether somebody should look now. Decides the topic and the spool class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Somebody should look now: topic `alert/…`.
    #[default]
    Alert,
    /// Kept for the record: topic `event/…`.
    Event,
}

/// Which part of a happening an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It begins, or it is a happening without duration.
    Start,
    /// It goes on.
    Update,
    /// It is over.
    End,
}

/// A zone or a line of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// An area of the picture.
    Zone(Id),
    /// A line in the picture.
    Line(Id),
}

/// The object that an event is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Its track.
    pub track: TrackId,
    /// What it is.
    pub label: String,
    /// Where it is, normalised.
    pub bbox: Rect,
    /// Score of its last detection.
    pub score: f32,
    /// Its best score so far.
    pub best_score: f32,
    /// How long it has been followed, in milliseconds of media time.
    pub age_ms: u64,
    /// Who it was taken for, where faces are recognised and one was good enough.
    pub identity: Option<Identity>,
    /// Whether it was seen before, where people are recognised by how they look and one picture was good enough.
    pub appearance: Option<Appearance>,
}

/// Why an event was raised.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Explanation {
    /// One sentence for a person, such as `person stayed 61 s in zone yard (limit 60 s)`.
    pub text: String,
    /// Every quantity that was compared, beside its limit.
    pub measures: Vec<Measure>,
}

/// How far the wall clock can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockState {
    /// The kernel says that it is not synchronised, or the time lies before this program was built.
    #[default]
    Unsynced,
    /// It was synchronised since boot, and is not now.
    Holdover,
    /// The kernel says that it is synchronised.
    Synced,
    /// A recorded clip: the time is counted from the start of the recording.
    Media,
}

/// Which model saw it, and what really ran it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelFacts {
    /// Its name in the configuration.
    pub name: String,
    /// Its version, from the model's own metadata; empty when it has none.
    pub version: String,
    /// SHA-256 of the ONNX file, in hex.
    pub sha256: String,
    /// The execution provider that really ran it.
    pub provider: String,
    /// The score that a detection had to pass.
    pub threshold: f32,
}

/// Pictures and clips that show an event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The snapshot's file name within the agent's evidence folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The clip's file name within the agent's evidence folder. Told as soon as the happening begins; that the file is
    /// there, or why not, is told by an event of kind `clip` that names it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    /// What the file of the clip is, once it is on the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_file: Option<ClipFile>,
    /// Why there is no clip where one was due, such as `disk-full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_missing: Option<String>,
    /// Why there is no snapshot where one was due, such as `disk-full`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// The file of a clip, as it lies on the agent's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClipFile {
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// When its first picture was captured, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub begins: String,
    /// When its last picture was captured, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub ends: String,
    /// Its first picture on the camera's media clock, in milliseconds.
    pub begins_pts_ms: u64,
    /// Its last picture on the camera's media clock, in milliseconds.
    pub ends_pts_ms: u64,
    /// The episodes that it shows; none where somebody asked for it.
    #[serde(default)]
    pub episodes: Vec<String>,
}
