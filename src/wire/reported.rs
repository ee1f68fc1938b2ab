//! What an agent has of what it is to have: `reported`, retained.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number::write_short;
use super::{PackageRef, ReportedConfig};
use crate::vocab::Id;

/// How far an agent is with what the hub wishes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReportedMessage {
    /// Drawn at random when the agent started.
    pub boot: String,
    /// Rises with every report of this agent, also over restarts.
    pub sequence: u64,
    /// The highest revision of a wish that was taken; 0 while none was.
    pub revision: u64,
    /// Why the newest wish that came was not taken; none where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// By the name that a model has in the agent's configuration: those of which something was ever wished.
    pub models: BTreeMap<Id, ReportedModel>,
    /// The overlay over the agent's own configuration; absent while nothing was ever wished of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ReportedConfig>,
}

/// How one model is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportedModel {
    /// The revision of the wish that is or was carried out.
    pub revision: u64,
    /// The rollout that it was part of.
    pub rollout: String,
    /// How far that is.
    pub stage: RolloutStage,
    /// Why it failed or was rolled back; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What decides now; none for the file that the agent's own configuration names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<PackageRef>,
    /// What decided before that, and would again if this one could not be opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PackageRef>,
    /// What is on its way to decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<PackageRef>,
    /// What was measured while it proved itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<ProofEvidence>,
    /// The SHA-256 of packages that failed here and are not tried again: the newest 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<String>,
}

/// How far a wish is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutStage {
    /// The package is fetched.
    Downloading,
    /// It is opened and shown its golden pictures.
    Verifying,
    /// It looks at what the model in force looks at, and decides nothing.
    Shadow,
    /// It decides, and the model before is kept at hand.
    Trial,
    /// It stays.
    Committed,
    /// It did not prove itself; the model before decides.
    RolledBack,
    /// It could not be fetched, opened or trusted; the model before went on undisturbed.
    Failed,
}

impl RolloutStage {
    /// Whether nothing more will happen by itself.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Committed | Self::RolledBack | Self::Failed)
    }
}

/// What was measured while a model proved itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProofEvidence {
    /// How many pictures both models looked at.
    pub looks: u64,
    /// How many objects the model in force saw in them.
    pub objects_before: u64,
    /// How many the new one saw.
    pub objects: u64,
    /// How many of them are the same: same label, overlap of at least 0.5.
    pub same: u64,
    /// The median time of a look of the model in force, in milliseconds.
    #[serde(serialize_with = "write_short")]
    pub look_before_ms: f64,
    /// That of the new one.
    #[serde(serialize_with = "write_short")]
    pub look_ms: f64,
    /// Frames a second, all cameras of the model together, before the trial.
    #[serde(serialize_with = "write_short")]
    pub frame_rate_before: f64,
    /// On trial.
    #[serde(serialize_with = "write_short")]
    pub frame_rate: f64,
    /// The share of pictures that came too fast before the trial, 0..1.
    #[serde(serialize_with = "write_short")]
    pub superseded_before: f64,
    /// On trial.
    #[serde(serialize_with = "write_short")]
    pub superseded: f64,
    /// The agent's memory before the trial, in bytes.
    pub memory_before: u64,
    /// At the end of the trial.
    pub memory: u64,
}

impl ProofEvidence {
    /// How often both models agree: F1 of the detections, 0..1; 1 where neither saw anything.
    pub fn agreement(&self) -> f64 {
        let all = self.objects_before + self.objects;
        if all == 0 { 1.0 } else { 2.0 * self.same as f64 / all as f64 }
    }
}
