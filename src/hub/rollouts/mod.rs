//! Rollouts: a package, or an overlay over the configuration, reaches the agents group by group, and turns back by itself.
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
//! back to what it had before when too many have said that it does not.

mod error;
mod execute;
mod facts;
pub mod key;
pub mod node;
mod order;
pub mod plan;
mod rows;
pub mod said;
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
use crate::config::{self, Overlay};
use crate::toolchain::keys::PublicKey;
use crate::vocab::Id;
use crate::wire::{DesiredConfig, LARGEST_OVERLAY, OverlayRef, PackageRef};
use order::{Candidate, Wanted};
use plan::{Action, Course, Rollout, names};
use spec::{Spec, Target};
use wishes::{Wish, WishError};

// What is taken here is what an agent takes.
const _: () = assert!(config::LARGEST_OVERLAY as u64 == LARGEST_OVERLAY);

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
        let (spec, text) = match order.wanted()? {
            Wanted::Model { slot, model, version } => {
                let terms = order.terms.of_package().map_err(RolloutError::Terms)?;
                let package = self.package(model, version).await?;
                (Spec { target: Target::Model { slot: slot.clone(), package }, terms }, None)
            }
            Wanted::Config { text, purpose } => {
                let terms = order.terms.of_overlay().map_err(RolloutError::Terms)?;
                Overlay::read(text).map_err(|faults| RolloutError::Overlay { faults })?;
                let (overlay, purpose) = (OverlayRef::of(text), purpose.to_owned());
                (Spec { target: Target::Config { overlay, purpose }, terms }, Some(text))
            }
        };
        let now = self.clock.unix_nanos();
        let mut write = rows::begin(&self.database).await?;
        let chosen = order.choose(&candidates(&mut write, now).await?)?;
        must_be_free(&mut write, &spec.target, &chosen).await?;
        let id = next_id(&mut write, &spec.target).await?;
        if let (Target::Config { overlay, .. }, Some(text)) = (&spec.target, text) {
            must_fit(&mut write, &chosen, &id, &spec, overlay, text).await?;
            rows::keep_overlay(&mut write, overlay, text).await?;
        }
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

    async fn package(&self, model: &Id, version: &Version) -> Result<PackageRef, RolloutError> {
        let version = self.registry.version(model, &version.reference()).await?;
        let size = u64::try_from(version.size).unwrap_or(0);
        Ok(PackageRef { model: model.clone(), version: version.version, sha256: version.sha256, size })
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

    /// The text of an overlay that was ever rolled out from here, by its SHA-256.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn overlay(&self, sha256: &str) -> Result<Option<String>, DatabaseError> {
        let mut read = self.database.pool().acquire().await.doing("reading an overlay")?;
        rows::overlay(&mut read, sha256).await
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
        let text = match &stored.rollout.spec.target {
            Target::Config { overlay, .. } => rows::overlay(&mut read, &overlay.sha256).await?,
            Target::Model { .. } => None,
        };
        Ok(RolloutFacts::whole(&stored, &nodes, text, now))
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

impl From<WishError> for RolloutError {
    fn from(error: WishError) -> Self {
        match error {
            WishError::Sign(error) => error.into(),
            WishError::Database(error) => error.into(),
        }
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

/// Refuses where an agent would not take this with what else is wished of it.
async fn must_fit(
    write: &mut Transaction<'static, Any>,
    chosen: &[Id],
    id: &str,
    spec: &Spec,
    overlay: &OverlayRef,
    text: &str,
) -> Result<(), RolloutError> {
    let (rollout, trial) = (id.to_owned(), spec.terms.trial.clone());
    let config = DesiredConfig { rollout, overlay: Some(overlay.clone()), text: Some(text.to_owned()), trial };
    Ok(wishes::must_fit(write, chosen, &Wish::Config(config)).await?)
}

/// Refuses where another rollout changes the same of one of these agents.
async fn must_be_free(
    write: &mut Transaction<'static, Any>,
    target: &Target,
    chosen: &[Id],
) -> Result<(), RolloutError> {
    let doing = "looking for other rollouts";
    let statement = "SELECT r.id, n.agent FROM rollouts r JOIN rollout_nodes n ON n.rollout = r.id \
         WHERE r.slot = $1 AND r.state NOT IN ('reverted', 'finished', 'aborted') ORDER BY r.created_ns, r.id, n.place";
    let rows = sqlx::query(statement).bind(target.slot()).fetch_all(&mut **write).await.doing(doing)?;
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
    Err(RolloutError::Busy { rollout, slot: target.told(), agents: names(&agents) })
}

/// A name that no rollout has had: the slot, the version, and the how-manieth one of them it is; `config` and that for the
/// configuration.
async fn next_id(write: &mut Transaction<'static, Any>, target: &Target) -> Result<String, DatabaseError> {
    let doing = "naming a rollout";
    let prefix = target.prefix();
    // Rollouts are never deleted. Another slot may be called like this one with a number behind it.
    let rows = sqlx::query("SELECT id FROM rollouts WHERE slot = $1").bind(target.slot()).fetch_all(&mut **write).await;
    let ids: Vec<String> =
        rows.doing(doing)?.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>().doing(doing)?;
    let numbers = ids.iter().filter_map(|id| id.strip_prefix(&prefix)?.parse::<u64>().ok());
    Ok(format!("{prefix}{}", numbers.max().unwrap_or(0) + 1))
}
