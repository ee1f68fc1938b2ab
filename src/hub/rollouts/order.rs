//! An order as it comes in, and whom it is about. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::error::RolloutError;
use super::plan::names;
use super::spec::Terms;
use crate::vocab::Id;

/// What somebody wants to be rolled out, and to whom.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The name that the model has in the agents' configuration, with `model` and `version`.
    #[serde(default)]
    pub slot: Option<Id>,
    /// The model in the registry.
    #[serde(default)]
    pub model: Option<Id>,
    /// Its version there, by number or alias.
    #[serde(default)]
    pub version: Option<Version>,
    /// Or the text of an overlay over the agents' configuration.
    #[serde(default)]
    pub overlay: Option<String>,
    /// What the overlay is for, for people: at most 200 characters.
    #[serde(default)]
    pub purpose: Option<String>,
    /// To these agents; the first ones are told first.
    #[serde(default)]
    pub agents: Vec<Id>,
    /// Or to all that were admitted and have these labels, and perhaps more.
    #[serde(default)]
    pub labels: BTreeMap<Id, String>,
    /// Or to all that were admitted.
    #[serde(default)]
    pub all: bool,
    /// How.
    #[serde(default)]
    pub terms: Terms,
}

/// What is wanted, in one of the two ways.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wanted<'a> {
    /// A version of a model, as the agents' model of some name.
    Model { slot: &'a Id, model: &'a Id, version: &'a Version },
    /// An overlay.
    Config { text: &'a str, purpose: &'a str },
}

/// The longest purpose, in characters.
const LONGEST_PURPOSE: usize = 200;

/// A version by its number or an alias.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Version {
    /// Its number.
    Number(i64),
    /// An alias, or the number as text.
    Alias(String),
}

impl Version {
    /// As the registry looks it up.
    pub fn reference(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Alias(alias) => alias.clone(),
        }
    }
}

/// An agent that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) agent: Id,
    pub(super) is_admitted: bool,
    pub(super) is_online: bool,
    pub(super) labels: BTreeMap<String, String>,
}

impl Order {
    /// What is to be rolled out.
    pub(super) fn wanted(&self) -> Result<Wanted<'_>, RolloutError> {
        let purpose = self.purpose.as_deref();
        match (&self.slot, &self.model, &self.version, &self.overlay) {
            (Some(slot), Some(model), Some(version), None) if purpose.is_none() => {
                Ok(Wanted::Model { slot, model, version })
            }
            (None, None, None, Some(text)) => {
                let purpose = purpose.unwrap_or_default();
                let is_plain = purpose.chars().count() <= LONGEST_PURPOSE && !purpose.chars().any(char::is_control);
                if is_plain { Ok(Wanted::Config { text, purpose }) } else { Err(RolloutError::Purpose) }
            }
            _ => Err(RolloutError::What),
        }
    }

    /// Whom it is about, of `fleet`, in the order in which they are told: who is there comes before who is away, for a
    /// group that is away would be waited for.
    pub(super) fn choose(&self, fleet: &[Candidate]) -> Result<Vec<Id>, RolloutError> {
        let ways = [!self.agents.is_empty(), !self.labels.is_empty(), self.all];
        if ways.iter().filter(|way| **way).count() != 1 {
            return Err(RolloutError::Whom);
        }
        let mut chosen = if self.agents.is_empty() { self.by_labels(fleet)? } else { self.by_name(fleet)? };
        chosen.sort_by_key(|candidate| !candidate.is_online);
        Ok(chosen.into_iter().map(|candidate| candidate.agent.clone()).collect())
    }

    fn by_labels<'a>(&self, fleet: &'a [Candidate]) -> Result<Vec<&'a Candidate>, RolloutError> {
        let has_all = |candidate: &&Candidate| {
            self.labels.iter().all(|(name, value)| candidate.labels.get(name.as_str()) == Some(value))
        };
        let chosen: Vec<_> = fleet.iter().filter(|candidate| candidate.is_admitted).filter(has_all).collect();
        if chosen.is_empty() { Err(RolloutError::Nobody) } else { Ok(chosen) }
    }

    fn by_name<'a>(&self, fleet: &'a [Candidate]) -> Result<Vec<&'a Candidate>, RolloutError> {
        let known: BTreeMap<&Id, &Candidate> = fleet.iter().map(|candidate| (&candidate.agent, candidate)).collect();
        let mut seen = BTreeSet::new();
        let agents: Vec<&Id> = self.agents.iter().filter(|agent| seen.insert(*agent)).collect();
        let unknown: Vec<&Id> = agents.iter().copied().filter(|agent| !known.contains_key(agent)).collect();
        if !unknown.is_empty() {
            return Err(RolloutError::Unknown(names(&unknown)));
        }
        let chosen: Vec<&Candidate> = agents.iter().filter_map(|agent| known.get(agent).copied()).collect();
        let strangers: Vec<&Id> = chosen.iter().filter(|c| !c.is_admitted).map(|c| &c.agent).collect();
        if strangers.is_empty() { Ok(chosen) } else { Err(RolloutError::NotAdmitted(names(&strangers))) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fleet() -> Vec<Candidate> {
        let candidate = |agent: &str, is_admitted, is_online, region: &str| Candidate {
            agent: Id::new(agent).unwrap(),
            is_admitted,
            is_online,
            labels: [("region".to_owned(), region.to_owned()), ("kind".to_owned(), "gate".to_owned())].into(),
        };
        vec![
            candidate("a", true, false, "north"),
            candidate("b", true, true, "north"),
            candidate("c", true, true, "south"),
            candidate("d", false, true, "north"),
        ]
    }

    fn choose(whom: Value) -> Result<Vec<String>, String> {
        let mut order = json!({"slot": "people", "model": "people", "version": 3});
        order.as_object_mut().unwrap().extend(whom.as_object().unwrap().clone());
        let order: Order = serde_json::from_value(order).unwrap();
        let chosen = order.choose(&fleet()).map_err(|error| error.to_string())?;
        Ok(chosen.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn who_is_there_is_told_before_who_is_away() {
        assert_eq!(choose(json!({"labels": {"region": "north"}})).unwrap(), ["b", "a"]);
        assert_eq!(choose(json!({"all": true})).unwrap(), ["b", "c", "a"]);
        assert_eq!(choose(json!({"agents": ["c", "a", "b", "c"]})).unwrap(), ["c", "b", "a"]);
    }

    #[test]
    fn a_model_or_an_overlay_is_wanted_and_not_both() {
        let wanted = |order: Value| {
            let order: Order = serde_json::from_value(order).unwrap();
            order.wanted().map(|wanted| format!("{wanted:?}")).map_err(|error| error.to_string())
        };
        assert!(wanted(json!({"slot": "people", "model": "nano", "version": 3})).unwrap().starts_with("Model"));
        assert!(wanted(json!({"overlay": "{}", "purpose": "nothing"})).unwrap().contains("nothing"));
        for order in [
            json!({}),
            json!({"slot": "people", "model": "nano"}),
            json!({"slot": "people", "model": "nano", "version": 3, "overlay": "{}"}),
            json!({"slot": "people", "model": "nano", "version": 3, "purpose": "x"}),
            json!({"slot": "people", "overlay": "{}"}),
        ] {
            assert!(wanted(order.clone()).unwrap_err().contains("slot, model and version, or overlay"), "{order}");
        }
        assert!(wanted(json!({"overlay": "{}", "purpose": "x".repeat(201)})).unwrap_err().contains("200"));
        assert!(wanted(json!({"overlay": "{}", "purpose": "a\nb"})).unwrap_err().contains("one line"));
    }

    #[test]
    fn whom_nobody_knows_or_admitted_is_refused() {
        for (whom, told) in [
            (json!({}), "in one way"),
            (json!({"agents": ["a"], "all": true}), "in one way"),
            (json!({"labels": {}}), "in one way"),
            (json!({"labels": {"region": "west"}}), "no admitted agent"),
            (json!({"agents": ["a", "x", "y"]}), "never been heard of: x, y"),
            (json!({"agents": ["a", "d"]}), "not been admitted: d"),
        ] {
            let refused = choose(whom.clone()).unwrap_err();
            assert!(refused.contains(told), "{whom}: {refused}");
        }
    }
}
