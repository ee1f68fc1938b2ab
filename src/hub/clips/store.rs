//! Clips on their way in and when they are here: bytes in files, what they show in the database.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use axum::body::Bytes;

use super::error::ClipError;
use super::{About, ClipFacts, rows};
use crate::base::clock::SharedClock;
use crate::hub::blobs::{BlobError, BlobName, Blobs};
use crate::hub::database::{Database, DatabaseError, Doing as _};
use crate::vocab::Id;

/// For how long a clip of which nothing more comes is kept, in nanoseconds.
const STUCK_NS: i64 = 24 * 3600 * 1_000_000_000;

/// How much of a clip is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes.
    pub received: u64,
    /// Whether that is all, and its digest right.
    pub is_whole: bool,
}

/// Clips of all agents. Cloning is cheap.
#[derive(Clone)]
pub struct Clips {
    database: Database,
    clock: SharedClock,
    folder: PathBuf,
    limit: u64,
    /// The files of each agent that has handed in something since the hub started.
    of_agents: Arc<std::sync::Mutex<BTreeMap<Id, Blobs>>>,
    /// Held while a file and its row come and go together.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Clips {
    /// Clips in `folder`, none larger than `limit` bytes.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(database: Database, clock: SharedClock, folder: &Path, limit: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { database, clock, folder: folder.to_owned(), limit, of_agents: Arc::default(), turn: Arc::default() })
    }

    /// How much of a clip is here; none where it was never begun.
    ///
    /// # Errors
    /// When the disk or the database fails.
    pub async fn state(&self, agent: &Id, name: &BlobName) -> Result<Option<Progress>, ClipError> {
        let Some(known) = rows::one(&self.database, agent, name).await? else { return Ok(None) };
        let found = self.found(agent, name).await?;
        if found.is_whole && !known.is_whole() {
            // The hub was killed between taking it in and noting that.
            rows::came(&self.database, agent, name, found.received, true, self.clock.unix_nanos()).await?;
        }
        // A file that somebody took away must be sent again.
        Ok(Some(found).filter(|found| found.is_whole || !known.is_whole()))
    }

    /// Takes a piece of a clip, which is on the disk when this returns. The first one says what the clip is `about`.
    ///
    /// # Errors
    /// When it does not begin where the last one ended, is of no clip that may be handed in, or the disk or the database
    /// fails. A clip that turns out to be another than it was said to be is thrown away.
    pub async fn receive(
        &self,
        agent: &Id,
        name: &BlobName,
        offset: u64,
        about: Option<&About>,
        piece: Bytes,
    ) -> Result<Progress, ClipError> {
        let known = self.state(agent, name).await?;
        let here = known.unwrap_or(Progress { received: 0, is_whole: false });
        let goes_on = here.received == offset && (!here.is_whole || piece.is_empty());
        if !goes_on {
            return Err(ClipError::Offset { received: here.received, is_whole: here.is_whole });
        }
        if here.is_whole {
            return Ok(here);
        }
        let size =
            if offset == 0 { self.begin(agent, name, about, &piece).await? } else { self.size(agent, name).await? };
        let end = offset + piece.len() as u64;
        if end > size {
            self.drop_whole(agent, name).await?;
            return Err(ClipError::Overflow { size });
        }
        let _turn = self.turn.lock().await;
        let written = self.write(agent, name, offset, piece, end == size).await;
        match written {
            Ok(()) => {}
            Err(ClipError::Blob(error @ BlobError::Digest { .. })) => {
                rows::forget(&self.database, agent, name).await?;
                return Err(error.into());
            }
            Err(ClipError::Blob(BlobError::Offset { received, .. })) => {
                return Err(ClipError::Offset { received, is_whole: false });
            }
            Err(ClipError::Blob(BlobError::Busy)) => {
                return Err(ClipError::Offset { received: offset, is_whole: false });
            }
            Err(error) => return Err(error),
        }
        rows::came(&self.database, agent, name, end, end == size, self.clock.unix_nanos()).await?;
        Ok(Progress { received: end, is_whole: end == size })
    }

    /// Notes what is coming. Returns its size.
    async fn begin(&self, agent: &Id, name: &BlobName, about: Option<&About>, piece: &[u8]) -> Result<u64, ClipError> {
        let about = about.ok_or(ClipError::Unannounced)?;
        if let Some(fault) = about.fault() {
            return Err(ClipError::About(fault));
        }
        if about.size > self.limit {
            return Err(ClipError::TooLarge { size: about.size, limit: self.limit });
        }
        if !begins_as_mp4(piece) {
            return Err(ClipError::NoMp4);
        }
        // What lies there without a row is of a clip that was deleted, or is damaged.
        self.remove(agent.clone(), name.clone()).await?;
        rows::announce(&self.database, agent, name, about, self.clock.unix_nanos()).await?;
        Ok(about.size)
    }

    /// The size that a clip is said to have.
    async fn size(&self, agent: &Id, name: &BlobName) -> Result<u64, ClipError> {
        let known = rows::one(&self.database, agent, name).await?;
        // It may have been thrown away a moment ago.
        let known = known.ok_or(ClipError::Offset { received: 0, is_whole: false })?;
        Ok(u64::try_from(known.size).unwrap_or(0))
    }

    async fn write(
        &self,
        agent: &Id,
        name: &BlobName,
        offset: u64,
        piece: Bytes,
        is_last: bool,
    ) -> Result<(), ClipError> {
        let (clips, agent, name) = (self.clone(), agent.clone(), name.clone());
        let write = move || {
            let mut taken = clips.of(&agent)?.receive(&name, offset)?;
            taken.write(&piece)?;
            if is_last { taken.finish() } else { taken.pause() }
        };
        tokio::task::spawn_blocking(write).await??;
        Ok(())
    }

    /// A clip that is whole, with the file that holds it.
    ///
    /// # Errors
    /// When there is none, or the disk or the database fails.
    pub async fn whole(&self, agent: &Id, name: &BlobName) -> Result<(ClipFacts, PathBuf), ClipError> {
        let missing = || ClipError::NoClip { agent: agent.clone(), sha256: name.as_str().to_owned() };
        let known = rows::one(&self.database, agent, name).await?.filter(ClipFacts::is_whole).ok_or_else(missing)?;
        let (clips, agent, name) = (self.clone(), agent.clone(), name.clone());
        let find = move || clips.of(&agent)?.local(&name);
        let file = tokio::task::spawn_blocking(find).await??.ok_or_else(missing)?;
        Ok((known, file.path().to_owned()))
    }

    /// What is known of one clip, here or on its way.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn one(&self, agent: &Id, name: &BlobName) -> Result<Option<ClipFacts>, DatabaseError> {
        rows::one(&self.database, agent, name).await
    }

    /// The clip of an episode, here or on its way.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of_episode(&self, agent: &Id, episode: &str) -> Result<Option<ClipFacts>, DatabaseError> {
        rows::of_episode(&self.database, agent, episode).await
    }

    /// Deletes clips that came before a moment, and those of which nothing more comes, at most `most` of them. Returns how
    /// many that were.
    ///
    /// # Errors
    /// When the disk or the database fails.
    pub async fn forget(&self, before_ns: i64, most: i64) -> Result<usize, ClipError> {
        let stuck_ns = self.clock.unix_nanos().saturating_sub(STUCK_NS);
        let _turn = self.turn.lock().await;
        let mut write = self.database.write().await?;
        let old = rows::old(&mut write, before_ns, stuck_ns, most).await?;
        self.delete(write, &old).await?;
        Ok(old.len())
    }

    /// Deletes the oldest clips, at most `most` of them, where all take more than `limit` bytes. Returns how many that were;
    /// there may be more to delete.
    ///
    /// # Errors
    /// When the disk or the database fails.
    pub async fn shrink(&self, limit: i64, most: i64) -> Result<usize, ClipError> {
        let _turn = self.turn.lock().await;
        let mut write = self.database.write().await?;
        let (mut oldest, taken) = rows::oldest(&mut write, most).await?;
        let mut excess = taken - limit;
        let mut many = 0;
        while let Some(clip) = oldest.get(many).filter(|_| excess > 0) {
            excess -= clip.received;
            many += 1;
        }
        oldest.truncate(many);
        self.delete(write, &oldest).await?;
        Ok(many)
    }

    /// Deletes clips: the files first, for a row without a file is deleted again the next time.
    async fn delete(
        &self,
        mut write: sqlx::Transaction<'static, sqlx::Any>,
        clips: &[ClipFacts],
    ) -> Result<(), ClipError> {
        for clip in clips {
            if let (Ok(agent), Ok(name)) = (Id::new(&clip.agent), BlobName::new(&clip.sha256)) {
                self.remove(agent, name).await?;
            }
            rows::delete(&mut write, &clip.agent, &clip.sha256).await?;
        }
        Ok(write.commit().await.doing("deleting clips")?)
    }

    async fn drop_whole(&self, agent: &Id, name: &BlobName) -> Result<(), ClipError> {
        self.remove(agent.clone(), name.clone()).await?;
        Ok(rows::forget(&self.database, agent, name).await?)
    }

    /// Takes away what there is of a clip's file.
    async fn remove(&self, agent: Id, name: BlobName) -> Result<(), ClipError> {
        let clips = self.clone();
        let remove = move || {
            let blobs = clips.of(&agent)?;
            blobs.forget(&name)?;
            blobs.remove(&name)
        };
        Ok(tokio::task::spawn_blocking(remove).await??)
    }

    async fn found(&self, agent: &Id, name: &BlobName) -> Result<Progress, ClipError> {
        let (clips, agent, name) = (self.clone(), agent.clone(), name.clone());
        let find = move || clips.of(&agent)?.state(&name);
        let found = tokio::task::spawn_blocking(find).await??;
        Ok(Progress { received: found.received, is_whole: found.complete })
    }

    /// The files of an agent. Blocks.
    fn of(&self, agent: &Id) -> Result<Blobs, BlobError> {
        let mut of_agents = self.of_agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(blobs) = of_agents.get(agent) {
            return Ok(blobs.clone());
        }
        let folder = self.folder.join(agent.as_str());
        let failed = |source| BlobError::Folder { doing: "making", folder: folder.clone(), source };
        let blobs = Blobs::open(&folder, self.limit).map_err(failed)?;
        of_agents.insert(agent.clone(), blobs.clone());
        Ok(blobs)
    }
}

/// Whether bytes begin as an MP4 file does: with the box `ftyp` (ISO/IEC 14496-12, 4.3).
fn begins_as_mp4(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"ftyp")
}
