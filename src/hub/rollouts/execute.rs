//! Carries rollouts out: what the planner decides is written down, signed wishes and all, in one transaction, and only then
//! published. A hub that is killed at any point goes on from what is written down.
//!
//! ```text
//!   every second, and when something was heard or ordered:
//!     each rollout that is not settled:  read it and its nodes ─▶ plan ─▶ write wishes, nodes, rollout ─▶ commit
//!     then:                              publish, retained, every wish that this connection has not published
//! ```
//!
//! What was published is remembered for one connection alone. So after each new connection all wishes are published again,
//! also those that a broker has lost or that another hub on the same database wrote down.
//!
//! Nothing is decided while this hub cannot hear the agents: it would take them for silent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sqlx::{Any, Transaction};
use tokio::sync::Notify;

use super::node::{Node, Standing};
use super::plan::{Course, Plan, Rollout, Turn, plan, turn_back};
use super::rows::{self, Fault, StoredNode};
use super::said::Evidence;
use super::spec::{Artifact, Spec, Target};
use super::wishes::{self, Wish, WishError};
use crate::base::clock::SharedClock;
use crate::base::shutdown::Stopping;
use crate::hub::access::{AccessError, Audit, Caller, Change, Role};
use crate::hub::database::{Database, DatabaseError, Doing as _};
use crate::mqtt::consumer::Publisher;
use crate::toolchain::keys::SecretKey;
use crate::vocab::Id;
use crate::wire::{DesiredConfig, DesiredModel, Topics};

/// How often rollouts are looked at, at least.
const TICK: Duration = Duration::from_secs(1);
/// How soon the next wishes are published where some are left, and how long further news is gathered.
const SOON: Duration = Duration::from_millis(100);
/// How many wishes are published at a time: acknowledgements of events wait behind them.
const AT_A_TIME: usize = 64;
/// How long a new connection may take to bring what all agents last said. Nothing is decided before.
const LISTENING: Duration = Duration::from_secs(2);
/// Who made the changes that nobody ordered. No token can have this name.
const HUB: &str = "(hub)";

/// Carries out what is ordered.
pub struct Executor {
    pub(super) database: Database,
    pub(super) clock: SharedClock,
    pub(super) key: SecretKey,
    pub(super) news: Arc<Notify>,
    publisher: Publisher,
    published: Published,
}

/// Which wishes were published at the connection that there is.
#[derive(Default)]
struct Published {
    connection: u64,
    /// When the connection was first seen, on the clock that nobody sets.
    since: Duration,
    revisions: BTreeMap<Id, i64>,
}

/// Why a rollout was not looked at.
#[derive(Debug, thiserror::Error)]
enum ExecuteError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl Executor {
    /// Carries out what is in `database`, at the broker of `publisher`; `news` is rung when there is something to do.
    pub fn new(
        database: Database,
        clock: SharedClock,
        key: SecretKey,
        publisher: Publisher,
        news: Arc<Notify>,
    ) -> Self {
        Self { database, clock, key, news, publisher, published: Published::default() }
    }

    /// Carries out until it is time to stop.
    pub async fn run(mut self, stopping: Stopping) {
        let mut wait = TICK;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // Reports come many at once.
                () = self.news.notified() => tokio::time::sleep(SOON).await,
                () = stopping.stopped() => return,
            }
            wait = match self.tick().await {
                Ok(true) => SOON,
                Ok(false) => TICK,
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, cause, "rollouts stand still");
                    TICK
                }
            };
        }
    }

    /// Does what is due; whether some wishes are left to be published.
    async fn tick(&mut self) -> Result<bool, ExecuteError> {
        let status = self.publisher.status();
        let Some(since) = status.connected_since else { return Ok(false) };
        if self.published.connection != status.connections {
            let since = self.clock.mono();
            self.published = Published { connection: status.connections, since, revisions: BTreeMap::new() };
        }
        if self.clock.mono().saturating_sub(self.published.since) >= LISTENING {
            let mut read = self.database.pool().acquire().await.doing("looking for rollouts")?;
            let ids = rows::unsettled(&mut read).await?;
            drop(read);
            for id in ids {
                self.advance(&id, since).await?;
            }
        }
        self.publish().await
    }

    /// One step of one rollout, in one transaction.
    async fn advance(&self, id: &str, link_ns: i64) -> Result<(), ExecuteError> {
        let Some(mut write) = rows::try_begin(&self.database).await? else { return Ok(()) };
        let now = self.clock.unix_nanos();
        let Some(stored) = rows::one(&mut write, id).await? else { return Ok(()) };
        let nodes = rows::nodes(&mut write, id, Some(link_ns), now).await?;
        let rollout = stored.rollout;
        let plan = plan(&rollout, &nodes.iter().map(|stored| stored.node.clone()).collect::<Vec<_>>(), now);
        for stored in &nodes {
            note_standing(&mut write, &rollout, stored, now).await?;
        }
        let (mut write, course) = match self.carry_out(&mut write, &rollout, &nodes, &plan, now).await {
            Ok(()) => (write, plan.course),
            // Something else was wished of an agent since this was ordered. Nobody of the group is told.
            Err(WishError::Sign(error)) => {
                write.rollback().await.doing("advancing a rollout")?;
                let Some(write) = rows::try_begin(&self.database).await? else { return Ok(()) };
                (write, turn_back(&rollout.course, error.to_string()))
            }
            Err(WishError::Database(error)) => return Err(error.into()),
        };
        if course != rollout.course {
            move_to(&mut write, &rollout, stored.changed_ns, &course, now).await?;
        }
        write.commit().await.doing("advancing a rollout")?;
        if course.state != rollout.course.state {
            let (state, why) = (course.state.as_str(), course.why);
            tracing::info!(rollout = id, state, why, "a rollout has a new state");
        }
        Ok(())
    }

    /// Writes down the wishes of a plan.
    async fn carry_out(
        &self,
        write: &mut Transaction<'static, Any>,
        rollout: &Rollout,
        nodes: &[StoredNode],
        plan: &Plan,
        now: i64,
    ) -> Result<(), WishError> {
        let (id, spec) = (&rollout.id, &rollout.spec);
        let taken: BTreeMap<&Id, u64> =
            nodes.iter().map(|StoredNode { node, .. }| (&node.agent, taken(node))).collect();
        let taken = |agent: &Id| taken.get(agent).copied().unwrap_or(0);
        for Turn { agent, previous } in &plan.tell {
            let wish = forward(write, id, spec).await?;
            let revision = wishes::wish(write, &self.key, agent, taken(agent), wish, now).await?;
            rows::told(write, id, agent, revision, previous.as_ref(), now).await?;
        }
        for Turn { agent, previous } in &plan.take_back {
            let wish = back(write, id, spec, previous.as_ref()).await?;
            let result = wishes::wish(write, &self.key, agent, taken(agent), wish.clone(), now).await;
            let revision = match (result, wish) {
                // The agent keeps the text of what it had before.
                (Err(WishError::Sign(_)), Wish::Config(config)) => {
                    let wish = Wish::Config(DesiredConfig { text: None, ..config });
                    wishes::wish(write, &self.key, agent, taken(agent), wish, now).await?
                }
                (result, _) => result?,
            };
            rows::taken_back(write, id, agent, revision, now).await?;
        }
        Ok(())
    }

    /// Publishes what this connection has not published, a number at a time; whether some are left.
    async fn publish(&mut self) -> Result<bool, ExecuteError> {
        let mut read = self.database.pool().acquire().await.doing("looking for wishes")?;
        let mut due = wishes::revisions(&mut read).await?;
        due.retain(|(agent, revision)| self.published.revisions.get(agent) != Some(revision));
        for (agent, _) in due.iter().take(AT_A_TIME) {
            let Some((revision, document)) = wishes::document(&mut read, agent).await? else { continue };
            if !self.publisher.retain(&Topics::new(agent).desired(), document.into_bytes()) {
                return Ok(true);
            }
            self.published.revisions.insert(agent.clone(), revision);
        }
        Ok(due.len() > AT_A_TIME)
    }
}

/// What whoever is told is to have.
async fn forward(write: &mut Transaction<'static, Any>, id: &str, spec: &Spec) -> Result<Wish, DatabaseError> {
    let rollout = id.to_owned();
    Ok(match &spec.target {
        Target::Model { slot, package } => {
            let (package, proof) = (Some(package.clone()), Some(spec.terms.proof.clone().unwrap_or_default()));
            Wish::Model(slot.clone(), DesiredModel { rollout, package, proof })
        }
        Target::Config { overlay, .. } => {
            let text = rows::overlay(write, &overlay.sha256).await?;
            let trial = Some(spec.terms.trial.clone().unwrap_or_default());
            Wish::Config(DesiredConfig { rollout, overlay: Some(overlay.clone()), text, trial })
        }
    })
}

/// What whoever is told to go back is to have.
async fn back(
    write: &mut Transaction<'static, Any>,
    id: &str,
    spec: &Spec,
    previous: Option<&Artifact>,
) -> Result<Wish, DatabaseError> {
    let rollout = id.to_owned();
    Ok(match &spec.target {
        Target::Model { slot, .. } => {
            let package = previous.and_then(Artifact::package).cloned();
            Wish::Model(slot.clone(), DesiredModel { rollout, package, proof: None })
        }
        Target::Config { .. } => {
            let overlay = previous.and_then(Artifact::overlay).cloned();
            let text = match &overlay {
                Some(overlay) => rows::overlay(write, &overlay.sha256).await?,
                None => None,
            };
            Wish::Config(DesiredConfig { rollout, overlay, text, trial: None })
        }
    })
}

/// Writes down where a rollout is now.
async fn move_to(
    write: &mut Transaction<'static, Any>,
    rollout: &Rollout,
    changed_ns: i64,
    course: &Course,
    now: i64,
) -> Result<(), ExecuteError> {
    let has_new_state = course.state != rollout.course.state;
    rows::move_to(write, &rollout.id, course, if has_new_state { now } else { changed_ns }).await?;
    if has_new_state {
        let hub = Caller::new(HUB, Role::Engineer);
        let details = json!({ "state": course.state, "why": course.why });
        Audit::note(write, now, &hub, &Change { action: "rollout.state", object: &rollout.id, details }).await?;
    }
    Ok(())
}

/// The highest revision that a node says it has taken.
fn taken(node: &Node) -> u64 {
    node.report.as_ref().map_or(0, |report| report.message.revision)
}

/// Writes down how far a node is where that has changed, and keeps how it failed.
async fn note_standing(
    write: &mut Transaction<'static, Any>,
    rollout: &Rollout,
    stored: &StoredNode,
    now: i64,
) -> Result<(), DatabaseError> {
    let node = &stored.node;
    let standing = node.standing(&rollout.id, &rollout.spec, now);
    let evidence = evidence(rollout, stored);
    let fault = match standing.stage.is_error() {
        true => Some(Fault { stage: standing.stage, reason: standing.reason.clone(), evidence: evidence.clone() }),
        false => stored.fault.clone(),
    };
    if (&standing, &evidence, &fault) == (&stored.standing, &stored.evidence, &stored.fault) {
        return Ok(());
    }
    rows::stand(write, &rollout.id, &node.agent, &standing, evidence.as_ref(), fault.as_ref()).await
}

/// What a node measured on its way to what is new; what was known before where it says no more.
fn evidence(rollout: &Rollout, stored: &StoredNode) -> Option<Evidence> {
    let told = stored.node.told.as_ref()?;
    let report = stored.node.report_on(&rollout.id, &rollout.spec, told.word);
    report.and_then(|said| said.evidence).or_else(|| stored.evidence.clone())
}

/// How a node is, for whoever asks: as it was written down while the rollout is looked at every second; after that, as it
/// says itself where it still speaks of this rollout.
pub(super) fn shown(rollout: &Rollout, stored: &StoredNode, now: i64) -> Standing {
    let word = stored.node.taken_back.or(stored.node.told.as_ref().map(|told| told.word));
    let speaks = word.is_some_and(|word| stored.node.report_on(&rollout.id, &rollout.spec, word).is_some());
    if rollout.course.state.is_settled() && speaks {
        stored.node.standing(&rollout.id, &rollout.spec, now)
    } else {
        stored.standing.clone()
    }
}
