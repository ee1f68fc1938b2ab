//! Which agents there are: they appear by themselves, with what they say of themselves.
//!
//! Nobody has to admit an agent for its events to be stored: nothing is lost while a new site waits for somebody to look.
//! But until somebody has, it is shown as not admitted, and so is each of its events. Who may speak for an agent at all is
//! the broker's business: the access list that [`accounts`](super::accounts) writes keeps each agent to its own topics.

mod condition;
mod facts;
mod news;

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::{Any, Transaction};

pub use condition::{Condition, State};
pub(super) use facts::condition;
pub use facts::{AgentFacts, CameraFacts};
pub use news::{Heard, HeardHealth, HeardReport, note};

use super::access::{AccessError, Audit, Caller, Change};
use super::database::{Database, DatabaseError, Doing as _};
use crate::base::clock::SharedClock;
use crate::vocab::Id;

/// The most labels of an agent, and the most characters in the text of one.
const MOST_LABELS: usize = 32;
const LONGEST_LABEL: usize = 120;

/// Why the fleet was not told of or not changed.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// It has never been heard of.
    #[error("no agent named {agent} has been heard of")]
    NoAgent {
        /// Which.
        agent: Id,
    },
    /// Too many labels, or one too long.
    #[error("an agent has at most {MOST_LABELS} labels of at most {LONGEST_LABEL} characters")]
    Labels,
    /// Who changed it could not be noted.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// All agents. Cloning is cheap.
#[derive(Clone)]
pub struct Fleet {
    database: Database,
    clock: SharedClock,
}

impl Fleet {
    /// The agents in `database`.
    pub fn new(database: Database, clock: SharedClock) -> Self {
        Self { database, clock }
    }

    /// All agents, by name, without their health and cameras.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn agents(&self) -> Result<Vec<AgentFacts>, FleetError> {
        Ok(facts::all(&self.database, self.clock.unix_nanos()).await?)
    }

    /// All agents, by name, with their health and cameras.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn whole_agents(&self) -> Result<Vec<AgentFacts>, FleetError> {
        Ok(facts::all_whole(&self.database, self.clock.unix_nanos()).await?)
    }

    /// One agent with all that it says of itself.
    ///
    /// # Errors
    /// When it was never heard of, or the database fails.
    pub async fn agent(&self, agent: &Id) -> Result<AgentFacts, FleetError> {
        let found = facts::one(&self.database, agent, self.clock.unix_nanos()).await?;
        found.ok_or_else(|| FleetError::NoAgent { agent: agent.clone() })
    }

    /// Replaces the labels of an agent.
    ///
    /// # Errors
    /// When it was never heard of, the labels are too many or too long, or the database fails.
    pub async fn label(&self, by: &Caller, agent: &Id, labels: &BTreeMap<Id, String>) -> Result<(), FleetError> {
        let is_long = |text: &String| text.chars().count() > LONGEST_LABEL || text.contains('\0');
        if labels.len() > MOST_LABELS || labels.values().any(is_long) {
            return Err(FleetError::Labels);
        }
        let text = json!(labels).to_string();
        let mut write = self.database.write().await?;
        let update = sqlx::query("UPDATE agents SET labels = $1 WHERE id = $2").bind(text).bind(agent.as_str());
        let changed = update.execute(&mut *write).await.doing("labelling an agent")?.rows_affected();
        let change = Change { action: "fleet.label", object: agent.as_str(), details: json!(labels) };
        self.finish(write, by, agent, changed, &change).await
    }

    /// Admits an agent, or takes that back.
    ///
    /// # Errors
    /// When it was never heard of, or the database fails.
    pub async fn admit(&self, by: &Caller, agent: &Id, admitted: bool) -> Result<(), FleetError> {
        let (at_ns, by_whom) = if admitted { (Some(self.clock.unix_nanos()), by.name.as_str()) } else { (None, "") };
        let mut write = self.database.write().await?;
        let statement = "UPDATE agents SET admitted_ns = $1, admitted_by = $2 WHERE id = $3";
        let update = sqlx::query(statement).bind(at_ns).bind(by_whom).bind(agent.as_str());
        let changed = update.execute(&mut *write).await.doing("admitting an agent")?.rows_affected();
        let details = json!({ "admitted": admitted });
        let change = Change { action: "fleet.admit", object: agent.as_str(), details };
        self.finish(write, by, agent, changed, &change).await
    }

    async fn finish(
        &self,
        mut write: Transaction<'static, Any>,
        by: &Caller,
        agent: &Id,
        changed: u64,
        change: &Change<'_>,
    ) -> Result<(), FleetError> {
        if changed == 0 {
            return Err(FleetError::NoAgent { agent: agent.clone() });
        }
        Audit::note(&mut write, self.clock.unix_nanos(), by, change).await?;
        write.commit().await.doing("changing an agent")?;
        Ok(())
    }
}
