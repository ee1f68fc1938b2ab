//! A durable queue of opaque bytes: what is committed survives a crash, and leaves only when it is acknowledged.
//!
//! # Life of a record
//!
//! ```text
//! Draft --commit--> Record (class, epoch, seq) --peek--> sent --acknowledged--> retire --> gone
//!                      |
//!                      +-- quota, or damaged on the disk --> gone, counted in a Gap that is kept until it is told
//! ```
//!
//! Three classes share the space: see [`Settings`] for who makes room for whom. The number of a record counts from 1
//! without holes within class and epoch; the epoch is drawn at random when a store is made, so that a number is never
//! used twice for different bytes. Because the bytes carry their own number, a [`Draft`] is built once the number is
//! known.
//!
//! [`RingSpool`] keeps records in a file of fixed size that is written in rounds: see `ring` for its format. Beside it
//! [`DurableSpool`], a redb file that outlives a full or failing disk (see `failover`), keeps the small state and the
//! records that the ring cannot take. [`MemorySpool`] keeps both in memory, for tests and replays. [`Writer`] groups
//! commits on a thread of its own.

mod disk;
mod durable;
mod failover;
mod loss;
mod memory;
mod queue;
mod quota;
mod ring;
mod row;
mod writer;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use tokio::sync::watch;

pub use self::ring::RingSpool;
#[cfg(any(test, fuzzing))]
pub use self::ring::recovers;
pub use durable::DurableSpool;
pub use loss::{Gap, LossReason};
pub use memory::MemorySpool;
pub use writer::Writer;

/// How a record is kept and in which order it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Class {
    /// Leaves first, is given up last.
    Alert,
    /// Kept for the record.
    Event,
    /// Given up first.
    Telemetry,
}

impl Class {
    /// All classes, the most precious first.
    pub const ALL: [Self; 3] = [Self::Alert, Self::Event, Self::Telemetry];

    const fn index(self) -> usize {
        self as usize
    }
}

/// The name of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId {
    /// How it is kept.
    pub class: Class,
    /// Which store it was numbered by.
    pub epoch: u64,
    /// Its number within class and epoch, from 1.
    pub seq: u64,
}

/// A record that is yet to be built. `build` may be called twice, with different ids, when the disk fails in between.
pub struct Draft<'a> {
    class: Class,
    build: Box<dyn Fn(RecordId) -> Vec<u8> + Send + 'a>,
}

impl<'a> Draft<'a> {
    /// A record whose bytes are made by `build` from its id.
    pub fn new(class: Class, build: impl Fn(RecordId) -> Vec<u8> + Send + 'a) -> Self {
        Self { class, build: Box::new(build) }
    }
}

/// That a record was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its name.
    pub id: RecordId,
    /// Whether it is on the disk, and not in memory only because the disk fails.
    pub durable: bool,
}

/// Why a record was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of {size} bytes was refused by the spool: at most {limit} are sent")]
pub struct TooLarge {
    /// How many bytes it has.
    pub size: usize,
    /// How many it may have.
    pub limit: usize,
}

/// A record that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub id: RecordId,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// From which end to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The longest waiting first.
    Oldest,
    /// The latest first.
    Newest,
}

/// How much to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// At most so many records.
    pub records: usize,
    /// No further record once so many bytes are reached.
    pub bytes: usize,
}

/// What waits in one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Records not yet retired.
    pub records: u64,
    /// The space that they take, in bytes.
    pub bytes: u64,
    /// When the oldest was committed, in milliseconds since 1970.
    pub oldest_unix_ms: Option<i64>,
    /// Records that were given up or found damaged since the store was made.
    pub lost: u64,
}

/// How the spool is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// What waits, in the order of [`Class::ALL`].
    pub backlog: [Backlog; 3],
    /// Why new records or states are kept in memory only, or why the ring is not written; none while the disk takes all.
    pub degraded: Option<String>,
    /// Damaged files that were set aside since the start.
    pub set_aside: Vec<PathBuf>,
}

/// Where the spool lies and how much it may hold.
///
/// The file of a ring is an eighth larger than the three shares, and takes that space from the disk when it is made.
///
/// A class uses its own share first, then what the less precious ones hold: telemetry gives way to events, both give
/// way to alerts, and the oldest of a class goes first. Alerts are given up only when they fill all three shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Share of the alerts in bytes. Default 32 MiB.
    pub alert_bytes: u64,
    /// Share of the events in bytes. Default 96 MiB.
    pub event_bytes: u64,
    /// Share of the telemetry in bytes. Default 16 MiB.
    pub telemetry_bytes: u64,
    /// How much is held in memory while the disk fails, in bytes, all classes together. Default 8 MiB.
    pub memory_bytes: u64,
    /// The largest record in bytes. Default 252 KiB, which leaves room for the topic in a packet of 256 KiB.
    pub record_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            alert_bytes: 32 * MIB,
            event_bytes: 96 * MIB,
            telemetry_bytes: 16 * MIB,
            memory_bytes: 8 * MIB,
            record_bytes: 252 * 1024,
        }
    }
}

/// A queue of records that leave when acknowledged, and a small store of state beside it. Never fails for want of a
/// disk: see [`Health::degraded`].
pub trait Spool: Send + Sync {
    /// The largest record that it takes, in bytes.
    fn record_bytes(&self) -> usize;

    /// Takes `drafts` in one step: after it returns, each is on the disk (or in memory where the receipt says so).
    fn commit(&self, drafts: &[Draft<'_>]) -> Vec<Result<Receipt, TooLarge>>;

    /// Records of `class` that wait, leaving out those in `skip` (such as those already sent).
    fn peek(&self, class: Class, order: Order, skip: &HashSet<RecordId>, limit: Limit) -> Vec<Record>;

    /// Lets go of acknowledged records. An id that is not there is ignored.
    fn retire(&self, ids: &[RecordId]);

    /// Lets go of all records of `class` and `epoch` up to `upto`, and of those in `also`; returns how many there were.
    fn retire_upto(&self, class: Class, epoch: u64, upto: u64, also: &[u64]) -> u64;

    /// Losses that were not told yet. They are kept until [`Spool::settle`], also across a restart.
    fn losses(&self) -> Vec<Gap>;

    /// Forgets losses, once a record that tells them is committed.
    fn settle(&self, gaps: &[Gap]);

    /// Keeps a small value under a name, in place of the one before.
    fn put_state(&self, key: &str, value: &[u8]);

    /// The value under a name.
    fn get_state(&self, key: &str) -> Option<Vec<u8>>;

    /// The values under all names that begin with `prefix`, by name.
    fn states(&self, prefix: &str) -> BTreeMap<String, Vec<u8>>;

    /// How the spool is.
    fn health(&self) -> Health;

    /// Changes whenever there is something new to peek at.
    fn changes(&self) -> watch::Receiver<u64>;
}

impl dyn Spool + '_ {
    /// Takes one record.
    ///
    /// # Errors
    /// When it is larger than [`Settings::record_bytes`].
    pub fn append(&self, class: Class, build: impl Fn(RecordId) -> Vec<u8> + Send) -> Result<Receipt, TooLarge> {
        self.commit(&[Draft::new(class, build)]).pop().expect("commit answers every draft")
    }
}

#[cfg(test)]
mod tests;
