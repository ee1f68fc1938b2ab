//! What a rollout is to do: which package, in groups of which size, and when it goes on or turns back. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::vocab::Id;
use crate::wire::{PackageRef, Proof};

/// The most groups of a rollout.
const MOST_GROUPS: usize = 16;
/// The longest time that a rollout may be told to wait for anything, in seconds: 30 days.
const LONGEST: u32 = 30 * 24 * 3600;
/// What a node may take beside the time in which the model proves itself, in seconds, unless told otherwise.
const FETCHING: u32 = 1800;

/// A rollout as somebody ordered it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The name that the model has in the agents' configuration.
    pub slot: Id,
    /// What is to run there.
    pub package: PackageRef,
    /// How it is done.
    pub terms: Terms,
}

/// How a rollout is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// How many agents have been told once each group is: rising, up to all; `["5%", "25%", "100%"]` by default.
    pub groups: Vec<Share>,
    /// How long a group must have succeeded before the next one is told, in seconds; 1800 by default.
    pub soak_seconds: u32,
    /// The share of a group that must have committed, 0..1; 0.95 by default.
    pub success: f64,
    /// At so many errors it turns back, from 1; 1 by default.
    pub error_nodes: u32,
    /// Where this share of the agents that were told is more than `error_nodes`, at so many; 0.05 by default.
    pub error_share: f64,
    /// How long an agent may be online and not be done, in seconds; by default the proof's times and half an hour.
    pub node_timeout_seconds: Option<u32>,
    /// What the package must prove on each agent.
    pub proof: Proof,
    /// Whether somebody must approve of it after the first group.
    pub needs_approval: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            groups: vec![Share::Percent(5.0), Share::Percent(25.0), Share::Percent(100.0)],
            soak_seconds: 1800,
            success: 0.95,
            error_nodes: 1,
            error_share: 0.05,
            node_timeout_seconds: None,
            proof: Proof::default(),
            needs_approval: false,
        }
    }
}

impl Terms {
    /// What cannot be as it is, in words.
    pub fn fault(&self) -> Option<String> {
        if let Some(fault) = self.proof.fault() {
            return Some(format!("proof: {fault}"));
        }
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let rules = [
            (self.soak_seconds <= LONGEST, "soak_seconds must be 0 to 2592000"),
            (share(self.success) && self.success > 0.0, "success must be more than 0 and at most 1"),
            (self.error_nodes >= 1, "error_nodes must be at least 1"),
            (share(self.error_share), "error_share must be 0 to 1"),
            (
                self.node_timeout_seconds.is_none_or(|seconds| (1..=LONGEST).contains(&seconds)),
                "node_timeout_seconds must be 1 to 2592000",
            ),
        ];
        let fault = rules.into_iter().find(|(holds, _)| !holds).map(|(_, fault)| fault);
        fault.or_else(|| groups_fault(&self.groups)).map(str::to_owned)
    }

    /// How long an agent may be online and not be done, in nanoseconds.
    pub fn node_timeout_ns(&self) -> i64 {
        let proving = self.proof.shadow_seconds.saturating_add(self.proof.trial_seconds);
        seconds(self.node_timeout_seconds.unwrap_or(proving.saturating_add(FETCHING)))
    }

    /// How long a group must have succeeded, in nanoseconds.
    pub fn soak_ns(&self) -> i64 {
        seconds(self.soak_seconds)
    }

    /// The group of each of `many` agents in their order, from 0.
    pub fn group(&self, many: usize) -> Vec<u32> {
        let mut groups = Vec::with_capacity(many);
        let mut number = 0;
        for share in &self.groups {
            let end = share.of(many);
            // A group that adds nobody would only be waited for.
            if end > groups.len() {
                groups.resize(end, number);
                number += 1;
            }
        }
        groups
    }
}

fn seconds(seconds: u32) -> i64 {
    i64::from(seconds).saturating_mul(1_000_000_000)
}

fn groups_fault(groups: &[Share]) -> Option<&'static str> {
    if groups.is_empty() || groups.len() > MOST_GROUPS {
        return Some("there must be 1 to 16 groups");
    }
    if groups.iter().any(|share| !share.is_possible()) {
        return Some(
            "a group is a number of agents from 1, or a share such as 25% that is more than 0% and at most 100%",
        );
    }
    let falls = |pair: &[Share]| match pair {
        [Share::Count(before), Share::Count(after)] => after <= before,
        [Share::Percent(before), Share::Percent(after)] => after <= before,
        _ => false,
    };
    if groups.windows(2).any(falls) {
        return Some("groups must rise: each says how many agents have been told with it and all before it");
    }
    (groups.last() != Some(&Share::Percent(100.0))).then_some("the last group must be 100%")
}

/// How many of the agents, as it is written: `3` or `25%`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub enum Share {
    /// So many.
    Count(u32),
    /// So many of a hundred, rounded up.
    Percent(f64),
}

/// Why a text is no [`Share`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a number of agents nor a share such as 25%")]
pub struct NoShare(String);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u32),
    Text(String),
}

impl Share {
    fn is_possible(self) -> bool {
        match self {
            Self::Count(count) => count > 0,
            Self::Percent(percent) => percent > 0.0 && percent <= 100.0,
        }
    }

    fn of(self, many: usize) -> usize {
        match self {
            Self::Count(count) => (count as usize).min(many),
            // The product of two numbers that are exact may lie a hair above a whole one.
            Self::Percent(percent) => ((percent * many as f64 / 100.0 - 1e-9).ceil() as usize).min(many),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl FromStr for Share {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Self, NoShare> {
        let parsed = match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().map(Self::Percent),
            None => text.parse().ok().map(Self::Count),
        };
        parsed.ok_or_else(|| NoShare(text.chars().take(40).collect()))
    }
}

impl TryFrom<Written> for Share {
    type Error = NoShare;

    fn try_from(written: Written) -> Result<Self, NoShare> {
        match written {
            Written::Number(count) => Ok(Self::Count(count)),
            Written::Text(text) => text.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(json: serde_json::Value) -> Terms {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn groups_take_in_everybody_once_and_none_is_empty() {
        let of = |groups: serde_json::Value, many: usize| {
            let groups = terms(serde_json::json!({ "groups": groups })).group(many);
            let last = groups.last().map_or(0, |last| last + 1);
            (0..last).map(|number| groups.iter().filter(|group| **group == number).count()).collect::<Vec<_>>()
        };
        let usual = || serde_json::json!(["5%", "25%", "100%"]);
        assert_eq!(of(usual(), 1), [1]);
        assert_eq!(of(usual(), 3), [1, 2]);
        assert_eq!(of(usual(), 20), [1, 4, 15]);
        assert_eq!(of(usual(), 100), [5, 20, 75]);
        assert_eq!(of(usual(), 1000), [50, 200, 750]);
        assert_eq!(of(serde_json::json!([2, "10%", "100%"]), 8), [2, 6]);
        assert_eq!(of(usual(), 0), Vec::<usize>::new());
    }

    #[test]
    fn what_would_never_go_on_or_never_turn_back_is_refused() {
        for (json, told) in [
            (serde_json::json!({"groups": []}), "1 to 16 groups"),
            (serde_json::json!({"groups": ["50%", "25%", "100%"]}), "must rise"),
            (serde_json::json!({"groups": ["50%"]}), "100%"),
            (serde_json::json!({"groups": [3]}), "100%"),
            (serde_json::json!({"groups": ["0%", "100%"]}), "more than 0%"),
            (serde_json::json!({"groups": ["NaN%", "100%"]}), "more than 0%"),
            (serde_json::json!({"success": 0}), "success"),
            (serde_json::json!({"error_nodes": 0}), "error_nodes"),
            (serde_json::json!({"error_share": 1.5}), "error_share"),
            (serde_json::json!({"node_timeout_seconds": 0}), "node_timeout_seconds"),
            (serde_json::json!({"soak_seconds": 4_000_000}), "soak_seconds"),
            (serde_json::json!({"proof": {"trial_seconds": 0}}), "proof: trial_seconds"),
        ] {
            let fault = terms(json.clone()).fault();
            assert!(fault.as_ref().is_some_and(|fault| fault.contains(told)), "{json}: {fault:?}");
        }
        assert_eq!(Terms::default().fault(), None);
        assert_eq!(Terms::default().node_timeout_ns(), 3_000_000_000_000);
    }

    #[test]
    fn a_share_is_read_as_it_is_written() {
        for text in ["3", "25%", "12.5%"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
        for text in ["", "%", "-1", "1.5", "a%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert_eq!(serde_json::to_string(&Share::Percent(5.0)).unwrap(), "\"5%\"");
    }
}
