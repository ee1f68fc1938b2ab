//! Which packages lie in the store, and what becomes of one that no version needs. Files of galleries are looked after in the
//! same way: what is said of versions holds for them too.
//!
//! ```text
//!   an upload ends ──▶ expected ──▶ in the store ──▶ a version's ── the last one is deleted ──╮
//!                          │             │                                                    │
//!                          ╰── a day ────┴──────────────▶ leaving ◀───────────────────────────╯
//!                                                            │ its file is deleted
//!                                                            ▼
//!                                                      no row any more
//! ```
//!
//! The row is there before the file and after it, so whatever is killed in between is seen and ended by the next
//! [`Registry::sweep`], of this hub or of another on the same database. A package that is leaving is neither received nor
//! registered; whoever deletes its file holds the row by the moment at which it began, so that nobody deletes a file that has
//! come again meanwhile.

use std::error::Error as _;
use std::time::Duration;

use sqlx::{Any, Row as _, Transaction};

use super::{Registry, RegistryError};
use crate::hub::blobs::BlobName;
use crate::hub::database::{Database, DatabaseError, Doing as _};

/// A package that is no version after this long is deleted.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// An upload that nobody has gone on with for this long is thrown away.
const GIVEN_UP: Duration = Duration::from_secs(7 * 24 * 3600);
/// A file that is still being deleted after this long is deleted by whoever sees that.
const OVERDUE: Duration = Duration::from_secs(600);
/// Files that are looked at in one go.
const BATCH: i64 = 1000;

/// A package that is being deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct Leaving {
    sha256: String,
    /// Since when.
    since_ns: i64,
}

/// What was put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Uploads that were thrown away, or aborted where a killed hub had left them.
    pub uploads: usize,
    /// Packages that were deleted.
    pub packages: usize,
}

/// Notes that a package is about to come, or to be registered. `false` while it is being deleted.
pub(super) async fn expect(
    write: &mut Transaction<'static, Any>,
    sha256: &str,
    now: i64,
) -> Result<bool, DatabaseError> {
    let statement = "INSERT INTO files (sha256, received_ns) VALUES ($1, $2) ON CONFLICT (sha256) DO UPDATE \
         SET received_ns = excluded.received_ns WHERE files.leaving_ns IS NULL";
    let noted = sqlx::query(statement).bind(sha256).bind(now).execute(&mut **write).await;
    Ok(noted.doing("noting a package")?.rows_affected() == 1)
}

/// Keeps a package from being deleted until `write` ends. `false` where it is being deleted, or was.
pub(in crate::hub) async fn hold(
    write: &mut Transaction<'static, Any>,
    sha256: &str,
    now: i64,
) -> Result<bool, DatabaseError> {
    let statement = "UPDATE files SET received_ns = $1 WHERE sha256 = $2 AND leaving_ns IS NULL";
    let held = sqlx::query(statement).bind(now).bind(sha256).execute(&mut **write).await;
    Ok(held.doing("holding a package")?.rows_affected() == 1)
}

/// Lets a package leave, unless a version needs it.
pub(in crate::hub) async fn leave(
    write: &mut Transaction<'static, Any>,
    sha256: &str,
    now: i64,
) -> Result<Option<Leaving>, DatabaseError> {
    let doing = "letting a package go";
    // PostgreSQL's statements see what was committed before they began: the row is waited for first, and versions looked at
    // after that.
    let lock = sqlx::query("UPDATE files SET received_ns = received_ns WHERE sha256 = $1").bind(sha256);
    lock.execute(&mut **write).await.doing(doing)?;
    let statement = "UPDATE files SET leaving_ns = $1 WHERE sha256 = $2 AND leaving_ns IS NULL AND NOT EXISTS \
         (SELECT 1 FROM model_versions WHERE model_versions.sha256 = files.sha256 AND deleted_ns IS NULL) AND NOT EXISTS \
         (SELECT 1 FROM galleries WHERE galleries.sha256 = files.sha256)";
    let left = sqlx::query(statement).bind(now).bind(sha256).execute(&mut **write).await.doing(doing)?;
    Ok((left.rows_affected() == 1).then(|| Leaving { sha256: sha256.to_owned(), since_ns: now }))
}

/// Takes over what somebody else began to delete, before `before_ns`, and did not end.
async fn take_over(database: &Database, before_ns: i64, now: i64) -> Result<Vec<Leaving>, DatabaseError> {
    let doing = "taking over packages that are being deleted";
    let statement = "UPDATE files SET leaving_ns = $1 WHERE leaving_ns < $2 RETURNING sha256";
    let rows = sqlx::query(statement).bind(now).bind(before_ns).fetch_all(database.pool()).await.doing(doing)?;
    rows.iter().map(|row| Ok(Leaving { sha256: row.try_get("sha256").doing(doing)?, since_ns: now })).collect()
}

/// Packages that came before `before_ns` and are no version.
async fn forgotten(database: &Database, before_ns: i64) -> Result<Vec<String>, DatabaseError> {
    let doing = "looking for packages that are no version";
    let statement = "SELECT sha256 FROM files WHERE leaving_ns IS NULL AND received_ns < $1 AND NOT EXISTS \
         (SELECT 1 FROM model_versions WHERE model_versions.sha256 = files.sha256 AND deleted_ns IS NULL) AND NOT EXISTS \
         (SELECT 1 FROM galleries WHERE galleries.sha256 = files.sha256) LIMIT $2";
    let rows = sqlx::query(statement).bind(before_ns).bind(BATCH).fetch_all(database.pool()).await.doing(doing)?;
    rows.iter().map(|row| row.try_get("sha256").doing(doing)).collect()
}

/// The file is deleted. Nothing happens where somebody took over.
async fn gone(database: &Database, leaving: &Leaving) -> Result<(), DatabaseError> {
    let statement = "DELETE FROM files WHERE sha256 = $1 AND leaving_ns = $2";
    let delete = sqlx::query(statement).bind(&leaving.sha256).bind(leaving.since_ns);
    delete.execute(database.pool()).await.doing("forgetting a package").map(drop)
}

impl Registry {
    /// Notes that a package is about to come into the store.
    ///
    /// # Errors
    /// When it is being deleted at this moment, or the database fails.
    pub async fn expect(&self, name: &BlobName) -> Result<(), RegistryError> {
        let sha256 = name.as_str();
        let mut write = self.database.write().await?;
        if !expect(&mut write, sha256, self.clock.unix_nanos()).await? {
            return Err(RegistryError::Leaving { sha256: sha256.to_owned() });
        }
        Ok(write.commit().await.doing("noting a package")?)
    }

    /// Deletes packages that are no version for longer than a day, ends deletions that were not ended, and throws away uploads
    /// that nobody goes on with.
    ///
    /// # Errors
    /// When the database or the store fails; what is left is done the next time.
    pub async fn sweep(&self) -> Result<Swept, RegistryError> {
        let now = self.clock.unix_nanos();
        let before = |age: Duration| now.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
        let (blobs, given_up) = (self.blobs.clone(), before(GIVEN_UP));
        let mut swept = Swept { uploads: self.blocking(move || Ok(blobs.sweep(given_up)?)).await?, packages: 0 };
        let mut leaving = take_over(&self.database, before(OVERDUE), now).await?;
        for sha256 in forgotten(&self.database, before(FORGOTTEN)).await? {
            let mut write = self.database.write().await?;
            leaving.extend(leave(&mut write, &sha256, now).await?);
            write.commit().await.doing("letting a package go")?;
        }
        for package in leaving {
            self.delete_file(&package).await?;
            swept.packages += 1;
        }
        Ok(swept)
    }

    /// Deletes the file of a package that is leaving; what fails is done by a later sweep.
    pub(in crate::hub) async fn delete_or_leave_to_sweep(&self, leaving: &Leaving) {
        if let Err(error) = self.delete_file(leaving).await {
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(%error, cause, sha256 = leaving.sha256, "the file of a deleted version stays for now");
        }
    }

    async fn delete_file(&self, leaving: &Leaving) -> Result<(), RegistryError> {
        let (blobs, name) = (self.blobs.clone(), BlobName::new(&leaving.sha256)?);
        self.blocking(move || Ok(blobs.remove(&name)?)).await?;
        Ok(gone(&self.database, leaving).await?)
    }

    /// What blocks, on a thread of its own.
    pub(in crate::hub) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| RegistryError::Broken { reason: error.to_string() })?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::clock::SimulatedClock;
    use crate::hub::blobs::Blobs;
    use crate::hub::registry::Checks;

    const HOUR: Duration = Duration::from_secs(3600);

    struct Bench {
        registry: Registry,
        clock: Arc<SimulatedClock>,
        _folder: tempfile::TempDir,
    }

    impl Bench {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let database = Database::open(&format!("sqlite://{}/hub.db", folder.path().display())).await.unwrap();
            let blobs = Blobs::open(folder.path().join("blobs"), 100).unwrap();
            // Far from 1970, where files of this test were last changed a long time ahead.
            let clock = SimulatedClock::at(i64::MAX / 2);
            let registry = Registry::open(database, blobs, Checks::default(), clock.clone()).await.unwrap();
            Self { registry, clock, _folder: folder }
        }

        async fn receive(&self, content: &'static [u8]) -> BlobName {
            let name = BlobName::of(content);
            self.registry.expect(&name).await.unwrap();
            self.registry.blobs.put(content).unwrap();
            name
        }

        /// Makes it version 1 of a model of its own.
        async fn register(&self, name: &BlobName) {
            let sha256 = name.as_str();
            for statement in [
                "INSERT INTO models VALUES ($1, 0, 1)",
                "INSERT INTO model_versions (model, version, sha256, size, report, manifest, note, pushed_by, pushed_ns) \
                 VALUES ($1, 1, $1, 1, 'null', 'null', '', '', 0)",
            ] {
                sqlx::query(statement).bind(sha256).execute(self.registry.database.pool()).await.unwrap();
            }
        }

        async fn swept(&self) -> usize {
            self.registry.sweep().await.unwrap().packages
        }

        fn is_there(&self, name: &BlobName) -> bool {
            self.registry.blobs.state(name).unwrap().complete
        }

        async fn begin_to_delete(&self, name: &BlobName) -> Option<Leaving> {
            let mut write = self.registry.database.write().await.unwrap();
            let leaving = leave(&mut write, name.as_str(), self.clock_now()).await.unwrap();
            write.commit().await.unwrap();
            leaving
        }

        fn clock_now(&self) -> i64 {
            self.registry.clock.unix_nanos()
        }
    }

    #[tokio::test]
    async fn a_package_that_is_no_version_after_a_day_goes_and_a_version_stays() {
        let bench = Bench::new().await;
        let (forgotten, version) = (bench.receive(b"forgotten").await, bench.receive(b"version").await);
        bench.register(&version).await;
        bench.clock.advance(23 * HOUR);
        assert_eq!(bench.swept().await, 0);
        let young = bench.receive(b"young").await;
        bench.clock.advance(2 * HOUR);
        assert_eq!(bench.swept().await, 1);
        assert!(!bench.is_there(&forgotten) && bench.is_there(&version) && bench.is_there(&young));
        assert_eq!(bench.receive(b"forgotten").await, forgotten, "it can come again");
    }

    #[tokio::test]
    async fn a_deletion_that_was_cut_short_is_ended_by_a_later_sweep_and_nobody_registers_it_meanwhile() {
        let bench = Bench::new().await;
        let name = bench.receive(b"version").await;
        bench.register(&name).await;
        assert_eq!(bench.begin_to_delete(&name).await, None, "a version needs it");
        let delete = sqlx::query("UPDATE model_versions SET deleted_ns = 1");
        delete.execute(bench.registry.database.pool()).await.unwrap();
        let leaving = bench.begin_to_delete(&name).await.unwrap();
        assert_eq!(bench.begin_to_delete(&name).await, None, "somebody else does that");
        assert!(matches!(bench.registry.expect(&name).await, Err(RegistryError::Leaving { .. })));
        assert_eq!(bench.swept().await, 0, "whoever began may still be at it");
        bench.clock.advance(HOUR);
        assert_eq!(bench.swept().await, 1);
        assert!(!bench.is_there(&name));
        bench.receive(b"version").await;
        gone(&bench.registry.database, &leaving).await.unwrap();
        let mut write = bench.registry.database.write().await.unwrap();
        assert!(hold(&mut write, name.as_str(), 0).await.unwrap(), "who was late does not forget what came again");
    }

    #[tokio::test]
    async fn what_was_deleted_while_it_was_checked_is_not_held() {
        let bench = Bench::new().await;
        let name = bench.receive(b"version").await;
        let leaving = bench.begin_to_delete(&name).await.unwrap();
        for _ in 0..2 {
            let mut write = bench.registry.database.write().await.unwrap();
            assert!(!hold(&mut write, name.as_str(), 0).await.unwrap());
            drop(write);
            gone(&bench.registry.database, &leaving).await.unwrap();
        }
    }
}
