//! Records in a redb file. Any fault makes the handle useless: drop it and open anew.
//!
//! # Format
//!
//! | table | key | value |
//! |---|---|---|
//! | `records` | class `u8`, generation `u32`, seq `u64` | CRC-32 `u32`, committed `i64` (ms since 1970), payload; little endian |
//! | `state` | name | bytes of the caller |
//! | `meta` | `meta` | [`Meta`] as JSON |
//!
//! The generation stands for an epoch: 0 for the one of this store, higher ones for records that were numbered in
//! memory while the disk failed. The CRC covers the key too: see `row`. `meta` is written in the same transaction as the records
//! it counts, so both survive a power cut together or not at all.

use std::collections::{BTreeMap, HashSet};
use std::panic::{self, AssertUnwindSafe};

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, Table, TableDefinition};
use serde::{Deserialize, Serialize};

use super::loss::{LossReason, Losses};
use super::queue::{Stored, new_epoch};
use super::quota::{OVERHEAD, Quota};
use super::row::{self, Key};
use super::{Backlog, Class, Limit, Order, Record, RecordId};
use crate::base::threads;

const RECORDS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("records");
const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const META_KEY: &str = "meta";
const VERSION: u32 = 1;

/// Why the disk could not be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Another process has it open.
    #[error("another process has the spool open")]
    Busy,
    /// The file is not what was written.
    #[error("the spool's file is damaged: {0}")]
    Damaged(String),
    /// The system refused to read or write.
    #[error("cannot {operation} the spool")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: redb::Error,
    },
}

impl Fault {
    fn new(operation: &'static str, error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => Self::Busy,
            redb::Error::Corrupted(what) => Self::Damaged(what),
            redb::Error::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => Self::Damaged(e.to_string()),
            e @ (redb::Error::UpgradeRequired(_) | redb::Error::RepairAborted) => Self::Damaged(e.to_string()),
            source => Self::Failed { operation, source },
        }
    }
}

/// A shorthand for `map_err`.
fn failed<E: Into<redb::Error>>(operation: &'static str) -> impl FnOnce(E) -> Fault {
    move |error| Fault::new(operation, error)
}

/// Runs `body`; a panic within redb, which a damaged file can cause, is a fault like any other.
fn contained<T>(body: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // The handle is dropped after any fault, so nothing half-changed is seen again.
    panic::catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|panic| Err(Fault::Damaged(format!("redb panicked: {}", threads::panic_message(&*panic)))))
}

/// What is known of the records without reading them.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Meta {
    version: u32,
    epochs: BTreeMap<u32, u64>,
    next_seq: [u64; 3],
    used: [u64; 3],
    records: [u64; 3],
    losses: Losses,
}

impl Meta {
    fn generation(&self, epoch: u64) -> Option<u32> {
        self.epochs.iter().find(|(_, e)| **e == epoch).map(|(g, _)| *g)
    }

    fn key(&self, id: RecordId) -> Option<Key> {
        Some((id.class as u8, self.generation(id.epoch)?, id.seq))
    }

    fn id(&self, (class, generation, seq): Key) -> Option<RecordId> {
        let class = *Class::ALL.get(usize::from(class))?;
        Some(RecordId { class, epoch: *self.epochs.get(&generation)?, seq })
    }
}

/// An open file.
pub(super) struct Disk {
    db: Database,
    meta: Meta,
}

/// What [`Disk::peek`] found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) records: Vec<Record>,
    pub(super) damaged: Vec<RecordId>,
}

impl Disk {
    /// Lets go of the file. After one panic within redb its closing may panic as well.
    pub(super) fn close(disk: Option<Self>) {
        if let Err(fault) = contained(|| {
            drop(disk);
            Ok(())
        }) {
            tracing::debug!(error = %fault, "the spool's file was not closed in order");
        }
    }

    /// Takes a file that redb has opened; makes its tables where it is new.
    pub(super) fn new(open: impl FnOnce() -> Result<Database, redb::DatabaseError>) -> Result<Self, Fault> {
        contained(|| {
            let db = open().map_err(failed("open"))?;
            let meta = match read_meta(&db)? {
                Some(meta) => meta,
                None => create(&db)?,
            };
            Ok(Self { db, meta })
        })
    }

    /// Makes one change: all of it is on the disk when this returns, or none of it ever will be (except when the
    /// fault came from the very last step: then it may be there after opening anew).
    pub(super) fn change<T>(
        &mut self,
        durability: Durability,
        change: impl FnOnce(&mut Change<'_, '_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        contained(|| {
            let mut tx = self.db.begin_write().map_err(failed("begin writing to"))?;
            // Fails only for savepoints, which are not used here.
            let _ = tx.set_durability(durability);
            let mut meta = self.meta.clone();
            let result = {
                let records = tx.open_table(RECORDS).map_err(failed("open a table of"))?;
                let state = tx.open_table(STATE).map_err(failed("open a table of"))?;
                change(&mut Change { records, state, meta: &mut meta })?
            };
            {
                let mut table = tx.open_table(META).map_err(failed("open a table of"))?;
                table.insert(META_KEY, written(&meta).as_slice()).map_err(failed("write to"))?;
            }
            tx.commit().map_err(failed("commit to"))?;
            self.meta = meta;
            Ok(result)
        })
    }

    /// Adds records of `class` to what was found, until the limit.
    pub(super) fn peek(
        &self,
        class: Class,
        order: Order,
        skip: &HashSet<RecordId>,
        limit: Limit,
    ) -> Result<Found, Fault> {
        if self.meta.records[class.index()] == 0 {
            return Ok(Found::default());
        }
        self.reading(RECORDS, |table| {
            let mut range = table.range(whole(class)).map_err(failed("read from"))?;
            let (mut found, mut bytes) = (Found::default(), 0);
            while found.records.len() < limit.records && bytes < limit.bytes {
                let next = match order {
                    Order::Oldest => range.next(),
                    Order::Newest => range.next_back(),
                };
                let Some(entry) = next else { break };
                let (key, value) = entry.map_err(failed("read from"))?;
                let Some(id) = self.meta.id(key.value()).filter(|id| !skip.contains(id)) else { continue };
                match row::read(key.value(), value.value()) {
                    Some(stored) => {
                        bytes += stored.payload.len();
                        found.records.push(Record { id, payload: stored.payload });
                    }
                    None => found.damaged.push(id),
                }
            }
            Ok(found)
        })
    }

    /// The value under a name.
    pub(super) fn get_state(&self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        self.reading(STATE, |table| {
            let value = table.get(name).map_err(failed("read from"))?;
            Ok(value.map(|v| v.value().to_vec()))
        })
    }

    /// The values under names that begin with `prefix`.
    pub(super) fn states(&self, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
        self.reading(STATE, |table| {
            let mut found = BTreeMap::new();
            for entry in table.range(prefix..).map_err(failed("read from"))? {
                let (name, value) = entry.map_err(failed("read from"))?;
                if !name.value().starts_with(prefix) {
                    break;
                }
                found.insert(name.value().to_owned(), value.value().to_vec());
            }
            Ok(found)
        })
    }

    pub(super) fn losses(&self) -> &Losses {
        &self.meta.losses
    }

    /// What waits in `class`.
    pub(super) fn backlog(&self, class: Class) -> Result<Backlog, Fault> {
        let records = self.meta.records[class.index()];
        let oldest_unix_ms = if records == 0 { None } else { self.oldest(class)? };
        let lost = self.meta.losses.total(class);
        Ok(Backlog { records, bytes: self.meta.used[class.index()], oldest_unix_ms, lost })
    }

    /// Ids of `class` and `epoch` up to `upto`, and those in `also`, that are there.
    pub(super) fn upto(&self, class: Class, epoch: u64, upto: u64, also: &[u64]) -> Result<Vec<RecordId>, Fault> {
        let Some(generation) = self.meta.generation(epoch) else { return Ok(Vec::new()) };
        self.reading(RECORDS, |table| {
            let keys = (class as u8, generation, 0)..=(class as u8, generation, upto);
            let mut ids = Vec::new();
            for entry in table.range(keys).map_err(failed("read from"))? {
                ids.push(RecordId { class, epoch, seq: entry.map_err(failed("read from"))?.0.value().2 });
            }
            for &seq in also.iter().filter(|&&seq| seq > upto) {
                if table.get((class as u8, generation, seq)).map_err(failed("read from"))?.is_some() {
                    ids.push(RecordId { class, epoch, seq });
                }
            }
            Ok(ids)
        })
    }

    fn reading<K: redb::Key + 'static, V: redb::Value + 'static, T>(
        &self,
        table: TableDefinition<'_, K, V>,
        read: impl FnOnce(&ReadOnlyTable<K, V>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        contained(|| {
            let tx = self.db.begin_read().map_err(failed("begin reading from"))?;
            read(&tx.open_table(table).map_err(failed("open a table of"))?)
        })
    }

    fn oldest(&self, class: Class) -> Result<Option<i64>, Fault> {
        self.reading(RECORDS, |table| {
            let mut range = table.range(whole(class)).map_err(failed("read from"))?;
            let Some(entry) = range.next() else { return Ok(None) };
            let (key, value) = entry.map_err(failed("read from"))?;
            Ok(row::read(key.value(), value.value()).map(|stored| stored.unix_ms))
        })
    }
}

/// One transaction.
pub(super) struct Change<'a, 'tx> {
    records: Table<'tx, Key, &'static [u8]>,
    state: Table<'tx, &'static str, &'static [u8]>,
    meta: &'a mut Meta,
}

impl Change<'_, '_> {
    /// The id that the next record of `class` will have. The same until one is inserted.
    pub(super) fn next_id(&self, class: Class) -> RecordId {
        RecordId { class, epoch: self.meta.epochs[&0], seq: self.meta.next_seq[class.index()] }
    }

    /// Inserts a record under its id, which is [`Change::next_id`] or one of another epoch.
    pub(super) fn insert(&mut self, id: RecordId, stored: &Stored) -> Result<(), Fault> {
        let generation = self.meta.generation(id.epoch).unwrap_or_else(|| {
            let next = self.meta.epochs.last_key_value().map_or(0, |(g, _)| g + 1);
            self.meta.epochs.insert(next, id.epoch);
            next
        });
        if generation == 0 {
            self.meta.next_seq[id.class.index()] = id.seq + 1;
        }
        let key = (id.class as u8, generation, id.seq);
        self.records.insert(key, row::written(key, stored).as_slice()).map_err(failed("write to"))?;
        self.meta.records[id.class.index()] += 1;
        self.meta.used[id.class.index()] += stored.payload.len() as u64 + OVERHEAD;
        Ok(())
    }

    /// Removes a record; returns whether it was there.
    pub(super) fn remove(&mut self, id: RecordId) -> Result<bool, Fault> {
        let Some(key) = self.meta.key(id) else { return Ok(false) };
        let removed = self.records.remove(key).map_err(failed("write to"))?;
        let Some(length) = removed.map(|value| value.value().len()) else { return Ok(false) };
        let class = id.class.index();
        self.meta.records[class] = self.meta.records[class].saturating_sub(1);
        let size = length.saturating_sub(row::HEAD) as u64 + OVERHEAD;
        self.meta.used[class] = self.meta.used[class].saturating_sub(size);
        Ok(true)
    }

    /// Gives up the oldest records until the rest is within `quota`.
    pub(super) fn shed(&mut self, quota: &Quota) -> Result<(), Fault> {
        while let Some(class) = quota.first_to_go(self.meta.used) {
            let oldest = self.records.range(whole(class)).map_err(failed("read from"))?.next();
            let key = oldest.transpose().map_err(failed("read from"))?.map(|(key, _)| key.value());
            let Some(id) = key.and_then(|key| self.meta.id(key)) else {
                return Err(Fault::Damaged("its count of records is wrong".to_owned()));
            };
            self.remove(id)?;
            self.lose(id, LossReason::Quota);
        }
        Ok(())
    }

    /// Notes that a record is gone for good.
    pub(super) fn lose(&mut self, id: RecordId, reason: LossReason) {
        self.meta.losses.add(id, reason);
    }

    pub(super) fn losses(&mut self) -> &mut Losses {
        &mut self.meta.losses
    }

    /// Keeps a small value under a name.
    pub(super) fn put_state(&mut self, name: &str, value: &[u8]) -> Result<(), Fault> {
        self.state.insert(name, value).map_err(failed("write to"))?;
        Ok(())
    }
}

fn whole(class: Class) -> std::ops::RangeInclusive<Key> {
    (class as u8, 0, 0)..=(class as u8, u32::MAX, u64::MAX)
}

fn read_meta(db: &Database) -> Result<Option<Meta>, Fault> {
    let tx = db.begin_read().map_err(failed("begin reading from"))?;
    let table = match tx.open_table(META) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(Fault::new("open a table of", error)),
    };
    let Some(value) = table.get(META_KEY).map_err(failed("read from"))? else { return Ok(None) };
    let meta: Meta = serde_json::from_slice(value.value()).map_err(|e| Fault::Damaged(e.to_string()))?;
    if meta.version != VERSION || !meta.epochs.contains_key(&0) {
        return Err(Fault::Damaged(format!("it has version {}, not {VERSION}", meta.version)));
    }
    Ok(Some(meta))
}

fn create(db: &Database) -> Result<Meta, Fault> {
    let meta = Meta {
        version: VERSION,
        epochs: BTreeMap::from([(0, new_epoch())]),
        next_seq: [1; 3],
        used: [0; 3],
        records: [0; 3],
        losses: Losses::default(),
    };
    let tx = db.begin_write().map_err(failed("begin writing to"))?;
    tx.open_table(RECORDS).map_err(failed("make a table of"))?;
    tx.open_table(STATE).map_err(failed("make a table of"))?;
    {
        let mut table = tx.open_table(META).map_err(failed("make a table of"))?;
        table.insert(META_KEY, written(&meta).as_slice()).map_err(failed("write to"))?;
    }
    tx.commit().map_err(failed("commit to"))?;
    Ok(meta)
}

fn written(meta: &Meta) -> Vec<u8> {
    serde_json::to_vec(meta).expect("numbers and lists can always be written as JSON")
}
