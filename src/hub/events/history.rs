//! What went on at an agent or one of its cameras: single events, changes of state, how much happened in each hour.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::query::{EventFacts, facts};
use super::store::watermark;
use crate::hub::database::{Database, DatabaseError, Doing as _};

/// An hour in nanoseconds.
pub const HOUR_NS: i64 = 3600 * 1_000_000_000;

/// How much began in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    /// Alerts.
    pub alerts: u64,
    /// Everything else that cameras saw.
    pub others: u64,
}

/// An event by its number.
///
/// # Errors
/// When the database fails.
pub async fn event(database: &Database, number: i64) -> Result<Option<EventFacts>, DatabaseError> {
    let statement = "SELECT events.number, events.received_ns, events.body, agents.admitted_ns FROM events \
         LEFT JOIN agents ON agents.id = events.agent WHERE events.number = $1";
    let row = sqlx::query(statement).bind(number).fetch_optional(database.pool()).await;
    row.doing("looking for an event")?.as_ref().map(facts).transpose()
}

/// The newest events about the state of things at an agent, or at one of its cameras.
///
/// # Errors
/// When the database fails.
pub async fn changes(
    database: &Database,
    agent: &str,
    camera: Option<&str>,
    limit: u16,
) -> Result<Vec<EventFacts>, DatabaseError> {
    let doing = "looking for changes of state";
    // The kinds stand as they do in the index that is made for them.
    let of_camera = "SELECT events.number, events.received_ns, events.body, agents.admitted_ns FROM events \
         LEFT JOIN agents ON agents.id = events.agent WHERE events.agent = $1 AND events.camera = $3 AND events.kind IN \
         ('camera-state', 'camera-condition', 'day-night', 'discontinuity', 'gap', 'clock-step', 'model-change', 'config-change') \
         ORDER BY events.time_ns DESC, events.number DESC LIMIT $2";
    let of_agent = "SELECT events.number, events.received_ns, events.body, agents.admitted_ns FROM events \
         LEFT JOIN agents ON agents.id = events.agent WHERE events.agent = $1 AND events.kind IN \
         ('camera-state', 'camera-condition', 'day-night', 'discontinuity', 'gap', 'clock-step', 'model-change', 'config-change') \
         ORDER BY events.time_ns DESC, events.number DESC LIMIT $2";
    let query = sqlx::query(if camera.is_some() { of_camera } else { of_agent });
    let query = query.bind(agent).bind(i64::from(limit));
    let query = if let Some(camera) = camera { query.bind(camera) } else { query };
    let rows = query.fetch_all(database.pool()).await.doing(doing)?;
    rows.iter().map(facts).collect()
}

/// How much began in each hour from `from_ns` on until `until_ns`, by the number of the hour; hours without anything are
/// left out.
///
/// # Errors
/// When the database fails.
pub async fn activity(
    database: &Database,
    agent: &str,
    camera: &str,
    from_ns: i64,
    until_ns: i64,
) -> Result<BTreeMap<i64, Activity>, DatabaseError> {
    let doing = "counting what happened";
    let statement = "SELECT (time_ns - $3) / 3600000000000 AS hour, severity, COUNT(*) AS many FROM events \
         WHERE agent = $1 AND camera = $2 AND time_ns >= $3 AND time_ns < $4 AND phase = 'start' \
         AND kind NOT IN ('camera-state', 'camera-condition', 'day-night', 'heat-map', 'discontinuity') GROUP BY 1, 2";
    let query = sqlx::query(statement).bind(agent).bind(camera).bind(from_ns).bind(until_ns);
    let rows = query.fetch_all(database.pool()).await.doing(doing)?;
    let mut hours: BTreeMap<i64, Activity> = BTreeMap::new();
    for row in &rows {
        let (hour, many): (i64, i64) = (row.try_get("hour").doing(doing)?, row.try_get("many").doing(doing)?);
        let severity: String = row.try_get("severity").doing(doing)?;
        let (hour, many) = (hours.entry(hour).or_default(), u64::try_from(many).unwrap_or(0));
        if severity == "alert" {
            hour.alerts += many;
        } else {
            hour.others += many;
        }
    }
    Ok(hours)
}

/// How many numbers are missing in the spools of each agent; agents of whom none is missing are left out.
///
/// # Errors
/// When the database fails.
pub async fn missing(database: &Database) -> Result<BTreeMap<String, u64>, DatabaseError> {
    let doing = "reading what is missing of agents' spools";
    // Where nothing lies above the watermark, nothing below it is missing.
    let statement = "SELECT agent, upto, above, given_up FROM watermarks WHERE above <> ''";
    let rows = sqlx::query(statement).fetch_all(database.pool()).await.doing(doing)?;
    let mut agents: BTreeMap<String, u64> = BTreeMap::new();
    let count = |row: &AnyRow| -> Result<u64, DatabaseError> {
        Ok(watermark(row)?.missing().iter().map(|(first, last)| last - first + 1).sum())
    };
    for row in &rows {
        *agents.entry(row.try_get("agent").doing(doing)?).or_default() += count(row)?;
    }
    Ok(agents)
}
