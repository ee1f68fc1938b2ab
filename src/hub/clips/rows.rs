//! Clips and what was asked for, as rows of the database.

use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::{About, ClipFacts};
use crate::hub::blobs::BlobName;
use crate::hub::database::{Database, DatabaseError, Doing as _};
use crate::vocab::Id;

const DOING: &str = "reading what is known of a clip";

/// What is known of one clip.
pub(super) async fn one(database: &Database, agent: &Id, name: &BlobName) -> Result<Option<ClipFacts>, DatabaseError> {
    let statement = "SELECT * FROM clips WHERE agent = $1 AND sha256 = $2";
    let query = sqlx::query(statement).bind(agent.as_str()).bind(name.as_str());
    query.fetch_optional(database.pool()).await.doing(DOING)?.as_ref().map(facts).transpose()
}

/// The clip of an episode: the newest that is whole, else the one of which something came last.
pub(super) async fn of_episode(
    database: &Database,
    agent: &Id,
    episode: &str,
) -> Result<Option<ClipFacts>, DatabaseError> {
    let statement = "SELECT * FROM clips WHERE agent = $1 AND episode = $2 \
         ORDER BY CASE WHEN received_ns IS NULL THEN 1 ELSE 0 END, touched_ns DESC LIMIT 1";
    let query = sqlx::query(statement).bind(agent.as_str()).bind(episode);
    query.fetch_optional(database.pool()).await.doing(DOING)?.as_ref().map(facts).transpose()
}

/// Notes a clip of which nothing has come yet; what was noted of it before is replaced.
pub(super) async fn announce(
    database: &Database,
    agent: &Id,
    name: &BlobName,
    about: &About,
    now: i64,
) -> Result<(), DatabaseError> {
    let doing = "noting a clip";
    let statement = "INSERT INTO clips (agent, sha256, camera, episode, begins_ns, ends_ns, size, received, touched_ns) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8) ON CONFLICT (agent, sha256) DO UPDATE SET \
         camera = excluded.camera, episode = excluded.episode, begins_ns = excluded.begins_ns, \
         ends_ns = excluded.ends_ns, size = excluded.size, received = 0, touched_ns = excluded.touched_ns, \
         received_ns = NULL";
    let mut write = database.write().await?;
    let insert = sqlx::query(statement)
        .bind(agent.as_str())
        .bind(name.as_str())
        .bind(about.camera.as_str())
        .bind(&about.episode)
        .bind(about.begins_ns)
        .bind(about.ends_ns)
        .bind(bytes(about.size))
        .bind(now);
    insert.execute(&mut *write).await.doing(doing)?;
    write.commit().await.doing(doing)
}

/// Notes how much of a clip is here; with `whole`, that this is all of it.
pub(super) async fn came(
    database: &Database,
    agent: &Id,
    name: &BlobName,
    received: u64,
    whole: bool,
    now: i64,
) -> Result<(), DatabaseError> {
    let doing = "noting a piece of a clip";
    let statement =
        "UPDATE clips SET received = $1, touched_ns = $2, received_ns = $3 WHERE agent = $4 AND sha256 = $5";
    let mut write = database.write().await?;
    let update = sqlx::query(statement)
        .bind(bytes(received))
        .bind(now)
        .bind(whole.then_some(now))
        .bind(agent.as_str())
        .bind(name.as_str());
    update.execute(&mut *write).await.doing(doing)?;
    write.commit().await.doing(doing)
}

/// Deletes what is known of a clip.
pub(super) async fn forget(database: &Database, agent: &Id, name: &BlobName) -> Result<(), DatabaseError> {
    let mut write = database.write().await?;
    delete(&mut write, agent.as_str(), name.as_str()).await?;
    write.commit().await.doing("deleting what is known of a clip")
}

/// Deletes it within `write`.
pub(super) async fn delete(
    write: &mut Transaction<'static, Any>,
    agent: &str,
    sha256: &str,
) -> Result<(), DatabaseError> {
    let query = sqlx::query("DELETE FROM clips WHERE agent = $1 AND sha256 = $2").bind(agent).bind(sha256);
    query.execute(&mut **write).await.doing("deleting what is known of a clip").map(drop)
}

/// Clips that came before a moment, and those of which nothing more has come since another; at most `most`.
pub(super) async fn old(
    write: &mut Transaction<'static, Any>,
    before_ns: i64,
    stuck_ns: i64,
    most: i64,
) -> Result<Vec<ClipFacts>, DatabaseError> {
    let statement = "SELECT * FROM clips WHERE touched_ns < $1 OR (received_ns IS NULL AND touched_ns < $2) LIMIT $3";
    let query = sqlx::query(statement).bind(before_ns).bind(stuck_ns).bind(most);
    query.fetch_all(&mut **write).await.doing(DOING)?.iter().map(facts).collect()
}

/// The oldest clips, and how many bytes all of them take.
pub(super) async fn oldest(
    write: &mut Transaction<'static, Any>,
    most: i64,
) -> Result<(Vec<ClipFacts>, i64), DatabaseError> {
    let statement = "SELECT CAST(COALESCE(SUM(received), 0) AS BIGINT) AS taken FROM clips";
    let taken = sqlx::query(statement).fetch_one(&mut **write).await.and_then(|row| row.try_get("taken"));
    let query = sqlx::query("SELECT * FROM clips ORDER BY touched_ns LIMIT $1").bind(most);
    let rows = query.fetch_all(&mut **write).await.doing(DOING)?;
    Ok((rows.iter().map(facts).collect::<Result<_, _>>()?, taken.doing(DOING)?))
}

fn facts(row: &AnyRow) -> Result<ClipFacts, DatabaseError> {
    let text = |column: &str| -> Result<String, DatabaseError> { row.try_get(column).doing(DOING) };
    let number = |column: &str| -> Result<i64, DatabaseError> { row.try_get(column).doing(DOING) };
    Ok(ClipFacts {
        agent: text("agent")?,
        sha256: text("sha256")?,
        camera: text("camera")?,
        episode: text("episode")?,
        begins_ns: number("begins_ns")?,
        ends_ns: number("ends_ns")?,
        size: number("size")?,
        received: number("received")?,
        touched_ns: number("touched_ns")?,
        received_ns: row.try_get("received_ns").doing(DOING)?,
    })
}

fn bytes(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
