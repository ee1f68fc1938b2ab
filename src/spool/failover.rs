//! The disk while it works, memory while it does not.
//!
//! ```text
//!            +--------------- a write succeeds: memory is moved to the disk ---------------+
//!            v                                                                             |
//!        WRITING --a write fails (disk full, I/O error)--> PAUSED --pause over: open anew--+
//!            ^                                               ^ |
//!            |                                               +-+ fails again: a longer pause (1 s .. 60 s)
//!   opened --+-- damaged file: set aside as <file>.corrupt-<n>, a new one is made
//! ```
//!
//! While paused, new records go to a bounded queue in memory under an epoch of its own (its losses are counted, and a
//! number on the disk is never used twice), reading goes on from the disk where redb can still open the file
//! (on a full disk it can, on one that refuses every write it cannot), and what is acknowledged meanwhile is remembered
//! and removed later.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redb::{Database, DatabaseError, Durability};

use super::disk::{Change, Disk, Fault};
use super::loss::LossReason;
use super::queue::{Queue, Stored};
use super::quota::Quota;
use super::{Draft, Receipt, RecordId, Settings, TooLarge};
use crate::base::backoff::Backoff;

/// redb's cache. The records that are read are mostly those just written.
const CACHE: usize = 4 * 1024 * 1024;
/// So many acknowledged records may come back after a crash; they are then sent again.
const UNSYNCED: usize = 256;

/// Opens the file; a seam, so that tests can put a failing disk beneath.
pub(super) type Open = Box<dyn Fn() -> Result<Database, DatabaseError> + Send>;

/// See the file's head.
pub(super) struct Failover {
    settings: Settings,
    path: PathBuf,
    open: Open,
    pub(super) disk: Option<Disk>,
    /// No write before this moment; none while writing.
    pause: Option<Duration>,
    backoff: Backoff,
    pub(super) fault: Option<String>,
    pub(super) set_aside: Vec<PathBuf>,
    pub(super) refuge: Queue,
    /// To be removed from the disk once it can be written; hidden until then.
    pub(super) retired: BTreeSet<RecordId>,
    /// Written when the disk failed, and written to memory under other ids. Hidden too.
    pub(super) doubtful: BTreeSet<RecordId>,
    pub(super) state: BTreeMap<String, Vec<u8>>,
    unsynced: usize,
}

impl Failover {
    /// Not opened yet: see [`Failover::recover`].
    pub(super) fn new(path: &Path, settings: Settings, open: Open) -> Self {
        Self {
            refuge: Queue::new(Quota::in_memory(&settings), settings.record_bytes),
            settings,
            path: path.to_owned(),
            open,
            disk: None,
            pause: Some(Duration::ZERO),
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
            fault: None,
            set_aside: Vec::new(),
            retired: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            state: BTreeMap::new(),
            unsynced: 0,
        }
    }

    /// Writes to the disk unless it is paused. `None` means that it did not happen.
    pub(super) fn write<T>(
        &mut self,
        now: Duration,
        durability: Durability,
        change: impl FnOnce(&mut Change<'_, '_>) -> Result<T, Fault>,
    ) -> Option<T> {
        if self.pause.is_some() {
            return None;
        }
        match self.disk.as_mut()?.change(durability, change) {
            Ok(result) => Some(result),
            Err(fault) => {
                self.fail(now, &fault);
                None
            }
        }
    }

    /// Notes a fault, pauses writing, and opens the file anew for reading where that is possible.
    fn fail(&mut self, now: Duration, fault: &Fault) {
        let text = chain(fault);
        let wait = self.backoff.next_wait();
        tracing::error!(path = %self.path.display(), error = text, retry_s = wait.as_secs_f32(), "the spool's disk fails; records are held in memory");
        self.fault = Some(text);
        self.pause = Some(now + wait);
        Disk::close(self.disk.take());
        match fault {
            Fault::Damaged(_) => self.set_aside(),
            Fault::Failed { .. } => self.disk = Disk::new(&self.open).ok(),
            Fault::Busy => {}
        }
    }

    /// Ends a pause that is over: opens the file where it is not open, and moves to it what is in memory. Returns
    /// whether records became visible by it.
    pub(super) fn recover(&mut self, now: Duration) -> bool {
        if self.pause.is_none_or(|until| now < until) {
            return false;
        }
        if let Err(fault) = self.move_to_disk() {
            self.fail(now, &fault);
            return false;
        }
        if self.fault.take().is_some() {
            tracing::info!(path = %self.path.display(), "the spool writes to the disk again");
        }
        self.pause = None;
        self.backoff.reset();
        true
    }

    fn move_to_disk(&mut self) -> Result<(), Fault> {
        let disk = match &mut self.disk {
            Some(disk) => disk,
            closed => closed.insert(Disk::new(&self.open)?),
        };
        let quota = Quota::on_disk(&self.settings);
        let (refuge, retired, doubtful, state) = (&self.refuge, &self.retired, &self.doubtful, &self.state);
        let nothing = refuge.is_empty() && refuge.losses.open().is_empty();
        if !nothing || !retired.is_empty() || !doubtful.is_empty() || !state.is_empty() {
            disk.change(Durability::Immediate, |change| {
                for &id in retired {
                    change.remove(id)?;
                }
                for &id in doubtful {
                    if change.remove(id)? {
                        change.lose(id, LossReason::Renumbered);
                    }
                }
                for (id, stored) in refuge.iter() {
                    change.insert(id, stored)?;
                }
                for (name, value) in state {
                    change.put_state(name, value)?;
                }
                change.losses().merge(refuge.losses.clone());
                change.shed(&quota)
            })?;
        }
        self.refuge = Queue::new(Quota::in_memory(&self.settings), self.settings.record_bytes);
        self.retired.clear();
        self.doubtful.clear();
        self.state.clear();
        Ok(())
    }

    /// Puts a damaged file out of the way.
    fn set_aside(&mut self) {
        if let Some(free) = set_aside(&self.path) {
            self.set_aside.push(free);
            // The new file can be made at once.
            self.pause = Some(Duration::ZERO);
        }
    }

    pub(super) fn commit_to_disk(
        &mut self,
        drafts: &[Draft<'_>],
        unix_ms: i64,
        now: Duration,
    ) -> Option<Vec<Result<Receipt, TooLarge>>> {
        let quota = Quota::on_disk(&self.settings);
        let limit = self.settings.record_bytes;
        let mut given = Vec::new();
        let answers = self.write(now, Durability::Immediate, |change| {
            let mut answers = Vec::with_capacity(drafts.len());
            for draft in drafts {
                let id = change.next_id(draft.class);
                let payload = (draft.build)(id);
                if payload.len() > limit {
                    answers.push(Err(TooLarge { size: payload.len(), limit }));
                    continue;
                }
                given.push(id);
                change.insert(id, &Stored { unix_ms, payload })?;
                answers.push(Ok(Receipt { id, durable: true }));
            }
            change.shed(&quota)?;
            Ok(answers)
        });
        match &answers {
            Some(_) => self.unsynced = 0,
            None => self.doubtful.extend(given),
        }
        answers
    }

    /// Removes acknowledged records, from memory at once and from the disk now or later.
    pub(super) fn retire(&mut self, ids: &[RecordId], now: Duration) {
        let on_disk: Vec<RecordId> = ids.iter().copied().filter(|&id| !self.refuge.remove(id)).collect();
        if on_disk.is_empty() {
            return;
        }
        self.unsynced += on_disk.len();
        let sync = self.unsynced >= UNSYNCED;
        let durability = if sync { Durability::Immediate } else { Durability::None };
        let removed = self.write(now, durability, |change| {
            for &id in &on_disk {
                change.remove(id)?;
            }
            Ok(())
        });
        match removed {
            Some(()) if sync => self.unsynced = 0,
            Some(()) => {}
            None => self.retired.extend(on_disk),
        }
    }

    /// Runs a reading of the disk, if it is open; a fault closes it.
    pub(super) fn read<T>(&mut self, now: Duration, read: impl FnOnce(&Disk) -> Result<T, Fault>) -> Option<T> {
        match read(self.disk.as_ref()?) {
            Ok(result) => Some(result),
            Err(fault) => {
                self.fail(now, &fault);
                None
            }
        }
    }
}

/// Renames a damaged file, so that it can be looked at and a new one can be made; returns its new name.
pub(super) fn set_aside(path: &Path) -> Option<PathBuf> {
    let name = |n: u32| path.with_added_extension(format!("corrupt-{n}"));
    let free = (1..9).map(name).find(|p| !p.exists()).unwrap_or_else(|| name(9));
    if let Err(error) = std::fs::rename(path, &free) {
        tracing::error!(path = %path.display(), %error, "cannot set the damaged spool aside");
        return None;
    }
    tracing::error!(path = %free.display(), "the damaged spool was set aside; its records are lost to this agent");
    Some(free)
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Opens the real file.
pub(super) fn open_file(path: &Path) -> Result<Database, DatabaseError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let db = Database::builder().set_cache_size(CACHE).create(path)?;
    // Without this, a power cut may take the name of a new file and with it everything in it.
    File::open(folder)?.sync_all()?;
    Ok(db)
}
