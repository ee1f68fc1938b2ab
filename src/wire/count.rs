//! Live counts of a zone or a line: `count/<camera>/<place>`, retained.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vocab::{Id, Place, WallTime};

/// What is in a zone now, or has crossed a line since counting began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CountMessage {
    /// Which camera.
    pub camera: Id,
    /// Which zone or line.
    pub place: Place,
    /// Objects in the zone now; absent for a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<u64>,
    /// Crossings in the line's forward direction; absent for a zone. Survives a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<u64>,
    /// Crossings against it; absent for a zone. Survives a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backward: Option<u64>,
    /// How often journeys that end at this line were made, by their rules; absent where there are none. Survives a restart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub journeys: BTreeMap<Id, u64>,
    /// When it was counted, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub time: String,
}

impl CountMessage {
    /// Objects in a zone.
    pub fn zone(camera: Id, zone: Id, inside: u64, at: WallTime) -> Self {
        let place = Place::Zone(zone);
        let journeys = BTreeMap::new();
        Self { camera, place, inside: Some(inside), forward: None, backward: None, journeys, time: at.to_rfc3339() }
    }

    /// Crossings of a line.
    pub fn line(camera: Id, line: Id, forward: u64, backward: u64, at: WallTime) -> Self {
        let (forward, backward) = (Some(forward), Some(backward));
        let (place, journeys) = (Place::Line(line), BTreeMap::new());
        Self { camera, place, inside: None, forward, backward, journeys, time: at.to_rfc3339() }
    }
}
