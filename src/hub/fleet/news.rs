//! What agents say of themselves, written down.

use std::collections::BTreeMap;

use sqlx::{Any, Transaction};

use crate::hub::database::{DatabaseError, Doing as _};
use crate::vocab::Id;
use crate::wire::{Presence, PresenceMessage};

/// What was heard of one agent in one batch: of each kind the latest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    /// Whether anything of it was sent just now, and did not lie at the broker.
    pub spoke: bool,
    /// Whether it is there. All of them, as a stale one must not cover the one before it.
    pub presence: Vec<PresenceMessage>,
    /// Its health.
    pub health: Option<HeardHealth>,
    /// The state of each camera, JSON.
    pub cameras: BTreeMap<Id, String>,
    /// What it has of what it is to have. All of them, as a stale one must not cover the one before it.
    pub reported: Vec<HeardReport>,
}

/// A report of what an agent has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardReport {
    /// The report, JSON.
    pub body: String,
    /// The run that it is of.
    pub boot: String,
    /// Its number.
    pub sequence: i64,
}

/// A health message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardHealth {
    /// The message, JSON.
    pub body: String,
    /// The run that it is about.
    pub boot: String,
    /// When it was said, in nanoseconds since 1970.
    pub at_ns: i64,
}

/// Writes within `write` what was heard of one agent at `now`.
///
/// # Errors
/// When the database fails.
pub async fn note(
    write: &mut Transaction<'static, Any>,
    agent: &Id,
    heard: &Heard,
    now: i64,
) -> Result<(), DatabaseError> {
    let statement = "INSERT INTO agents (id, admitted_by, labels, first_seen_ns, last_seen_ns, status, boot, version, \
         status_ns, health, health_boot, health_ns) VALUES ($1, '', '{}', $2, $3, '', '', '', 0, '', '', 0) \
         ON CONFLICT (id) DO UPDATE SET last_seen_ns = CASE WHEN agents.last_seen_ns < excluded.last_seen_ns \
         THEN excluded.last_seen_ns ELSE agents.last_seen_ns END";
    let spoke_ns = if heard.spoke { now } else { heard.health.as_ref().map_or(0, |health| health.at_ns) };
    let insert = sqlx::query(statement).bind(agent.as_str()).bind(now).bind(spoke_ns);
    insert.execute(&mut **write).await.doing("noting an agent")?;
    for presence in &heard.presence {
        note_presence(write, agent, presence, now).await?;
    }
    if let Some(health) = &heard.health {
        note_health(write, agent, health).await?;
    }
    for (camera, state) in &heard.cameras {
        note_camera(write, agent, camera, state, now).await?;
    }
    for report in &heard.reported {
        note_report(write, agent, report, now).await?;
    }
    Ok(())
}

async fn note_presence(
    write: &mut Transaction<'static, Any>,
    agent: &Id,
    presence: &PresenceMessage,
    now: i64,
) -> Result<(), DatabaseError> {
    let status = if presence.status == Presence::Online { "online" } else { "offline" };
    // An offline of a boot that is not the last one seen online is the late will of an earlier run. The same word again,
    // as after each connection of the hub, does not begin anew.
    let statement = "UPDATE agents SET status = $1, boot = $2, version = $3, status_ns = $4 WHERE id = $5 \
         AND ($1 = 'online' OR status <> 'online' OR boot = $2) AND NOT (status = $1 AND boot = $2)";
    let update =
        sqlx::query(statement).bind(status).bind(&presence.boot).bind(&presence.version).bind(now).bind(agent.as_str());
    update.execute(&mut **write).await.doing("noting whether an agent is there")?;
    Ok(())
}

async fn note_health(
    write: &mut Transaction<'static, Any>,
    agent: &Id,
    health: &HeardHealth,
) -> Result<(), DatabaseError> {
    // One that lay at the broker may be older than what is known.
    let statement = "UPDATE agents SET health = $1, health_boot = $2, health_ns = $3 WHERE id = $4 AND health_ns <= $3";
    let update = sqlx::query(statement).bind(&health.body).bind(&health.boot).bind(health.at_ns).bind(agent.as_str());
    update.execute(&mut **write).await.doing("noting an agent's health")?;
    Ok(())
}

async fn note_camera(
    write: &mut Transaction<'static, Any>,
    agent: &Id,
    camera: &Id,
    state: &str,
    now: i64,
) -> Result<(), DatabaseError> {
    let statement = "INSERT INTO cameras (agent, camera, state, state_ns) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (agent, camera) DO UPDATE SET state = excluded.state, state_ns = excluded.state_ns \
         WHERE cameras.state <> excluded.state";
    let insert = sqlx::query(statement).bind(agent.as_str()).bind(camera.as_str()).bind(state).bind(now);
    insert.execute(&mut **write).await.doing("noting the state of a camera")?;
    Ok(())
}

async fn note_report(
    write: &mut Transaction<'static, Any>,
    agent: &Id,
    report: &HeardReport,
    now: i64,
) -> Result<(), DatabaseError> {
    // One that lay at the broker may be older than what is known. An agent that has lost its memory counts from the
    // beginning: it is believed in the run that says of itself that it is online.
    let statement = "INSERT INTO reported (agent, boot, sequence, document, heard_ns) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (agent) DO UPDATE SET boot = excluded.boot, sequence = excluded.sequence, \
         document = excluded.document, heard_ns = excluded.heard_ns \
         WHERE reported.sequence < excluded.sequence OR (reported.boot <> excluded.boot AND EXISTS \
         (SELECT 1 FROM agents a WHERE a.id = excluded.agent AND a.status = 'online' AND a.boot = excluded.boot))";
    let insert = sqlx::query(statement).bind(agent.as_str()).bind(&report.boot).bind(report.sequence);
    let insert = insert.bind(&report.body).bind(now);
    insert.execute(&mut **write).await.doing("noting what an agent reports to have")?;
    Ok(())
}
