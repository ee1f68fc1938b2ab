//! Rows of accounts: as facts that may be shown, and as what the broker must know.

use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::hub::database::{Database, DatabaseError, Doing as _};
use crate::vocab::Id;

/// What an insert does where there is an account already: it becomes the next password, or the one in force.
pub(super) const WAITS: &str =
    "pending_hash = excluded.hash, pending_ns = excluded.since_ns, pending_by = excluded.issued_by";
pub(super) const REPLACES: &str = "hash = excluded.hash, since_ns = excluded.since_ns, issued_by = excluded.issued_by, \
     pending_hash = NULL, pending_ns = NULL, pending_by = NULL";

const DOING: &str = "reading the accounts at the broker";

/// Whose an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A hub's.
    Hub,
    /// An agent's.
    Agent,
}

impl Kind {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Agent => "agent",
        }
    }
}

/// What may be shown of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountFacts {
    /// The user name, of an agent its id.
    pub user: Id,
    /// Whose it is.
    pub kind: Kind,
    /// Since when the password is in force, in nanoseconds since 1970.
    pub since_ns: i64,
    /// Who had it made.
    pub issued_by: String,
    /// Since when the next password waits to be put in force.
    pub pending_ns: Option<i64>,
    /// Who had that one made.
    pub pending_by: Option<String>,
}

/// An account as the broker must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user name.
    pub user: Id,
    /// Whose it is.
    pub kind: Kind,
    /// The hash of its password; none where its certificate stands for it.
    pub hash: Option<String>,
}

pub(super) async fn facts(database: &Database) -> Result<Vec<AccountFacts>, DatabaseError> {
    let statement = "SELECT name, kind, since_ns, issued_by, pending_ns, pending_by FROM broker_accounts";
    let rows = sqlx::query(statement).fetch_all(database.pool()).await.doing(DOING)?;
    let mut facts: Vec<AccountFacts> = rows.iter().map(as_facts).collect::<Result<_, _>>()?;
    // Databases do not agree on the order of texts.
    facts.sort_by(|one, other| (one.kind, &one.user).cmp(&(other.kind, &other.user)));
    Ok(facts)
}

pub(super) async fn facts_of(database: &Database, user: &Id) -> Result<Option<AccountFacts>, DatabaseError> {
    let statement =
        "SELECT name, kind, since_ns, issued_by, pending_ns, pending_by FROM broker_accounts WHERE name = $1";
    let row = sqlx::query(statement).bind(user.as_str()).fetch_optional(database.pool()).await.doing(DOING)?;
    row.as_ref().map(as_facts).transpose()
}

pub(super) async fn all(database: &Database) -> Result<Vec<Account>, DatabaseError> {
    let statement = "SELECT name, kind, hash FROM broker_accounts";
    let rows = sqlx::query(statement).fetch_all(database.pool()).await.doing(DOING)?;
    let account = |row: &AnyRow| {
        let hash: String = row.try_get("hash").doing(DOING)?;
        Ok(Account { user: user(row)?, kind: kind(row)?, hash: Some(hash).filter(|hash| !hash.is_empty()) })
    };
    let mut accounts: Vec<Account> = rows.iter().map(account).collect::<Result<_, _>>()?;
    accounts.sort_by(|one, other| (one.kind, &one.user).cmp(&(other.kind, &other.user)));
    Ok(accounts)
}

fn as_facts(row: &AnyRow) -> Result<AccountFacts, DatabaseError> {
    Ok(AccountFacts {
        user: user(row)?,
        kind: kind(row)?,
        since_ns: row.try_get("since_ns").doing(DOING)?,
        issued_by: row.try_get("issued_by").doing(DOING)?,
        pending_ns: row.try_get("pending_ns").doing(DOING)?,
        pending_by: row.try_get("pending_by").doing(DOING)?,
    })
}

fn user(row: &AnyRow) -> Result<Id, DatabaseError> {
    let name: String = row.try_get("name").doing(DOING)?;
    Id::new(&name).map_err(|error| sqlx::Error::Decode(Box::new(error))).doing(DOING)
}

pub(super) fn kind(row: &AnyRow) -> Result<Kind, DatabaseError> {
    let kind: String = row.try_get("kind").doing(DOING)?;
    let known = [Kind::Hub, Kind::Agent].into_iter().find(|known| known.as_str() == kind);
    known.ok_or_else(|| sqlx::Error::Decode(format!("{kind} is no kind of account").into())).doing(DOING)
}
