//! Looks for events: the newest first, a page at a time.
//!
//! A page ends with a cursor, the time and number of its last event, and the next page begins below it. Events that arrive
//! in between shift nothing: none is shown twice, and none that was there is left out.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::store::watermark;
use crate::hub::database::{Database, DatabaseError, Doing as _};

const LOOKING: &str = "looking for events";
/// The columns of a page, and all.
const FACTS: &str = "events.number, events.time_ns, events.received_ns, events.body, agents.admitted_ns";
const ALL: &str = "events.number, events.agent, events.class, events.epoch, events.seq, events.time_ns, \
     events.received_ns, events.kind, events.severity, events.phase, events.episode, events.camera, events.rule, \
     events.label, events.body, agents.admitted_ns";

/// The most events on a page, and how many without a wish.
const LONGEST_PAGE: u16 = 500;
const USUAL_PAGE: u16 = 100;

/// What is looked for. Whatever is not given does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// The agent.
    pub agent: Option<String>,
    /// The camera.
    pub camera: Option<String>,
    /// The rule.
    pub rule: Option<String>,
    /// The label of the object.
    pub label: Option<String>,
    /// `alert` or `event`.
    pub severity: Option<String>,
    /// Such as `loitering`.
    pub kind: Option<String>,
    /// The happening.
    pub episode: Option<String>,
    /// Not before this moment, RFC 3339.
    pub since: Option<String>,
    /// Before this moment, RFC 3339.
    pub until: Option<String>,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// How many at most; 100, and no more than 500.
    pub limit: Option<u16>,
}

/// A page of events.
#[derive(Debug, Serialize)]
pub struct Page {
    /// The events, the newest first.
    pub events: Vec<EventFacts>,
    /// Where the next page begins; none where this is the last.
    pub next: Option<String>,
}

/// An event as it is stored.
#[derive(Debug, Serialize)]
pub struct EventFacts {
    /// Its number in the order of arrival.
    pub number: i64,
    /// When it was stored, in nanoseconds since 1970.
    pub received_ns: i64,
    /// Whether somebody has admitted its agent.
    pub admitted: bool,
    /// The CloudEvent as it came.
    pub event: Box<RawValue>,
}

/// An event with all its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) number: i64,
    pub(super) agent: String,
    pub(super) class: String,
    pub(super) epoch: String,
    pub(super) seq: i64,
    pub(super) time_ns: i64,
    pub(super) received_ns: i64,
    pub(super) admitted: bool,
    pub(super) kind: String,
    pub(super) severity: String,
    pub(super) phase: String,
    pub(super) episode: String,
    pub(super) camera: String,
    pub(super) rule: String,
    pub(super) label: String,
    pub(super) body: String,
}

impl Row {
    fn read(row: &AnyRow) -> Result<Self, DatabaseError> {
        let text = |column: &str| -> Result<String, DatabaseError> { row.try_get(column).doing(LOOKING) };
        let number = |column: &str| -> Result<i64, DatabaseError> { row.try_get(column).doing(LOOKING) };
        let admitted_ns: Option<i64> = row.try_get("admitted_ns").doing(LOOKING)?;
        Ok(Self {
            number: number("number")?,
            agent: text("agent")?,
            class: text("class")?,
            epoch: text("epoch")?,
            seq: number("seq")?,
            time_ns: number("time_ns")?,
            received_ns: number("received_ns")?,
            admitted: admitted_ns.is_some(),
            kind: text("kind")?,
            severity: text("severity")?,
            phase: text("phase")?,
            episode: text("episode")?,
            camera: text("camera")?,
            rule: text("rule")?,
            label: text("label")?,
            body: text("body")?,
        })
    }

    /// The id of its message.
    pub(super) fn id(&self) -> String {
        format!("{}/{}/{}/{}", self.agent, self.class, self.epoch, self.seq)
    }

    /// As on a page.
    pub(super) fn into_facts(self) -> Result<EventFacts, serde_json::Error> {
        let Self { number, received_ns, admitted, body, .. } = self;
        Ok(EventFacts { number, received_ns, admitted, event: RawValue::from_string(body)? })
    }
}

/// What is stored of one spool of an agent.
#[derive(Debug, Serialize)]
pub struct SpoolFacts {
    /// The class.
    pub class: String,
    /// The epoch: which spool.
    pub epoch: String,
    /// Everything up to this number was stored, or given up by the agent.
    pub upto: u64,
    /// The highest number that was stored or given up.
    pub highest: u64,
    /// The first and last number of each range that is missing below it.
    pub missing: Vec<(u64, u64)>,
    /// The same of each range that the agent gave up and will not send any more.
    pub given_up: Vec<(u64, u64)>,
}

/// Why nothing is looked for.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A time cannot be read.
    #[error("{field} is a time such as 2026-11-23T14:30:00Z: {reason}")]
    Time {
        /// Of which it was said.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A text that no event has.
    #[error("{field} holds a NUL character, which no event does")]
    Nul {
        /// Of which it was said.
        field: &'static str,
    },
    /// The cursor is none.
    #[error("a cursor is what the page before said in \"next\"")]
    Cursor,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

enum Value<'a> {
    Text(&'a str),
    Number(i64),
}

/// What must hold of a row, and the values that it is compared with.
struct Conditions<'a> {
    parts: Vec<String>,
    values: Vec<Value<'a>>,
}

impl<'a> Conditions<'a> {
    /// Those of a filter, but for where a page begins.
    fn of(filter: &'a Filter) -> Result<Self, QueryError> {
        let texts = [
            ("agent", &filter.agent),
            ("camera", &filter.camera),
            ("rule", &filter.rule),
            ("label", &filter.label),
            ("severity", &filter.severity),
            ("kind", &filter.kind),
            ("episode", &filter.episode),
        ];
        let mut conditions = Self { parts: Vec::new(), values: Vec::new() };
        for (column, text) in texts {
            if let Some(text) = text {
                if text.contains('\0') {
                    return Err(QueryError::Nul { field: column });
                }
                conditions.compare(column, "=", Value::Text(text));
            }
        }
        for (field, sign, text) in [("since", ">=", &filter.since), ("until", "<", &filter.until)] {
            if let Some(text) = text {
                conditions.compare("time_ns", sign, Value::Number(time(field, text)?));
            }
        }
        Ok(conditions)
    }

    fn compare(&mut self, column: &str, sign: &str, value: Value<'a>) {
        self.values.push(value);
        self.parts.push(format!("events.{column} {sign} ${}", self.values.len()));
    }

    /// Only what comes after the cursor of a page.
    fn below(&mut self, cursor: &str) -> Result<(), QueryError> {
        let (time_ns, number) = cursor.split_once('.').ok_or(QueryError::Cursor)?;
        for part in [time_ns, number] {
            self.values.push(Value::Number(part.parse().map_err(|_| QueryError::Cursor)?));
        }
        let last = self.values.len();
        self.parts.push(format!("(events.time_ns, events.number) < (${}, ${last})", last - 1));
        Ok(())
    }

    /// The rows for which all of it holds.
    async fn rows(self, database: &Database, columns: &str, order: &str, most: u32) -> Result<Vec<AnyRow>, QueryError> {
        let all = self.parts.join(" AND ");
        let condition = if all.is_empty() { all } else { format!("WHERE {all}") };
        // Made of the names of columns and of numbers alone: nothing that was asked is part of it.
        let statement = format!(
            "SELECT {columns} FROM events LEFT JOIN agents ON agents.id = events.agent {condition} ORDER BY {order} \
             LIMIT {most}"
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for value in self.values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
            };
        }
        Ok(query.fetch_all(database.pool()).await.doing(LOOKING)?)
    }
}

/// Whether a filter can be looked for; its cursor does not matter.
///
/// # Errors
/// When a time cannot be read or a text holds a NUL.
pub fn check(filter: &Filter) -> Result<(), QueryError> {
    Conditions::of(filter).map(drop)
}

/// A page of what is looked for.
///
/// # Errors
/// When a time or the cursor cannot be read, or the database fails.
pub async fn page(database: &Database, filter: &Filter) -> Result<Page, QueryError> {
    let limit = filter.limit.unwrap_or(USUAL_PAGE).clamp(1, LONGEST_PAGE);
    let mut conditions = Conditions::of(filter)?;
    if let Some(cursor) = &filter.cursor {
        conditions.below(cursor)?;
    }
    let (rows, next) = newest_first(database, conditions, FACTS, limit).await?;
    Ok(Page { events: rows.iter().map(facts).collect::<Result<_, _>>()?, next })
}

/// The rows of a page, and where the next begins.
async fn newest_first(
    database: &Database,
    conditions: Conditions<'_>,
    columns: &str,
    limit: u16,
) -> Result<(Vec<AnyRow>, Option<String>), QueryError> {
    let order = "events.time_ns DESC, events.number DESC";
    let mut rows = conditions.rows(database, columns, order, u32::from(limit) + 1).await?;
    let has_more = rows.len() > usize::from(limit);
    rows.truncate(usize::from(limit));
    let next = rows.last().filter(|_| has_more).map(cursor).transpose()?;
    Ok((rows, next))
}

/// A page as [`page`] has it, with all columns, of the events whose numbers are not above `upto`; and where the next begins.
pub(super) async fn rows(
    database: &Database,
    filter: &Filter,
    upto: i64,
    limit: u16,
) -> Result<(Vec<Row>, Option<String>), QueryError> {
    let mut conditions = Conditions::of(filter)?;
    conditions.compare("number", "<=", Value::Number(upto));
    if let Some(cursor) = &filter.cursor {
        conditions.below(cursor)?;
    }
    let (rows, next) = newest_first(database, conditions, ALL, limit).await?;
    Ok((rows.iter().map(Row::read).collect::<Result<_, _>>()?, next))
}

/// Of what is looked for the events whose numbers are above `after` and not above `upto`, in the order of arrival, at most
/// `most`. The cursor and the limit of the filter do not matter.
///
/// # Errors
/// When a time cannot be read, or the database fails.
pub async fn between(
    database: &Database,
    filter: &Filter,
    after: i64,
    upto: i64,
    most: u16,
) -> Result<Vec<EventFacts>, QueryError> {
    let mut conditions = Conditions::of(filter)?;
    conditions.compare("number", ">", Value::Number(after));
    conditions.compare("number", "<=", Value::Number(upto));
    let rows = conditions.rows(database, FACTS, "events.number", u32::from(most)).await?;
    Ok(rows.iter().map(facts).collect::<Result<_, _>>()?)
}

/// The number of the newest event, 0 before the first. All with lower numbers are stored.
///
/// # Errors
/// When the database fails.
pub async fn newest(database: &Database) -> Result<i64, DatabaseError> {
    let newest = sqlx::query("SELECT last FROM arrivals").fetch_one(database.pool()).await;
    newest.and_then(|row| row.try_get("last")).doing("looking for the newest event")
}

fn time(field: &'static str, text: &str) -> Result<i64, QueryError> {
    let time: jiff::Timestamp =
        text.parse().map_err(|error: jiff::Error| QueryError::Time { field, reason: error.to_string() })?;
    let reason = || QueryError::Time { field, reason: "it is too far away".to_owned() };
    i64::try_from(time.as_nanosecond()).map_err(|_| reason())
}

fn cursor(row: &AnyRow) -> Result<String, DatabaseError> {
    let (time_ns, number): (i64, i64) = (row.try_get("time_ns").doing(LOOKING)?, row.try_get("number").doing(LOOKING)?);
    Ok(format!("{time_ns}.{number}"))
}

/// A row with the number, time of arrival, body and admission as facts.
pub(super) fn facts(row: &AnyRow) -> Result<EventFacts, DatabaseError> {
    let body: String = row.try_get("body").doing(LOOKING)?;
    let admitted_ns: Option<i64> = row.try_get("admitted_ns").doing(LOOKING)?;
    Ok(EventFacts {
        number: row.try_get("number").doing(LOOKING)?,
        received_ns: row.try_get("received_ns").doing(LOOKING)?,
        admitted: admitted_ns.is_some(),
        event: RawValue::from_string(body).map_err(|error| sqlx::Error::Decode(Box::new(error))).doing(LOOKING)?,
    })
}

/// What is stored of each spool of an agent, and what is missing.
///
/// # Errors
/// When the database fails.
pub async fn spools(database: &Database, agent: &str) -> Result<Vec<SpoolFacts>, DatabaseError> {
    let doing = "reading what is stored of an agent's spools";
    let statement = "SELECT class, epoch, upto, above, given_up FROM watermarks WHERE agent = $1 ORDER BY class, epoch";
    let rows = sqlx::query(statement).bind(agent).fetch_all(database.pool()).await.doing(doing)?;
    let facts = |row: &AnyRow| {
        let watermark = watermark(row)?;
        Ok(SpoolFacts {
            class: row.try_get("class").doing(doing)?,
            epoch: row.try_get("epoch").doing(doing)?,
            upto: watermark.upto(),
            highest: watermark.highest(),
            missing: watermark.missing(),
            given_up: watermark.given_up().iter().collect(),
        })
    };
    rows.iter().map(facts).collect()
}
