//! Suppressions that operators' verdicts propose: what was false again and again at one place is not raised there for a while.
//!
//! ```text
//!   verdicts ──▶ cluster ──▶ proposals ──▶ person ──┬── dismiss ──▶ database
//!                 pure                              ╰── accept ──▶ overlay in force + one entry ──▶ a rollout to that agent
//! ```
//!
//! Nothing is suppressed that nobody has accepted, none for ever, and each is a configuration like any other: the agent
//! tries it, and whoever aborts the rollout has what was before.

mod cluster;
mod error;
mod overlay;
mod rows;

pub use cluster::{LEAST, Proposal, REACH_NS};
pub use error::SuppressionError;
pub use rows::Decided;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::access::{Audit, Caller, Change, Role};
use super::database::{Database, Doing as _};
use super::fleet::Fleet;
use super::rollouts::{Order, Rollouts};
use crate::base::clock::SharedClock;
use crate::vocab::Id;
use overlay::Accepted;

const HOUR_NS: i64 = 3600 * 1_000_000_000;
/// For how long one holds unless told otherwise, in nanoseconds: 14 days.
const HOLDS_NS: i64 = 14 * 24 * HOUR_NS;
/// The longest that one may hold, in nanoseconds.
const LONGEST_NS: i64 = 90 * 24 * HOUR_NS;
/// The longest reason, in characters.
const LONGEST_REASON: usize = 200;

/// What is proposed, and what was decided of late.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Waiting for somebody.
    pub proposed: Vec<Proposal>,
    /// Decided, the newest first.
    pub decided: Vec<Decided>,
}

/// How somebody accepts a proposal.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// Until when it holds, RFC 3339; 14 days by default.
    pub until: Option<String>,
    /// Why, for people.
    pub reason: String,
}

/// Suppressions of all agents. Cloning is cheap.
#[derive(Clone)]
pub struct Suppressions {
    database: Database,
    clock: SharedClock,
    fleet: Fleet,
    rollouts: Rollouts,
}

impl Suppressions {
    /// Those in `database`, for agents of `fleet`, carried out by `rollouts`.
    pub fn new(database: Database, clock: SharedClock, fleet: Fleet, rollouts: Rollouts) -> Self {
        Self { database, clock, fleet, rollouts }
    }

    /// What is proposed, and what was decided.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self) -> Result<Listed, SuppressionError> {
        let decided = rows::decided(&self.database).await?;
        Ok(Listed { proposed: self.proposed(&decided).await?, decided })
    }

    async fn proposed(&self, decided: &[Decided]) -> Result<Vec<Proposal>, SuppressionError> {
        let now = self.clock.unix_nanos();
        let judged = rows::judged(&self.database, now.saturating_sub(REACH_NS)).await?;
        let is_open = |proposal: &Proposal| {
            !decided.iter().any(|one| one.holds() && one.agent == proposal.agent.as_str() && one.id == proposal.id)
        };
        Ok(cluster::propose(&judged, now).into_iter().filter(is_open).collect())
    }

    async fn find(&self, agent: &Id, id: &str) -> Result<Proposal, SuppressionError> {
        let decided = rows::decided(&self.database).await?;
        let mut proposed = self.proposed(&decided).await?.into_iter();
        let found = proposed.find(|proposal| proposal.agent == *agent && proposal.id == id);
        found.ok_or_else(|| SuppressionError::NoProposal { agent: agent.clone(), id: id.chars().take(80).collect() })
    }

    /// Accepts a proposal: orders a rollout to its agent of what is in force there and the suppression. Returns the name of
    /// the rollout.
    ///
    /// # Errors
    /// When `by` is no engineer, nothing such is proposed, its terms cannot be, or the rollout is refused.
    pub async fn accept(&self, by: &Caller, agent: &Id, id: &str, terms: &Terms) -> Result<String, SuppressionError> {
        by.needs(Role::Engineer)?;
        let now_ns = self.clock.unix_nanos();
        let until_ns = until(terms, now_ns)?;
        if terms.reason.chars().count() > LONGEST_REASON || terms.reason.chars().any(char::is_control) {
            return Err(SuppressionError::Reason);
        }
        let proposal = self.find(agent, id).await?;
        let many = proposal.episodes.len();
        let told = format!("{many} alerts of {} on {} were false", proposal.rule, proposal.camera);
        let reason = if terms.reason.is_empty() { told.as_str() } else { terms.reason.as_str() };
        let in_force = self.in_force(agent).await?;
        let accepted = Accepted { proposal: &proposal, until: time(until_ns), reason };
        let text = overlay::with(in_force.as_deref(), &accepted, time(now_ns))?;
        let order = json!({
            "overlay": text, "purpose": format!("suppress {id}: {told}"), "agents": [agent],
            "terms": { "groups": ["100%"], "soak_seconds": 0 },
        });
        let order: Order = serde_json::from_value(order).map_err(|_| SuppressionError::Unreadable)?;
        let rollout = self.rollouts.order(by, &order).await?.id;
        let decided = Decided::accepted(&proposal, by, (now_ns, until_ns), &rollout);
        self.decide(by, &decided, "suppression.accept", now_ns).await?;
        Ok(rollout)
    }

    /// Dismisses a proposal: it does not come again as long as the oldest of its verdicts counts.
    ///
    /// # Errors
    /// When `by` is no operator, or nothing such is proposed.
    pub async fn dismiss(&self, by: &Caller, agent: &Id, id: &str) -> Result<(), SuppressionError> {
        by.needs(Role::Operator)?;
        let now_ns = self.clock.unix_nanos();
        let decided = Decided::dismissed(&self.find(agent, id).await?, by, now_ns);
        self.decide(by, &decided, "suppression.dismiss", now_ns).await
    }

    async fn decide(
        &self,
        by: &Caller,
        decided: &Decided,
        action: &'static str,
        now_ns: i64,
    ) -> Result<(), SuppressionError> {
        let mut write = self.database.write().await?;
        rows::note(&mut write, decided).await?;
        let object = format!("{}/{}", decided.agent, decided.id);
        let change = Change { action, object: &object, details: json!(decided) };
        Audit::note(&mut write, now_ns, by, &change).await?;
        Ok(write.commit().await.doing("noting what was decided of a suppression")?)
    }

    /// The text of the overlay that decides on an agent; none where its own file does.
    async fn in_force(&self, agent: &Id) -> Result<Option<String>, SuppressionError> {
        let facts = self.fleet.agent(agent).await?;
        let reported = facts.reported.unwrap_or_default();
        let Some(sha256) = reported.pointer("/config/active/sha256").and_then(|sha256| sha256.as_str()) else {
            return Ok(None);
        };
        let text = self.rollouts.overlay(sha256).await?;
        text.map(Some).ok_or_else(|| SuppressionError::Foreign { agent: agent.clone() })
    }
}

fn until(terms: &Terms, now_ns: i64) -> Result<i64, SuppressionError> {
    let Some(until) = &terms.until else { return Ok(now_ns.saturating_add(HOLDS_NS)) };
    let until: Option<jiff::Timestamp> = until.parse().ok();
    let until_ns = until.and_then(|until| i64::try_from(until.as_nanosecond()).ok()).ok_or(SuppressionError::Until)?;
    let ahead = until_ns.saturating_sub(now_ns);
    if (HOUR_NS..=LONGEST_NS).contains(&ahead) { Ok(until_ns) } else { Err(SuppressionError::Until) }
}

/// In whole seconds, as people write times.
fn time(ns: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(ns / 1_000_000_000).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
