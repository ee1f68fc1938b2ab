//! Rows of agents and cameras as facts.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::condition::{Condition, LastWords};
use crate::hub::database::{Database, DatabaseError, Doing as _};
use crate::vocab::Id;

/// An agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentFacts {
    /// Its name.
    pub agent: String,
    /// Whether somebody has admitted it.
    pub admitted: bool,
    /// Who has.
    pub admitted_by: String,
    /// What people say of it.
    pub labels: Value,
    /// How it is.
    pub condition: Condition,
    /// Its version.
    pub version: String,
    /// When it was first heard of, in nanoseconds since 1970.
    pub first_seen_ns: i64,
    /// When it last said anything.
    pub last_seen_ns: i64,
    /// Its last health, as it came, with a single agent; null where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Value>,
    /// Its cameras, with a single agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cameras: Option<Vec<CameraFacts>>,
    /// The revision of the newest wish for it, with a single agent; null where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_revision: Option<Value>,
    /// What it reported to have of that, as it came, with a single agent; null where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<Value>,
}

/// A camera.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraFacts {
    /// Its name.
    pub camera: String,
    /// What the agent last said of it. It holds only while the agent is online.
    pub state: Value,
    /// When that was heard, in nanoseconds since 1970.
    pub heard_ns: i64,
}

const DOING: &str = "reading what is known of agents";

/// All agents, by name.
pub(super) async fn all(database: &Database, now: i64) -> Result<Vec<AgentFacts>, DatabaseError> {
    let statement = "SELECT id, admitted_ns, admitted_by, labels, first_seen_ns, last_seen_ns, status, boot, version, \
         status_ns, health, health_boot, health_ns FROM agents ORDER BY id";
    let rows = sqlx::query(statement).fetch_all(database.pool()).await.doing(DOING)?;
    rows.iter().map(|row| agent(row, now)).collect()
}

/// All agents, by name, with their health and cameras.
pub(super) async fn all_whole(database: &Database, now: i64) -> Result<Vec<AgentFacts>, DatabaseError> {
    let statement = "SELECT id, admitted_ns, admitted_by, labels, first_seen_ns, last_seen_ns, status, boot, version, \
         status_ns, health, health_boot, health_ns FROM agents ORDER BY id";
    let agents = sqlx::query(statement).fetch_all(database.pool()).await.doing(DOING)?;
    let statement = "SELECT agent, camera, state, state_ns FROM cameras ORDER BY agent, camera";
    let rows = sqlx::query(statement).fetch_all(database.pool()).await.doing(DOING)?;
    let mut cameras: BTreeMap<String, Vec<CameraFacts>> = BTreeMap::new();
    for row in &rows {
        cameras.entry(row.try_get("agent").doing(DOING)?).or_default().push(camera(row)?);
    }
    let whole = |row: &AnyRow| {
        let mut facts = agent(row, now)?;
        facts.health = Some(health(row)?);
        facts.cameras = Some(cameras.remove(&facts.agent).unwrap_or_default());
        Ok(facts)
    };
    agents.iter().map(whole).collect()
}

/// One agent, with its health and cameras.
pub(super) async fn one(database: &Database, id: &Id, now: i64) -> Result<Option<AgentFacts>, DatabaseError> {
    let statement = "SELECT id, admitted_ns, admitted_by, labels, first_seen_ns, last_seen_ns, status, boot, version, \
         status_ns, health, health_boot, health_ns FROM agents WHERE id = $1";
    let row = sqlx::query(statement).bind(id.as_str()).fetch_optional(database.pool()).await.doing(DOING)?;
    let Some(row) = row else { return Ok(None) };
    let mut facts = agent(&row, now)?;
    facts.health = Some(health(&row)?);
    let statement = "SELECT camera, state, state_ns FROM cameras WHERE agent = $1 ORDER BY camera";
    let rows = sqlx::query(statement).bind(id.as_str()).fetch_all(database.pool()).await.doing(DOING)?;
    facts.cameras = Some(rows.iter().map(camera).collect::<Result<_, _>>()?);
    let statement = "SELECT revision FROM desired WHERE agent = $1";
    let row = sqlx::query(statement).bind(id.as_str()).fetch_optional(database.pool()).await.doing(DOING)?;
    let revision: Option<i64> = row.map(|row| row.try_get("revision")).transpose().doing(DOING)?;
    facts.desired_revision = Some(revision.into());
    let statement = "SELECT document FROM reported WHERE agent = $1";
    let row = sqlx::query(statement).bind(id.as_str()).fetch_optional(database.pool()).await.doing(DOING)?;
    let document: Option<String> = row.map(|row| row.try_get("document")).transpose().doing(DOING)?;
    facts.reported = Some(document.map_or(Ok(Value::Null), |document| json(&document))?);
    Ok(Some(facts))
}

fn agent(row: &AnyRow, now: i64) -> Result<AgentFacts, DatabaseError> {
    let text = |column: &str| -> Result<String, DatabaseError> { row.try_get(column).doing(DOING) };
    let number = |column: &str| -> Result<i64, DatabaseError> { row.try_get(column).doing(DOING) };
    let admitted_ns: Option<i64> = row.try_get("admitted_ns").doing(DOING)?;
    Ok(AgentFacts {
        agent: text("id")?,
        admitted: admitted_ns.is_some(),
        admitted_by: text("admitted_by")?,
        labels: json(&text("labels")?)?,
        condition: condition(row, now)?,
        version: text("version")?,
        first_seen_ns: number("first_seen_ns")?,
        last_seen_ns: number("last_seen_ns")?,
        health: None,
        cameras: None,
        desired_revision: None,
        reported: None,
    })
}

/// How the agent is whose last words are in `row`.
pub(in crate::hub) fn condition(row: &AnyRow, now: i64) -> Result<Condition, DatabaseError> {
    let text = |column: &str| -> Result<String, DatabaseError> { row.try_get(column).doing(DOING) };
    let number = |column: &str| -> Result<i64, DatabaseError> { row.try_get(column).doing(DOING) };
    let (status, boot, health_boot) = (text("status")?, text("boot")?, text("health_boot")?);
    let words = LastWords {
        status: &status,
        boot: &boot,
        status_ns: number("status_ns")?,
        health_boot: &health_boot,
        health_ns: number("health_ns")?,
    };
    Ok(Condition::of(words, now))
}

fn health(row: &AnyRow) -> Result<Value, DatabaseError> {
    let health: String = row.try_get("health").doing(DOING)?;
    if health.is_empty() { Ok(Value::Null) } else { json(&health) }
}

fn camera(row: &AnyRow) -> Result<CameraFacts, DatabaseError> {
    let state: String = row.try_get("state").doing(DOING)?;
    Ok(CameraFacts {
        camera: row.try_get("camera").doing(DOING)?,
        state: json(&state)?,
        heard_ns: row.try_get("state_ns").doing(DOING)?,
    })
}

fn json(text: &str) -> Result<Value, DatabaseError> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error))).doing(DOING)
}
