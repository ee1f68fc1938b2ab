//! How one camera is: `camera/<camera>/state`, retained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vocab::{CameraState, Id, WallTime};

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
}

impl CameraStateMessage {
    /// `camera` is in `state` since `since`.
    pub fn new(camera: Id, state: CameraState, since: WallTime, cause: Option<String>) -> Self {
        Self { camera, state, since: since.to_rfc3339(), cause }
    }
}
