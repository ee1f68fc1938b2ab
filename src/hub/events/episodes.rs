//! Alerts for people: one for each happening, the newest first, with what became of it and what somebody thinks of it.

use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use crate::hub::database::{Database, DatabaseError, Doing as _};

/// An alert, from its start on.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// The number of the event that began it.
    pub number: i64,
    /// The agent.
    pub agent: String,
    /// Its name among those of the agent.
    pub episode: String,
    /// The camera, or nothing.
    pub camera: String,
    /// Whether somebody has admitted the agent.
    pub admitted: bool,
    /// The event that began it.
    pub start: Value,
    /// The newest event of it, where there is one after the start.
    pub newest: Option<Value>,
    /// The name of its newest picture.
    pub picture: Option<String>,
    /// What somebody thinks of it.
    pub verdict: Option<Said>,
}

/// What somebody thinks of an episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// As it is written: `true`, `false`, `wrong-class`, `missed`.
    pub verdict: String,
    /// What it was, or nothing.
    pub label: String,
    /// Who said so.
    pub by: String,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
}

const DOING: &str = "looking for alerts";

const SELECT: &str = "SELECT events.number, events.agent, events.episode, events.camera, events.body, \
     agents.admitted_ns, verdicts.verdict, verdicts.label, verdicts.by_whom, verdicts.at_ns, \
     (SELECT later.body FROM events AS later WHERE later.agent = events.agent AND later.episode = events.episode \
     AND later.number > events.number ORDER BY later.number DESC LIMIT 1) AS newest, \
     (SELECT snapshots.name FROM snapshots WHERE snapshots.agent = events.agent AND snapshots.camera = events.camera \
     AND snapshots.name IN (events.episode, events.episode || '-update', events.episode || '-best') \
     ORDER BY snapshots.received_ns DESC, snapshots.name DESC LIMIT 1) AS picture \
     FROM events LEFT JOIN agents ON agents.id = events.agent \
     LEFT JOIN verdicts ON verdicts.agent = events.agent AND verdicts.episode = events.episode";

/// The newest alerts, at most `limit`; of those without a verdict only, where `open` says so.
///
/// # Errors
/// When the database fails.
pub async fn newest(database: &Database, open: bool, limit: u16) -> Result<Vec<Episode>, DatabaseError> {
    let open = if open { "AND verdicts.verdict IS NULL" } else { "" };
    // Made of constants alone.
    let statement = format!(
        "{SELECT} WHERE events.severity = 'alert' AND events.phase = 'start' {open} \
         ORDER BY events.number DESC LIMIT {limit}"
    );
    let rows = sqlx::query(AssertSqlSafe(statement)).fetch_all(database.pool()).await.doing(DOING)?;
    rows.iter().map(episode).collect()
}

/// One happening, alert or not, by its first event that is here.
///
/// # Errors
/// When the database fails.
pub async fn one(database: &Database, agent: &str, name: &str) -> Result<Option<Episode>, DatabaseError> {
    let statement = format!("{SELECT} WHERE events.agent = $1 AND events.episode = $2 ORDER BY events.number LIMIT 1");
    let query = sqlx::query(AssertSqlSafe(statement)).bind(agent).bind(name);
    query.fetch_optional(database.pool()).await.doing(DOING)?.as_ref().map(episode).transpose()
}

fn episode(row: &AnyRow) -> Result<Episode, DatabaseError> {
    let text = |column: &str| -> Result<String, DatabaseError> { row.try_get(column).doing(DOING) };
    let maybe = |column: &str| -> Result<Option<String>, DatabaseError> { row.try_get(column).doing(DOING) };
    let json = |text: String| -> Result<Value, DatabaseError> {
        serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error))).doing(DOING)
    };
    let admitted_ns: Option<i64> = row.try_get("admitted_ns").doing(DOING)?;
    let said = |verdict| -> Result<Said, DatabaseError> {
        Ok(Said { verdict, label: text("label")?, by: text("by_whom")?, at_ns: row.try_get("at_ns").doing(DOING)? })
    };
    Ok(Episode {
        number: row.try_get("number").doing(DOING)?,
        agent: text("agent")?,
        episode: text("episode")?,
        camera: text("camera")?,
        admitted: admitted_ns.is_some(),
        start: json(text("body")?)?,
        newest: maybe("newest")?.map(json).transpose()?,
        picture: maybe("picture")?,
        verdict: maybe("verdict")?.map(said).transpose()?,
    })
}
