//! Writes events down: many in one transaction, each once, with the watermarks of their spools in the same transaction.
//!
//! Whether an event is a repetition is decided by the watermark of its spool, which outlives the event: one that was
//! deleted long ago does not come back. The row of a watermark stays locked until the transaction ends, so two hubs on one
//! database cannot both take a number for new.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row as _, Transaction};

use super::watermark::{Noted, Watermark};
use crate::hub::database::{DatabaseError, Doing as _};
use crate::wire::{Class, MessageId};

/// Columns of a row of `events`.
const COLUMNS: usize = 15;
/// How many rows go into one statement: few different statements, so that each is prepared once.
const ROWS: [usize; 4] = [64, 16, 4, 1];

/// An event that is to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Its id.
    pub id: MessageId,
    /// When it happened, in nanoseconds since 1970.
    pub time_ns: i64,
    /// What happened.
    pub kind: String,
    /// Whether somebody should look now.
    pub severity: String,
    /// Which part of the happening it is.
    pub phase: String,
    /// Of which happening.
    pub episode: String,
    /// The camera, or nothing.
    pub camera: String,
    /// The rule, or nothing.
    pub rule: String,
    /// The label of its object, or nothing.
    pub label: String,
    /// The whole message, JSON in one line.
    pub body: String,
}

/// One spool of one agent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream {
    /// The agent.
    pub agent: String,
    /// The class.
    pub class: Class,
    /// The epoch.
    pub epoch: u64,
}

impl Stream {
    /// The spool that a message lay in.
    pub fn of(id: &MessageId) -> Self {
        Self { agent: id.agent.as_str().to_owned(), class: id.class, epoch: id.epoch }
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Stored {
    /// Events that are new.
    pub new: u64,
    /// Events that had been stored before.
    pub duplicates: u64,
    /// Events whose spool has too many holes: see [`Noted::Full`].
    pub scattered: u64,
    /// The number of the newest event.
    pub last: Option<i64>,
    /// What may be acknowledged of each spool once the transaction is committed: the watermark, and those of this
    /// batch's numbers that lie above it.
    pub acks: BTreeMap<Stream, (u64, Vec<u64>)>,
}

/// Stores a batch within `write`, received at `now`.
///
/// # Errors
/// When the database fails; nothing may then be acknowledged.
pub async fn store(
    write: &mut Transaction<'static, Any>,
    events: &[NewEvent],
    now: i64,
) -> Result<Stored, DatabaseError> {
    let mut streams: BTreeMap<Stream, (Watermark, Vec<u64>)> = BTreeMap::new();
    for event in events {
        streams.entry(Stream::of(&event.id)).or_default();
    }
    // In the order of the map: two hubs that lock the same rows in different orders would wait for each other for ever.
    for (stream, (watermark, _)) in &mut streams {
        *watermark = lock(write, stream).await?;
    }
    let mut stored = Stored::default();
    let mut new = Vec::new();
    for event in events {
        let Some((watermark, seen)) = streams.get_mut(&Stream::of(&event.id)) else { continue };
        match watermark.note(event.id.seq) {
            Noted::New => new.push(event),
            Noted::Known => stored.duplicates += 1,
            Noted::Full => {
                stored.scattered += 1;
                continue;
            }
        }
        seen.push(event.id.seq);
    }
    stored.new = new.len() as u64;
    stored.last = insert_all(write, &new, now).await?;
    for (stream, (watermark, mut seen)) in streams {
        save(write, &stream, &watermark).await?;
        seen.retain(|seq| *seq > watermark.upto());
        seen.sort_unstable();
        seen.dedup();
        stored.acks.insert(stream, (watermark.upto(), seen));
    }
    Ok(stored)
}

/// The watermark of a spool, which nobody else changes until the transaction ends.
async fn lock(write: &mut Transaction<'static, Any>, stream: &Stream) -> Result<Watermark, DatabaseError> {
    let doing = "reading what is stored of an agent's spool";
    // An update that changes nothing locks the row on PostgreSQL; SQLite has one writer anyway.
    let statement = "INSERT INTO watermarks (agent, class, epoch, upto, above) VALUES ($1, $2, $3, 0, '') \
         ON CONFLICT (agent, class, epoch) DO UPDATE SET upto = watermarks.upto RETURNING upto, above";
    let query = sqlx::query(statement).bind(&stream.agent).bind(stream.class.as_str()).bind(epoch(stream.epoch));
    watermark(&query.fetch_one(&mut **write).await.doing(doing)?)
}

/// A row as a watermark.
pub(super) fn watermark(row: &AnyRow) -> Result<Watermark, DatabaseError> {
    let doing = "reading what is stored of an agent's spool";
    let upto: i64 = row.try_get("upto").doing(doing)?;
    let above: String = row.try_get("above").doing(doing)?;
    let read = Watermark::read(u64::try_from(upto).unwrap_or(0), &above);
    read.map_err(|error| sqlx::Error::Decode(Box::new(error))).doing(doing)
}

async fn save(
    write: &mut Transaction<'static, Any>,
    stream: &Stream,
    watermark: &Watermark,
) -> Result<(), DatabaseError> {
    let statement = "UPDATE watermarks SET upto = $1, above = $2 WHERE agent = $3 AND class = $4 AND epoch = $5";
    let update = sqlx::query(statement)
        .bind(i64::try_from(watermark.upto()).unwrap_or(i64::MAX))
        .bind(watermark.above())
        .bind(&stream.agent)
        .bind(stream.class.as_str())
        .bind(epoch(stream.epoch));
    update.execute(&mut **write).await.doing("writing down what is stored of an agent's spool")?;
    Ok(())
}

/// Inserts rows; returns the number of the last.
async fn insert_all(
    write: &mut Transaction<'static, Any>,
    events: &[&NewEvent],
    now: i64,
) -> Result<Option<i64>, DatabaseError> {
    if events.is_empty() {
        return Ok(None);
    }
    let doing = "numbering events";
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    let numbered = sqlx::query("UPDATE arrivals SET last = last + $1 RETURNING last").bind(count);
    let last: i64 = numbered.fetch_one(&mut **write).await.and_then(|row| row.try_get("last")).doing(doing)?;
    let mut number = last - count;
    let mut rest = events;
    for rows in ROWS {
        while rest.len() >= rows {
            let (chunk, others) = rest.split_at(rows);
            insert(write, chunk, number, now).await?;
            number += i64::try_from(rows).unwrap_or(0);
            rest = others;
        }
    }
    Ok(Some(last))
}

async fn insert(
    write: &mut Transaction<'static, Any>,
    events: &[&NewEvent],
    before: i64,
    now: i64,
) -> Result<(), DatabaseError> {
    let mut number = before;
    // Made of numbers alone: nothing that came in is part of it.
    let mut query = sqlx::query(AssertSqlSafe(statement(events.len())));
    for event in events {
        number += 1;
        query = query
            .bind(number)
            .bind(event.id.agent.as_str())
            .bind(event.id.class.as_str())
            .bind(epoch(event.id.epoch))
            .bind(i64::try_from(event.id.seq).unwrap_or(i64::MAX))
            .bind(event.time_ns)
            .bind(now)
            .bind(&event.kind)
            .bind(&event.severity)
            .bind(&event.phase)
            .bind(&event.episode)
            .bind(&event.camera)
            .bind(&event.rule)
            .bind(&event.label)
            .bind(&event.body);
    }
    query.execute(&mut **write).await.doing("storing events")?;
    Ok(())
}

fn statement(rows: usize) -> String {
    let row = |row: usize| {
        let marks: Vec<String> = (1..=COLUMNS).map(|column| format!("${}", row * COLUMNS + column)).collect();
        format!("({})", marks.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    // The watermark has decided that these are new; a row that is there all the same, as in a database put together from
    // two backups, must not stop all others.
    format!(
        "INSERT INTO events (number, agent, class, epoch, seq, time_ns, received_ns, kind, severity, phase, episode, \
         camera, rule, label, body) VALUES {} ON CONFLICT (agent, class, epoch, seq) DO NOTHING",
        rows.join(", ")
    )
}

/// An epoch as it is stored.
pub(super) fn epoch(epoch: u64) -> String {
    format!("{epoch:016x}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::NewEvent;

    /// An event with this number in its spool, and little in it.
    pub fn event(seq: u64) -> NewEvent {
        let text = String::new;
        NewEvent {
            id: format!("gate/event/00000000000000fe/{seq}").parse().unwrap(),
            time_ns: 0,
            kind: "track".to_owned(),
            severity: text(),
            phase: text(),
            episode: text(),
            camera: text(),
            rule: text(),
            label: text(),
            body: "{}".to_owned(),
        }
    }
}
