//! The ledger's page of the configuration: which overlay is in force over the agent's file, and which is wished.

use serde::{Deserialize, Serialize};

use crate::wire::{ConfigEvidence, DesiredConfig, OverlayRef, ReportedConfig, RolloutStage};

/// What is known of the overlay over the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigSlot {
    /// What is wished, without the text, which lies in a file of its own.
    pub wish: DesiredConfig,
    /// Since which revision.
    pub revision: u64,
    /// How far that is; none where it has not begun.
    pub stage: Option<RolloutStage>,
    /// How many runs of the agent have had it on trial.
    pub starts: u32,
    /// Why it failed.
    pub reason: String,
    /// What was committed last; none for the file alone.
    pub active: Option<OverlayRef>,
    /// What was committed before that: its text is kept, as a reversal may name it.
    pub previous: Option<OverlayRef>,
    /// Why what was committed does not lie over the file now.
    pub unfit: Option<String>,
    /// What was measured.
    pub evidence: Option<ConfigEvidence>,
    /// What failed here.
    pub quarantined: Vec<String>,
}

impl ConfigSlot {
    /// Of the first wish that ever came.
    pub fn new(wish: DesiredConfig, revision: u64) -> Self {
        Self {
            wish,
            revision,
            stage: None,
            starts: 0,
            reason: String::new(),
            active: None,
            previous: None,
            unfit: None,
            evidence: None,
            quarantined: Vec::new(),
        }
    }

    /// Takes another wish; the same one again, because that of a model has changed, is nothing new.
    pub fn take(&mut self, wish: DesiredConfig, revision: u64) {
        if self.wish != wish {
            (self.wish, self.revision, self.stage) = (wish, revision, None);
            (self.starts, self.reason, self.evidence) = (0, String::new(), None);
        }
    }

    /// Notes that what is wished is in force from now on.
    pub fn commit(&mut self, evidence: Option<ConfigEvidence>) {
        let before = std::mem::replace(&mut self.active, self.wish.overlay.clone());
        if before != self.active {
            self.previous = before;
        }
        (self.stage, self.starts, self.reason) = (Some(RolloutStage::Committed), 0, String::new());
        (self.evidence, self.unfit) = (evidence, None);
        let sha256 = self.active.as_ref().map(|overlay| &overlay.sha256);
        self.quarantined.retain(|quarantined| Some(quarantined) != sha256);
    }

    /// Whether nothing is to be done.
    pub fn is_settled(&self) -> bool {
        self.stage.is_some_and(RolloutStage::is_settled)
    }

    /// Whether the overlay failed here before.
    pub fn is_quarantined(&self, overlay: &OverlayRef) -> bool {
        self.quarantined.contains(&overlay.sha256)
    }

    /// The overlays whose texts must be kept.
    pub fn needed(&self) -> Vec<String> {
        let wished = self.wish.overlay.iter().filter(|_| !self.is_settled());
        wished.chain(&self.active).chain(&self.previous).map(|overlay| overlay.sha256.clone()).collect()
    }

    /// What is told of it.
    pub fn report(&self) -> ReportedConfig {
        let is_under_way = !matches!(self.stage, Some(RolloutStage::Committed));
        ReportedConfig {
            revision: self.revision,
            rollout: self.wish.rollout.clone(),
            stage: self.stage.unwrap_or(RolloutStage::Verifying),
            reason: self.reason.clone(),
            active: self.active.clone(),
            unfit: self.unfit.clone(),
            candidate: self.wish.overlay.clone().filter(|_| is_under_way),
            evidence: self.evidence.clone(),
            quarantined: self.quarantined.clone(),
        }
    }
}
