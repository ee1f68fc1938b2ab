//! The words in which cameras and stages say how they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a camera is. The state machine that moves between these is drawn in `camera`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CameraState {
    /// The stream is being opened.
    Connecting,
    /// Pictures arrive.
    Streaming,
    /// Connected, but no data or no decoded picture for longer than the stall limit.
    Stalled,
    /// Pictures arrive, but they never change, not even by sensor noise.
    Frozen,
    /// The lens is covered: the picture is of one brightness.
    Covered,
    /// No light reaches the sensor: a lens shut tight, a room without a lamp, a dead sensor. Its picture cannot tell which.
    Black,
    /// Waiting before the next attempt.
    Backoff,
    /// The camera refuses the user name or password; retried slowly, so that no account is locked.
    AuthFailed,
    /// Switched off by configuration or command.
    Disabled,
    /// A file or clip has ended.
    Ended,
}

impl CameraState {
    /// Whether pictures arrive, whatever they show.
    pub fn has_pictures(self) -> bool {
        matches!(self, Self::Streaming | Self::Frozen | Self::Covered | Self::Black)
    }
}

/// Why a frame was not looked at. Events are never dropped; frames may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DropReason {
    /// A newer frame took its place before a detector was free.
    Superseded,
    /// Above the camera's configured rate.
    Rate,
    /// The motion gate saw nothing worth a look.
    Still,
    /// Not decoded: no picture that was worth a look needed it.
    Idle,
    /// Damaged in transit.
    Corrupt,
}

/// Latency of one stage over the last reporting period, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StageLatency {
    /// Median.
    pub p50: f32,
    /// 95th percentile.
    pub p95: f32,
    /// 99th percentile.
    pub p99: f32,
    /// How many were measured.
    pub count: u64,
}
