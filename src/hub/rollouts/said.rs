//! What an agent reports of what a rollout changes: of a model and of the configuration in the same words. Pure.

use serde::{Deserialize, Serialize};

use super::spec::{Artifact, Target};
use crate::wire::{ConfigEvidence, ProofEvidence, ReportedConfig, ReportedMessage, ReportedModel, RolloutStage};

/// What an agent says.
#[derive(Debug, Clone, PartialEq)]
pub struct Said<'a> {
    /// Of what kind it speaks, for sentences.
    pub kind: &'static str,
    /// The revision of the wish that is or was carried out.
    pub revision: u64,
    /// The rollout that it was part of.
    pub rollout: &'a str,
    /// How far that is.
    pub stage: RolloutStage,
    /// Why it failed; empty otherwise.
    pub reason: &'a str,
    /// What is there now.
    pub active: Option<Artifact>,
    /// What is there now, or was before what is only on trial.
    pub in_force: Option<Artifact>,
    /// Why what is there does not count now.
    pub unfit: Option<&'a str>,
    /// The SHA-256 of what failed there.
    pub quarantined: &'a [String],
    /// What was measured.
    pub evidence: Option<Evidence>,
}

/// What was measured while something proved itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Evidence {
    /// An overlay.
    Config(ConfigEvidence),
    /// A package.
    Model(ProofEvidence),
}

impl<'a> Said<'a> {
    /// What `message` says of `target`, if it speaks of that.
    pub fn of(message: &'a ReportedMessage, target: &Target) -> Option<Self> {
        match target {
            Target::Model { slot, .. } => message.models.get(slot).map(Self::of_model),
            Target::Config { .. } => message.config.as_ref().map(Self::of_config),
        }
    }

    fn of_model(model: &'a ReportedModel) -> Self {
        let package = |package: &Option<_>| package.clone().map(Artifact::Package);
        let in_force = match model.stage {
            // One on trial decides but has not proved itself.
            RolloutStage::Trial => &model.previous,
            _ => &model.active,
        };
        Self {
            kind: "package",
            revision: model.revision,
            rollout: &model.rollout,
            stage: model.stage,
            reason: &model.reason,
            active: package(&model.active),
            in_force: package(in_force),
            unfit: None,
            quarantined: &model.quarantined,
            evidence: model.evidence.clone().map(Evidence::Model),
        }
    }

    fn of_config(config: &'a ReportedConfig) -> Self {
        // One on trial is not told as active.
        let active = config.active.clone().map(Artifact::Overlay);
        Self {
            kind: "overlay",
            revision: config.revision,
            rollout: &config.rollout,
            stage: config.stage,
            reason: &config.reason,
            in_force: active.clone(),
            active,
            unfit: config.unfit.as_deref(),
            quarantined: &config.quarantined,
            evidence: config.evidence.clone().map(Evidence::Config),
        }
    }

    /// The SHA-256 of what is there now.
    pub fn active(&self) -> Option<&str> {
        self.active.as_ref().map(Artifact::sha256)
    }
}
