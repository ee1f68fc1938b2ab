//! A spool without a disk, for tests, replays and demonstrations.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::queue::Queue;
use super::quota::Quota;
use super::{Class, Draft, Gap, Health, Limit, Order, Receipt, Record, RecordId, Settings, Spool, TooLarge};
use crate::base::clock::SharedClock;

/// Keeps everything in memory and forgets it when dropped.
pub struct MemorySpool {
    inner: Mutex<Inner>,
    record_bytes: usize,
    clock: SharedClock,
    changes: watch::Sender<u64>,
}

struct Inner {
    queue: Queue,
    state: BTreeMap<String, Vec<u8>>,
}

impl MemorySpool {
    /// An empty spool with the shares that `settings` give the disk.
    pub fn new(settings: &Settings, clock: SharedClock) -> Self {
        let queue = Queue::new(Quota::on_disk(settings), settings.record_bytes);
        let inner = Mutex::new(Inner { queue, state: BTreeMap::new() });
        Self { inner, record_bytes: settings.record_bytes, clock, changes: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spool for MemorySpool {
    fn record_bytes(&self) -> usize {
        self.record_bytes
    }

    fn commit(&self, drafts: &[Draft<'_>]) -> Vec<Result<Receipt, TooLarge>> {
        let unix_ms = self.clock.unix_nanos() / 1_000_000;
        let answers = self.lock().queue.commit(drafts, unix_ms);
        self.changes.send_modify(|n| *n += 1);
        answers
    }

    fn peek(&self, class: Class, order: Order, skip: &HashSet<RecordId>, limit: Limit) -> Vec<Record> {
        let mut found = Vec::new();
        self.lock().queue.peek(class, order, skip, limit, &mut found);
        found
    }

    fn retire(&self, ids: &[RecordId]) {
        let mut inner = self.lock();
        for &id in ids {
            inner.queue.remove(id);
        }
    }

    fn retire_upto(&self, class: Class, epoch: u64, upto: u64, also: &[u64]) -> u64 {
        let mut inner = self.lock();
        let ids = inner.queue.upto(class, epoch, upto, also);
        ids.into_iter().filter(|&id| inner.queue.remove(id)).count() as u64
    }

    fn losses(&self) -> Vec<Gap> {
        self.lock().queue.losses.open().to_vec()
    }

    fn settle(&self, gaps: &[Gap]) {
        self.lock().queue.losses.settle(gaps);
    }

    fn put_state(&self, key: &str, value: &[u8]) {
        self.lock().state.insert(key.to_owned(), value.to_vec());
    }

    fn get_state(&self, key: &str) -> Option<Vec<u8>> {
        self.lock().state.get(key).cloned()
    }

    fn states(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let inner = self.lock();
        let found = inner.state.iter().filter(|(name, _)| name.starts_with(prefix));
        found.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn health(&self) -> Health {
        let inner = self.lock();
        Health { backlog: Class::ALL.map(|c| inner.queue.backlog(c)), ..Health::default() }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
