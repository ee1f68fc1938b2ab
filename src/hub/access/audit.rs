//! The record of every change: who, when, what, to what. Written in the transaction of the change itself, so that there
//! is none without the other.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::{Caller, secret};
use crate::hub::access::AccessError;
use crate::hub::database::{Database, DatabaseError, Doing as _};

/// A change that is being made.
#[derive(Debug, Clone, PartialEq)]
pub struct Change<'a> {
    /// What is done, such as `token.create`.
    pub action: &'static str,
    /// What it is done to.
    pub object: &'a str,
    /// The rest, without secrets.
    pub details: Value,
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Record {
    /// Its place in the record: those after it, in the order of time, are greater as texts.
    pub id: String,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
    /// The name of the token.
    pub who: String,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub object: String,
    /// The rest, JSON.
    pub details: String,
}

/// Which changes are looked for. What is empty is not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(default)]
pub struct Looked {
    /// By the token of this name.
    pub who: String,
    /// This was done, or, ending in a dot, something of this kind: `token.`.
    pub action: String,
    /// To this.
    pub object: String,
    /// Before the change with this [`Record::id`].
    pub cursor: String,
}

/// Reads the record.
#[derive(Debug, Clone)]
pub struct Audit {
    database: Database,
}

impl Audit {
    /// The record in `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Notes a change in its own transaction.
    ///
    /// # Errors
    /// When it cannot be stored; the change must then not be committed.
    pub async fn note(
        write: &mut Transaction<'static, Any>,
        now: i64,
        by: &Caller,
        change: &Change<'_>,
    ) -> Result<(), AccessError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // The time first, so that all are in order; then those of one moment in this hub; then those of other hubs.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = format!("{now:020}-{number:016x}-{}", secret::random::<4>()?);
        let statement = "INSERT INTO audit (id, at_ns, who, action, object, details) VALUES ($1, $2, $3, $4, $5, $6)";
        let insert = sqlx::query(statement)
            .bind(id)
            .bind(now)
            .bind(&by.name)
            .bind(change.action)
            .bind(change.object)
            .bind(change.details.to_string());
        insert.execute(&mut **write).await.doing("noting who made a change")?;
        Ok(())
    }

    /// The changes of one kind to one object, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(&self, action: &str, object: &str, limit: u16) -> Result<Vec<Record>, DatabaseError> {
        let statement = "SELECT id, at_ns, who, action, object, details FROM audit WHERE object = $1 AND action = $2 \
             ORDER BY id DESC LIMIT $3";
        let query = sqlx::query(statement).bind(object).bind(action).bind(i64::from(limit));
        let rows = query.fetch_all(self.database.pool()).await.doing("reading the record of changes")?;
        rows.iter().map(record).collect()
    }

    /// The changes that are looked for, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look(&self, looked: &Looked, limit: u16) -> Result<Vec<Record>, DatabaseError> {
        let statement = "SELECT id, at_ns, who, action, object, details FROM audit WHERE ($1 = '' OR who = $1) \
             AND ($2 = '' OR action = $2 OR ($2 LIKE '%.' AND substr(action, 1, length($2)) = $2)) \
             AND ($3 = '' OR object = $3) AND ($4 = '' OR id < $4) ORDER BY id DESC LIMIT $5";
        let Looked { who, action, object, cursor } = looked;
        let query = sqlx::query(statement).bind(who).bind(action).bind(object).bind(cursor).bind(i64::from(limit));
        let rows = query.fetch_all(self.database.pool()).await.doing("reading the record of changes")?;
        rows.iter().map(record).collect()
    }
}

fn record(row: &AnyRow) -> Result<Record, DatabaseError> {
    let doing = "reading the record of changes";
    Ok(Record {
        id: row.try_get("id").doing(doing)?,
        at_ns: row.try_get("at_ns").doing(doing)?,
        who: row.try_get("who").doing(doing)?,
        action: row.try_get("action").doing(doing)?,
        object: row.try_get("object").doing(doing)?,
        details: row.try_get("details").doing(doing)?,
    })
}
