//! Pictures of episodes: the bytes in files by their SHA-256, which picture it is in the database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{ImageFormat, ImageReader};
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};
use tokio::sync::{Mutex, MutexGuard};

use crate::hub::blobs::{BlobError, BlobName, Blobs};
use crate::hub::database::{Database, DatabaseError, Doing as _};

/// A picture that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSnapshot {
    /// Whose.
    pub agent: String,
    /// Which camera's.
    pub camera: String,
    /// The episode, with `-update` or `-best` for a later picture.
    pub name: String,
    /// JPEG.
    pub jpeg: Vec<u8>,
}

/// Pictures. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Snapshots {
    database: Database,
    blobs: Blobs,
    /// Held from writing a file until the row that names it is committed, and while files without a row are deleted.
    turn: Arc<Mutex<()>>,
}

/// Whether these bytes begin as a JPEG does, with a size.
pub fn is_jpeg(bytes: &[u8]) -> bool {
    let mut reader = ImageReader::new(std::io::Cursor::new(bytes));
    reader.set_format(ImageFormat::Jpeg);
    reader.into_dimensions().is_ok_and(|(width, height)| width > 0 && height > 0)
}

impl Snapshots {
    /// Pictures in `folder`, none larger than `limit` bytes. They lie here wherever packages do, so that events are taken in
    /// also while a bucket is away.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(database: Database, folder: &Path, limit: u64) -> std::io::Result<Self> {
        Ok(Self { database, blobs: Blobs::open(folder, limit)?, turn: Arc::default() })
    }

    /// The right to write files, to be held until the rows are committed.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Writes the files of pictures. Blocks.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write(&self, snapshots: &[NewSnapshot]) -> Result<Vec<BlobName>, BlobError> {
        snapshots.iter().map(|snapshot| self.blobs.put(&snapshot.jpeg)).collect()
    }

    /// Notes within `write` which picture is in which file. A picture that is there already is replaced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note(
        write: &mut Transaction<'static, Any>,
        snapshot: &NewSnapshot,
        file: &BlobName,
        now: i64,
    ) -> Result<(), DatabaseError> {
        let statement = "INSERT INTO snapshots (agent, camera, name, sha256, size, received_ns) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (agent, camera, name) DO UPDATE SET \
             sha256 = excluded.sha256, size = excluded.size, received_ns = excluded.received_ns";
        let insert = sqlx::query(statement)
            .bind(&snapshot.agent)
            .bind(&snapshot.camera)
            .bind(&snapshot.name)
            .bind(file.as_str())
            .bind(i64::try_from(snapshot.jpeg.len()).unwrap_or(i64::MAX))
            .bind(now);
        insert.execute(&mut **write).await.doing("noting a picture")?;
        Ok(())
    }

    /// Where a picture lies.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn path(&self, agent: &str, camera: &str, name: &str) -> Result<Option<PathBuf>, DatabaseError> {
        let doing = "looking for a picture";
        let statement = "SELECT sha256 FROM snapshots WHERE agent = $1 AND camera = $2 AND name = $3";
        let query = sqlx::query(statement).bind(agent).bind(camera).bind(name);
        let Some(row) = query.fetch_optional(self.database.pool()).await.doing(doing)? else { return Ok(None) };
        let sha256: String = row.try_get("sha256").doing(doing)?;
        let found = BlobName::new(&sha256).ok().map(|file| self.blobs.local(&file)).transpose();
        let found = found.inspect_err(|error| tracing::error!(%error, "a picture cannot be read"));
        Ok(found.ok().flatten().flatten().map(|file| file.path().to_owned()))
    }

    /// Deletes pictures that came before a moment, at most `most` of them, and files that no picture is in any more. Returns
    /// how many pictures that were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget(&self, before_ns: i64, most: i64) -> Result<usize, DatabaseError> {
        let doing = "deleting pictures";
        let _turn = self.turn().await;
        let mut write = self.database.write().await?;
        let statement = "SELECT agent, camera, name, sha256 FROM snapshots WHERE received_ns < $1 LIMIT $2";
        let rows = sqlx::query(statement).bind(before_ns).bind(most).fetch_all(&mut *write).await.doing(doing)?;
        self.delete(write, &rows).await?;
        Ok(rows.len())
    }

    /// Deletes the oldest pictures, at most `most` of them, where their files take more than `limit` bytes. Returns how many
    /// pictures that were; there may be more to delete.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn shrink(&self, limit: i64, most: i64) -> Result<usize, DatabaseError> {
        let doing = "looking for pictures that take too much room";
        let _turn = self.turn().await;
        let mut write = self.database.write().await?;
        // A file in which there are several pictures takes its room once.
        let statement = "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) AS taken FROM \
             (SELECT MAX(size) AS size FROM snapshots GROUP BY sha256) AS files";
        let taken = sqlx::query(statement).fetch_one(&mut *write).await.and_then(|row| row.try_get::<i64, _>("taken"));
        let mut excess = taken.doing(doing)? - limit;
        let statement = "SELECT agent, camera, name, sha256, size FROM snapshots ORDER BY received_ns LIMIT $1";
        let mut rows = sqlx::query(statement).bind(most).fetch_all(&mut *write).await.doing(doing)?;
        let mut many = 0;
        while let Some(row) = rows.get(many).filter(|_| excess > 0) {
            excess -= row.try_get::<i64, _>("size").doing(doing)?;
            many += 1;
        }
        rows.truncate(many);
        self.delete(write, &rows).await?;
        Ok(many)
    }

    /// Deletes pictures, and the files that no picture is in any more.
    async fn delete(&self, mut write: Transaction<'static, Any>, rows: &[AnyRow]) -> Result<(), DatabaseError> {
        let doing = "deleting pictures";
        for row in rows {
            let statement = "DELETE FROM snapshots WHERE agent = $1 AND camera = $2 AND name = $3";
            let mut delete = sqlx::query(statement);
            for column in ["agent", "camera", "name"] {
                delete = delete.bind(row.try_get::<String, _>(column).doing(doing)?);
            }
            delete.execute(&mut *write).await.doing(doing)?;
        }
        let mut unnamed = Vec::new();
        for row in rows {
            let sha256: String = row.try_get("sha256").doing(doing)?;
            let named = sqlx::query("SELECT 1 AS named FROM snapshots WHERE sha256 = $1 LIMIT 1").bind(&sha256);
            if named.fetch_optional(&mut *write).await.doing(doing)?.is_none() {
                unnamed.extend(BlobName::new(&sha256));
            }
        }
        write.commit().await.doing(doing)?;
        for file in unnamed {
            // A file that stays is only room on the disk; there is nothing else to undo.
            if let Err(error) = self.blobs.remove(&file) {
                tracing::warn!(%error, "the file of a deleted picture stays");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_told_from_what_only_begins_like_one() {
        let mut jpeg = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
        image::GrayImage::new(8, 4).write_with_encoder(encoder).unwrap();
        assert!(is_jpeg(&jpeg));
        for bytes in [&b""[..], b"\xff\xd8\xff", b"\xff\xd8\xff\xe0 script", b"\x89PNG\r\n\x1a\n"] {
            assert!(!is_jpeg(bytes), "{bytes:?}");
        }
    }
}
