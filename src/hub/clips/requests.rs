//! Asking an agent for the clip of an episode, and what it answers.

use jiff::Timestamp;
use serde_json::{Map, json};
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::error::ClipError;
use super::standing::{Asked, Told};
use super::{ClipFacts, Clips};
use crate::base::clock::SharedClock;
use crate::hub::access::{Audit, Caller, Change, Role, secret};
use crate::hub::blobs::BlobName;
use crate::hub::database::{Database, DatabaseError, Doing as _};
use crate::mqtt::consumer::Publisher;
use crate::vocab::Id;
use crate::wire::{self, Command, Reply, Topics};

/// How long the agent may take a command, in nanoseconds.
const HOLDS_NS: i64 = 120 * 1_000_000_000;
/// What the ids of these commands begin with, so that answers to others are not looked for.
const PREFIX: &str = "hub-clip-";
/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 500;

/// Asks agents for clips. Cloning is cheap.
#[derive(Clone)]
pub struct Requests {
    database: Database,
    clock: SharedClock,
    clips: Clips,
    publisher: Option<Publisher>,
}

impl Requests {
    /// Asks for what `clips` does not have, at the broker of `publisher`.
    pub fn new(database: Database, clock: SharedClock, clips: Clips, publisher: Option<Publisher>) -> Self {
        Self { database, clock, clips, publisher }
    }

    /// Whether agents can be asked at all.
    pub fn has_broker(&self) -> bool {
        self.publisher.is_some()
    }

    /// How it is with the clip of an episode.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn told(&self, agent: &Id, episode: &str) -> Result<Told, DatabaseError> {
        let doing = "looking whether a clip was asked for";
        let statement = "SELECT asked_by, asked_ns, expires_ns, code, reason, sha256 FROM clip_requests \
             WHERE agent = $1 AND episode = $2";
        let query = sqlx::query(statement).bind(agent.as_str()).bind(episode);
        let row = query.fetch_optional(self.database.pool()).await.doing(doing)?;
        let asked = row.as_ref().map(asked_of).transpose()?;
        let mut clip = self.clips.of_episode(agent, episode).await?;
        let sha256: Option<String> = row.map(|row| row.try_get("sha256")).transpose().doing(doing)?;
        if let (None, Some(name)) = (&clip, sha256.and_then(|sha256| BlobName::new(&sha256).ok())) {
            // It shows another episode too, and came under the name of that one.
            clip = self.clips.one(agent, &name).await?;
        }
        Ok(Told::of(clip, asked, self.clock.unix_nanos()))
    }

    /// Asks the agent for the clip of an episode, unless it is here or on its way.
    ///
    /// # Errors
    /// When `by` is no operator, there is no such episode, no broker or no connection to it, or the database fails.
    pub async fn ask(&self, by: &Caller, agent: &Id, episode: &str) -> Result<Told, ClipError> {
        by.needs(Role::Operator)?;
        let publisher = self.publisher.as_ref().ok_or(ClipError::NoBroker)?;
        self.must_be_known(agent, episode).await?;
        let told = self.told(agent, episode).await?;
        if told.is_waiting() || told.clip.as_ref().is_some_and(ClipFacts::is_whole) {
            return Ok(told);
        }
        let now = self.clock.unix_nanos();
        let (id, expires_ns) = (format!("{PREFIX}{}", secret::random::<8>()?), now.saturating_add(HOLDS_NS));
        self.note(by, agent, episode, &id, (now, expires_ns)).await?;
        let expires = Timestamp::from_nanosecond(i128::from(expires_ns)).unwrap_or(Timestamp::MAX).to_string();
        let args = Map::from_iter([("episode".to_owned(), json!(episode))]);
        let command = wire::to_json(&Command { id: id.clone(), expires, args });
        if !publisher.tell(&Topics::new(agent).command(Command::CLIP), command) {
            self.take_back(agent, &id).await?;
            return Err(ClipError::Away);
        }
        Ok(self.told(agent, episode).await?)
    }

    async fn must_be_known(&self, agent: &Id, episode: &str) -> Result<(), ClipError> {
        let statement = "SELECT 1 AS known FROM events WHERE agent = $1 AND episode = $2 LIMIT 1";
        let query = sqlx::query(statement).bind(agent.as_str()).bind(episode);
        let known = query.fetch_optional(self.database.pool()).await.doing("looking for an episode")?;
        if known.is_some() && !episode.is_empty() {
            return Ok(());
        }
        Err(ClipError::NoEpisode { agent: agent.clone(), episode: episode.to_owned() })
    }

    /// Notes that it is being asked: before it is, for the answer may come at once.
    async fn note(
        &self,
        by: &Caller,
        agent: &Id,
        episode: &str,
        command: &str,
        (now, expires_ns): (i64, i64),
    ) -> Result<(), ClipError> {
        let doing = "noting that a clip is asked for";
        let statement = "INSERT INTO clip_requests \
             (agent, episode, command, asked_by, asked_ns, expires_ns, code, reason, sha256) \
             VALUES ($1, $2, $3, $4, $5, $6, '', '', '') ON CONFLICT (agent, episode) DO UPDATE SET \
             command = excluded.command, asked_by = excluded.asked_by, asked_ns = excluded.asked_ns, \
             expires_ns = excluded.expires_ns, code = '', reason = '', sha256 = ''";
        let mut write = self.database.write().await?;
        let insert = sqlx::query(statement)
            .bind(agent.as_str())
            .bind(episode)
            .bind(command)
            .bind(&by.name)
            .bind(now)
            .bind(expires_ns);
        insert.execute(&mut *write).await.doing(doing)?;
        let object = format!("{agent}/{episode}");
        let change = Change { action: "clip.ask", object: &object, details: json!({ "command": command }) };
        Audit::note(&mut write, now, by, &change).await?;
        Ok(write.commit().await.doing(doing)?)
    }

    /// Forgets a question that did not get out.
    async fn take_back(&self, agent: &Id, command: &str) -> Result<(), DatabaseError> {
        let doing = "noting that a clip was not asked for";
        let mut write = self.database.write().await?;
        let delete = sqlx::query("DELETE FROM clip_requests WHERE agent = $1 AND command = $2");
        delete.bind(agent.as_str()).bind(command).execute(&mut *write).await.doing(doing)?;
        write.commit().await.doing(doing)
    }
}

/// Whether the command with this id asked for a clip.
pub fn is_ours(command: &str) -> bool {
    command.starts_with(PREFIX)
}

/// Notes within `write` what an agent has answered. An answer to what nobody asks any more changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn answered(write: &mut Transaction<'static, Any>, agent: &Id, reply: &Reply) -> Result<(), DatabaseError> {
    let code = json!(reply.code);
    let reason: String = reply.reason.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect();
    // Named by the answer that it is coming, where it is known then, and by the one that it is there.
    let result = reply.result.as_ref();
    let named = result.and_then(|result| result.get("sha256").or(result.pointer("/clip_file/sha256"))?.as_str());
    let sha256 = named.and_then(|named| BlobName::new(named).ok());
    let statement = "UPDATE clip_requests SET code = $1, reason = $2, \
         sha256 = CASE WHEN $3 = '' THEN sha256 ELSE $3 END WHERE agent = $4 AND command = $5";
    let update = sqlx::query(statement)
        .bind(code.as_str().unwrap_or_default())
        .bind(reason)
        .bind(sha256.as_ref().map_or("", BlobName::as_str))
        .bind(agent.as_str())
        .bind(&reply.id);
    update.execute(&mut **write).await.doing("noting what an agent answered").map(drop)
}

fn asked_of(row: &AnyRow) -> Result<Asked, DatabaseError> {
    let doing = "reading what was asked";
    Ok(Asked {
        by: row.try_get("asked_by").doing(doing)?,
        at_ns: row.try_get("asked_ns").doing(doing)?,
        expires_ns: row.try_get("expires_ns").doing(doing)?,
        code: row.try_get("code").doing(doing)?,
        reason: row.try_get("reason").doing(doing)?,
    })
}
