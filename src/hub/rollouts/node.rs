//! How far one agent of a rollout is, from what it was told and what it has reported. Pure.

use serde::{Deserialize, Serialize};

use super::spec::Spec;
use crate::vocab::Id;
use crate::wire::{PackageRef, ReportedMessage, ReportedModel, RolloutStage};

/// An agent of a rollout, as it is known now.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Which.
    pub agent: Id,
    /// Its group, from 0.
    pub group: u32,
    /// What it was told; none while its group waits.
    pub told: Option<Told>,
    /// That it was told to go back.
    pub taken_back: Option<Word>,
    /// Since when both it and this hub have been at the broker; none while it is not there.
    pub online_since_ns: Option<i64>,
    /// The last that it reported.
    pub report: Option<Report>,
}

/// A wish that an agent was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Its revision.
    pub revision: u64,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
}

/// The wish for the new package, and what would undo it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The wish.
    pub word: Word,
    /// What decided there until then; none for the file that the agent's own configuration names.
    pub previous: Option<PackageRef>,
}

/// What an agent reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What.
    pub message: ReportedMessage,
    /// When it was heard, in nanoseconds since 1970.
    pub heard_ns: i64,
}

/// How far a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Its group has not been told.
    Waiting,
    /// It was told and has not reported on it; where it is offline, it will when it returns.
    Told,
    /// It fetches the package.
    Downloading,
    /// It holds it against its golden pictures.
    Verifying,
    /// The package looks on.
    Shadow,
    /// The package decides, and the one before is kept at hand.
    Trial,
    /// The package stays.
    Committed,
    /// The package did not prove itself.
    RolledBack,
    /// The package could not be fetched, opened or trusted.
    Failed,
    /// The package had failed on this node before.
    Quarantined,
    /// The node does not take the wish.
    Refused,
    /// The node was online and not done in time.
    TimedOut,
    /// It was told to go back.
    GoingBack,
    /// It has gone back.
    Back,
    /// It reports that it could not go back.
    Stuck,
}

impl Stage {
    /// All.
    pub const ALL: [Self; 15] = [
        Self::Waiting,
        Self::Told,
        Self::Downloading,
        Self::Verifying,
        Self::Shadow,
        Self::Trial,
        Self::Committed,
        Self::RolledBack,
        Self::Failed,
        Self::Quarantined,
        Self::Refused,
        Self::TimedOut,
        Self::GoingBack,
        Self::Back,
        Self::Stuck,
    ];

    /// Reads what [`Stage::as_str`] writes.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }

    /// Whether it counts against the rollout.
    pub fn is_error(self) -> bool {
        matches!(self, Self::RolledBack | Self::Failed | Self::Quarantined | Self::Refused | Self::TimedOut)
    }

    /// The stage as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Told => "told",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Shadow => "shadow",
            Self::Trial => "trial",
            Self::Committed => "committed",
            Self::RolledBack => "rolled-back",
            Self::Failed => "failed",
            Self::Quarantined => "quarantined",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::GoingBack => "going-back",
            Self::Back => "back",
            Self::Stuck => "stuck",
        }
    }
}

/// How far a node is and why it is not further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// How far.
    pub stage: Stage,
    /// Why; empty where all goes well.
    pub reason: String,
}

impl Standing {
    fn of(stage: Stage) -> Self {
        Self { stage, reason: String::new() }
    }

    fn because(stage: Stage, reason: impl Into<String>) -> Self {
        Self { stage, reason: reason.into() }
    }
}

impl Node {
    /// How far it is with the rollout `id` at `now`.
    pub fn standing(&self, id: &str, spec: &Spec, now: i64) -> Standing {
        match (&self.told, self.taken_back) {
            (None, _) => Standing::of(Stage::Waiting),
            (Some(told), Some(back)) => self.way_back(id, spec, told, back),
            (Some(told), None) => self.way_forward(id, spec, told.word, now),
        }
    }

    /// What it reported of the wish `word` or a later one of the same rollout.
    pub fn report_on(&self, id: &str, spec: &Spec, word: Word) -> Option<&ReportedModel> {
        let model = self.report.as_ref()?.message.models.get(&spec.slot)?;
        (model.rollout == id && model.revision >= word.revision).then_some(model)
    }

    /// What decides there now, and would again if the next package failed; none for the agent's own file.
    pub fn in_force(&self, slot: &Id) -> Option<PackageRef> {
        let model = self.report.as_ref()?.message.models.get(slot)?;
        match model.stage {
            // One on trial decides but has not proved itself.
            RolloutStage::Trial => model.previous.clone(),
            _ => model.active.clone(),
        }
    }

    fn way_forward(&self, id: &str, spec: &Spec, word: Word, now: i64) -> Standing {
        let standing = match self.report_on(id, spec, word) {
            Some(model) => forward(model, &spec.package.sha256),
            None => self.unheard(word),
        };
        let is_done = standing.stage == Stage::Committed || standing.stage.is_error();
        match self.online_since_ns {
            Some(since) if !is_done && now.saturating_sub(since.max(word.at_ns)) > spec.terms.node_timeout_ns() => {
                let stage = standing.stage.as_str();
                Standing::because(
                    Stage::TimedOut,
                    format!("it was online all the time and got no further than {stage}"),
                )
            }
            _ => standing,
        }
    }

    /// It has said nothing of the wish itself; perhaps it said that it does not take it.
    fn unheard(&self, word: Word) -> Standing {
        let refused = self.report.as_ref().filter(|report| report.heard_ns >= word.at_ns);
        let refused = refused.filter(|report| report.message.revision < word.revision);
        match refused.and_then(|report| report.message.refused.as_ref()) {
            Some(reason) => Standing::because(Stage::Refused, reason),
            None => Standing::of(Stage::Told),
        }
    }

    fn way_back(&self, id: &str, spec: &Spec, told: &Told, back: Word) -> Standing {
        let Some(report) = &self.report else { return Standing::of(Stage::GoingBack) };
        let sha256 = |package: &Option<PackageRef>| package.as_ref().map(|package| package.sha256.clone());
        match self.report_on(id, spec, back) {
            Some(model) if !model.stage.is_settled() => Standing::of(Stage::GoingBack),
            Some(model) if sha256(&model.active) == sha256(&told.previous) => Standing::of(Stage::Back),
            Some(model) if model.reason.is_empty() => Standing::because(Stage::Stuck, "another package decides there"),
            Some(model) => Standing::because(Stage::Stuck, &model.reason),
            // An agent need not speak of a model for which it has nothing but its own file.
            None if report.message.revision >= back.revision
                && told.previous.is_none()
                && !report.message.models.contains_key(&spec.slot) =>
            {
                Standing::of(Stage::Back)
            }
            None => Standing::of(Stage::GoingBack),
        }
    }
}

fn forward(model: &ReportedModel, sha256: &str) -> Standing {
    let is_quarantined = model.quarantined.iter().any(|quarantined| quarantined == sha256);
    if is_quarantined && !matches!(model.stage, RolloutStage::RolledBack | RolloutStage::Failed) {
        return Standing::because(Stage::Quarantined, "the package failed there before and is not tried again");
    }
    match model.stage {
        RolloutStage::Downloading => Standing::of(Stage::Downloading),
        RolloutStage::Verifying => Standing::of(Stage::Verifying),
        RolloutStage::Shadow => Standing::of(Stage::Shadow),
        RolloutStage::Trial => Standing::of(Stage::Trial),
        RolloutStage::Committed if model.active.as_ref().is_some_and(|active| active.sha256 == sha256) => {
            Standing::of(Stage::Committed)
        }
        RolloutStage::Committed => {
            Standing::because(Stage::Failed, "it says that it is done, and another package decides")
        }
        RolloutStage::RolledBack => Standing::because(Stage::RolledBack, &model.reason),
        RolloutStage::Failed => Standing::because(Stage::Failed, &model.reason),
    }
}
