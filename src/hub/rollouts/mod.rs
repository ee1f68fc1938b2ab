//! Rollouts: a package reaches the agents group by group, and turns back by itself.
//!
//! ```text
//!   api ──▶ Rollouts ──order, pause, resume, approve, abort──▶ database ◀──reported── intake ◀── agents
//!                                                               ▲   │
//!                                        one transaction a step │   ▼
//!                                                             Executor ──desired, retained and signed──▶ broker ──▶ agents
//!                                                               │ ▲
//!                                                               ▼ │
//!                                                              plan   pure
//! ```
//!
//! An agent carries a wish out by itself, and says with evidence how that ended. The hub never asks an agent to believe it:
//! it only tells the next group when enough of the one before have said that the package stays, and tells every agent to go
//! back to its own previous package when too many have said that it does not.

mod error;
mod execute;
mod facts;
pub mod key;
pub mod node;
mod order;
pub mod plan;
mod rows;
pub mod spec;
#[cfg(test)]
mod tests;
mod wishes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};
use tokio::sync::Notify;

pub use error::RolloutError;
pub use execute::Executor;
pub use facts::{GroupFacts, NodeFacts, RolloutFacts};
pub use order::{Order, Version};

use super::access::{Audit, Caller, Change};
use super::database::{Database, DatabaseError, Doing as _};
use super::fleet;
use super::registry::Registry;
use crate::base::clock::SharedClock;
use crate::toolchain::keys::PublicKey;
use crate::vocab::Id;
use crate::wire::PackageRef;
use order::Candidate;
use plan::{Action, Course, Rollout, names};
use spec::Spec;

/// The most rollouts in a list.
const LISTED: i64 = 200;

/// All rollouts. Cloning is cheap.
#[derive(Clone)]
pub struct Rollouts {
    database: Database,
    registry: Registry,
    clock: SharedClock,
    key: PublicKey,
    news: Arc<Notify>,
    has_broker: bool,
}

impl Rollouts {
    /// The rollouts in `database`, of packages in `registry`. `key` is what wishes are signed with, and `news` is rung when
    /// something was ordered; without a broker nothing can be.
    pub fn new(
        database: Database,
        registry: Registry,
        clock: SharedClock,
        key: PublicKey,
        news: Arc<Notify>,
        has_broker: bool,
    ) -> Self {
        Self { database, registry, clock, key, news, has_broker }
    }

    /// The public half of the key that wishes are signed with.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// Orders a rollout.
    ///
    /// # Errors
    /// When it names what is not there, another one is at it, it cannot be done so, or the database fails.
    pub async fn order(&self, by: &Caller, order: &Order) -> Result<RolloutFacts, RolloutError> {
        if !self.has_broker {
            return Err(RolloutError::NoBroker);
        }
        if let Some(fault) = order.terms.fault() {
            return Err(RolloutError::Terms(fault));
        }
        let version = self.registry.version(&order.model, &order.version.reference()).await?;
        let (model, sha256) = (order.model.clone(), version.sha256);
        let size = u64::try_from(version.size).unwrap_or(0);
        let package = PackageRef { model, version: version.version, sha256, size };
        let spec = Spec { slot: order.slot.clone(), package, terms: order.terms.clone() };
        let now = self.clock.unix_nanos();
        let mut write = rows::begin(&self.database).await?;
        let chosen = order.choose(&candidates(&mut write, now).await?)?;
        must_be_free(&mut write, &spec.slot, &chosen).await?;
        let id = next_id(&mut write, &spec).await?;
        let groups = spec.terms.group(chosen.len());
        let nodes: Vec<(Id, u32)> = chosen.into_iter().zip(groups).collect();
        let rollout = Rollout { id, spec, course: Course::new() };
        rows::insert(&mut write, &rollout, &nodes, &by.name, now).await?;
        let agents: Vec<&Id> = nodes.iter().map(|(agent, _)| agent).collect();
        let details = json!({ "spec": rollout.spec, "agents": agents });
        Audit::note(&mut write, now, by, &Change { action: "rollout.order", object: &rollout.id, details }).await?;
        write.commit().await.doing("ordering a rollout")?;
        self.news.notify_one();
        self.show(&rollout.id).await
    }

    /// The newest rollouts, the newest first, without their nodes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self) -> Result<Vec<RolloutFacts>, RolloutError> {
        let mut read = self.database.pool().begin().await.doing("listing the rollouts")?;
        let mut counts: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (rollout, group, stage, many) in rows::counts(&mut read).await? {
            counts.entry(rollout).or_default().push((group, stage, many));
        }
        let newest = rows::newest(&mut read, LISTED).await?;
        let facts = |stored: &rows::Stored| {
            RolloutFacts::of(stored, counts.remove(&stored.rollout.id).unwrap_or_default().into_iter())
        };
        Ok(newest.iter().map(facts).collect())
    }

    /// One rollout with its nodes.
    ///
    /// # Errors
    /// When there is none of that name, or the database fails.
    pub async fn show(&self, id: &str) -> Result<RolloutFacts, RolloutError> {
        let now = self.clock.unix_nanos();
        let mut read = self.database.pool().begin().await.doing("reading a rollout")?;
        let stored = rows::one(&mut read, id).await?.ok_or_else(|| missing(id))?;
        let nodes = rows::nodes(&mut read, id, None, now).await?;
        Ok(RolloutFacts::with_nodes(&stored, &nodes, now))
    }

    /// Pauses, resumes, approves of or aborts a rollout.
    ///
    /// # Errors
    /// When there is none of that name, it is not such that this can be done, or the database fails.
    pub async fn act(&self, by: &Caller, id: &str, action: Action) -> Result<RolloutFacts, RolloutError> {
        let now = self.clock.unix_nanos();
        let mut write = rows::begin(&self.database).await?;
        let stored = rows::one(&mut write, id).await?.ok_or_else(|| missing(id))?;
        let course = plan::act(&stored.rollout.course, action, &by.name);
        let state = stored.rollout.course.state;
        let unfit = || RolloutError::State { id: id.to_owned(), state, action: action.as_str() };
        let course = course.ok_or_else(unfit)?;
        rows::move_to(&mut write, id, &course, now).await?;
        let details = json!({ "before": state, "state": course.state });
        Audit::note(&mut write, now, by, &Change { action: noted(action), object: id, details }).await?;
        write.commit().await.doing("changing a rollout")?;
        self.news.notify_one();
        self.show(id).await
    }
}

fn noted(action: Action) -> &'static str {
    match action {
        Action::Pause => "rollout.pause",
        Action::Resume => "rollout.resume",
        Action::Approve => "rollout.approve",
        Action::Abort => "rollout.abort",
    }
}

fn missing(id: &str) -> RolloutError {
    RolloutError::NoRollout { id: id.chars().take(120).collect() }
}

/// All agents that were ever heard of, by name.
async fn candidates(write: &mut Transaction<'static, Any>, now: i64) -> Result<Vec<Candidate>, DatabaseError> {
    let doing = "looking for agents";
    let statement =
        "SELECT id, admitted_ns, labels, status, boot, status_ns, health_boot, health_ns FROM agents ORDER BY id";
    let rows = sqlx::query(statement).fetch_all(&mut **write).await.doing(doing)?;
    let candidate = |row: &AnyRow| {
        let decoded = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
        let (agent, labels): (String, String) = (row.try_get("id").doing(doing)?, row.try_get("labels").doing(doing)?);
        let admitted_ns: Option<i64> = row.try_get("admitted_ns").doing(doing)?;
        Ok(Candidate {
            agent: Id::new(&agent).map_err(|error| decoded(Box::new(error))).doing(doing)?,
            is_admitted: admitted_ns.is_some(),
            is_online: fleet::condition(row, now)?.state == fleet::State::Online,
            labels: serde_json::from_str(&labels).map_err(|error| decoded(Box::new(error))).doing(doing)?,
        })
    };
    rows.iter().map(candidate).collect()
}

/// Refuses where another rollout changes the same model of one of these agents.
async fn must_be_free(write: &mut Transaction<'static, Any>, slot: &Id, chosen: &[Id]) -> Result<(), RolloutError> {
    let doing = "looking for other rollouts";
    let statement = "SELECT r.id, n.agent FROM rollouts r JOIN rollout_nodes n ON n.rollout = r.id \
         WHERE r.slot = $1 AND r.state NOT IN ('reverted', 'finished', 'aborted') ORDER BY r.created_ns, r.id, n.place";
    let rows = sqlx::query(statement).bind(slot.as_str()).fetch_all(&mut **write).await.doing(doing)?;
    let chosen: BTreeSet<&str> = chosen.iter().map(Id::as_str).collect();
    let mut busy: Vec<(String, Id)> = Vec::new();
    for row in &rows {
        let (id, agent): (String, String) = (row.try_get("id").doing(doing)?, row.try_get("agent").doing(doing)?);
        if chosen.contains(agent.as_str()) {
            busy.extend(Id::new(&agent).map(|agent| (id, agent)));
        }
    }
    let Some((rollout, _)) = busy.first().cloned() else { return Ok(()) };
    let agents: Vec<&Id> = busy.iter().filter(|(id, _)| *id == rollout).map(|(_, agent)| agent).collect();
    Err(RolloutError::Busy { rollout, slot: slot.to_string(), agents: names(&agents) })
}

/// A name that no rollout has had: the slot, the version, and the how-manieth one of them it is.
async fn next_id(write: &mut Transaction<'static, Any>, spec: &Spec) -> Result<String, DatabaseError> {
    let doing = "naming a rollout";
    let prefix = format!("{}-{}-", spec.slot, spec.package.version);
    // Rollouts are never deleted. Another slot may be called like this one with a number behind it.
    let rows =
        sqlx::query("SELECT id FROM rollouts WHERE slot = $1").bind(spec.slot.as_str()).fetch_all(&mut **write).await;
    let ids: Vec<String> =
        rows.doing(doing)?.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>().doing(doing)?;
    let numbers = ids.iter().filter_map(|id| id.strip_prefix(&prefix)?.parse::<u64>().ok());
    Ok(format!("{prefix}{}", numbers.max().unwrap_or(0) + 1))
}
