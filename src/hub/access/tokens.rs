//! Tokens: made, shown once, looked up by their digest, revoked.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::secret;
use super::{Audit, Change, Role};
use crate::base::clock::SharedClock;
use crate::hub::database::{Database, DatabaseError, Doing as _};
use crate::vocab::{Id, Secret};

/// Longer texts are no tokens, and are not even hashed.
const LONGEST: usize = 200;

/// Why access was not given or not changed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The token is unknown, revoked or expired; which of them is not said.
    #[error("this token is not valid: it is unknown, was revoked or has expired")]
    Unknown,
    /// The role does not suffice.
    #[error("this needs the role {needed}; the token {name} has {has}")]
    Role {
        /// What is needed.
        needed: Role,
        /// What there is.
        has: Role,
        /// Whose token.
        name: String,
    },
    /// Only an agent may do this, and only with what is its own.
    #[error("only the agent itself may do this, with a token that was made for it; the token {name} was not")]
    NotOfAgent {
        /// Whose token.
        name: String,
    },
    /// There already is a token of this name, which may have been revoked.
    #[error("there already is a token named {name}: choose another name")]
    Taken {
        /// The name.
        name: String,
    },
    /// There is no token of this name that could be revoked.
    #[error("there is no valid token named {name}")]
    NoSuchToken {
        /// The name.
        name: String,
    },
    /// Without any admin nobody could make tokens any more.
    #[error("{name} is the last admin's token: make another one first")]
    LastAdmin {
        /// The name.
        name: String,
    },
    /// The kernel gave no random bytes.
    #[error("the system gave no random bytes for a secret: {reason}")]
    Chance {
        /// Why.
        reason: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Somebody whose token was valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of the token.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The agent that the token was made for: it may hand in what that agent has recorded.
    pub agent: Option<Id>,
}

impl Caller {
    /// A caller who is no agent.
    pub fn new(name: impl Into<String>, role: Role) -> Self {
        Self { name: name.into(), role, agent: None }
    }

    /// Refuses whoever is not this agent.
    ///
    /// # Errors
    /// [`AccessError::NotOfAgent`].
    pub fn must_be(&self, agent: &Id) -> Result<(), AccessError> {
        if self.agent.as_ref() == Some(agent) {
            return Ok(());
        }
        Err(AccessError::NotOfAgent { name: self.name.clone() })
    }

    /// Refuses where the role does not suffice.
    ///
    /// # Errors
    /// [`AccessError::Role`].
    pub fn needs(&self, needed: Role) -> Result<(), AccessError> {
        if self.role >= needed {
            return Ok(());
        }
        Err(AccessError::Role { needed, has: self.role, name: self.name.clone() })
    }
}

/// What may be shown of a token.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TokenFacts {
    /// Whose it is.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The agent that it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// When it was made, in nanoseconds since 1970.
    pub created_ns: i64,
    /// When it ends.
    pub expires_ns: Option<i64>,
    /// When it was revoked.
    pub revoked_ns: Option<i64>,
}

/// All tokens of a hub.
#[derive(Clone)]
pub struct Tokens {
    database: Database,
    clock: SharedClock,
}

impl Tokens {
    /// The tokens in `database`.
    pub fn new(database: Database, clock: SharedClock) -> Self {
        Self { database, clock }
    }

    /// The first start's token, an admin's, which must be shown to whoever started the hub; none where there are tokens.
    ///
    /// # Errors
    /// When it cannot be made or stored.
    pub async fn first(&self) -> Result<Option<Secret>, AccessError> {
        let counted = sqlx::query("SELECT COUNT(*) AS many FROM tokens").fetch_one(self.database.pool()).await;
        let many: i64 = counted.and_then(|row| row.try_get("many")).doing("counting the tokens")?;
        if many > 0 {
            return Ok(None);
        }
        let hub = Caller::new("first-start", Role::Admin);
        match self.insert(&hub, "admin", Role::Admin, None, None).await {
            // Another hub on the same database was faster.
            Err(AccessError::Taken { .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Makes a token. It is shown once: here.
    ///
    /// # Errors
    /// When `by` is no admin or the name was ever used.
    pub async fn create(
        &self,
        by: &Caller,
        name: &Id,
        role: Role,
        expires_ns: Option<i64>,
    ) -> Result<Secret, AccessError> {
        by.needs(Role::Admin)?;
        self.insert(by, name.as_str(), role, None, expires_ns).await
    }

    /// Makes a token for an agent: a viewer's, with which that agent may also hand in what it has recorded. It is shown
    /// once: here.
    ///
    /// # Errors
    /// When `by` is no admin or the name was ever used.
    pub async fn create_for(
        &self,
        by: &Caller,
        name: &Id,
        agent: &Id,
        expires_ns: Option<i64>,
    ) -> Result<Secret, AccessError> {
        by.needs(Role::Admin)?;
        self.insert(by, name.as_str(), Role::Viewer, Some(agent), expires_ns).await
    }

    async fn insert(
        &self,
        by: &Caller,
        name: &str,
        role: Role,
        agent: Option<&Id>,
        expires_ns: Option<i64>,
    ) -> Result<Secret, AccessError> {
        let token = secret::token()?;
        let now = self.clock.unix_nanos();
        let mut write = self.database.write().await?;
        let statement = "INSERT INTO tokens (id, name, role, sha256, created_ns, expires_ns, agent) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING";
        let insert = sqlx::query(statement)
            .bind(secret::random::<8>()?)
            .bind(name)
            .bind(role.as_str())
            .bind(secret::digest(token.expose()))
            .bind(now)
            .bind(expires_ns)
            .bind(agent.map(Id::as_str));
        let made = insert.execute(&mut *write).await.doing("storing a token")?;
        if made.rows_affected() == 0 {
            return Err(AccessError::Taken { name: name.to_owned() });
        }
        let mut details = serde_json::json!({"role": role, "expires_ns": expires_ns});
        if let Some(agent) = agent {
            details["agent"] = serde_json::json!(agent);
        }
        Audit::note(&mut write, now, by, &Change { action: "token.create", object: name, details }).await?;
        write.commit().await.doing("storing a token")?;
        Ok(token)
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// [`AccessError::Unknown`] where it is not valid.
    pub async fn check(&self, token: &str) -> Result<Caller, AccessError> {
        if is_none(token) {
            return Err(AccessError::Unknown);
        }
        let statement = "SELECT name, role, agent FROM tokens WHERE sha256 = $1 AND revoked_ns IS NULL \
             AND (expires_ns IS NULL OR expires_ns > $2)";
        let query = sqlx::query(statement).bind(secret::digest(token)).bind(self.clock.unix_nanos());
        let row = query.fetch_optional(self.database.pool()).await.doing("looking up a token")?;
        let row = row.ok_or(AccessError::Unknown)?;
        Ok(caller(&row)?)
    }

    /// Whether the token of a caller who was let in is still valid.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn holds(&self, caller: &Caller) -> Result<bool, AccessError> {
        let statement = "SELECT 1 AS held FROM tokens WHERE name = $1 AND role = $2 AND revoked_ns IS NULL \
             AND (expires_ns IS NULL OR expires_ns > $3)";
        let query = sqlx::query(statement).bind(&caller.name).bind(caller.role.as_str()).bind(self.clock.unix_nanos());
        let row = query.fetch_optional(self.database.pool()).await.doing("looking up a token")?;
        Ok(row.is_some())
    }

    /// Ends a token now.
    ///
    /// # Errors
    /// When `by` is no admin, there is no such valid token, or it is the last one of an admin.
    pub async fn revoke(&self, by: &Caller, name: &Id) -> Result<(), AccessError> {
        by.needs(Role::Admin)?;
        let now = self.clock.unix_nanos();
        let mut write = self.database.write().await?;
        let statement = "UPDATE tokens SET revoked_ns = $1 WHERE name = $2 AND revoked_ns IS NULL";
        let revoke = sqlx::query(statement).bind(now).bind(name.as_str());
        let revoked = revoke.execute(&mut *write).await.doing("revoking a token")?;
        if revoked.rows_affected() == 0 {
            return Err(AccessError::NoSuchToken { name: name.to_string() });
        }
        let left = "SELECT COUNT(*) AS many FROM tokens WHERE role = 'admin' AND revoked_ns IS NULL \
             AND (expires_ns IS NULL OR expires_ns > $1)";
        let left = sqlx::query(left).bind(now).fetch_one(&mut *write).await;
        let left: i64 = left.and_then(|row| row.try_get("many")).doing("counting the admins")?;
        if left == 0 {
            return Err(AccessError::LastAdmin { name: name.to_string() });
        }
        let details = serde_json::json!({});
        Audit::note(&mut write, now, by, &Change { action: "token.revoke", object: name.as_str(), details }).await?;
        Ok(write.commit().await.doing("revoking a token")?)
    }

    /// All tokens that were ever made, the oldest first, without their secrets.
    ///
    /// # Errors
    /// When `by` is no admin.
    pub async fn list(&self, by: &Caller) -> Result<Vec<TokenFacts>, AccessError> {
        by.needs(Role::Admin)?;
        let statement =
            "SELECT name, role, agent, created_ns, expires_ns, revoked_ns FROM tokens ORDER BY created_ns, name";
        let rows = sqlx::query(statement).fetch_all(self.database.pool()).await.doing("listing the tokens")?;
        Ok(rows.iter().map(facts).collect::<Result<_, _>>()?)
    }
}

/// Whether this is a token of nobody, without looking.
pub(super) fn is_none(token: &str) -> bool {
    token.len() > LONGEST || !token.starts_with(secret::PREFIX)
}

/// Whose token this row is: `name`, `role` and `agent` of it.
pub(super) fn caller(row: &AnyRow) -> Result<Caller, DatabaseError> {
    let doing = "reading whose token this is";
    let agent: Option<String> = row.try_get("agent").doing(doing)?;
    let agent = agent.map(|agent| Id::new(&agent)).transpose();
    let agent = agent.map_err(|error| sqlx::Error::Decode(Box::new(error))).doing(doing)?;
    Ok(Caller { name: row.try_get("name").doing(doing)?, role: role(row)?, agent })
}

fn role(row: &AnyRow) -> Result<Role, DatabaseError> {
    let text: String = row.try_get("role").doing("reading the role of a token")?;
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error))).doing("reading the role of a token")
}

fn facts(row: &AnyRow) -> Result<TokenFacts, DatabaseError> {
    let doing = "reading a token";
    Ok(TokenFacts {
        name: row.try_get("name").doing(doing)?,
        role: role(row)?,
        agent: row.try_get("agent").doing(doing)?,
        created_ns: row.try_get("created_ns").doing(doing)?,
        expires_ns: row.try_get("expires_ns").doing(doing)?,
        revoked_ns: row.try_get("revoked_ns").doing(doing)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::SimulatedClock;
    use crate::hub::access::Looked;
    use std::sync::Arc;

    async fn tokens(folder: &tempfile::TempDir) -> (Tokens, Arc<SimulatedClock>) {
        let database = Database::open(&format!("sqlite://{}/hub.db", folder.path().display())).await.unwrap();
        let clock = SimulatedClock::at(1_000);
        (Tokens::new(database, clock.clone()), clock)
    }

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    #[tokio::test]
    async fn the_first_start_gives_one_admin_and_the_second_none() {
        let folder = tempfile::tempdir().unwrap();
        let (tokens, _) = tokens(&folder).await;
        let first = tokens.first().await.unwrap().unwrap();
        assert!(tokens.first().await.unwrap().is_none());
        let caller = tokens.check(first.expose()).await.unwrap();
        assert_eq!(caller, Caller::new("admin", Role::Admin));
        let stored = sqlx::query("SELECT sha256 FROM tokens").fetch_one(tokens.database.pool()).await.unwrap();
        let stored: String = stored.try_get(0).unwrap();
        assert_ne!(stored, first.expose(), "only the digest is kept");
    }

    #[tokio::test]
    async fn a_token_ends_when_it_is_revoked_and_when_its_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let (tokens, clock) = tokens(&folder).await;
        let admin = tokens.check(tokens.first().await.unwrap().unwrap().expose()).await.unwrap();
        let short = tokens.create(&admin, &id("guard"), Role::Viewer, Some(2_000)).await.unwrap();
        let long = tokens.create(&admin, &id("night"), Role::Operator, None).await.unwrap();
        assert_eq!(tokens.check(short.expose()).await.unwrap().role, Role::Viewer);
        clock.advance(Duration::from_nanos(1_000));
        assert!(matches!(tokens.check(short.expose()).await, Err(AccessError::Unknown)));
        tokens.revoke(&admin, &id("night")).await.unwrap();
        assert!(matches!(tokens.check(long.expose()).await, Err(AccessError::Unknown)));
        assert!(matches!(tokens.revoke(&admin, &id("night")).await, Err(AccessError::NoSuchToken { .. })));
        let taken = tokens.create(&admin, &id("night"), Role::Viewer, None).await;
        assert!(matches!(taken, Err(AccessError::Taken { .. })), "a name says for ever who did what");
        assert_eq!(tokens.list(&admin).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn only_an_admin_makes_tokens_and_the_last_admin_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (tokens, _) = tokens(&folder).await;
        let admin = tokens.check(tokens.first().await.unwrap().unwrap().expose()).await.unwrap();
        for role in [Role::Viewer, Role::Operator, Role::Engineer] {
            let caller = Caller::new("somebody", role);
            let made = tokens.create(&caller, &id("mine"), Role::Admin, None).await;
            assert!(matches!(made, Err(AccessError::Role { needed: Role::Admin, .. })));
            assert!(tokens.revoke(&caller, &id("admin")).await.is_err());
            assert!(tokens.list(&caller).await.is_err());
        }
        assert!(matches!(tokens.revoke(&admin, &id("admin")).await, Err(AccessError::LastAdmin { .. })));
        tokens.create(&admin, &id("second"), Role::Admin, None).await.unwrap();
        tokens.revoke(&admin, &id("admin")).await.unwrap();
        let audit = Audit::new(tokens.database.clone()).look(&Looked::default(), 10).await.unwrap();
        let actions: Vec<_> = audit.iter().map(|record| (record.action.as_str(), record.object.as_str())).collect();
        assert_eq!(actions, [("token.revoke", "admin"), ("token.create", "second"), ("token.create", "admin")]);
    }

    #[tokio::test]
    async fn what_is_no_token_is_refused_whatever_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let (tokens, _) = tokens(&folder).await;
        for text in ["", "vedette_", "' OR 1=1 --", "vedette_' OR 1=1 --", &"vedette_0".repeat(1000)] {
            assert!(matches!(tokens.check(text).await, Err(AccessError::Unknown)));
        }
    }
}
