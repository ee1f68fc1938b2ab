//! The configuration of clips as it is written: which are kept, how long they are, and what they may take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Clips that show an event, cut of what the camera sent without encoding it anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clips {
    /// Of which happenings clips are kept. With `none` nothing is held in memory either.
    pub keep: Keep,
    /// How many seconds a clip shows before its happening; it begins at the last keyframe before that.
    #[schemars(range(min = 0.0, max = 120.0))]
    pub before_seconds: f64,
    /// How many seconds it shows after it.
    #[schemars(range(min = 0.0, max = 120.0))]
    pub after_seconds: f64,
    /// The longest clip, in seconds. What goes on for longer is shown from its beginning.
    #[schemars(range(min = 5.0, max = 900.0))]
    pub longest_seconds: f64,
    /// How many seconds of each camera's stream are held in memory, undecoded; more than `before_seconds`.
    #[schemars(range(min = 5.0, max = 300.0))]
    pub ring_seconds: f64,
    /// What that may take of memory for each camera, in MiB. A camera of 4 Mbit/s sends half a MiB a second; where it does
    /// not suffice, clips begin later, and say so.
    #[schemars(range(min = 1, max = 1024))]
    pub ring_mib: u32,
    /// The space that clips may take in `evidence.folder`, in MiB, beside the pictures; the oldest make room, those of
    /// alerts last.
    #[schemars(range(min = 16, max = 16_777_216))]
    pub quota_mib: u32,
    /// How many days they are kept at most.
    #[schemars(range(min = 1, max = 3650))]
    pub days: u32,
}

/// Of which happenings clips are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Of none.
    #[default]
    None,
    /// Of alerts.
    Alerts,
    /// Of alerts and of what rules tell without raising one.
    All,
}

impl Default for Clips {
    fn default() -> Self {
        Self {
            keep: Keep::None,
            before_seconds: 5.0,
            after_seconds: 5.0,
            longest_seconds: 60.0,
            ring_seconds: 30.0,
            ring_mib: 16,
            quota_mib: 2048,
            days: 30,
        }
    }
}
