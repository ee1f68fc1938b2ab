//! How far one agent of a rollout is, from what it was told and what it has reported. Pure.

use serde::{Deserialize, Serialize};

use super::said::Said;
use super::spec::{Artifact, Spec, Target};
use crate::vocab::Id;
use crate::wire::{ReportedMessage, RolloutStage};

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

/// The wish for what is new, and what would undo it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The wish.
    pub word: Word,
    /// What was there until then; none for the agent's own file.
    pub previous: Option<Artifact>,
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
    pub fn report_on(&self, id: &str, spec: &Spec, word: Word) -> Option<Said<'_>> {
        let said = Said::of(&self.report.as_ref()?.message, &spec.target)?;
        (said.rollout == id && said.revision >= word.revision).then_some(said)
    }

    /// What is there now, and would be again if the next one failed; none for the agent's own file.
    pub fn in_force(&self, target: &Target) -> Option<Artifact> {
        Said::of(&self.report.as_ref()?.message, target)?.in_force
    }

    fn way_forward(&self, id: &str, spec: &Spec, word: Word, now: i64) -> Standing {
        let standing = match self.report_on(id, spec, word) {
            Some(said) => forward(&said, spec.target.sha256()),
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
        match self.report_on(id, spec, back) {
            Some(said) if !said.stage.is_settled() => Standing::of(Stage::GoingBack),
            Some(said) if said.active() == told.previous.as_ref().map(Artifact::sha256) => Standing::of(Stage::Back),
            Some(said) if said.reason.is_empty() => {
                Standing::because(Stage::Stuck, format!("another {} decides there", said.kind))
            }
            Some(said) => Standing::because(Stage::Stuck, said.reason),
            // An agent need not speak of that for which it has nothing but its own file.
            None if report.message.revision >= back.revision
                && told.previous.is_none()
                && Said::of(&report.message, &spec.target).is_none() =>
            {
                Standing::of(Stage::Back)
            }
            None => Standing::of(Stage::GoingBack),
        }
    }
}

fn forward(said: &Said<'_>, sha256: &str) -> Standing {
    let is_quarantined = said.quarantined.iter().any(|quarantined| quarantined == sha256);
    if is_quarantined && !matches!(said.stage, RolloutStage::RolledBack | RolloutStage::Failed) {
        let reason = format!("the {} failed there before and is not tried again", said.kind);
        return Standing::because(Stage::Quarantined, reason);
    }
    match said.stage {
        RolloutStage::Downloading => Standing::of(Stage::Downloading),
        RolloutStage::Verifying => Standing::of(Stage::Verifying),
        RolloutStage::Shadow => Standing::of(Stage::Shadow),
        RolloutStage::Trial => Standing::of(Stage::Trial),
        RolloutStage::Committed if said.active() == Some(sha256) => match said.unfit {
            // It was committed and then the file on the box was changed: the success is no longer one.
            Some(unfit) => Standing::because(Stage::Failed, unfit),
            None => Standing::of(Stage::Committed),
        },
        RolloutStage::Committed => {
            let reason = format!("it says that it is done, and another {} decides", said.kind);
            Standing::because(Stage::Failed, reason)
        }
        RolloutStage::RolledBack => Standing::because(Stage::RolledBack, said.reason),
        RolloutStage::Failed => Standing::because(Stage::Failed, said.reason),
    }
}
