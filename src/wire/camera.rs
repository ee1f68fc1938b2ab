//! How one camera is: `camera/<camera>/state`, retained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vocab::{CameraState, Condition, DayNight, Id, WallTime};

/// The state of one camera, published whenever it changes. It is retained, and holds only while the agent's `status` is
/// `online`: an agent that stops says `disabled` here, one that is killed or cut off cannot, and then its Last Will, which
/// is `status`, decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CameraStateMessage {
    /// Which camera.
    pub camera: Id,
    /// How it is.
    pub state: CameraState,
    /// Since when, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// Why, in words; never with a password. Absent where the state says it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What else ails its picture, while there is one. None of it keeps the camera from being looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionState>,
    /// Whether it sees by day or by night, once that is known and while there is a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<DayNight>,
}

/// Something that ails a camera's picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConditionState {
    /// What.
    pub condition: Condition,
    /// Since when, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// Why it is believed, in words.
    pub cause: String,
}

impl CameraStateMessage {
    /// `camera` is in `state` since `since`, and nothing ails its picture.
    pub fn new(camera: Id, state: CameraState, since: WallTime, cause: Option<String>) -> Self {
        Self { camera, state, since: since.to_rfc3339(), cause, conditions: Vec::new(), mode: None }
    }
}

impl ConditionState {
    /// `condition` has held since `since`.
    pub fn new(condition: Condition, since: WallTime, cause: String) -> Self {
        Self { condition, since: since.to_rfc3339(), cause }
    }
}
