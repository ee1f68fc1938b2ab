//! The statements of rollouts, and rows as what the planner takes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor as _, Row as _, Transaction};

use super::node::{Node, Report, Stage, Standing, Told, Word};
use super::plan::{Course, Rollout, State};
use super::said::Evidence;
use super::spec::{Artifact, Spec};
use crate::hub::database::{Database, DatabaseError, Doing as _, Engine};
use crate::hub::fleet::{self, State as Presence};
use crate::vocab::Id;
use crate::wire::OverlayRef;

const DOING: &str = "reading a rollout";

/// Any number, the same in all hubs: who holds this lock of PostgreSQL changes rollouts while others wait. SQLite has one
/// writer anyway.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7234022)";
const TRY_LOCK: &str = "SELECT pg_try_advisory_xact_lock(7234022) AS held";

/// A rollout with what is known of how it came about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    pub(super) rollout: Rollout,
    pub(super) created_by: String,
    pub(super) created_ns: i64,
    pub(super) changed_ns: i64,
}

/// A node with what was written down of it when the rollout was last looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredNode {
    pub(super) node: Node,
    pub(super) presence: Presence,
    pub(super) standing: Standing,
    pub(super) evidence: Option<Evidence>,
    pub(super) fault: Option<Fault>,
}

/// How something failed on a node.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
pub struct Fault {
    /// What happened.
    pub stage: Stage,
    /// Why.
    pub reason: String,
    /// What was measured.
    pub evidence: Option<Evidence>,
}

/// Begins a transaction that changes rollouts, after any other one.
pub(super) async fn begin(database: &Database) -> Result<Transaction<'static, Any>, DatabaseError> {
    let mut write = database.write().await?;
    if database.engine() == Engine::Postgres {
        (&mut *write).execute(LOCK).await.doing("waiting for another hub that changes a rollout")?;
    }
    Ok(write)
}

/// The same, unless another hub has one just now.
pub(super) async fn try_begin(database: &Database) -> Result<Option<Transaction<'static, Any>>, DatabaseError> {
    let mut write = database.write().await?;
    if database.engine() == Engine::Postgres {
        let row = sqlx::query(TRY_LOCK).fetch_one(&mut *write).await;
        let is_held: bool = row.and_then(|row| row.try_get("held")).doing("asking whether another hub is at it")?;
        if !is_held {
            return Ok(None);
        }
    }
    Ok(Some(write))
}

const ROLLOUT: &str = "SELECT id, spec, state, why, groups_told, succeeded_ns, approved, aborted, created_by, created_ns, \
     changed_ns FROM rollouts";

/// The names of all that are not settled, the oldest first.
pub(super) async fn unsettled(connection: &mut AnyConnection) -> Result<Vec<String>, DatabaseError> {
    let statement =
        "SELECT id FROM rollouts WHERE state NOT IN ('reverted', 'finished', 'aborted') ORDER BY created_ns, id";
    let rows = sqlx::query(statement).fetch_all(connection).await.doing(DOING)?;
    rows.iter().map(|row| row.try_get("id").doing(DOING)).collect()
}

/// The newest ones, the newest first.
pub(super) async fn newest(connection: &mut AnyConnection, limit: i64) -> Result<Vec<Stored>, DatabaseError> {
    let statement = sqlx::AssertSqlSafe(format!("{ROLLOUT} ORDER BY created_ns DESC, id DESC LIMIT $1"));
    let rows = sqlx::query(statement).bind(limit).fetch_all(connection).await.doing(DOING)?;
    rows.iter().map(stored).collect()
}

/// One by its name.
pub(super) async fn one(connection: &mut AnyConnection, id: &str) -> Result<Option<Stored>, DatabaseError> {
    let statement = sqlx::AssertSqlSafe(format!("{ROLLOUT} WHERE id = $1"));
    let row = sqlx::query(statement).bind(id).fetch_optional(connection).await.doing(DOING)?;
    row.as_ref().map(stored).transpose()
}

fn stored(row: &AnyRow) -> Result<Stored, DatabaseError> {
    let text = |column: &str| -> Result<String, DatabaseError> { row.try_get(column).doing(DOING) };
    let number = |column: &str| -> Result<i64, DatabaseError> { row.try_get(column).doing(DOING) };
    let state = text("state")?;
    let course = Course {
        state: State::read(&state).ok_or_else(|| strange("state", &state))?,
        why: text("why")?,
        groups_told: u32::try_from(number("groups_told")?).unwrap_or(u32::MAX),
        succeeded_ns: row.try_get("succeeded_ns").doing(DOING)?,
        is_approved: number("approved")? != 0,
        is_aborted: number("aborted")? != 0,
    };
    let spec: Spec = json(&text("spec")?)?;
    Ok(Stored {
        rollout: Rollout { id: text("id")?, spec, course },
        created_by: text("created_by")?,
        created_ns: number("created_ns")?,
        changed_ns: number("changed_ns")?,
    })
}

fn strange(column: &str, value: &str) -> DatabaseError {
    let source = sqlx::Error::Decode(format!("{value:?} in {column}").into());
    DatabaseError::Statement { doing: DOING, source }
}

/// The nodes of a rollout in their order, as they are at `now`; `link_ns` is since when this hub can hear them.
pub(super) async fn nodes(
    connection: &mut AnyConnection,
    id: &str,
    link_ns: Option<i64>,
    now: i64,
) -> Result<Vec<StoredNode>, DatabaseError> {
    let statement = "SELECT n.agent, n.group_number, n.told_revision, n.told_ns, n.previous, n.back_revision, n.back_ns, \
         n.stage, n.reason, n.evidence, n.fault, a.status, a.boot, a.status_ns, a.health_boot, a.health_ns, \
         p.document, p.heard_ns FROM rollout_nodes n JOIN agents a ON a.id = n.agent \
         LEFT JOIN reported p ON p.agent = n.agent WHERE n.rollout = $1 ORDER BY n.place";
    let rows = sqlx::query(statement).bind(id).fetch_all(connection).await.doing(DOING)?;
    rows.iter().map(|row| node(row, link_ns, now)).collect()
}

fn node(row: &AnyRow, link_ns: Option<i64>, now: i64) -> Result<StoredNode, DatabaseError> {
    let text = |column: &str| -> Result<String, DatabaseError> { row.try_get(column).doing(DOING) };
    let condition = fleet::condition(row, now)?;
    let is_online = condition.state == Presence::Online;
    let told = word(row, "told_revision", "told_ns")?;
    let told = told.map(|word| Ok(Told { word, previous: optional(&text("previous")?)? })).transpose()?;
    let agent = text("agent")?;
    let group: i64 = row.try_get("group_number").doing(DOING)?;
    let node = Node {
        agent: Id::new(&agent).map_err(|_| strange("agent", &agent))?,
        group: u32::try_from(group).unwrap_or(u32::MAX),
        told,
        taken_back: word(row, "back_revision", "back_ns")?,
        // What it did while nobody here could hear it is not held against it.
        online_since_ns: link_ns.filter(|_| is_online).map(|since| since.max(condition.since_ns)),
        report: report(row)?,
    };
    Ok(StoredNode {
        node,
        presence: condition.state,
        standing: Standing { stage: stage(&text("stage")?)?, reason: text("reason")? },
        evidence: optional(&text("evidence")?)?,
        fault: optional(&text("fault")?)?,
    })
}

fn stage(text: &str) -> Result<Stage, DatabaseError> {
    Stage::read(text).ok_or_else(|| strange("stage", text))
}

fn word(row: &AnyRow, revision: &str, at: &str) -> Result<Option<Word>, DatabaseError> {
    let revision: Option<i64> = row.try_get(revision).doing(DOING)?;
    let at_ns: Option<i64> = row.try_get(at).doing(DOING)?;
    let word = |revision: i64, at_ns| Word { revision: u64::try_from(revision).unwrap_or(0), at_ns };
    Ok(revision.zip(at_ns).map(|(revision, at_ns)| word(revision, at_ns)))
}

fn report(row: &AnyRow) -> Result<Option<Report>, DatabaseError> {
    let document: Option<String> = row.try_get("document").doing(DOING)?;
    let heard_ns: Option<i64> = row.try_get("heard_ns").doing(DOING)?;
    let Some((document, heard_ns)) = document.zip(heard_ns) else { return Ok(None) };
    Ok(Some(Report { message: json(&document)?, heard_ns }))
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, DatabaseError> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error))).doing(DOING)
}

fn optional<T: DeserializeOwned>(text: &str) -> Result<Option<T>, DatabaseError> {
    if text.is_empty() { Ok(None) } else { json(text).map(Some) }
}

/// JSON; empty for none.
fn written<T: Serialize>(value: Option<&T>) -> Result<String, DatabaseError> {
    let text = value.map(serde_json::to_string).transpose();
    text.map(Option::unwrap_or_default)
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))
        .doing("writing down a rollout")
}

/// Keeps the text of an overlay.
pub(super) async fn keep_overlay(
    write: &mut Transaction<'static, Any>,
    overlay: &OverlayRef,
    text: &str,
) -> Result<(), DatabaseError> {
    let statement = "INSERT INTO overlays (sha256, text) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING";
    let insert = sqlx::query(statement).bind(&overlay.sha256).bind(text);
    insert.execute(&mut **write).await.doing("writing down an overlay")?;
    Ok(())
}

/// The text of an overlay, if it was ever rolled out from here.
pub(super) async fn overlay(connection: &mut AnyConnection, sha256: &str) -> Result<Option<String>, DatabaseError> {
    let doing = "reading an overlay";
    let row = sqlx::query("SELECT text FROM overlays WHERE sha256 = $1").bind(sha256);
    let row = row.fetch_optional(connection).await.doing(doing)?;
    row.map(|row| row.try_get("text").doing(doing)).transpose()
}

/// Writes a new rollout down, and its nodes in their order with their groups.
pub(super) async fn insert(
    write: &mut Transaction<'static, Any>,
    rollout: &Rollout,
    nodes: &[(Id, u32)],
    by: &str,
    now: i64,
) -> Result<(), DatabaseError> {
    let doing = "writing down a rollout";
    let (spec, course) = (&rollout.spec, &rollout.course);
    let statement = "INSERT INTO rollouts (id, slot, sha256, spec, state, why, groups_told, succeeded_ns, approved, aborted, \
         created_by, created_ns, changed_ns) VALUES ($1, $2, $3, $4, $5, '', 0, NULL, 0, 0, $6, $7, $7)";
    let insert = sqlx::query(statement).bind(&rollout.id).bind(spec.target.slot()).bind(spec.target.sha256());
    let insert = insert.bind(written(Some(spec))?).bind(course.state.as_str()).bind(by).bind(now);
    insert.execute(&mut **write).await.doing(doing)?;
    for (place, (agent, group)) in (0_i64..).zip(nodes) {
        let statement = "INSERT INTO rollout_nodes (rollout, agent, place, group_number, previous, stage, reason, evidence, \
             fault) VALUES ($1, $2, $3, $4, '', 'waiting', '', '', '')";
        let insert = sqlx::query(statement).bind(&rollout.id).bind(agent.as_str()).bind(place).bind(i64::from(*group));
        insert.execute(&mut **write).await.doing(doing)?;
    }
    Ok(())
}

/// Writes down where a rollout is.
pub(super) async fn move_to(
    write: &mut Transaction<'static, Any>,
    id: &str,
    course: &Course,
    changed_ns: i64,
) -> Result<(), DatabaseError> {
    let statement = "UPDATE rollouts SET state = $1, why = $2, groups_told = $3, succeeded_ns = $4, approved = $5, \
         aborted = $6, changed_ns = $7 WHERE id = $8";
    let update = sqlx::query(statement)
        .bind(course.state.as_str())
        .bind(&course.why)
        .bind(i64::from(course.groups_told))
        .bind(course.succeeded_ns)
        .bind(i64::from(course.is_approved))
        .bind(i64::from(course.is_aborted))
        .bind(changed_ns)
        .bind(id);
    update.execute(&mut **write).await.doing("writing down where a rollout is")?;
    Ok(())
}

/// Writes down that a node was told of what is new, and what it goes back to.
pub(super) async fn told(
    write: &mut Transaction<'static, Any>,
    id: &str,
    agent: &Id,
    revision: i64,
    previous: Option<&Artifact>,
    now: i64,
) -> Result<(), DatabaseError> {
    let statement = "UPDATE rollout_nodes SET told_revision = $1, told_ns = $2, previous = $3, stage = 'told' \
         WHERE rollout = $4 AND agent = $5";
    let update = sqlx::query(statement).bind(revision).bind(now).bind(written(previous)?).bind(id).bind(agent.as_str());
    update.execute(&mut **write).await.doing("writing down what an agent was told")?;
    Ok(())
}

/// Writes down that a node was told to go back.
pub(super) async fn taken_back(
    write: &mut Transaction<'static, Any>,
    id: &str,
    agent: &Id,
    revision: i64,
    now: i64,
) -> Result<(), DatabaseError> {
    let statement = "UPDATE rollout_nodes SET back_revision = $1, back_ns = $2 WHERE rollout = $3 AND agent = $4";
    let update = sqlx::query(statement).bind(revision).bind(now).bind(id).bind(agent.as_str());
    update.execute(&mut **write).await.doing("writing down that an agent goes back")?;
    Ok(())
}

/// Writes down how far a node is.
pub(super) async fn stand(
    write: &mut Transaction<'static, Any>,
    id: &str,
    agent: &Id,
    standing: &Standing,
    evidence: Option<&Evidence>,
    fault: Option<&Fault>,
) -> Result<(), DatabaseError> {
    let statement = "UPDATE rollout_nodes SET stage = $1, reason = $2, evidence = $3, fault = $4 \
         WHERE rollout = $5 AND agent = $6";
    let update = sqlx::query(statement)
        .bind(standing.stage.as_str())
        .bind(&standing.reason)
        .bind(written(evidence)?)
        .bind(written(fault)?)
        .bind(id)
        .bind(agent.as_str());
    update.execute(&mut **write).await.doing("writing down how far an agent is")?;
    Ok(())
}

/// How many nodes of each group of each rollout are at which stage, as written down.
pub(super) async fn counts(connection: &mut AnyConnection) -> Result<Vec<(String, u32, Stage, i64)>, DatabaseError> {
    let statement = "SELECT rollout, group_number, stage, COUNT(*) AS many FROM rollout_nodes \
         GROUP BY rollout, group_number, stage";
    let rows = sqlx::query(statement).fetch_all(connection).await.doing(DOING)?;
    let read = |row: &AnyRow| {
        let group: i64 = row.try_get("group_number").doing(DOING)?;
        let stage: String = row.try_get("stage").doing(DOING)?;
        let (rollout, many) = (row.try_get("rollout").doing(DOING)?, row.try_get("many").doing(DOING)?);
        Ok((rollout, u32::try_from(group).unwrap_or(u32::MAX), self::stage(&stage)?, many))
    };
    rows.iter().map(read).collect()
}
