//! The thread that writes blocks, and the folder within its bounds.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use super::log::Log;
use super::{Head, HistoryError, SEGMENT_BYTES, Settings, block};
use crate::base::clock::SharedClock;
use crate::base::threads;
use crate::vocab::Id;

/// Blocks that wait for the disk; beyond it they are left out.
const WAITING: usize = 256;
/// A segment is followed by another after this time.
const SEGMENT_LASTS: Duration = Duration::from_secs(3600);
/// How often what is too old is looked for where nothing is written.
const SWEEP: Duration = Duration::from_secs(600);
/// Buffers that are kept for the next blocks.
const SPARE: usize = 16;
/// How segments are called.
pub(super) const SUFFIX: &str = ".tracks";

/// Keeps the tracks of all cameras of an agent. Dropping it writes what is waiting and ends the thread.
#[derive(Debug)]
pub struct Store {
    way: Option<Way>,
    thread: Option<JoinHandle<()>>,
}

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// How much lies in the folder.
    pub bytes: u64,
    /// Blocks that could not be kept since the start.
    pub lost: u64,
    /// Why the last of them could not be written; none once one could.
    pub failure: Option<String>,
}

/// How blocks get to the thread, and their buffers back.
#[derive(Debug, Clone)]
pub(super) struct Way {
    jobs: SyncSender<Job>,
    common: Arc<Common>,
}

#[derive(Debug)]
pub(super) enum Job {
    Block { camera: Id, head: Arc<[u8]>, run: u64, number: u32, body: Vec<u8> },
    Flush(SyncSender<()>),
}

/// What both sides look at.
#[derive(Debug, Default)]
struct Common {
    spare: Mutex<Vec<Vec<u8>>>,
    bytes: AtomicU64,
    lost: AtomicU64,
    failure: Mutex<Option<String>>,
}

impl Way {
    /// A buffer to fill.
    pub(super) fn empty(&self) -> Vec<u8> {
        lock(&self.common.spare).pop().unwrap_or_default()
    }

    pub(super) fn send(&self, job: Job) {
        // A disk that is too slow costs blocks and no frames: they are missed by their numbers.
        if self.jobs.try_send(job).is_err() {
            self.common.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Store {
    /// Creates the folder if absent, brings what is there within its bounds, and starts the thread.
    ///
    /// # Errors
    /// When the folder can be neither created nor read, or the machine refuses a thread.
    pub fn open(settings: Settings, clock: SharedClock) -> Result<Self, HistoryError> {
        let common = Arc::new(Common::default());
        let mut shelf = Shelf::open(settings, clock, common.clone())?;
        let (jobs, waiting) = mpsc::sync_channel(WAITING);
        let body = move || shelf.work(&waiting);
        let thread = threads::spawn("tracks", body).map_err(HistoryError::Thread)?;
        Ok(Self { way: Some(Way { jobs, common }), thread: Some(thread) })
    }

    /// Begins to keep the tracks of a camera's line; none once the store ends.
    pub fn log(&self, head: Head) -> Option<Log> {
        self.way.clone().map(|way| Log::new(head, way))
    }

    /// Waits until everything handed over before is in the hands of the system.
    pub fn flush(&self) {
        let (done, finished) = mpsc::sync_channel(1);
        if self.way.as_ref().is_some_and(|way| way.jobs.send(Job::Flush(done)).is_ok()) {
            // An error means that the thread is gone, and with it whatever there was to wait for.
            let _ = finished.recv();
        }
    }

    /// How it is.
    pub fn health(&self) -> Health {
        self.way.as_ref().map(|way| way.common.health()).unwrap_or_default()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.flush();
        // Logs may live on; their blocks are then lost, and their agent with them.
        self.way = None;
        if let Some(thread) = self.thread.take().filter(JoinHandle::is_finished)
            && thread.join().is_err()
        {
            tracing::error!("the thread that keeps tracks had ended in a panic");
        }
    }
}

impl Common {
    fn health(&self) -> Health {
        Health {
            bytes: self.bytes.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            failure: lock(&self.failure).clone(),
        }
    }
}

/// A segment on the disk.
#[derive(Debug)]
struct Segment {
    bytes: u64,
    /// When it was last written to, nanoseconds since 1970.
    written: i64,
}

/// A segment that is being written.
#[derive(Debug)]
struct Open {
    file: File,
    number: u64,
    run: u64,
    since: Duration,
}

/// What the thread works with.
struct Shelf {
    settings: Settings,
    clock: SharedClock,
    common: Arc<Common>,
    /// By camera and number.
    segments: BTreeMap<(Id, u64), Segment>,
    open: BTreeMap<Id, Open>,
    /// Kept for its memory.
    framed: Vec<u8>,
}

impl Shelf {
    fn open(settings: Settings, clock: SharedClock, common: Arc<Common>) -> Result<Self, HistoryError> {
        let failed = |source| HistoryError::Folder { folder: settings.folder.clone(), source };
        fs::create_dir_all(&settings.folder).map_err(failed)?;
        let mut segments = BTreeMap::new();
        for (camera, folder) in cameras(&settings.folder).map_err(failed)? {
            for (number, file) in numbered(&folder).map_err(failed)? {
                let Ok(facts) = fs::metadata(&file) else { continue };
                let written = facts.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
                let written = written.and_then(|at| i64::try_from(at.as_nanos()).ok()).unwrap_or(0);
                segments.insert((camera.clone(), number), Segment { bytes: facts.len(), written });
            }
        }
        let (open, framed) = (BTreeMap::new(), Vec::new());
        let mut shelf = Self { settings, clock, common, segments, open, framed };
        shelf.make_room(0);
        Ok(shelf)
    }

    fn work(&mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(SWEEP) {
                Ok(Job::Block { camera, head, run, number, body }) => {
                    self.keep(&camera, &head, run, number, &body);
                    let mut spare = lock(&self.common.spare);
                    if spare.len() < SPARE {
                        spare.push(body);
                    }
                }
                // Whoever asked may have given up waiting.
                Ok(Job::Flush(done)) => drop(done.send(())),
                Err(RecvTimeoutError::Timeout) => self.make_room(0),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn keep(&mut self, camera: &Id, head: &[u8], run: u64, number: u32, body: &[u8]) {
        let mut written = self.write(camera, head, run, number, body);
        // Tracks never take the room of what cannot be had again: the oldest of them goes instead.
        if written.as_ref().is_err_and(is_full) && self.delete_oldest() {
            written = self.write(camera, head, run, number, body);
        }
        let failure = written.err().map(|error| {
            // What it holds may be torn: the next block begins another one.
            self.open.remove(camera);
            self.common.lost.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(camera = %camera, %error, "tracks could not be kept");
            error.to_string()
        });
        *lock(&self.common.failure) = failure;
    }

    fn write(&mut self, camera: &Id, head: &[u8], run: u64, number: u32, body: &[u8]) -> io::Result<()> {
        let now = self.clock.mono();
        let is_over = |open: &Open| {
            let bytes = self.segments.get(&(camera.clone(), open.number)).map_or(0, |segment| segment.bytes);
            open.run != run || bytes >= SEGMENT_BYTES || now.saturating_sub(open.since) >= SEGMENT_LASTS
        };
        if self.open.get(camera).is_some_and(is_over) {
            self.open.remove(camera);
        }
        self.framed.clear();
        if !self.open.contains_key(camera) {
            block::write(&mut self.framed, block::HEAD, run, 0, head);
        }
        block::write(&mut self.framed, block::TRACKS, run, number, body);
        self.make_room(self.framed.len() as u64);
        let open = match self.open.entry(camera.clone()) {
            std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let last = self.segments.range((camera.clone(), 0)..=(camera.clone(), u64::MAX)).next_back();
                let number = last.map_or(1, |((_, number), _)| number + 1);
                let folder = self.settings.folder.join(camera.as_str());
                fs::create_dir_all(&folder)?;
                let file = OpenOptions::new().append(true).create_new(true).open(folder.join(name(number)))?;
                place.insert(Open { file, number, run, since: now })
            }
        };
        let segment = self.segments.entry((camera.clone(), open.number)).or_insert(Segment { bytes: 0, written: 0 });
        segment.written = self.clock.unix_nanos();
        // Counted although it may fail: a part of it may be there then.
        segment.bytes += self.framed.len() as u64;
        self.common.bytes.fetch_add(self.framed.len() as u64, Ordering::Relaxed);
        open.file.write_all(&self.framed)
    }

    /// Deletes the oldest segments until nothing is too old and `more` bytes fit.
    fn make_room(&mut self, more: u64) {
        let keep = i64::try_from(self.settings.keep.as_nanos()).unwrap_or(i64::MAX);
        let too_old = self.clock.unix_nanos().saturating_sub(keep);
        let mut bytes: u64 = self.segments.values().map(|segment| segment.bytes).sum();
        while self.segments.values().any(|s| s.written < too_old) || bytes + more > self.settings.quota_bytes {
            if !self.delete_oldest() {
                break;
            }
            bytes = self.segments.values().map(|segment| segment.bytes).sum();
        }
        self.common.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Whether there was one. A file that cannot be deleted is no longer counted: it would stand in the way of all others.
    fn delete_oldest(&mut self) -> bool {
        let oldest = self.segments.iter().min_by_key(|(_, segment)| segment.written).map(|(key, _)| key.clone());
        let Some((camera, number)) = oldest else { return false };
        if self.open.get(&camera).is_some_and(|open| open.number == number) {
            self.open.remove(&camera);
        }
        let file = self.settings.folder.join(camera.as_str()).join(name(number));
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %file.display(), %error, "cannot delete old tracks");
            }
            _ => {}
        }
        self.segments.remove(&(camera, number));
        true
    }
}

/// The folders of cameras below `folder`.
pub(super) fn cameras(folder: &Path) -> io::Result<Vec<(Id, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let camera = entry.file_name().to_str().and_then(|name| Id::new(name).ok());
        found.extend(camera.filter(|_| entry.path().is_dir()).map(|camera| (camera, entry.path())));
    }
    found.sort();
    Ok(found)
}

/// The segments in a camera's folder, in their order.
pub(super) fn numbered(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let number = file.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(|name| name.parse().ok());
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

fn name(number: u64) -> String {
    format!("{number:08}{SUFFIX}")
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
