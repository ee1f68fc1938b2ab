//! Models, their versions and aliases: what `vedette registry` talks to.
//!
//! A version is a package that was received into the blob store, held against every check of `vedette model verify`
//! (form, signatures, digests, its ONNX files, and its golden pictures where this machine can run it), and given the next
//! number of its model. It never changes and its number is never used again. An alias points at one version.
//!
//! Hardware and security version are not held against this machine: a package for a box of another kind belongs here
//! too. The agents hold them against themselves.

mod check;
mod error;
mod files;
mod rows;
mod shelf;

use sqlx::{Any, Row as _, Transaction};

pub use check::Checks;
pub use error::RegistryError;
pub use files::Swept;
pub(super) use files::{hold, leave};
pub use rows::{ModelFacts, VersionFacts};
pub use shelf::{Joined, Shelf};

use super::access::{Audit, Caller, Change};
use super::blobs::{BlobName, Blobs};
use super::database::{Database, Doing as _};
use crate::base::clock::SharedClock;
use crate::vocab::Id;

/// The models of a hub. Cloning is cheap.
#[derive(Clone)]
pub struct Registry {
    database: Database,
    blobs: Blobs,
    checks: Checks,
    shelf: Shelf,
    clock: SharedClock,
}

/// What somebody wants to register.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// The package, which has been received.
    pub sha256: String,
    /// The version of the same model that it was made from.
    #[serde(default)]
    pub parent: Option<i64>,
    /// Whatever people want to say of it.
    #[serde(default)]
    pub note: String,
}

impl Registry {
    /// The registry in `database`, its files in `blobs`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open(
        database: Database,
        blobs: Blobs,
        checks: Checks,
        clock: SharedClock,
    ) -> Result<Self, RegistryError> {
        let registry = Self { shelf: Shelf::new(blobs.clone()), database, blobs, checks, clock };
        registry.refresh().await?;
        Ok(registry)
    }

    /// What is served from it.
    pub fn shelf(&self) -> Shelf {
        self.shelf.clone()
    }

    /// The files.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Reads what is served anew, as other hubs on the same database may have changed it. Returns the models that changed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refresh(&self) -> Result<Vec<String>, RegistryError> {
        Ok(self.shelf.replace(rows::all(&self.database).await?))
    }

    /// Makes a package that was received the next version of its model, or names the version that it already is.
    ///
    /// # Errors
    /// When it is not there, is refused by a check, or the parent is none.
    pub async fn push(&self, by: &Caller, push: &Push) -> Result<VersionFacts, RegistryError> {
        let name = BlobName::new(&push.sha256)?;
        let missing = || RegistryError::NoFile { sha256: push.sha256.clone() };
        // From here on it is not taken for one that nobody wants.
        self.expect(&name).await?;
        let (blobs, checks, clock) = (self.blobs.clone(), self.checks.clone(), self.clock.clone());
        let checked = self.blocking(move || {
            let file = blobs.local(&name)?;
            Ok(file.map(|file| checks.check(file.path(), &clock)).transpose()?)
        });
        let checked = checked.await?.ok_or_else(missing)?;
        let model = checked.model.clone();
        let now = self.clock.unix_nanos();
        let mut write = self.database.write().await?;
        // Somebody may have deleted the last version with this package while it was checked, and its file with it.
        if !files::hold(&mut write, &push.sha256, now).await? {
            return Err(missing());
        }
        if let Some(version) = rows::version_of(&mut write, &model, &push.sha256).await? {
            return rows::version(&self.database, &model, version).await;
        }
        let version = rows::next_version(&mut write, &model, now).await?;
        if let Some(parent) = push.parent {
            must_exist(&mut write, &model, parent).await?;
        }
        rows::insert(&mut write, version, push, &checked, by, now).await?;
        let object = format!("{model}:{version}");
        let details = serde_json::json!({"sha256": push.sha256, "note": push.note});
        Audit::note(&mut write, now, by, &Change { action: "registry.push", object: &object, details }).await?;
        write.commit().await.doing("registering a version")?;
        self.refresh().await?;
        rows::version(&self.database, &model, version).await
    }

    /// All models.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn models(&self) -> Result<Vec<ModelFacts>, RegistryError> {
        rows::all(&self.database).await
    }

    /// One model with its versions.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn model(&self, model: &Id) -> Result<ModelFacts, RegistryError> {
        let found = rows::all(&self.database).await?.into_iter().find(|facts| facts.name == model.as_str());
        found.ok_or_else(|| RegistryError::NoModel { model: model.to_string() })
    }

    /// One version, by its number or an alias.
    ///
    /// # Errors
    /// When there is none.
    pub async fn version(&self, model: &Id, reference: &str) -> Result<VersionFacts, RegistryError> {
        let version = match reference.parse::<i64>() {
            Ok(version) => version,
            Err(_) => {
                let facts = self.model(model).await?;
                let pointed = facts.aliases.get(reference).copied();
                pointed.ok_or_else(|| RegistryError::NoVersion {
                    model: model.to_string(),
                    version: reference.chars().take(80).collect(),
                })?
            }
        };
        rows::version(&self.database, model.as_str(), version).await
    }

    /// Points an alias at a version, wherever it pointed before.
    ///
    /// # Errors
    /// When there is no such version.
    pub async fn set_alias(&self, by: &Caller, model: &Id, alias: &Id, version: i64) -> Result<(), RegistryError> {
        let now = self.clock.unix_nanos();
        let mut write = self.database.write().await?;
        must_exist(&mut write, model.as_str(), version).await?;
        let before = rows::pointed_at(&mut write, model, alias).await?;
        let statement = "INSERT INTO model_aliases (model, alias, version, set_by, set_ns) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version, set_by = excluded.set_by, \
             set_ns = excluded.set_ns";
        let set = sqlx::query(statement).bind(model.as_str()).bind(alias.as_str()).bind(version);
        set.bind(&by.name).bind(now).execute(&mut *write).await.doing("setting an alias")?;
        let object = format!("{model}@{alias}");
        let details = serde_json::json!({"version": version, "before": before});
        Audit::note(&mut write, now, by, &Change { action: "registry.alias", object: &object, details }).await?;
        write.commit().await.doing("setting an alias")?;
        self.refresh().await.map(drop)
    }

    /// Takes an alias away.
    ///
    /// # Errors
    /// When there is none.
    pub async fn remove_alias(&self, by: &Caller, model: &Id, alias: &Id) -> Result<(), RegistryError> {
        let now = self.clock.unix_nanos();
        let mut write = self.database.write().await?;
        let before = rows::pointed_at(&mut write, model, alias).await?;
        let missing = || RegistryError::NoVersion { model: model.to_string(), version: alias.to_string() };
        let before = before.ok_or_else(missing)?;
        let statement = "DELETE FROM model_aliases WHERE model = $1 AND alias = $2";
        let delete = sqlx::query(statement).bind(model.as_str()).bind(alias.as_str());
        delete.execute(&mut *write).await.doing("removing an alias")?;
        let object = format!("{model}@{alias}");
        let details = serde_json::json!({"before": before});
        Audit::note(&mut write, now, by, &Change { action: "registry.unalias", object: &object, details }).await?;
        write.commit().await.doing("removing an alias")?;
        self.refresh().await.map(drop)
    }

    /// Deletes a version and, when nobody else needs it, its file, at once or as soon as the store lets it. Its number stays
    /// taken.
    ///
    /// # Errors
    /// When there is none, an alias points at it or a rollout brings it to agents.
    pub async fn delete(&self, by: &Caller, model: &Id, version: i64) -> Result<(), RegistryError> {
        let now = self.clock.unix_nanos();
        let mut write = self.database.write().await?;
        let sha256 = must_exist(&mut write, model.as_str(), version).await?;
        let aliases = rows::aliases_of(&mut write, model.as_str(), version).await?;
        if !aliases.is_empty() {
            let (model, aliases) = (model.to_string(), aliases.join(", "));
            return Err(RegistryError::Pointed { model, version, aliases });
        }
        if let Some(rollout) = rows::rollout_of(&mut write, &sha256).await? {
            return Err(RegistryError::OnItsWay { model: model.to_string(), version, rollout });
        }
        let statement = "UPDATE model_versions SET deleted_ns = $1 WHERE model = $2 AND version = $3";
        let delete = sqlx::query(statement).bind(now).bind(model.as_str()).bind(version);
        delete.execute(&mut *write).await.doing("deleting a version")?;
        let leaving = files::leave(&mut write, &sha256, now).await?;
        let object = format!("{model}:{version}");
        let details = serde_json::json!({"sha256": sha256});
        Audit::note(&mut write, now, by, &Change { action: "registry.delete", object: &object, details }).await?;
        write.commit().await.doing("deleting a version")?;
        self.refresh().await?;
        // After the commit: a file without a version wastes space, a version without a file breaks a box.
        if let Some(leaving) = leaving {
            self.delete_or_leave_to_sweep(&leaving).await;
        }
        Ok(())
    }
}

/// The SHA-256 of a version that is there.
async fn must_exist(write: &mut Transaction<'static, Any>, model: &str, version: i64) -> Result<String, RegistryError> {
    let statement = "SELECT sha256 FROM model_versions WHERE model = $1 AND version = $2 AND deleted_ns IS NULL";
    let row = sqlx::query(statement).bind(model).bind(version).fetch_optional(&mut **write).await;
    match row.doing("looking for a version")? {
        Some(row) => Ok(row.try_get("sha256").doing("looking for a version")?),
        None => Err(RegistryError::NoVersion { model: model.to_owned(), version: version.to_string() }),
    }
}
