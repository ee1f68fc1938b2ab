//! The hub's database: SQLite in a file by default, PostgreSQL by URL; opened, brought up to date, and written to in
//! transactions that cannot deadlock.
//!
//! All statements are written once, in the SQL that both take: `$1` parameters, `BIGINT`, `TEXT`, `DOUBLE PRECISION`,
//! `ON CONFLICT`, `RETURNING`. Times are nanoseconds since 1970, flags 0 or 1, documents JSON in `TEXT`, bytes are not
//! kept here at all: files lie in the blob store under their SHA-256. So there is one implementation of everything that
//! is stored, and the tests run it on both.
//!
//! SQLite has one writer. A transaction that reads first and writes later can find that another wrote in between, and is
//! then refused rather than made to wait; [`Database::write`] therefore takes the right to write at its begin.

mod upgrade;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyPool, ConnectOptions as _, Executor as _, Transaction};
use url::Url;

pub use upgrade::NEWEST;

/// Connections to PostgreSQL. A hub is a few tasks, most of which wait for cameras, not for the database.
const POSTGRES_CONNECTIONS: u32 = 16;
/// Connections to SQLite: one writes while others read.
const SQLITE_CONNECTIONS: u32 = 8;
/// How long a connection may be waited for; longer means that the database is away.
const PATIENCE: Duration = Duration::from_secs(10);
/// What each connection to SQLite is told: readers do not wait for the writer, what is committed survives a power cut,
/// the writer is waited for, and a row names only rows that exist.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000; \
     PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864;";

/// Which engine is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file beside the program.
    Sqlite,
    /// A server.
    Postgres,
}

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL names no database that this program can use. It is not shown, for it may hold a password.
    #[error("the database URL must begin with sqlite:// or postgres://")]
    Url,
    /// The folder of the SQLite file cannot be made.
    #[error("making the folder of the database {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database is away or does not let us in.
    #[error("opening the database {place}")]
    Open {
        /// Which, without user and password.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A newer program has already brought the schema further than this one knows.
    #[error("the database has schema {found}, this program knows {NEWEST}: run the newer program, or restore a backup")]
    Newer {
        /// The schema that was found.
        found: i64,
    },
    /// An upgrade of the schema failed; nothing of it was kept.
    #[error("bringing the database to schema {number} ({name}); nothing was changed")]
    Upgrade {
        /// Which upgrade.
        number: i64,
        /// Its name.
        name: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// A statement failed.
    #[error("{doing}")]
    Statement {
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: sqlx::Error,
    },
}

/// Names what was being done when a statement failed.
pub trait Doing<T> {
    /// `doing` is a phrase such as "storing an event".
    ///
    /// # Errors
    /// The same as before, with the phrase.
    fn doing(self, doing: &'static str) -> Result<T, DatabaseError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &'static str) -> Result<T, DatabaseError> {
        self.map_err(|source| DatabaseError::Statement { doing, source })
    }
}

/// The pool of connections. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Database {
    pool: AnyPool,
    engine: Engine,
}

impl Database {
    /// Opens the database at `url`, `sqlite://PATH` or `postgres://…`, making the file where there is none, and brings
    /// its schema up to date.
    ///
    /// # Errors
    /// When it cannot be reached or made, has a newer schema, or an upgrade fails.
    pub async fn open(url: &str) -> Result<Self, DatabaseError> {
        sqlx::any::install_default_drivers();
        let place = Place::read(url)?;
        if let Some(folder) = place.file.as_deref().and_then(Path::parent) {
            let failed = |source| DatabaseError::Folder { path: folder.to_owned(), source };
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let failed = |source| DatabaseError::Open { place: place.shown.clone(), source };
        let options = AnyConnectOptions::from_url(&place.url).map_err(failed)?.disable_statement_logging();
        let engine = place.engine;
        let connections = if engine == Engine::Sqlite { SQLITE_CONNECTIONS } else { POSTGRES_CONNECTIONS };
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if engine == Engine::Sqlite {
                        connection.execute(SQLITE_SETTINGS).await?;
                    }
                    Ok(())
                })
            })
            .connect_with(options)
            .await
            .map_err(failed)?;
        let database = Self { pool, engine };
        upgrade::run(&database).await?;
        Ok(database)
    }

    /// The engine.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// For reading.
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Begins a transaction that will write. Dropped without a commit, it changes nothing.
    ///
    /// # Errors
    /// When no connection is to be had, or another writer holds SQLite for ten seconds.
    pub async fn write(&self) -> Result<Transaction<'static, Any>, DatabaseError> {
        let begin = match self.engine {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN",
        };
        self.pool.begin_with(begin).await.doing("beginning to write to the database")
    }

    /// Ends all connections after what is being done.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Where the database is.
struct Place {
    engine: Engine,
    url: Url,
    /// For people: without user and password.
    shown: String,
    file: Option<PathBuf>,
}

impl Place {
    fn read(url: &str) -> Result<Self, DatabaseError> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            let path = path.split('?').next().unwrap_or_default();
            if path.is_empty() {
                return Err(DatabaseError::Url);
            }
            let url = Url::parse(&format!("sqlite://{path}?mode=rwc")).map_err(|_| DatabaseError::Url)?;
            return Ok(Self { engine: Engine::Sqlite, url, shown: path.to_owned(), file: Some(PathBuf::from(path)) });
        }
        let url = Url::parse(url).map_err(|_| DatabaseError::Url)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(DatabaseError::Url);
        }
        let host = url.host_str().unwrap_or("localhost");
        let shown = format!("{} at {host}", url.path().trim_start_matches('/'));
        Ok(Self { engine: Engine::Postgres, url, shown, file: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_refused_or_shown_gives_no_password_away() {
        for url in ["mysql://u:hunter2@h/d", "hunter2", "", "sqlite://"] {
            let error = Place::read(url).err().unwrap();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let place = Place::read("postgres://hub:hunter2@db.example:5433/vedette").unwrap();
        assert_eq!((place.engine, place.shown.as_str()), (Engine::Postgres, "vedette at db.example"));
    }

    #[tokio::test]
    async fn a_file_is_made_with_its_folder_and_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/deep/hub.db", folder.path().display());
        for _ in 0..2 {
            let database = Database::open(&url).await.unwrap();
            assert_eq!(upgrade::current(&database).await.unwrap(), NEWEST);
            database.close().await;
        }
    }

    #[tokio::test]
    async fn a_schema_from_the_future_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/hub.db", folder.path().display());
        let database = Database::open(&url).await.unwrap();
        sqlx::query("UPDATE schema_version SET number = 9999").execute(database.pool()).await.unwrap();
        database.close().await;
        let error = Database::open(&url).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Newer { found: 9999 }), "{error}");
    }

    #[tokio::test]
    async fn twenty_writers_that_read_first_all_get_through() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&format!("sqlite://{}/hub.db", folder.path().display())).await.unwrap();
        sqlx::query("CREATE TABLE sum (value BIGINT NOT NULL)").execute(database.pool()).await.unwrap();
        sqlx::query("INSERT INTO sum VALUES (0)").execute(database.pool()).await.unwrap();
        let add = |database: Database| async move {
            let mut write = database.write().await.unwrap();
            let (value,): (i64,) = sqlx::query_as("SELECT value FROM sum").fetch_one(&mut *write).await.unwrap();
            sqlx::query("UPDATE sum SET value = $1").bind(value + 1).execute(&mut *write).await.unwrap();
            write.commit().await.unwrap();
        };
        let writers: Vec<_> = (0..20).map(|_| tokio::spawn(add(database.clone()))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let (value,): (i64,) = sqlx::query_as("SELECT value FROM sum").fetch_one(database.pool()).await.unwrap();
        assert_eq!(value, 20);
    }
}
