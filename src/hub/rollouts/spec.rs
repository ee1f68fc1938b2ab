//! What a rollout is to do: which package or overlay, in groups of which size, and when it goes on or turns back. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::vocab::Id;
use crate::wire::{OverlayRef, PackageRef, Proof, Trial};

/// The most groups of a rollout.
const MOST_GROUPS: usize = 16;
/// The longest time that a rollout may be told to wait for anything, in seconds: 30 days.
const LONGEST: u32 = 30 * 24 * 3600;
/// What a node may take beside the time in which the model proves itself, in seconds, unless told otherwise.
const FETCHING: u32 = 1800;

/// A rollout as somebody ordered it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// What is rolled out.
    #[serde(flatten)]
    pub target: Target,
    /// How it is done.
    pub terms: Terms,
}

/// What is rolled out, and what of an agent it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Target {
    /// A package, as a model.
    Model {
        /// The name that the model has in the agents' configuration.
        slot: Id,
        /// What is to run there.
        package: PackageRef,
    },
    /// An overlay, over the agents' configuration.
    Config {
        /// Which.
        overlay: OverlayRef,
        /// What it is for, in the words of who ordered it.
        #[serde(default)]
        purpose: String,
    },
}

/// What an agent may have in the place that a rollout changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Artifact {
    /// A package.
    Package(PackageRef),
    /// An overlay.
    Overlay(OverlayRef),
}

/// What stands for the configuration among the names of models; none of them can be called so.
const CONFIG: &str = "(config)";

impl Target {
    /// The name of what it changes: no two rollouts change the same at once.
    pub fn slot(&self) -> &str {
        match self {
            Self::Model { slot, .. } => slot.as_str(),
            Self::Config { .. } => CONFIG,
        }
    }

    /// What it changes, in a sentence.
    pub fn told(&self) -> String {
        match self {
            Self::Model { slot, .. } => slot.to_string(),
            Self::Config { .. } => "the configuration".to_owned(),
        }
    }

    /// What names its content: the SHA-256, 64 hexadecimal digits.
    pub fn sha256(&self) -> &str {
        match self {
            Self::Model { package, .. } => &package.sha256,
            Self::Config { overlay, .. } => &overlay.sha256,
        }
    }

    /// What the names of its rollouts begin with.
    pub fn prefix(&self) -> String {
        match self {
            Self::Model { slot, package } => format!("{slot}-{}-", package.version),
            Self::Config { .. } => "config-".to_owned(),
        }
    }
}

impl Artifact {
    /// The package, where it is one.
    pub fn package(&self) -> Option<&PackageRef> {
        match self {
            Self::Package(package) => Some(package),
            Self::Overlay(_) => None,
        }
    }

    /// The overlay, where it is one.
    pub fn overlay(&self) -> Option<&OverlayRef> {
        match self {
            Self::Overlay(overlay) => Some(overlay),
            Self::Package(_) => None,
        }
    }

    /// What names its content.
    pub fn sha256(&self) -> &str {
        match self {
            Self::Package(package) => &package.sha256,
            Self::Overlay(overlay) => &overlay.sha256,
        }
    }
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
    /// How long an agent may be online and not be done, in seconds; by default the times of proof or trial and half an hour.
    pub node_timeout_seconds: Option<u32>,
    /// What a package must prove on each agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// What an overlay must prove on each agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
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
            proof: None,
            trial: None,
            needs_approval: false,
        }
    }
}

impl Terms {
    /// What cannot be as it is, in words.
    pub fn fault(&self) -> Option<String> {
        if let Some(fault) = self.proof.as_ref().and_then(Proof::fault) {
            return Some(format!("proof: {fault}"));
        }
        if let Some(fault) = self.trial.as_ref().and_then(Trial::fault) {
            return Some(format!("trial: {fault}"));
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

    /// The terms of a package, with what it must prove.
    ///
    /// # Errors
    /// In words, where they are those of an overlay.
    pub fn of_package(&self) -> Result<Self, String> {
        if self.trial.is_some() {
            return Err("trial is for a configuration; what a model must prove is in proof".to_owned());
        }
        Ok(Self { proof: Some(self.proof.clone().unwrap_or_default()), ..self.clone() })
    }

    /// The terms of an overlay, with what it must prove.
    ///
    /// # Errors
    /// In words, where they are those of a package.
    pub fn of_overlay(&self) -> Result<Self, String> {
        if self.proof.is_some() {
            return Err("proof is for a model; what a configuration must prove is in trial".to_owned());
        }
        Ok(Self { trial: Some(self.trial.clone().unwrap_or_default()), ..self.clone() })
    }

    /// How long an agent may be online and not be done, in nanoseconds.
    pub fn node_timeout_ns(&self) -> i64 {
        let proof = self.proof.as_ref().map_or(0, |proof| proof.shadow_seconds.saturating_add(proof.trial_seconds));
        let proving = proof.saturating_add(self.trial.as_ref().map_or(0, |trial| trial.trial_seconds));
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
            (serde_json::json!({"trial": {"trial_seconds": 0}}), "trial: trial_seconds"),
        ] {
            let fault = terms(json.clone()).fault();
            assert!(fault.as_ref().is_some_and(|fault| fault.contains(told)), "{json}: {fault:?}");
        }
        assert_eq!(Terms::default().fault(), None);
        assert_eq!(Terms::default().of_package().unwrap().node_timeout_ns(), 3_000_000_000_000);
        assert_eq!(Terms::default().of_overlay().unwrap().node_timeout_ns(), 2_400_000_000_000);
    }

    #[test]
    fn what_is_asked_of_the_other_kind_is_refused_and_not_ignored() {
        let (package, overlay) = (terms(serde_json::json!({"proof": {}})), terms(serde_json::json!({"trial": {}})));
        assert!(package.of_package().is_ok() && overlay.of_overlay().is_ok());
        assert!(package.of_overlay().unwrap_err().contains("proof is for a model"));
        assert!(overlay.of_package().unwrap_err().contains("trial is for a configuration"));
    }

    #[test]
    fn a_spec_is_read_as_it_was_written_also_one_of_before_there_were_overlays() {
        let before = serde_json::json!({
            "slot": "people", "package": {"model": "people", "version": 4, "sha256": "ab", "size": 1},
            "terms": {"proof": Proof::default(), "groups": ["100%"]},
        });
        let spec: Spec = serde_json::from_value(before).unwrap();
        assert_eq!((spec.target.slot(), spec.target.prefix().as_str()), ("people", "people-4-"));
        let overlay = OverlayRef::of("{}");
        let target = Target::Config { overlay: overlay.clone(), purpose: "quieter nights".to_owned() };
        for spec in [spec, Spec { target, terms: Terms::default().of_overlay().unwrap() }] {
            let json = serde_json::to_value(&spec).unwrap();
            assert_eq!(serde_json::from_value::<Spec>(json).unwrap(), spec);
        }
        let package = PackageRef { model: Id::new("people").unwrap(), version: 4, sha256: "ab".into(), size: 1 };
        for artifact in [Artifact::Package(package), Artifact::Overlay(overlay)] {
            let json = serde_json::to_value(&artifact).unwrap();
            assert_eq!(serde_json::from_value::<Artifact>(json).unwrap(), artifact);
        }
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
