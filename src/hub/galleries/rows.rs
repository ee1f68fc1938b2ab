//! Galleries as rows of the database.

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use crate::hub::access::Caller;
use crate::hub::database::{Database, DatabaseError, Doing as _};
use crate::vocab::Id;

/// A gallery. Nothing vouches for what its file says of itself but the key, which is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GalleryFacts {
    /// Its name.
    pub name: String,
    /// The revision, as the file says.
    pub revision: u64,
    /// What names the vectors in it, as the file says.
    pub space: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The file's bytes.
    pub size: u64,
    /// The name of the token that published it.
    pub published_by: String,
    /// When, in nanoseconds since 1970.
    pub published_ns: i64,
}

const ONE: &str =
    "SELECT name, revision, space, sha256, size, published_by, published_ns FROM galleries WHERE name = $1";

/// All, by name.
pub(super) async fn all(database: &Database) -> Result<Vec<GalleryFacts>, DatabaseError> {
    let statement =
        "SELECT name, revision, space, sha256, size, published_by, published_ns FROM galleries ORDER BY name";
    let rows = sqlx::query(statement).fetch_all(database.pool()).await.doing("listing the galleries")?;
    rows.iter().map(facts).collect()
}

/// The one of this name.
pub(super) async fn one(database: &Database, name: &Id) -> Result<Option<GalleryFacts>, DatabaseError> {
    let query = sqlx::query(ONE).bind(name.as_str());
    query.fetch_optional(database.pool()).await.doing("reading a gallery")?.as_ref().map(facts).transpose()
}

/// The same within `write`; nobody else changes it until that ends.
pub(super) async fn locked(
    write: &mut Transaction<'static, Any>,
    name: &Id,
) -> Result<Option<GalleryFacts>, DatabaseError> {
    // PostgreSQL's statements see what was committed before they began: the row is waited for first, and read after that.
    let lock = sqlx::query("UPDATE galleries SET revision = revision WHERE name = $1").bind(name.as_str());
    lock.execute(&mut **write).await.doing("holding a gallery")?;
    let query = sqlx::query(ONE).bind(name.as_str());
    query.fetch_optional(&mut **write).await.doing("reading a gallery")?.as_ref().map(facts).transpose()
}

/// Puts one in the place of an older one. False where somebody else was faster with one that is as new.
pub(super) async fn put(write: &mut Transaction<'static, Any>, gallery: &GalleryFacts) -> Result<bool, DatabaseError> {
    let statement = "INSERT INTO galleries (name, revision, space, sha256, size, published_by, published_ns) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO UPDATE SET revision = excluded.revision, \
         space = excluded.space, sha256 = excluded.sha256, size = excluded.size, published_by = excluded.published_by, \
         published_ns = excluded.published_ns WHERE galleries.revision < excluded.revision";
    let put = sqlx::query(statement)
        .bind(&gallery.name)
        .bind(signed(gallery.revision))
        .bind(&gallery.space)
        .bind(&gallery.sha256)
        .bind(signed(gallery.size))
        .bind(&gallery.published_by)
        .bind(gallery.published_ns);
    Ok(put.execute(&mut **write).await.doing("publishing a gallery")?.rows_affected() == 1)
}

/// Takes one away.
pub(super) async fn remove(write: &mut Transaction<'static, Any>, name: &Id) -> Result<(), DatabaseError> {
    let delete = sqlx::query("DELETE FROM galleries WHERE name = $1").bind(name.as_str());
    delete.execute(&mut **write).await.doing("withdrawing a gallery").map(drop)
}

fn facts(row: &AnyRow) -> Result<GalleryFacts, DatabaseError> {
    let doing = "reading a gallery";
    let text = |column: &str| -> Result<String, DatabaseError> { row.try_get(column).doing(doing) };
    let number = |column: &str| -> Result<u64, DatabaseError> {
        let number: i64 = row.try_get(column).doing(doing)?;
        Ok(u64::try_from(number).unwrap_or(0))
    };
    Ok(GalleryFacts {
        name: text("name")?,
        revision: number("revision")?,
        space: text("space")?,
        sha256: text("sha256")?,
        size: number("size")?,
        published_by: text("published_by")?,
        published_ns: row.try_get("published_ns").doing(doing)?,
    })
}

/// Larger ones are refused before.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl GalleryFacts {
    pub(super) fn new(name: &Id, (revision, space): (u64, String), file: (&str, u64), by: &Caller, now: i64) -> Self {
        Self {
            name: name.to_string(),
            revision,
            space,
            sha256: file.0.to_owned(),
            size: file.1,
            published_by: by.name.clone(),
            published_ns: now,
        }
    }
}
