//! Which agents have which revision of a gallery, by what they say of themselves. Pure.

use serde::Serialize;
use serde_json::Value;

use super::GalleryFacts;
use crate::hub::fleet::AgentFacts;
use crate::wire::GalleryHealth;

/// A gallery and the agents that take it from here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// The gallery.
    #[serde(flatten)]
    pub gallery: GalleryFacts,
    /// Those that take it, by name.
    pub agents: Vec<Standing>,
}

/// How it is with a gallery at one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The agent.
    pub agent: String,
    /// Whether it has the revision that is here.
    pub is_current: bool,
    /// What it says.
    #[serde(flatten)]
    pub said: GalleryHealth,
    /// When it last said anything, in nanoseconds since 1970.
    pub heard_ns: i64,
}

/// What is here, who takes it, and who asks for what is not here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// The galleries, by name.
    pub galleries: Vec<Listed>,
    /// Agents that ask for a gallery that is not here.
    pub strays: Vec<Standing>,
}

/// Puts together what is here and what `agents` say.
pub(super) fn show(galleries: Vec<GalleryFacts>, agents: &[AgentFacts]) -> Shown {
    let mut galleries: Vec<Listed> =
        galleries.into_iter().map(|gallery| Listed { gallery, agents: Vec::new() }).collect();
    let mut strays = Vec::new();
    for agent in agents {
        let Some(said) = agent.health.as_ref().and_then(said) else { continue };
        let listed = galleries.iter_mut().find(|listed| listed.gallery.name == said.gallery.as_str());
        let is_current = listed.as_ref().is_some_and(|listed| said.has == Some(listed.gallery.revision));
        let standing = Standing { agent: agent.agent.clone(), is_current, said, heard_ns: agent.last_seen_ns };
        listed.map_or(&mut strays, |listed| &mut listed.agents).push(standing);
    }
    Shown { galleries, strays }
}

fn said(health: &Value) -> Option<GalleryHealth> {
    serde_json::from_value(health.pointer("/faces/from_hub")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hub::fleet::{Condition, State};

    fn agent(name: &str, health: Value) -> AgentFacts {
        AgentFacts {
            agent: name.to_owned(),
            admitted: true,
            admitted_by: String::new(),
            labels: Value::Null,
            condition: Condition { state: State::Online, since_ns: 0 },
            version: String::new(),
            first_seen_ns: 0,
            last_seen_ns: 7,
            health: Some(health),
            cameras: None,
            desired_revision: None,
            reported: None,
        }
    }

    #[test]
    fn who_has_an_older_one_is_seen_and_who_asks_for_none_that_is_here_too() {
        let gallery = GalleryFacts {
            name: "people".to_owned(),
            revision: 5,
            space: "s".to_owned(),
            sha256: String::new(),
            size: 1,
            published_by: "eve".to_owned(),
            published_ns: 0,
        };
        let health = |gallery: &str, has: u64| json!({"faces": {"from_hub": {"gallery": gallery, "has": has}}});
        let agents = [
            agent("gate", health("people", 5)),
            agent("north", health("people", 4)),
            agent("quiet", json!({"faces": {"people": 3}})),
            agent("south", health("guests", 5)),
            agent("torn", json!({"faces": {"from_hub": {"gallery": 7}}})),
        ];
        let shown = show(vec![gallery], &agents);
        let told = |all: &[Standing]| all.iter().map(|s| (s.agent.clone(), s.is_current)).collect::<Vec<_>>();
        assert_eq!(told(&shown.galleries[0].agents), [("gate".to_owned(), true), ("north".to_owned(), false)]);
        assert_eq!(told(&shown.strays), [("south".to_owned(), false)]);
    }
}
