//! The account under which this hub itself logs in.
//!
//! A hub notes it in the database at its start and whenever its password file has changed, so that the files for the broker
//! hold all hubs, whichever of them writes or is asked for the files.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use sqlx::Row as _;

use super::rows::{self, Kind};
use super::{AccountError, Accounts, PasswordHash, password};
use crate::hub::access::{Audit, Caller, Change, Role};
use crate::hub::database::Doing as _;
use crate::vocab::{Id, Secret};

/// This hub's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The user name.
    pub user: Id,
    /// By which this hub knows its account again when its user name has changed.
    pub owner: String,
    /// The file that holds the password in its first line; none where a certificate stands for it.
    pub password_file: Option<PathBuf>,
}

impl Own {
    /// Makes the password file where there is none yet.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn ensure_password(&self) -> Result<(), AccountError> {
        let Some(path) = self.password_file.as_deref().filter(|path| !path.exists()) else { return Ok(()) };
        let password = password()?;
        let made = make(path, &password);
        made.map_err(|source| AccountError::File { doing: "making", path: path.to_owned(), source })?;
        tracing::info!(file = %path.display(), "the hub has made itself a password for the broker");
        Ok(())
    }

    /// Notes the account as the password file has it; whether anything has changed.
    ///
    /// # Errors
    /// When the file cannot be read, an agent has credentials under that name, or it cannot be stored.
    pub async fn register(&self, accounts: &Accounts) -> Result<bool, AccountError> {
        let password = self.password().await?;
        let mut write = accounts.database.write().await?;
        let doing = "noting the hub's account at the broker";
        let known =
            sqlx::query("SELECT kind, owner, hash FROM broker_accounts WHERE name = $1").bind(self.user.as_str());
        if let Some(row) = known.fetch_optional(&mut *write).await.doing(doing)? {
            if rows::kind(&row)? == Kind::Agent {
                return Err(AccountError::OfAgent { user: self.user.clone() });
            }
            let (owner, hash): (String, String) =
                (row.try_get("owner").doing(doing)?, row.try_get("hash").doing(doing)?);
            if owner == self.owner && is_of(&hash, password.as_ref()) {
                return Ok(false);
            }
        }
        let hash =
            password.as_ref().map(PasswordHash::of).transpose()?.map(|hash| hash.to_string()).unwrap_or_default();
        let now = accounts.clock.unix_nanos();
        // Under its old name nobody logs in any more.
        let others = sqlx::query("DELETE FROM broker_accounts WHERE kind = 'hub' AND owner = $1 AND name <> $2");
        others.bind(&self.owner).bind(self.user.as_str()).execute(&mut *write).await.doing(doing)?;
        let statement = "INSERT INTO broker_accounts (name, kind, owner, hash, since_ns, issued_by) \
             VALUES ($1, 'hub', $2, $3, $4, '') ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, \
             hash = excluded.hash, since_ns = excluded.since_ns WHERE broker_accounts.kind = 'hub'";
        let insert = sqlx::query(statement).bind(self.user.as_str()).bind(&self.owner).bind(hash).bind(now);
        insert.execute(&mut *write).await.doing(doing)?;
        let hub = Caller::new(self.owner.clone(), Role::Admin);
        let change = Change { action: "credentials.own", object: self.user.as_str(), details: json!({}) };
        Audit::note(&mut write, now, &hub, &change).await?;
        write.commit().await.doing(doing)?;
        Ok(true)
    }

    async fn password(&self) -> Result<Option<Secret>, AccountError> {
        let Some(path) = &self.password_file else { return Ok(None) };
        let failed = |source| AccountError::File { doing: "reading", path: path.clone(), source };
        let text = tokio::fs::read_to_string(path).await.map_err(failed)?;
        // As the session reads it.
        Ok(Some(Secret::new(text.lines().next().unwrap_or_default())))
    }
}

fn is_of(hash: &str, password: Option<&Secret>) -> bool {
    match password {
        None => hash.is_empty(),
        Some(password) => hash.parse().is_ok_and(|hash: PasswordHash| hash.is_of(password)),
    }
}

fn make(path: &Path, password: &Secret) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", password.expose()).and_then(|()| file.sync_all())
}
