//! Whether the agent is there: `status`, retained, and the broker's last word when it is not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// There or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Connected and subscribed.
    Online,
    /// Said by the agent when it stops, else by the broker as its Last Will.
    Offline,
}

/// The agent's presence. A hub ignores an `offline` whose `boot` is not the one that it last saw `online`: it is the
/// late will of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PresenceMessage {
    /// There or not.
    pub status: Presence,
    /// Drawn at random when the agent started.
    pub boot: String,
    /// The agent's version.
    pub version: String,
}

impl PresenceMessage {
    /// What this run of the agent says of itself.
    pub fn new(status: Presence, boot: &str, version: &str) -> Self {
        Self { status, boot: boot.to_owned(), version: version.to_owned() }
    }
}
