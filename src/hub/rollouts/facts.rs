//! What is shown of a rollout.

use std::collections::BTreeMap;

use serde::Serialize;

use super::execute::shown;
use super::node::{Stage, Standing};
use super::plan::State;
use super::rows::{Fault, Stored, StoredNode};
use super::said::Evidence;
use super::spec::{Artifact, Spec};
use crate::hub::fleet;

/// A rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RolloutFacts {
    /// Its name.
    pub id: String,
    /// How it is.
    pub state: State,
    /// Whether nothing more will happen.
    pub settled: bool,
    /// Why it turned back, who paused it, who is away.
    pub why: String,
    /// What was ordered.
    #[serde(flatten)]
    pub spec: Spec,
    /// Who ordered it.
    pub created_by: String,
    /// When, in nanoseconds since 1970.
    pub created_ns: i64,
    /// When its state changed last.
    pub changed_ns: i64,
    /// Since when the newest group that was told has succeeded; null while it has not.
    pub succeeded_ns: Option<i64>,
    /// Its groups, in their order.
    pub groups: Vec<GroupFacts>,
    /// The text of its overlay, with a single rollout of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its agents, in their order, with a single rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<NodeFacts>>,
}

/// A group of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupFacts {
    /// Its number, from 1.
    pub group: u32,
    /// Whether it has been told.
    pub told: bool,
    /// How many agents it has.
    pub nodes: i64,
    /// How many of them are at which stage.
    pub stages: BTreeMap<Stage, i64>,
}

/// An agent of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeFacts {
    /// Which.
    pub agent: String,
    /// The number of its group, from 1.
    pub group: u32,
    /// Whether it is there.
    pub presence: fleet::State,
    /// How far it is, and why not further.
    #[serde(flatten)]
    pub standing: Standing,
    /// The revision of the wish that it was told last; null while its group waits.
    pub revision: Option<u64>,
    /// When it was told of what is new, in nanoseconds since 1970.
    pub told_ns: Option<i64>,
    /// What was there until then; null for its own file, and while its group waits.
    pub previous: Option<Artifact>,
    /// What was measured while it proved itself.
    pub evidence: Option<Evidence>,
    /// How it failed there, also when the agent has gone back since.
    pub fault: Option<Fault>,
}

impl RolloutFacts {
    /// Without nodes, its groups from `counts`.
    pub(super) fn of(stored: &Stored, counts: impl Iterator<Item = (u32, Stage, i64)>) -> Self {
        let (rollout, course) = (&stored.rollout, &stored.rollout.course);
        let mut groups: BTreeMap<u32, BTreeMap<Stage, i64>> = BTreeMap::new();
        for (group, stage, many) in counts {
            *groups.entry(group).or_default().entry(stage).or_default() += many;
        }
        let group = |(group, stages): (u32, BTreeMap<Stage, i64>)| GroupFacts {
            group: group + 1,
            told: group < course.groups_told,
            nodes: stages.values().sum(),
            stages,
        };
        Self {
            id: rollout.id.clone(),
            state: course.state,
            settled: course.state.is_settled(),
            why: course.why.clone(),
            spec: rollout.spec.clone(),
            created_by: stored.created_by.clone(),
            created_ns: stored.created_ns,
            changed_ns: stored.changed_ns,
            succeeded_ns: course.succeeded_ns,
            groups: groups.into_iter().map(group).collect(),
            text: None,
            nodes: None,
        }
    }

    /// With its nodes as they are at `now`, and the text of its overlay.
    pub(super) fn whole(stored: &Stored, nodes: &[StoredNode], text: Option<String>, now: i64) -> Self {
        let nodes: Vec<NodeFacts> = nodes.iter().map(|node| facts(stored, node, now)).collect();
        let counts = nodes.iter().map(|node| (node.group - 1, node.standing.stage, 1));
        let whole = Self::of(stored, counts);
        Self { nodes: Some(nodes), text, ..whole }
    }
}

fn facts(stored: &Stored, of: &StoredNode, now: i64) -> NodeFacts {
    let (node, told) = (&of.node, of.node.told.as_ref());
    NodeFacts {
        agent: node.agent.to_string(),
        group: node.group.saturating_add(1),
        presence: of.presence,
        standing: shown(&stored.rollout, of, now),
        revision: node.taken_back.or(told.map(|told| told.word)).map(|word| word.revision),
        told_ns: told.map(|told| told.word.at_ns),
        previous: told.and_then(|told| told.previous.clone()),
        evidence: of.evidence.clone(),
        fault: of.fault.clone(),
    }
}
