//! That the subject of an event was seen before, as it is sent. What was compared is named, and no vector is sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number::short;
use crate::vocab::{self, Id};

/// How somebody looked who was followed: not who he is, but whether he was seen before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Appearance {
    /// The same for all tracks of this agent that were taken for one person. Drawn at random; whoever nobody saw for a while
    /// gets another one.
    pub id: String,
    /// When that person was first seen, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub first_seen: String,
    /// The cameras that saw that person before this track began, in the order in which they first did.
    #[serde(default)]
    pub cameras: Vec<Id>,
    /// When and where that person was seen last before this track; absent where it is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<SeenBefore>,
    /// The model whose vectors were compared, how it was fed, and how long a vector is.
    pub space: String,
}

/// When and where somebody was seen last, and why it is taken to be the same person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeenBefore {
    /// The camera that saw it.
    pub camera: Id,
    /// When it saw it last, RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    pub last_seen: String,
    /// How long nobody saw it after that, in seconds.
    pub away_s: f64,
    /// How like that person this one is: a cosine, -1..1.
    pub score: f64,
    /// What that had to reach.
    pub threshold: f64,
    /// By how much it exceeds the likeness to anybody else who is remembered.
    pub margin: f64,
    /// What that had to reach.
    pub least_margin: f64,
}

impl From<&vocab::Appearance> for Appearance {
    fn from(appearance: &vocab::Appearance) -> Self {
        Self {
            id: appearance.id.clone(),
            first_seen: appearance.first_seen.to_rfc3339(),
            cameras: appearance.cameras.clone(),
            before: appearance.before.as_ref().map(SeenBefore::from),
            space: appearance.space.clone(),
        }
    }
}

impl From<&vocab::SeenBefore> for SeenBefore {
    fn from(before: &vocab::SeenBefore) -> Self {
        Self {
            camera: before.camera.clone(),
            last_seen: before.at.to_rfc3339(),
            away_s: short(before.away.as_secs_f64()),
            score: short(before.score),
            threshold: short(before.threshold),
            margin: short(before.margin),
            least_margin: short(before.least_margin),
        }
    }
}
