//! Verdicts with where their alerts stood, and what was decided, as rows of the database.

use serde::Serialize;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::cluster::{Judged, Proposal};
use crate::hub::access::Caller;
use crate::hub::database::{Database, DatabaseError, Doing as _};
use crate::vocab::{Id, Rect};

/// The most verdicts that are looked at: the newest.
const VERDICTS: i64 = 5000;
/// The most decisions that are listed and heeded.
const DECISIONS: i64 = 1000;

/// What somebody decided of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// Whose.
    pub agent: String,
    /// What it goes by.
    pub id: String,
    /// The camera.
    pub camera: String,
    /// The rule.
    pub rule: String,
    /// `accepted` or `dismissed`.
    pub decision: String,
    /// The name of the token.
    pub by: String,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
    /// Until when it holds; none where it was dismissed.
    pub until_ns: Option<i64>,
    /// The rollout that brings it to the agent; empty where it was dismissed.
    pub rollout: String,
    /// How far that is, such as `running`.
    pub rollout_state: String,
}

impl Decided {
    /// Whether it is still so: what was accepted and taken back is open again.
    pub(super) fn holds(&self) -> bool {
        !matches!(self.rollout_state.as_str(), "reverting" | "reverted" | "aborted")
    }
}

impl Decided {
    pub(super) fn accepted(proposal: &Proposal, by: &Caller, (at_ns, until_ns): (i64, i64), rollout: &str) -> Self {
        let (decision, rollout) = ("accepted".to_owned(), rollout.to_owned());
        Self { decision, rollout, until_ns: Some(until_ns), ..Self::dismissed(proposal, by, at_ns) }
    }

    pub(super) fn dismissed(proposal: &Proposal, by: &Caller, at_ns: i64) -> Self {
        Self {
            agent: proposal.agent.to_string(),
            id: proposal.id.clone(),
            camera: proposal.camera.to_string(),
            rule: proposal.rule.to_string(),
            decision: "dismissed".to_owned(),
            by: by.name.clone(),
            at_ns,
            until_ns: None,
            rollout: String::new(),
            rollout_state: String::new(),
        }
    }
}

/// Alerts that were judged true or false since a moment. What cannot be placed in a picture is left out.
pub(super) async fn judged(database: &Database, since_ns: i64) -> Result<Vec<Judged>, DatabaseError> {
    let doing = "looking for verdicts";
    let statement = "SELECT verdicts.agent, verdicts.episode, verdicts.verdict, verdicts.at_ns, \
         (SELECT events.body FROM events WHERE events.agent = verdicts.agent AND events.episode = verdicts.episode \
         ORDER BY events.number LIMIT 1) AS body FROM verdicts \
         WHERE verdicts.at_ns >= $1 AND verdicts.verdict IN ('true', 'false') ORDER BY verdicts.at_ns DESC LIMIT $2";
    let query = sqlx::query(statement).bind(since_ns).bind(VERDICTS);
    let rows = query.fetch_all(database.pool()).await.doing(doing)?;
    let read = |row: &AnyRow| -> Result<Option<Judged>, DatabaseError> {
        let body: Option<String> = row.try_get("body").doing(doing)?;
        let event: Value = body.and_then(|body| serde_json::from_str(&body).ok()).unwrap_or_default();
        let (agent, verdict): (String, String) =
            (row.try_get("agent").doing(doing)?, row.try_get("verdict").doing(doing)?);
        let (episode, at_ns) = (row.try_get("episode").doing(doing)?, row.try_get("at_ns").doing(doing)?);
        Ok(placed(&agent, &event).map(|judged| Judged { episode, is_true: verdict == "true", at_ns, ..judged }))
    };
    rows.iter().filter_map(|row| read(row).transpose()).collect()
}

/// Where the alert of an event stood, for what was judged of it.
fn placed(agent: &str, event: &Value) -> Option<Judged> {
    let text = |pointer: &str| event.pointer(pointer)?.as_str();
    let sides: [f32; 4] = serde_json::from_value(event.pointer("/data/subject/box")?.clone()).ok()?;
    Some(Judged {
        agent: Id::new(agent).ok()?,
        camera: Id::new(text("/data/camera")?).ok()?,
        rule: Id::new(text("/data/rule")?).ok()?,
        label: text("/data/subject/label").unwrap_or_default().to_owned(),
        episode: String::new(),
        bbox: Rect::from(sides),
        is_true: false,
        at_ns: 0,
    })
}

/// What was decided, the newest first.
pub(super) async fn decided(database: &Database) -> Result<Vec<Decided>, DatabaseError> {
    let doing = "reading what was decided of suppressions";
    let statement = "SELECT s.agent, s.id, s.camera, s.rule, s.decision, s.by_whom, s.at_ns, s.until_ns, s.rollout, \
         COALESCE(rollouts.state, '') AS rollout_state FROM suppressions AS s \
         LEFT JOIN rollouts ON rollouts.id = s.rollout ORDER BY s.at_ns DESC, s.id LIMIT $1";
    let rows = sqlx::query(statement).bind(DECISIONS).fetch_all(database.pool()).await.doing(doing)?;
    let read = |row: &AnyRow| {
        let text = |column: &str| -> Result<String, DatabaseError> { row.try_get(column).doing(doing) };
        Ok(Decided {
            agent: text("agent")?,
            id: text("id")?,
            camera: text("camera")?,
            rule: text("rule")?,
            decision: text("decision")?,
            by: text("by_whom")?,
            at_ns: row.try_get("at_ns").doing(doing)?,
            until_ns: row.try_get("until_ns").doing(doing)?,
            rollout: text("rollout")?,
            rollout_state: text("rollout_state")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Notes what was decided within `write`.
pub(super) async fn note(write: &mut Transaction<'static, Any>, decided: &Decided) -> Result<(), DatabaseError> {
    let statement = "INSERT INTO suppressions (agent, id, camera, rule, decision, by_whom, at_ns, until_ns, rollout) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (agent, id) DO UPDATE SET decision = excluded.decision, \
         by_whom = excluded.by_whom, at_ns = excluded.at_ns, until_ns = excluded.until_ns, rollout = excluded.rollout";
    let insert = sqlx::query(statement)
        .bind(&decided.agent)
        .bind(&decided.id)
        .bind(&decided.camera)
        .bind(&decided.rule)
        .bind(&decided.decision)
        .bind(&decided.by)
        .bind(decided.at_ns)
        .bind(decided.until_ns)
        .bind(&decided.rollout);
    insert.execute(&mut **write).await.doing("noting what was decided of a suppression").map(drop)
}
