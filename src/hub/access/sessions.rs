//! Sessions: a browser shows a token once and from then on a cookie, which ends by itself.
//!
//! Of the cookie only its SHA-256 is kept. A session ends with its token: when that is revoked or expires, the next
//! request is refused.

use sqlx::Row as _;

use super::tokens::is_none;
use super::{AccessError, Audit, Caller, Change, secret, tokens};
use crate::base::clock::SharedClock;
use crate::hub::database::{Database, Doing as _};
use crate::vocab::Secret;

const HOUR_NS: i64 = 3600 * 1_000_000_000;

/// All sessions of a hub. Cloning is cheap.
#[derive(Clone)]
pub struct Sessions {
    database: Database,
    clock: SharedClock,
    hours: u32,
}

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose it is.
    pub caller: Caller,
    /// What each of its forms must carry.
    pub csrf: String,
}

impl Sessions {
    /// The sessions in `database`, each for so many hours.
    pub fn new(database: Database, clock: SharedClock, hours: u32) -> Self {
        Self { database, clock, hours }
    }

    /// How long a session holds, in seconds.
    pub fn seconds(&self) -> u64 {
        u64::from(self.hours) * 3600
    }

    /// Begins a session for whoever shows this token. Returns the cookie, which is shown this once.
    ///
    /// # Errors
    /// [`AccessError::Unknown`] where the token is not valid.
    pub async fn begin(&self, token: &str) -> Result<(Secret, Caller), AccessError> {
        if is_none(token) {
            return Err(AccessError::Unknown);
        }
        let doing = "beginning a session";
        let now = self.clock.unix_nanos();
        let mut write = self.database.write().await?;
        let statement = "SELECT id, name, role, agent, expires_ns FROM tokens WHERE sha256 = $1 AND revoked_ns IS NULL \
             AND (expires_ns IS NULL OR expires_ns > $2)";
        let query = sqlx::query(statement).bind(secret::digest(token)).bind(now);
        let row = query.fetch_optional(&mut *write).await.doing(doing)?.ok_or(AccessError::Unknown)?;
        let caller = tokens::caller(&row)?;
        let (id, token_ends): (String, Option<i64>) =
            (row.try_get("id").doing(doing)?, row.try_get("expires_ns").doing(doing)?);
        let ends = now.saturating_add(i64::from(self.hours).saturating_mul(HOUR_NS));
        let ends = token_ends.map_or(ends, |token_ends| token_ends.min(ends));
        let over = sqlx::query("DELETE FROM sessions WHERE expires_ns <= $1").bind(now);
        over.execute(&mut *write).await.doing(doing)?;
        let cookie = Secret::new(secret::random::<32>()?);
        let insert = sqlx::query("INSERT INTO sessions (sha256, token, csrf, expires_ns) VALUES ($1, $2, $3, $4)")
            .bind(secret::digest(cookie.expose()))
            .bind(id)
            .bind(secret::random::<16>()?)
            .bind(ends);
        insert.execute(&mut *write).await.doing(doing)?;
        let change = Change { action: "session.begin", object: &caller.name, details: serde_json::json!({}) };
        Audit::note(&mut write, now, &caller, &change).await?;
        write.commit().await.doing(doing)?;
        Ok((cookie, caller))
    }

    /// Whose session this cookie shows.
    ///
    /// # Errors
    /// [`AccessError::Unknown`] where there is none, or none any more.
    pub async fn check(&self, cookie: &str) -> Result<Session, AccessError> {
        let doing = "looking up a session";
        let statement = "SELECT tokens.name, tokens.role, tokens.agent, sessions.csrf FROM sessions \
             JOIN tokens ON tokens.id = sessions.token WHERE sessions.sha256 = $1 AND sessions.expires_ns > $2 \
             AND tokens.revoked_ns IS NULL AND (tokens.expires_ns IS NULL OR tokens.expires_ns > $2)";
        let query = sqlx::query(statement).bind(secret::digest(cookie)).bind(self.clock.unix_nanos());
        let row = query.fetch_optional(self.database.pool()).await.doing(doing)?.ok_or(AccessError::Unknown)?;
        let caller = tokens::caller(&row)?;
        Ok(Session { caller, csrf: row.try_get("csrf").doing(doing)? })
    }

    /// Ends a session now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end(&self, by: &Caller, cookie: &str) -> Result<(), AccessError> {
        let doing = "ending a session";
        let mut write = self.database.write().await?;
        let delete = sqlx::query("DELETE FROM sessions WHERE sha256 = $1").bind(secret::digest(cookie));
        delete.execute(&mut *write).await.doing(doing)?;
        let change = Change { action: "session.end", object: &by.name, details: serde_json::json!({}) };
        Audit::note(&mut write, self.clock.unix_nanos(), by, &change).await?;
        Ok(write.commit().await.doing(doing)?)
    }
}

/// A random text for a form that is shown before anybody has signed in.
///
/// # Errors
/// When the kernel gives no random bytes.
pub fn nonce() -> Result<String, AccessError> {
    secret::random::<16>()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::base::clock::SimulatedClock;
    use crate::hub::access::{Looked, Role, Tokens};
    use crate::vocab::Id;

    async fn signed_in(folder: &tempfile::TempDir) -> (Sessions, Tokens, Arc<SimulatedClock>, Secret) {
        let database = Database::open(&format!("sqlite://{}/hub.db", folder.path().display())).await.unwrap();
        let clock = SimulatedClock::at(1_000);
        let tokens = Tokens::new(database.clone(), clock.clone());
        let first = tokens.first().await.unwrap().unwrap();
        (Sessions::new(database, clock.clone(), 2), tokens, clock, first)
    }

    #[tokio::test]
    async fn a_session_begins_with_a_token_and_ends_by_itself_or_when_somebody_signs_out() {
        let folder = tempfile::tempdir().unwrap();
        let (sessions, _, clock, token) = signed_in(&folder).await;
        assert!(matches!(sessions.begin("vedette_0000").await, Err(AccessError::Unknown)));
        let (cookie, caller) = sessions.begin(token.expose()).await.unwrap();
        let session = sessions.check(cookie.expose()).await.unwrap();
        assert_eq!((&session.caller, session.csrf.len()), (&caller, 32));
        assert!(sessions.check(token.expose()).await.is_err(), "a token is no cookie");
        let kept = sqlx::query("SELECT sha256 FROM sessions").fetch_one(sessions.database.pool()).await.unwrap();
        assert_ne!(kept.try_get::<String, _>(0).unwrap(), cookie.expose(), "only the digest is kept");
        sessions.end(&caller, cookie.expose()).await.unwrap();
        assert!(matches!(sessions.check(cookie.expose()).await, Err(AccessError::Unknown)));

        let (cookie, _) = sessions.begin(token.expose()).await.unwrap();
        clock.advance(Duration::from_secs(2 * 3600));
        assert!(matches!(sessions.check(cookie.expose()).await, Err(AccessError::Unknown)));
        let audit = Audit::new(sessions.database.clone()).look(&Looked::default(), 10).await.unwrap();
        let actions: Vec<_> = audit.iter().map(|record| record.action.as_str()).collect();
        assert_eq!(actions, ["session.begin", "session.end", "session.begin", "token.create"]);
    }

    #[tokio::test]
    async fn a_session_does_not_outlive_its_token() {
        let folder = tempfile::tempdir().unwrap();
        let (sessions, tokens, clock, token) = signed_in(&folder).await;
        let admin = tokens.check(token.expose()).await.unwrap();
        let id = |text| Id::new(text).unwrap();
        let guard = tokens.create(&admin, &id("guard"), Role::Viewer, None).await.unwrap();
        let brief = tokens.create(&admin, &id("brief"), Role::Viewer, Some(5_000)).await.unwrap();
        let (guards, _) = sessions.begin(guard.expose()).await.unwrap();
        let (briefs, _) = sessions.begin(brief.expose()).await.unwrap();
        assert!(sessions.check(guards.expose()).await.is_ok() && sessions.check(briefs.expose()).await.is_ok());
        tokens.revoke(&admin, &id("guard")).await.unwrap();
        assert!(matches!(sessions.check(guards.expose()).await, Err(AccessError::Unknown)));
        clock.advance(Duration::from_nanos(4_000));
        assert!(matches!(sessions.check(briefs.expose()).await, Err(AccessError::Unknown)));
    }
}
