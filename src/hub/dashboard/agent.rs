//! One agent: how it is, its cameras, models and latencies, what waits and what is missing, what went on; admitting and
//! labelling it.

use std::collections::BTreeMap;

use askama::Template;
use axum::Extension;
use axum::extract::{self, Path};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::Value;

use super::Dashboard;
use super::credentials::Credentials;
use super::events::Row;
use super::explained::{Fact, text};
use super::fleet::{Camera, State, labels};
use super::frame::{Frame, Visitor, page};
use super::gate::Fields;
use super::navigation::FLEET;
use super::told::{When, bytes, number, seconds, short};
use super::trouble::Trouble;
use crate::hub::access::{Caller, Role};
use crate::hub::events::{history, query};
use crate::hub::fleet::AgentFacts;
use crate::vocab::Id;

/// How many changes of state are shown.
const SHOWN: u16 = 40;

#[derive(Template)]
#[template(path = "agent.html")]
struct Agent {
    frame: Frame,
    agent: String,
    state: State,
    since: When,
    admitted: bool,
    admitted_by: String,
    first_seen: When,
    last_seen: Option<When>,
    facts: Vec<Fact>,
    cameras: Vec<Camera>,
    stages: Vec<Stage>,
    models: Vec<Model>,
    spools: Vec<Spool>,
    missing: Vec<Missing>,
    changes: Vec<Row>,
    labels: String,
    may_change: bool,
    /// Its account at the broker, for whoever may know of it.
    credentials: Option<Credentials>,
}

/// The latency of a stage.
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) p50: String,
    pub(super) p95: String,
    pub(super) p99: String,
    pub(super) count: u64,
}

/// A model of the agent.
struct Model {
    name: String,
    version: String,
    asked: String,
    obtained: String,
    cause: String,
    inferences: u64,
    /// How often its own process was started again.
    restarts: u64,
}

/// What waits of one class.
struct Spool {
    class: String,
    records: u64,
    bytes: String,
    oldest: String,
    lost: u64,
}

/// What is missing of one spool.
struct Missing {
    class: String,
    epoch: String,
    upto: u64,
    highest: u64,
    ranges: String,
    /// What the agent will not send any more.
    given_up: String,
}

pub(super) async fn show(
    extract::State(dashboard): extract::State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Path(agent): Path<String>,
) -> Result<Response, Trouble> {
    let id = id(&agent)?;
    let facts = dashboard.shared.fleet.agent(&id).await?;
    let database = &dashboard.shared.database;
    let missing = query::spools(database, id.as_str()).await?;
    let changes = history::changes(database, id.as_str(), None, SHOWN).await?;
    let credentials = match visitor.may(Role::Admin) {
        true => Some(Credentials::of(&dashboard, &visitor, &id).await?),
        false => None,
    };
    let health = facts.health.clone().unwrap_or_default();
    let state = State::of(&facts);
    page(&Agent {
        frame: Frame::new(&visitor, facts.agent.clone(), Some(FLEET)),
        state,
        since: When::at(facts.condition.since_ns),
        admitted: facts.admitted,
        admitted_by: facts.admitted_by.clone(),
        first_seen: When::at(facts.first_seen_ns),
        last_seen: (facts.last_seen_ns > 0).then(|| When::at(facts.last_seen_ns)),
        facts: general(&facts, &health),
        cameras: facts.cameras.iter().flatten().map(|camera| Camera::of(camera, state)).collect(),
        stages: stages(&health),
        models: entries(&health, "models").map(|(name, model)| Model::of(name, model)).collect(),
        spools: entries(&health, "spool").filter_map(|(class, spool)| Spool::of(class, spool)).collect(),
        missing: missing.iter().map(Missing::of).collect(),
        changes: changes.iter().map(Row::of).collect(),
        labels: labels(&facts.labels).iter().map(|(name, text)| format!("{name}={text}\n")).collect(),
        may_change: visitor.may(Role::Operator),
        credentials,
        agent: facts.agent,
    })
}

/// The entries of an object of a health message.
fn entries<'a>(health: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    health.get(name).and_then(Value::as_object).into_iter().flatten()
}

fn count(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn general(facts: &AgentFacts, health: &Value) -> Vec<Fact> {
    let mut all = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        all.extend(value.filter(|value| !value.is_empty()).map(|value| Fact { name: name.to_owned(), value }));
    };
    let known = |pointer: &str| health.pointer(pointer).and_then(Value::as_u64);
    add("Version", Some(facts.version.clone()));
    add("Running for", known("/uptime_s").map(seconds));
    add("Configuration", text(health, "/config_revision").map(str::to_owned));
    add("Clock", text(health, "/clock").map(str::to_owned));
    add(
        "Processor",
        health.pointer("/resources/cpu_cores").and_then(Value::as_f64).map(|n| format!("{} cores", number(n))),
    );
    add("Memory", known("/resources/rss_bytes").map(bytes));
    add("Free on the disk", known("/resources/disk_free_bytes").map(bytes));
    add("Broker lost", text(health, "/mqtt/last_error").map(str::to_owned));
    add("Delivery", text(health, "/mqtt/stalled_since").map(|since| format!("nothing acknowledged since {since}")));
    add("Spool", text(health, "/spool/degraded").map(|why| format!("in memory only: {why}")));
    all
}

/// The latencies that a health message tells.
pub(super) fn stages(health: &Value) -> Vec<Stage> {
    let stage = |(name, latency): (&String, &Value)| {
        let ms = |name: &str| latency.get(name).and_then(Value::as_f64).map_or_else(|| "–".to_owned(), number);
        Stage {
            name: name.clone(),
            p50: ms("p50_ms"),
            p95: ms("p95_ms"),
            p99: ms("p99_ms"),
            count: count(latency, "count"),
        }
    };
    entries(health, "stages").map(stage).collect()
}

impl Model {
    fn of(name: &str, model: &Value) -> Self {
        let said = |pointer| text(model, pointer).unwrap_or_default().to_owned();
        Self {
            name: name.to_owned(),
            version: text(model, "/version").map_or_else(|| short(&said("/sha256"), 12), str::to_owned),
            asked: said("/asked"),
            obtained: said("/obtained"),
            cause: said("/cause"),
            inferences: count(model, "inferences"),
            restarts: count(model, "restarts"),
        }
    }
}

impl Spool {
    fn of(class: &str, spool: &Value) -> Option<Self> {
        spool.as_object()?;
        Some(Self {
            class: class.to_owned(),
            records: count(spool, "records"),
            bytes: bytes(count(spool, "bytes")),
            oldest: seconds(count(spool, "oldest_s")),
            lost: count(spool, "lost"),
        })
    }
}

impl Missing {
    fn of(spool: &query::SpoolFacts) -> Self {
        Self {
            class: spool.class.clone(),
            epoch: spool.epoch.clone(),
            upto: spool.upto,
            highest: spool.highest,
            ranges: listed(&spool.missing),
            given_up: listed(&spool.given_up),
        }
    }
}

/// Ranges of numbers, the first twenty.
fn listed(ranges: &[(u64, u64)]) -> String {
    let range = |(first, last): &(u64, u64)| {
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    };
    let shown: Vec<String> = ranges.iter().take(20).map(range).collect();
    shown.join(", ") + if ranges.len() > 20 { " and more" } else { "" }
}

pub(super) fn id(text: &str) -> Result<Id, Trouble> {
    Id::new(text).map_err(|error| Trouble::new(StatusCode::NOT_FOUND, error))
}

pub(super) fn caller(visitor: &Visitor) -> Result<&Caller, Trouble> {
    visitor.caller.as_ref().ok_or_else(|| Trouble::new(StatusCode::UNAUTHORIZED, "Sign in first."))
}

/// Admits the agent, or takes that back.
pub(super) async fn admit(
    extract::State(dashboard): extract::State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path(agent): Path<String>,
) -> Result<Response, Trouble> {
    let id = id(&agent)?;
    dashboard.shared.fleet.admit(caller(&visitor)?, &id, fields.get("admitted") == "yes").await?;
    Ok(Redirect::to(&format!("/ui/agents/{id}")).into_response())
}

/// Replaces the labels: `name=text`, one a line.
pub(super) async fn label(
    extract::State(dashboard): extract::State<Dashboard>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path(agent): Path<String>,
) -> Result<Response, Trouble> {
    let id = id(&agent)?;
    let labels = read_labels(fields.get("labels"))?;
    dashboard.shared.fleet.label(caller(&visitor)?, &id, &labels).await?;
    Ok(Redirect::to(&format!("/ui/agents/{id}")).into_response())
}

fn read_labels(lines: &str) -> Result<BTreeMap<Id, String>, Trouble> {
    let label = |line: &str| {
        let (name, text) = line.split_once('=').unwrap_or((line, ""));
        let name = Id::new(name.trim()).map_err(|error| Trouble::new(StatusCode::BAD_REQUEST, error))?;
        Ok((name, text.trim().to_owned()))
    };
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(label).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_read_a_line_each_and_nothing_else_is_taken_for_one() {
        let read = read_labels("region=north\r\n\n kind = depot \nurgent").unwrap();
        let told: Vec<_> = read.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(told, [("kind", "depot"), ("region", "north"), ("urgent", "")]);
        assert!(read_labels("No Id=1").is_err());
    }

    #[test]
    fn of_many_ranges_the_first_are_told() {
        assert_eq!(listed(&[]), "");
        assert_eq!(listed(&[(2, 2), (5, 9)]), "2, 5–9");
        assert!(listed(&[(1, 1); 21]).ends_with(" and more"));
    }

    #[test]
    fn what_an_agent_says_of_itself_may_be_anything() {
        let strange =
            json!({"stages": {"detect": {"p50_ms": 21.456}, "x": 7}, "models": [], "spool": {"degraded": "full"}});
        let told = stages(&strange);
        assert_eq!((told[0].p50.as_str(), told[0].p95.as_str(), told[1].p50.as_str()), ("21.46", "–", "–"));
        assert_eq!(entries(&strange, "models").count(), 0);
        assert!(entries(&strange, "spool").all(|(class, spool)| Spool::of(class, spool).is_none()));
    }
}
