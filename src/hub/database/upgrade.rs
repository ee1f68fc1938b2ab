//! Brings the schema up to date: one file per upgrade, in order, each in a transaction of its own, never changed once
//! released.

use sqlx::{Any, Executor as _, Transaction};

use super::{Database, DatabaseError, Doing as _, Engine};

/// The upgrades: the number is the place in this list, from 1.
const UPGRADES: &[(&str, &str)] = &[
    ("access", include_str!("upgrades/0001-access.sql")),
    ("registry", include_str!("upgrades/0002-registry.sql")),
    ("events", include_str!("upgrades/0003-events.sql")),
    ("fleet", include_str!("upgrades/0004-fleet.sql")),
    ("verdicts", include_str!("upgrades/0005-verdicts.sql")),
    ("room", include_str!("upgrades/0006-room.sql")),
    ("given-up", include_str!("upgrades/0007-given-up.sql")),
    ("dashboard", include_str!("upgrades/0008-dashboard.sql")),
    ("rollouts", include_str!("upgrades/0009-rollouts.sql")),
    ("accounts", include_str!("upgrades/0010-accounts.sql")),
    ("files", include_str!("upgrades/0011-files.sql")),
    ("configuration", include_str!("upgrades/0012-configuration.sql")),
    ("conditions", include_str!("upgrades/0013-conditions.sql")),
    ("clips", include_str!("upgrades/0014-clips.sql")),
    ("suppressions", include_str!("upgrades/0015-suppressions.sql")),
    ("galleries", include_str!("upgrades/0016-galleries.sql")),
];

/// The schema that this program knows.
pub const NEWEST: i64 = UPGRADES.len() as i64;

/// Any number, the same in all hubs: who holds this lock of PostgreSQL upgrades while others wait.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7234021)";

/// Brings the database to [`NEWEST`].
pub(super) async fn run(database: &Database) -> Result<(), DatabaseError> {
    let mut write = begin(database).await?;
    let version = "CREATE TABLE IF NOT EXISTS schema_version (number BIGINT NOT NULL)";
    (&mut *write).execute(version).await.doing("making the table of the schema's version")?;
    write.commit().await.doing("making the table of the schema's version")?;
    while let Some((number, name, statements)) = next(current(database).await?)? {
        let failed = |source| DatabaseError::Upgrade { number, name, source };
        let mut write = begin(database).await?;
        // Another hub may have been faster.
        if in_transaction(&mut write).await? != number - 1 {
            continue;
        }
        (&mut *write).execute(sqlx::raw_sql(statements)).await.map_err(failed)?;
        (&mut *write).execute("DELETE FROM schema_version").await.map_err(failed)?;
        let insert = sqlx::query("INSERT INTO schema_version VALUES ($1)").bind(number);
        insert.execute(&mut *write).await.map_err(failed)?;
        write.commit().await.map_err(failed)?;
        tracing::info!(number, name, "the database has a new schema");
    }
    Ok(())
}

async fn begin(database: &Database) -> Result<Transaction<'static, Any>, DatabaseError> {
    let mut write = database.write().await?;
    if database.engine() == Engine::Postgres {
        (&mut *write).execute(LOCK).await.doing("waiting for another hub that upgrades the database")?;
    }
    Ok(write)
}

fn next(current: i64) -> Result<Option<(i64, &'static str, &'static str)>, DatabaseError> {
    let done = usize::try_from(current).unwrap_or(0);
    if done > UPGRADES.len() {
        return Err(DatabaseError::Newer { found: current });
    }
    Ok(UPGRADES.get(done).map(|(name, statements)| (current + 1, *name, *statements)))
}

/// The schema that the database has; 0 for none.
pub(super) async fn current(database: &Database) -> Result<i64, DatabaseError> {
    let mut read = database.pool().begin().await.doing("reading the schema's version")?;
    in_transaction(&mut read).await
}

async fn in_transaction(transaction: &mut Transaction<'static, Any>) -> Result<i64, DatabaseError> {
    let version = sqlx::query_as("SELECT number FROM schema_version").fetch_optional(&mut **transaction).await;
    let version: Option<(i64,)> = version.doing("reading the schema's version")?;
    Ok(version.map_or(0, |(number,)| number))
}
