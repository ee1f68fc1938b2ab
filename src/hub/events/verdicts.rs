//! What people think of an episode: stored for learning, and kept when the events themselves have gone.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row as _;

use crate::base::clock::SharedClock;
use crate::hub::access::{AccessError, Audit, Caller, Change};
use crate::hub::database::{Database, DatabaseError, Doing as _};
use crate::vocab::Id;

/// The longest label and the longest note, in characters.
const LONGEST: usize = 1000;

/// What somebody thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opinion {
    /// It was right to raise it.
    True,
    /// There was nothing.
    False,
    /// There was something else.
    WrongClass,
    /// Something was there that was not told of.
    Missed,
}

/// A verdict as it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// What somebody thinks.
    pub verdict: Opinion,
    /// What it was: needed with `wrong-class` and `missed`, and has no meaning with the others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Whatever else there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A verdict as it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The name of the token.
    pub by: String,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
}

/// Why a verdict was not given or not found.
#[derive(Debug, thiserror::Error)]
pub enum VerdictError {
    /// Nothing is known of the episode.
    #[error("no event of the agent {agent} belongs to the episode {episode}")]
    NoEpisode {
        /// The agent.
        agent: Id,
        /// The episode.
        episode: String,
    },
    /// Nobody has given one.
    #[error("nobody has given a verdict on the episode {episode} of the agent {agent}")]
    None {
        /// The agent.
        agent: Id,
        /// The episode.
        episode: String,
    },
    /// The label is missing or has no meaning.
    #[error("a label is needed with wrong-class and missed, and has no meaning with the others")]
    Label,
    /// A text cannot be stored.
    #[error("label and note have at most {LONGEST} characters, none of them NUL")]
    Text,
    /// Who gave it could not be noted.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// All verdicts. Cloning is cheap.
#[derive(Clone)]
pub struct Verdicts {
    database: Database,
    clock: SharedClock,
}

impl Verdicts {
    /// The verdicts in `database`.
    pub fn new(database: Database, clock: SharedClock) -> Self {
        Self { database, clock }
    }

    /// Gives a verdict, which replaces the one before.
    ///
    /// # Errors
    /// When there is no such episode, the label does not fit, or the database fails.
    pub async fn give(&self, by: &Caller, agent: &Id, episode: &str, verdict: &Verdict) -> Result<(), VerdictError> {
        check(verdict)?;
        let doing = "giving a verdict";
        let mut write = self.database.write().await?;
        let known = sqlx::query("SELECT 1 AS known FROM events WHERE agent = $1 AND episode = $2 LIMIT 1");
        let known = known.bind(agent.as_str()).bind(episode).fetch_optional(&mut *write).await.doing(doing)?;
        if known.is_none() || episode.is_empty() {
            return Err(VerdictError::NoEpisode { agent: agent.clone(), episode: episode.to_owned() });
        }
        let now = self.clock.unix_nanos();
        let details = json!(verdict);
        let opinion = details["verdict"].as_str().unwrap_or_default();
        let statement = "INSERT INTO verdicts (agent, episode, verdict, label, note, by_whom, at_ns) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (agent, episode) DO UPDATE SET verdict = excluded.verdict, \
             label = excluded.label, note = excluded.note, by_whom = excluded.by_whom, at_ns = excluded.at_ns";
        let insert = sqlx::query(statement)
            .bind(agent.as_str())
            .bind(episode)
            .bind(opinion)
            .bind(&verdict.label)
            .bind(&verdict.note)
            .bind(&by.name)
            .bind(now);
        insert.execute(&mut *write).await.doing(doing)?;
        let object = format!("{agent}/{episode}");
        let change = Change { action: "event.verdict", object: &object, details };
        Audit::note(&mut write, now, by, &change).await?;
        write.commit().await.doing(doing)?;
        Ok(())
    }

    /// The verdict on an episode.
    ///
    /// # Errors
    /// When nobody has given one, or the database fails.
    pub async fn of(&self, agent: &Id, episode: &str) -> Result<Given, VerdictError> {
        let doing = "looking for a verdict";
        let statement = "SELECT verdict, label, note, by_whom, at_ns FROM verdicts WHERE agent = $1 AND episode = $2";
        let query = sqlx::query(statement).bind(agent.as_str()).bind(episode);
        let Some(row) = query.fetch_optional(self.database.pool()).await.doing(doing)? else {
            return Err(VerdictError::None { agent: agent.clone(), episode: episode.to_owned() });
        };
        let opinion: String = row.try_get("verdict").doing(doing)?;
        let opinion = serde_json::from_value(json!(opinion));
        let verdict = Verdict {
            verdict: opinion.map_err(|error| sqlx::Error::Decode(Box::new(error))).doing(doing)?,
            label: row.try_get("label").doing(doing)?,
            note: row.try_get("note").doing(doing)?,
        };
        let (by, at_ns) = (row.try_get("by_whom").doing(doing)?, row.try_get("at_ns").doing(doing)?);
        Ok(Given { verdict, by, at_ns })
    }
}

fn check(verdict: &Verdict) -> Result<(), VerdictError> {
    let needs_label = matches!(verdict.verdict, Opinion::WrongClass | Opinion::Missed);
    if needs_label == verdict.label.is_empty() {
        return Err(VerdictError::Label);
    }
    let cannot_be = |text: &str| text.chars().count() > LONGEST || text.contains('\0');
    if cannot_be(&verdict.label) || cannot_be(&verdict.note) { Err(VerdictError::Text) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_says_what_it_was_and_nothing_else() {
        let verdict = |verdict, label: &str| Verdict { verdict, label: label.to_owned(), note: String::new() };
        assert!(check(&verdict(Opinion::True, "")).is_ok());
        assert!(check(&verdict(Opinion::WrongClass, "dog")).is_ok());
        assert!(matches!(check(&verdict(Opinion::Missed, "")), Err(VerdictError::Label)));
        assert!(matches!(check(&verdict(Opinion::False, "dog")), Err(VerdictError::Label)));
        assert!(matches!(check(&verdict(Opinion::Missed, &"x".repeat(1001))), Err(VerdictError::Text)));
    }
}
