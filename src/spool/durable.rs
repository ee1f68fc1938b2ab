//! A spool on the disk that outlives the disk's faults: one lock around [`Failover`], where that is done.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::Durability;
use tokio::sync::watch;

use super::failover::{Failover, Open, open_file};
use super::loss::LossReason;
use super::{Backlog, Class, Draft, Gap, Health, Limit, Order, Receipt, Record, RecordId, Settings, Spool, TooLarge};
use crate::base::clock::SharedClock;

/// Keeps records in a redb file; never fails for want of a disk.
pub struct DurableSpool {
    inner: Mutex<Failover>,
    record_bytes: usize,
    clock: SharedClock,
    changes: watch::Sender<u64>,
}

impl DurableSpool {
    /// Opens or makes the spool's file at `path`. Where that fails, the spool starts paused, and
    /// [`Health::degraded`](super::Health::degraded) says why.
    pub fn open(path: &Path, settings: Settings, clock: SharedClock) -> Self {
        let file = path.to_owned();
        Self::with(path, settings, clock, Box::new(move || open_file(&file)))
    }

    pub(super) fn with(path: &Path, settings: Settings, clock: SharedClock, open: Open) -> Self {
        let record_bytes = settings.record_bytes;
        let mut inner = Failover::new(path, settings, open);
        inner.recover(clock.mono());
        Self { inner: Mutex::new(inner), record_bytes, clock, changes: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Failover> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.recover(self.clock.mono()) {
            self.changes.send_modify(|n| *n += 1);
        }
        inner
    }
}

impl Spool for DurableSpool {
    fn record_bytes(&self) -> usize {
        self.record_bytes
    }

    fn commit(&self, drafts: &[Draft<'_>]) -> Vec<Result<Receipt, TooLarge>> {
        let (unix_ms, now) = (self.clock.unix_nanos() / 1_000_000, self.clock.mono());
        let mut inner = self.lock();
        let on_disk = inner.commit_to_disk(drafts, unix_ms, now);
        let answers = on_disk.unwrap_or_else(|| inner.refuge.commit(drafts, unix_ms));
        drop(inner);
        self.changes.send_modify(|n| *n += 1);
        answers
    }

    fn peek(&self, class: Class, order: Order, skip: &HashSet<RecordId>, limit: Limit) -> Vec<Record> {
        let now = self.clock.mono();
        let mut inner = self.lock();
        let mut hidden;
        let mut leave_out = skip;
        if !inner.retired.is_empty() || !inner.doubtful.is_empty() {
            hidden = skip.clone();
            hidden.extend(inner.retired.iter().chain(&inner.doubtful));
            leave_out = &hidden;
        }
        let found = inner.read(now, |disk| disk.peek(class, order, leave_out, limit)).unwrap_or_default();
        if !found.damaged.is_empty() {
            tracing::error!(records = found.damaged.len(), "records on the disk are damaged and were given up");
            let removed = inner.write(now, Durability::Immediate, |change| {
                for &id in &found.damaged {
                    change.remove(id)?;
                    change.lose(id, LossReason::Damaged);
                }
                Ok(())
            });
            if removed.is_none() {
                tracing::warn!("damaged records stay on the disk until it can be written");
            }
        }
        let mut records = found.records;
        inner.refuge.peek(class, order, skip, limit, &mut records);
        records
    }

    fn retire(&self, ids: &[RecordId]) {
        self.lock().retire(ids, self.clock.mono());
    }

    fn retire_upto(&self, class: Class, epoch: u64, upto: u64, also: &[u64]) -> u64 {
        let now = self.clock.mono();
        let mut inner = self.lock();
        let mut ids = inner.refuge.upto(class, epoch, upto, also);
        ids.extend(inner.read(now, |disk| disk.upto(class, epoch, upto, also)).unwrap_or_default());
        ids.retain(|id| !inner.retired.contains(id));
        inner.retire(&ids, now);
        ids.len() as u64
    }

    fn losses(&self) -> Vec<Gap> {
        let inner = self.lock();
        let on_disk = inner.disk.as_ref().map(|d| d.losses().open()).unwrap_or_default();
        on_disk.iter().chain(inner.refuge.losses.open()).copied().collect()
    }

    fn settle(&self, gaps: &[Gap]) {
        let mut inner = self.lock();
        inner.refuge.losses.settle(gaps);
        // Where it cannot be written, the losses are told again: twice is better than never.
        inner.write(self.clock.mono(), Durability::Immediate, |change| {
            change.losses().settle(gaps);
            Ok(())
        });
    }

    fn put_state(&self, key: &str, value: &[u8]) {
        let mut inner = self.lock();
        let written = inner.write(self.clock.mono(), Durability::Immediate, |change| change.put_state(key, value));
        if written.is_none() {
            inner.state.insert(key.to_owned(), value.to_vec());
        }
    }

    fn get_state(&self, key: &str) -> Option<Vec<u8>> {
        let mut inner = self.lock();
        let waiting = inner.state.get(key).cloned();
        waiting.or_else(|| inner.read(self.clock.mono(), |disk| disk.get_state(key)).flatten())
    }

    fn states(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let mut inner = self.lock();
        let mut found = inner.read(self.clock.mono(), |disk| disk.states(prefix)).unwrap_or_default();
        let waiting = inner.state.iter().filter(|(name, _)| name.starts_with(prefix));
        found.extend(waiting.map(|(name, value)| (name.clone(), value.clone())));
        found
    }

    fn health(&self) -> Health {
        let now = self.clock.mono();
        let mut inner = self.lock();
        let backlog = Class::ALL.map(|class| {
            let disk = inner.read(now, |disk| disk.backlog(class)).unwrap_or_default();
            let memory = inner.refuge.backlog(class);
            let oldest = [disk.oldest_unix_ms, memory.oldest_unix_ms].into_iter().flatten().min();
            Backlog {
                records: disk.records + memory.records,
                bytes: disk.bytes + memory.bytes,
                oldest_unix_ms: oldest,
                lost: disk.lost + memory.lost,
            }
        });
        Health { backlog, degraded: inner.fault.clone(), set_aside: inner.set_aside.clone() }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Drop for DurableSpool {
    fn drop(&mut self) {
        let now = self.clock.mono();
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Makes what was acknowledged last durable, so that it is not sent again.
        inner.write(now, Durability::Immediate, |_| Ok(()));
    }
}
