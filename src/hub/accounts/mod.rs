//! Accounts at the broker: one for each agent and hub, so that nobody can speak for another.
//!
//! ```text
//!   issue ──▶ in force ──issue──▶ in force, and the next one pending ──activate──▶ in force
//!                 ╰──────────────── revoke ──▶ none ◀───────────────────╯
//! ```
//!
//! mosquitto knows one password for each user, and when it reads its files again it ends the connection of everybody whose
//! password has changed. Were a new password in force at once, an agent would be cut off until somebody has carried it to
//! the box. So the next one waits, while the old one holds, until somebody says that it is there (or wants it at once,
//! because the old one has leaked). The agent is then disconnected, reads its password file anew as for every connection,
//! and is back a second later; what it said meanwhile waits in its spool.
//!
//! [`files`] is what the broker reads, [`Writer`] writes it and tells the broker.

mod disk;
mod error;
pub mod files;
mod hash;
mod own;
mod reload;
mod rows;
mod writer;

use std::sync::Arc;

use serde_json::json;
use sqlx::Row as _;
use tokio::sync::Notify;

pub use disk::replace;
pub use error::AccountError;
pub use hash::{HashError, PasswordHash};
pub use own::Own;
pub use rows::{Account, AccountFacts, Kind};
pub use writer::{State, Writer};

use super::access::{Audit, Caller, Change, Role, secret};
use super::database::{Database, Doing as _};
use crate::base::clock::SharedClock;
use crate::vocab::{Id, Secret};

/// What every password begins with, so that one that leaked is recognised by whoever looks for secrets in files.
const PREFIX: &str = "vedette_mqtt_";

/// A password, shown once: here.
#[derive(Debug)]
pub struct Issued {
    /// The user name.
    pub user: Id,
    /// The password.
    pub password: Secret,
    /// Whether it waits, because another one is in force.
    pub is_pending: bool,
}

/// All accounts. Cloning is cheap.
#[derive(Clone)]
pub struct Accounts {
    database: Database,
    clock: SharedClock,
    changes: Arc<Notify>,
}

impl Accounts {
    /// The accounts in `database`.
    pub fn new(database: Database, clock: SharedClock) -> Self {
        Self { database, clock, changes: Arc::default() }
    }

    /// All accounts with what may be shown of them, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self) -> Result<Vec<AccountFacts>, AccountError> {
        Ok(rows::facts(&self.database).await?)
    }

    /// What may be shown of one account.
    ///
    /// # Errors
    /// When there is none of this name, or the database fails.
    pub async fn show(&self, user: &Id) -> Result<AccountFacts, AccountError> {
        let found = rows::facts_of(&self.database, user).await?;
        found.ok_or_else(|| AccountError::NoAccount { user: user.clone() })
    }

    /// All accounts as the broker must know them, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn all(&self) -> Result<Vec<Account>, AccountError> {
        Ok(rows::all(&self.database).await?)
    }

    /// Makes a password for an agent, of which nothing need have been heard. Where another one is in force it waits for
    /// [`Accounts::activate`], unless it is wanted `at_once`; one that waited already is forgotten.
    ///
    /// # Errors
    /// When `by` is no admin, a hub has that name, or it cannot be stored.
    pub async fn issue(&self, by: &Caller, agent: &Id, at_once: bool) -> Result<Issued, AccountError> {
        by.needs(Role::Admin)?;
        let password = password()?;
        let hash = PasswordHash::of(&password)?.to_string();
        let now = self.clock.unix_nanos();
        let conflict = if at_once { rows::REPLACES } else { rows::WAITS };
        let statement = format!(
            "INSERT INTO broker_accounts (name, kind, owner, hash, since_ns, issued_by) \
             VALUES ($1, 'agent', '', $2, $3, $4) ON CONFLICT (name) DO UPDATE SET {conflict} \
             WHERE broker_accounts.kind = 'agent' RETURNING pending_ns"
        );
        let mut write = self.database.write().await?;
        let insert =
            sqlx::query(sqlx::AssertSqlSafe(statement)).bind(agent.as_str()).bind(hash).bind(now).bind(&by.name);
        let row = insert.fetch_optional(&mut *write).await.doing("storing a password for the broker")?;
        let row = row.ok_or_else(|| AccountError::OfHub { user: agent.clone() })?;
        let pending: Option<i64> = row.try_get("pending_ns").doing("storing a password for the broker")?;
        let is_pending = pending.is_some();
        let details = json!({ "pending": is_pending });
        let change = Change { action: "credentials.issue", object: agent.as_str(), details };
        Audit::note(&mut write, now, by, &change).await?;
        write.commit().await.doing("storing a password for the broker")?;
        self.changes.notify_one();
        Ok(Issued { user: agent.clone(), password, is_pending })
    }

    /// Puts the password that waits in force; the one before is not valid any more.
    ///
    /// # Errors
    /// When `by` is no admin, none waits, or it cannot be stored.
    pub async fn activate(&self, by: &Caller, agent: &Id) -> Result<AccountFacts, AccountError> {
        by.needs(Role::Admin)?;
        let now = self.clock.unix_nanos();
        let mut write = self.database.write().await?;
        let statement = "UPDATE broker_accounts SET hash = pending_hash, since_ns = $1, issued_by = pending_by, \
             pending_hash = NULL, pending_ns = NULL, pending_by = NULL WHERE name = $2 AND pending_hash IS NOT NULL";
        let update = sqlx::query(statement).bind(now).bind(agent.as_str());
        let changed = update.execute(&mut *write).await.doing("putting a password for the broker in force")?;
        if changed.rows_affected() == 0 {
            drop(write);
            self.show(agent).await?;
            return Err(AccountError::NonePending { user: agent.clone() });
        }
        let change = Change { action: "credentials.activate", object: agent.as_str(), details: json!({}) };
        Audit::note(&mut write, now, by, &change).await?;
        write.commit().await.doing("putting a password for the broker in force")?;
        self.changes.notify_one();
        self.show(agent).await
    }

    /// Ends an agent's account, whatever waits included.
    ///
    /// # Errors
    /// When `by` is no admin, there is none, it is a hub's, or it cannot be stored.
    pub async fn revoke(&self, by: &Caller, agent: &Id) -> Result<(), AccountError> {
        by.needs(Role::Admin)?;
        let mut write = self.database.write().await?;
        let delete = sqlx::query("DELETE FROM broker_accounts WHERE name = $1 AND kind = 'agent'").bind(agent.as_str());
        let gone = delete.execute(&mut *write).await.doing("revoking a password for the broker")?;
        if gone.rows_affected() == 0 {
            drop(write);
            self.show(agent).await?;
            return Err(AccountError::OfHub { user: agent.clone() });
        }
        let change = Change { action: "credentials.revoke", object: agent.as_str(), details: json!({}) };
        Audit::note(&mut write, self.clock.unix_nanos(), by, &change).await?;
        write.commit().await.doing("revoking a password for the broker")?;
        self.changes.notify_one();
        Ok(())
    }
}

/// A new password of 256 random bits.
fn password() -> Result<Secret, AccountError> {
    Ok(Secret::new(format!("{PREFIX}{}", secret::random::<32>()?)))
}

#[cfg(test)]
mod tests;
