//! The fleet: every agent, how it is, its cameras, what waits there and what is missing here.

use std::collections::BTreeMap;

use askama::Template;
use axum::Extension;
use axum::extract::{self, Query};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::Dashboard;
use super::explained::text;
use super::frame::{Frame, Visitor, page, polled};
use super::navigation::FLEET;
use super::told::{When, seconds};
use super::trouble::Trouble;
use crate::hub::events::history;
use crate::hub::fleet::{AgentFacts, CameraFacts, State as AgentState};

/// Which agents are shown.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    state: String,
    label: String,
}

#[derive(Template)]
#[template(path = "fleet.html")]
struct Fleet {
    frame: Frame,
    wanted: Wanted,
    list: List,
}

/// The part that changes.
#[derive(Template)]
#[template(path = "fleet_list.html")]
struct List {
    query: String,
    /// Why what stands here may be old.
    warning: Option<String>,
    agents: Vec<Row>,
    known: usize,
    counts: Vec<(State, usize)>,
}

/// An agent in the list.
struct Row {
    agent: String,
    state: State,
    since: When,
    version: String,
    cameras: Vec<Camera>,
    backlog: Option<String>,
    missing: u64,
    labels: Vec<(String, String)>,
    admitted: bool,
}

/// How an agent is, in a word and with a class for the style sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State(AgentState);

/// A camera in the list.
pub(super) struct Camera {
    pub(super) camera: String,
    pub(super) state: String,
    pub(super) cause: String,
    pub(super) since: Option<When>,
    /// What else ails its picture.
    pub(super) ailments: Vec<Ailment>,
    /// Whether that holds: what an agent last said of its cameras is worth nothing once it is silent.
    pub(super) holds: bool,
}

/// Something that ails a camera's picture while it streams.
pub(super) struct Ailment {
    pub(super) name: String,
    pub(super) cause: String,
    pub(super) since: Option<When>,
}

impl State {
    const ALL: [Self; 4] =
        [Self(AgentState::Online), Self(AgentState::Silent), Self(AgentState::Offline), Self(AgentState::Unknown)];

    pub(super) fn of(facts: &AgentFacts) -> Self {
        Self(facts.condition.state)
    }

    pub(super) fn name(self) -> &'static str {
        match self.0 {
            AgentState::Online => "online",
            AgentState::Offline => "offline",
            AgentState::Silent => "silent",
            AgentState::Unknown => "unknown",
        }
    }

    pub(super) fn since(self) -> &'static str {
        match self.0 {
            AgentState::Online | AgentState::Offline => "since",
            AgentState::Silent => "last heard",
            AgentState::Unknown => "has never said whether it is there",
        }
    }

    pub(super) fn is_known(self) -> bool {
        self.0 != AgentState::Unknown
    }
}

impl Camera {
    /// What is known of a camera, while its agent is in this state.
    pub(super) fn of(facts: &CameraFacts, agent: State) -> Self {
        let said = |pointer| text(&facts.state, pointer).unwrap_or_default().to_owned();
        Self {
            camera: facts.camera.clone(),
            state: said("/state"),
            cause: said("/cause"),
            since: When::read(&said("/since")),
            ailments: ailments(&facts.state),
            holds: agent.0 == AgentState::Online,
        }
    }

    /// A class for the style sheet.
    pub(super) fn class(&self) -> &'static str {
        match self.state.as_str() {
            _ if !self.holds => "past",
            "streaming" if self.ailments.is_empty() => "good",
            "streaming" => "fair",
            "disabled" | "ended" => "calm",
            "connecting" => "fair",
            _ => "bad",
        }
    }
}

fn ailments(state: &Value) -> Vec<Ailment> {
    let all = state.get("conditions").and_then(Value::as_array).into_iter().flatten();
    let read = |said: &Value| {
        Some(Ailment {
            name: text(said, "/condition")?.to_owned(),
            cause: text(said, "/cause").unwrap_or_default().to_owned(),
            since: text(said, "/since").and_then(When::read),
        })
    };
    all.filter_map(read).collect()
}

pub(super) async fn show(
    extract::State(dashboard): extract::State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Trouble> {
    let list = look(&dashboard, &wanted).await?;
    page(&Fleet { frame: Frame::new(&visitor, "Fleet", Some(FLEET)), wanted, list })
}

pub(super) async fn list(
    extract::State(dashboard): extract::State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Trouble> {
    polled(&visitor, &look(&dashboard, &wanted).await?)
}

async fn look(dashboard: &Dashboard, wanted: &Wanted) -> Result<List, Trouble> {
    let agents = dashboard.shared.fleet.whole_agents().await?;
    let missing = history::missing(&dashboard.shared.database).await?;
    let counts = State::ALL.map(|state| (state, agents.iter().filter(|facts| State::of(facts) == state).count()));
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("state", &wanted.state)
        .append_pair("label", &wanted.label)
        .finish();
    Ok(List {
        query,
        warning: warning(dashboard),
        known: agents.len(),
        counts: counts.into_iter().filter(|(_, count)| *count > 0).collect(),
        agents: agents.iter().filter(|facts| is_wanted(facts, wanted)).map(|facts| row(facts, &missing)).collect(),
    })
}

/// What is wrong with the hub's own hearing.
fn warning(dashboard: &Dashboard) -> Option<String> {
    let Some(gauge) = &dashboard.shared.intake else {
        return Some("This hub has no broker in its configuration: it hears of no agent.".to_owned());
    };
    let link = gauge.link();
    if link.connected_since.is_some() {
        let failing = dashboard.shared.broker_files.as_ref()?.borrow().failing.clone()?;
        return Some(format!("The broker does not know its accounts as they are: {failing}. The hub tries again."));
    }
    let why = link.last_error.map(|error| format!(": {error}")).unwrap_or_default();
    Some(format!("This hub is not connected to the broker{why}. What stands here may be old."))
}

fn is_wanted(facts: &AgentFacts, wanted: &Wanted) -> bool {
    let (key, value) = wanted.label.split_once('=').unwrap_or((&wanted.label, ""));
    let (key, value) = (key.trim(), value.trim());
    let has_label = |(name, text): &(String, String)| {
        if wanted.label.contains('=') { name == key && text == value } else { name == key || text == key }
    };
    (wanted.state.is_empty() || State::of(facts).name() == wanted.state)
        && (key.is_empty() || labels(&facts.labels).iter().any(has_label))
}

/// What people say of an agent.
pub(super) fn labels(labels: &Value) -> Vec<(String, String)> {
    let pairs = labels.as_object().into_iter().flatten();
    pairs.map(|(name, text)| (name.clone(), text.as_str().unwrap_or_default().to_owned())).collect()
}

fn row(facts: &AgentFacts, missing: &BTreeMap<String, u64>) -> Row {
    let state = State::of(facts);
    Row {
        agent: facts.agent.clone(),
        state,
        since: When::at(facts.condition.since_ns),
        version: facts.version.clone(),
        cameras: facts.cameras.iter().flatten().map(|camera| Camera::of(camera, state)).collect(),
        backlog: facts.health.as_ref().and_then(backlog),
        missing: missing.get(&facts.agent).copied().unwrap_or(0),
        labels: labels(&facts.labels),
        admitted: facts.admitted,
    }
}

/// What waits at an agent to be sent; none where it has not said.
fn backlog(health: &Value) -> Option<String> {
    let classes: Vec<&Value> = health.get("spool")?.as_object()?.values().collect();
    let of = |name: &str| classes.iter().filter_map(|class| class.get(name)?.as_u64()).collect::<Vec<_>>();
    let (records, oldest) = (of("records").iter().sum::<u64>(), of("oldest_s").into_iter().max().unwrap_or(0));
    let degraded = health.pointer("/spool/degraded").and_then(Value::as_str);
    let degraded = degraded.map(|why| format!("; in memory only: {why}")).unwrap_or_default();
    let waits = if records == 0 { "nothing".to_owned() } else { format!("{records}, the oldest {}", seconds(oldest)) };
    let stalled = health.pointer("/mqtt/stalled_since").and_then(Value::as_str);
    let stalled = stalled.map(|since| format!("; nothing acknowledged since {since}")).unwrap_or_default();
    Some(waits + &stalled + &degraded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hub::fleet::Condition;

    fn facts(state: AgentState, labels: Value) -> AgentFacts {
        AgentFacts {
            agent: "gate".to_owned(),
            admitted: true,
            admitted_by: String::new(),
            labels,
            condition: Condition { state, since_ns: 0 },
            version: String::new(),
            first_seen_ns: 0,
            last_seen_ns: 0,
            health: None,
            cameras: None,
            desired_revision: None,
            reported: None,
        }
    }

    #[test]
    fn agents_are_found_by_state_and_label() {
        let gate = facts(AgentState::Silent, json!({"region": "north", "kind": "depot"}));
        let wanted =
            |state: &str, label: &str| is_wanted(&gate, &Wanted { state: state.to_owned(), label: label.to_owned() });
        assert!(wanted("", "") && wanted("silent", "") && wanted("", "region=north") && wanted("silent", "region"));
        assert!(wanted("", "north") && wanted("", " region = north "));
        assert!(!wanted("online", "") && !wanted("", "region=south") && !wanted("", "south"));
    }

    #[test]
    fn a_camera_is_as_its_agent_says_only_while_that_speaks() {
        let camera = CameraFacts { camera: "door".to_owned(), state: json!({"state": "streaming"}), heard_ns: 0 };
        assert_eq!(Camera::of(&camera, State(AgentState::Online)).class(), "good");
        assert_eq!(Camera::of(&camera, State(AgentState::Silent)).class(), "past");
    }

    #[test]
    fn a_camera_that_streams_and_is_out_of_focus_is_not_well() {
        let ailing = json!({"condition": "defocused", "since": "2026-11-23T14:27:53.120Z", "cause": "no detail"});
        let state = json!({"state": "streaming", "conditions": [ailing, {"cause": "of nothing"}, 7]});
        let camera = CameraFacts { camera: "door".to_owned(), state, heard_ns: 0 };
        let shown = Camera::of(&camera, State(AgentState::Online));
        assert_eq!(shown.class(), "fair");
        let told: Vec<(&str, &str)> = shown.ailments.iter().map(|a| (a.name.as_str(), a.cause.as_str())).collect();
        assert_eq!(told, [("defocused", "no detail")]);
    }

    #[test]
    fn a_backlog_is_told_with_its_age_and_is_unknown_without_health() {
        let health =
            json!({"spool": {"alert": {"records": 2, "oldest_s": 3}, "event": {"records": 5, "oldest_s": 300}}});
        assert_eq!(backlog(&health).unwrap(), "7, the oldest 5 min");
        assert_eq!(
            backlog(&json!({"spool": {"alert": {"records": 0}, "degraded": "disk full"}})).unwrap(),
            "nothing; in memory only: disk full"
        );
        let stalled = json!({"spool": {"alert": {"records": 1, "oldest_s": 60}}, "mqtt": {"stalled_since": "12:00"}});
        assert_eq!(backlog(&stalled).unwrap(), "1, the oldest 60 s; nothing acknowledged since 12:00");
        assert_eq!(backlog(&Value::Null), None);
    }
}
