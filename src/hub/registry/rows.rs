//! The statements of the registry, and rows as facts.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::check::Checked;
use super::{Push, RegistryError};
use crate::hub::access::Caller;
use crate::hub::database::{Database, DatabaseError, Doing as _};
use crate::vocab::Id;

/// A model with its versions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelFacts {
    /// Its name.
    pub name: String,
    /// What its aliases point at.
    pub aliases: BTreeMap<String, i64>,
    /// Its versions that were not deleted, in rising order.
    pub versions: Vec<VersionFacts>,
}

/// A version.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionFacts {
    /// The model.
    pub model: String,
    /// Its number.
    pub version: i64,
    /// The SHA-256 of the package: it is at `/api/v1/blobs/<sha256>`.
    pub sha256: String,
    /// The bytes of the package.
    pub size: i64,
    /// The version that it was made from.
    pub parent: Option<i64>,
    /// What people said of it.
    pub note: String,
    /// Who pushed it.
    pub pushed_by: String,
    /// When, in nanoseconds since 1970.
    pub pushed_ns: i64,
    /// What the checks found.
    pub report: Value,
    /// What its maker says: tensors, labels, metrics, calibration, training, licence.
    pub manifest: Value,
}

/// All models, by name.
pub(super) async fn all(database: &Database) -> Result<Vec<ModelFacts>, RegistryError> {
    let doing = "listing the models";
    let mut read = database.pool().begin().await.doing(doing)?;
    let statement = "SELECT model, version, sha256, size, report, manifest, parent, note, pushed_by, pushed_ns \
         FROM model_versions WHERE deleted_ns IS NULL ORDER BY model, version";
    let versions = sqlx::query(statement).fetch_all(&mut *read).await.doing(doing)?;
    let aliases = "SELECT model, alias, version FROM model_aliases";
    let aliases = sqlx::query(aliases).fetch_all(&mut *read).await.doing(doing)?;
    let mut models: Vec<ModelFacts> = Vec::new();
    for row in &versions {
        let version = facts(row)?;
        match models.last_mut().filter(|model| model.name == version.model) {
            Some(model) => model.versions.push(version),
            None => models.push(ModelFacts {
                name: version.model.clone(),
                aliases: BTreeMap::new(),
                versions: vec![version],
            }),
        }
    }
    for row in &aliases {
        let name: String = row.try_get("model").doing(doing)?;
        if let Some(model) = models.iter_mut().find(|model| model.name == name) {
            model.aliases.insert(row.try_get("alias").doing(doing)?, row.try_get("version").doing(doing)?);
        }
    }
    Ok(models)
}

/// One version that was not deleted.
pub(super) async fn version(database: &Database, model: &str, version: i64) -> Result<VersionFacts, RegistryError> {
    let statement = "SELECT model, version, sha256, size, report, manifest, parent, note, pushed_by, pushed_ns \
         FROM model_versions WHERE deleted_ns IS NULL AND model = $1 AND version = $2";
    let query = sqlx::query(statement).bind(model).bind(version);
    match query.fetch_optional(database.pool()).await.doing("reading a version")? {
        Some(row) => Ok(facts(&row)?),
        None => Err(RegistryError::NoVersion { model: model.to_owned(), version: version.to_string() }),
    }
}

/// The version of `model` that is the package `sha256`, where it was pushed before.
pub(super) async fn version_of(
    write: &mut Transaction<'static, Any>,
    model: &str,
    sha256: &str,
) -> Result<Option<i64>, RegistryError> {
    let statement = "SELECT version FROM model_versions WHERE model = $1 AND sha256 = $2 AND deleted_ns IS NULL";
    let row = sqlx::query(statement).bind(model).bind(sha256).fetch_optional(&mut **write).await;
    let row = row.doing("looking for a package")?;
    Ok(row.map(|row| row.try_get("version")).transpose().doing("looking for a package")?)
}

/// Gives out the next number of a model, which is made where there is none.
pub(super) async fn next_version(
    write: &mut Transaction<'static, Any>,
    model: &str,
    now: i64,
) -> Result<i64, RegistryError> {
    let statement = "INSERT INTO models (name, created_ns, versions) VALUES ($1, $2, 1) \
         ON CONFLICT (name) DO UPDATE SET versions = models.versions + 1 RETURNING versions";
    let row = sqlx::query(statement).bind(model).bind(now).fetch_one(&mut **write).await;
    Ok(row.and_then(|row| row.try_get("versions")).doing("numbering a version")?)
}

/// Writes a version down.
pub(super) async fn insert(
    write: &mut Transaction<'static, Any>,
    version: i64,
    push: &Push,
    checked: &Checked,
    by: &Caller,
    now: i64,
) -> Result<(), RegistryError> {
    let text = |value: serde_json::Result<String>| value.map_err(|error| sqlx::Error::Encode(Box::new(error)));
    let report = text(serde_json::to_string(&checked.report)).doing("writing down a report")?;
    let manifest = text(serde_json::to_string(&checked.manifest)).doing("writing down a manifest")?;
    let statement = "INSERT INTO model_versions (model, version, sha256, size, report, manifest, parent, note, \
         pushed_by, pushed_ns) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let insert = sqlx::query(statement)
        .bind(&checked.model)
        .bind(version)
        .bind(&push.sha256)
        .bind(i64::try_from(checked.size).unwrap_or(i64::MAX))
        .bind(report)
        .bind(manifest)
        .bind(push.parent)
        .bind(&push.note)
        .bind(&by.name)
        .bind(now);
    insert.execute(&mut **write).await.doing("registering a version")?;
    Ok(())
}

/// What an alias points at.
pub(super) async fn pointed_at(
    write: &mut Transaction<'static, Any>,
    model: &Id,
    alias: &Id,
) -> Result<Option<i64>, RegistryError> {
    let statement = "SELECT version FROM model_aliases WHERE model = $1 AND alias = $2";
    let row = sqlx::query(statement).bind(model.as_str()).bind(alias.as_str()).fetch_optional(&mut **write).await;
    let row = row.doing("looking for an alias")?;
    Ok(row.map(|row| row.try_get("version")).transpose().doing("looking for an alias")?)
}

/// The aliases that point at a version.
pub(super) async fn aliases_of(
    write: &mut Transaction<'static, Any>,
    model: &str,
    version: i64,
) -> Result<Vec<String>, RegistryError> {
    let statement = "SELECT alias FROM model_aliases WHERE model = $1 AND version = $2 ORDER BY alias";
    let rows = sqlx::query(statement).bind(model).bind(version).fetch_all(&mut **write).await;
    let rows = rows.doing("looking for aliases")?;
    Ok(rows.iter().map(|row| row.try_get("alias")).collect::<Result<_, _>>().doing("looking for aliases")?)
}

/// A rollout that is not over and brings a package to agents.
pub(super) async fn rollout_of(
    write: &mut Transaction<'static, Any>,
    sha256: &str,
) -> Result<Option<String>, RegistryError> {
    let doing = "looking for rollouts";
    let statement = "SELECT id FROM rollouts WHERE sha256 = $1 AND state NOT IN ('reverted', 'finished', 'aborted')";
    let row = sqlx::query(statement).bind(sha256).fetch_optional(&mut **write).await.doing(doing)?;
    Ok(row.map(|row| row.try_get("id")).transpose().doing(doing)?)
}

fn facts(row: &AnyRow) -> Result<VersionFacts, DatabaseError> {
    let doing = "reading a version";
    let json = |column: &str| -> Result<Value, DatabaseError> {
        let text: String = row.try_get(column).doing(doing)?;
        serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error))).doing(doing)
    };
    Ok(VersionFacts {
        model: row.try_get("model").doing(doing)?,
        version: row.try_get("version").doing(doing)?,
        sha256: row.try_get("sha256").doing(doing)?,
        size: row.try_get("size").doing(doing)?,
        parent: row.try_get("parent").doing(doing)?,
        note: row.try_get("note").doing(doing)?,
        pushed_by: row.try_get("pushed_by").doing(doing)?,
        pushed_ns: row.try_get("pushed_ns").doing(doing)?,
        report: json("report")?,
        manifest: json("manifest")?,
    })
}
