//! The spool on a ring. What the ring does not take goes to the spool on redb beside it, which holds the small state too.
//!
//! ```text
//!            +------ opened anew: what the refuge holds is moved to the ring ------+
//!            v                                                                     |
//!        WRITING --a write fails (I/O error)--> PAUSED --pause over: open anew-----+
//!            ^                                    ^ |
//!   opened --+-- no room on the disk to make it --+ +-- fails again: a longer pause (1 s .. 60 s)
//! ```
//!
//! While paused, the ring is read as far as it was committed, and what is acknowledged is noted in memory; new records go
//! to the refuge under an epoch of its own. An agent from before the ring has its records in the refuge: they leave it in
//! the same way.

use std::any::Any;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::format::Geometry;
use super::read::Found;
use super::vfs::{RealDisk, Vfs};
use super::{Fault, Ring, make, recover};
use crate::base::backoff::Backoff;
use crate::base::clock::SharedClock;
use crate::spool::durable::DurableSpool;
use crate::spool::failover::{chain, set_aside};
use crate::spool::loss::{Gap, LossReason};
use crate::spool::queue::Stored;
use crate::spool::quota::Quota;
use crate::spool::{Backlog, Class, Draft, Health, Limit, Order, Receipt, Record, RecordId, Settings, Spool, TooLarge};

/// So much is moved from the refuge to the ring at once.
const MOVED: Limit = Limit { records: 500, bytes: 1 << 20 };
/// When what could not be moved is tried again.
const MOVE_AGAIN: Duration = Duration::from_secs(60);

/// Keeps records in a ring of fixed size on the disk; never fails for want of a disk.
pub struct RingSpool {
    inner: Mutex<Inner>,
    refuge: DurableSpool,
    record_bytes: usize,
    clock: SharedClock,
    changes: watch::Sender<u64>,
}

struct Inner {
    disk: Box<dyn Vfs>,
    path: PathBuf,
    settings: Settings,
    lock: Option<Box<dyn Any + Send>>,
    /// Not to be written while paused.
    ring: Option<Ring>,
    /// No write before this moment; none while writing.
    pause: Option<Duration>,
    backoff: Backoff,
    /// Why it is paused, and whether that is only for want of room to make it.
    fault: Option<(String, bool)>,
    set_aside: Vec<PathBuf>,
    /// When to look whether the refuge holds records; none when it does not.
    refuge_since: Option<Duration>,
}

impl RingSpool {
    /// Opens or makes `spool.ring` in `folder`, and `spool.redb` beside it. Where that fails, the spool starts paused, and
    /// [`Health::degraded`] says why.
    pub fn open(folder: &Path, settings: Settings, clock: SharedClock) -> Self {
        let refuge = DurableSpool::open(&folder.join("spool.redb"), settings.clone(), clock.clone());
        Self::with(&folder.join("spool.ring"), settings, clock, Box::new(RealDisk), refuge)
    }

    pub(in crate::spool) fn with(
        path: &Path,
        settings: Settings,
        clock: SharedClock,
        disk: Box<dyn Vfs>,
        refuge: DurableSpool,
    ) -> Self {
        let record_bytes = settings.record_bytes;
        let inner = Inner {
            disk,
            path: path.to_owned(),
            settings,
            lock: None,
            ring: None,
            pause: Some(Duration::ZERO),
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
            fault: None,
            set_aside: Vec::new(),
            refuge_since: Some(Duration::ZERO),
        };
        let spool = Self { inner: Mutex::new(inner), refuge, record_bytes, clock, changes: watch::Sender::new(0) };
        drop(spool.lock());
        spool
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        let now = self.clock.mono();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let recovered = inner.recover(now);
        let due = inner.refuge_since.is_some_and(|due| recovered || due <= now);
        let moved = due && inner.empty_refuge(&self.refuge, now);
        if recovered || moved {
            self.changes.send_modify(|n| *n += 1);
        }
        inner
    }
}

impl Inner {
    /// Writes to the ring unless it is paused. `None` means that it did not happen.
    fn write<T>(&mut self, now: Duration, write: impl FnOnce(&mut Ring) -> Result<T, Fault>) -> Option<T> {
        if self.pause.is_some() {
            return None;
        }
        match write(self.ring.as_mut()?) {
            Ok(result) => Some(result),
            Err(fault) => {
                self.fail(now, &fault);
                None
            }
        }
    }

    /// Notes a fault and pauses writing.
    fn fail(&mut self, now: Duration, fault: &Fault) {
        let text = chain(fault);
        let wait = self.backoff.next_wait();
        tracing::error!(path = %self.path.display(), error = text, retry_s = wait.as_secs_f32(), "the spool's ring cannot be written; records go to the file beside it");
        let is_room = matches!(fault, Fault::Failed { source, .. } if source.kind() == io::ErrorKind::StorageFull);
        self.fault = Some((text, is_room && self.ring.is_none()));
        self.pause = Some(now + wait);
        if let Some(ring) = &mut self.ring {
            ring.abandon();
        }
    }

    /// Opens the ring anew when a pause is over; returns whether it did.
    fn recover(&mut self, now: Duration) -> bool {
        if self.pause.is_none_or(|until| now < until) {
            return false;
        }
        match self.reopen() {
            Ok(ring) => self.ring = Some(ring),
            Err(fault) => {
                self.fail(now, &fault);
                return false;
            }
        }
        if self.fault.take().is_some() {
            tracing::info!(path = %self.path.display(), "the spool's ring is written again");
        }
        self.pause = None;
        self.backoff.reset();
        true
    }

    fn reopen(&mut self) -> Result<Ring, Fault> {
        if self.lock.is_none() {
            let lock = self.disk.lock(&self.path.with_added_extension("lock"));
            self.lock = Some(lock.map_err(|source| match source.kind() {
                io::ErrorKind::WouldBlock => Fault::Busy,
                _ => Fault::Failed { operation: "lock", source },
            })?);
        }
        let (disk, geometry) = (&*self.disk, Geometry::of(&self.settings));
        let known = self.ring.as_ref().map(|ring| ring.checkpoint(ring.committed));
        let mut ring = match (recover::open(disk, &self.path, known), &self.ring) {
            // Somebody removed it; what this process still has open is whole.
            (Err(fault), Some(old)) if fault.is_missing() => make::resize(disk, &self.path, geometry, old)?,
            (Err(fault), None) if fault.is_missing() => make::create(disk, &self.path, geometry)?,
            (Err(fault @ Fault::Damaged(_)), _) => {
                tracing::error!(error = %fault, "the spool's ring cannot be read");
                self.set_aside.extend(set_aside(&self.path));
                make::create(disk, &self.path, geometry)?
            }
            (answer, _) => answer?,
        };
        ring.shed(&Quota::on_disk(&self.settings));
        if ring.geometry == geometry {
            return Ok(ring);
        }
        match make::resize(disk, &self.path, geometry, &ring) {
            Ok(resized) => Ok(resized),
            Err(fault) => {
                tracing::warn!(error = chain(&fault), "the spool's ring keeps its size");
                Ok(ring)
            }
        }
    }

    /// Moves to the ring what the refuge holds; returns whether there was anything.
    fn empty_refuge(&mut self, refuge: &DurableSpool, now: Duration) -> bool {
        let mut any = false;
        for class in Class::ALL {
            while self.pause.is_none() {
                let records = refuge.peek(class, Order::Oldest, &HashSet::new(), MOVED);
                let unix_ms = refuge.health().backlog[class.index()].oldest_unix_ms.unwrap_or_default();
                let quota = Quota::on_disk(&self.settings);
                let moved = self.write(now, |ring| ring.take_in(records, unix_ms, &quota)).unwrap_or_default();
                if moved.is_empty() {
                    break;
                }
                refuge.retire(&moved);
                any = true;
            }
        }
        let health = refuge.health();
        let holds = health.backlog.iter().any(|b| b.records > 0) || health.degraded.is_some();
        self.refuge_since = holds.then_some(now + MOVE_AGAIN);
        any
    }

    fn commit(&mut self, drafts: &[Draft<'_>], unix_ms: i64, now: Duration) -> Option<Vec<Result<Receipt, TooLarge>>> {
        let (limit, quota) = (self.settings.record_bytes, Quota::on_disk(&self.settings));
        self.write(now, |ring| {
            let limit = limit.min(ring.geometry.largest());
            let mut answers = Vec::with_capacity(drafts.len());
            for draft in drafts {
                let id = ring.next_id(draft.class);
                let payload = (draft.build)(id);
                if payload.len() > limit {
                    answers.push(Err(TooLarge { size: payload.len(), limit }));
                    continue;
                }
                ring.append(id, &Stored { unix_ms, payload })?;
                answers.push(Ok(Receipt { id, durable: true }));
            }
            ring.commit()?;
            ring.shed(&quota);
            Ok(answers)
        })
    }

    /// Saves a checkpoint where one is due.
    fn save(&mut self, now: Duration) {
        if self.ring.as_ref().is_some_and(Ring::is_save_due) {
            self.write(now, Ring::save);
        }
    }

    /// Looks into the ring; where some of it cannot be read it is opened anew, which settles what becomes of that.
    fn look(&mut self, now: Duration, look: impl FnOnce(&Ring) -> Found) -> Found {
        let found = self.ring.as_ref().map(look).unwrap_or_default();
        if let Some(fault) = &found.fault {
            self.fail(now, fault);
        }
        found
    }
}

impl Spool for RingSpool {
    fn record_bytes(&self) -> usize {
        self.record_bytes
    }

    fn commit(&self, drafts: &[Draft<'_>]) -> Vec<Result<Receipt, TooLarge>> {
        let (unix_ms, now) = (self.clock.unix_nanos() / 1_000_000, self.clock.mono());
        let mut inner = self.lock();
        let answers = inner.commit(drafts, unix_ms, now).unwrap_or_else(|| {
            // Moved when the ring is opened anew, and not before.
            inner.refuge_since = Some(inner.pause.unwrap_or(now));
            self.refuge.commit(drafts)
        });
        drop(inner);
        self.changes.send_modify(|n| *n += 1);
        answers
    }

    fn peek(&self, class: Class, order: Order, skip: &HashSet<RecordId>, limit: Limit) -> Vec<Record> {
        let now = self.clock.mono();
        let mut inner = self.lock();
        let found = inner.look(now, |ring| ring.peek(class, order, skip, limit));
        if !found.damaged.is_empty() {
            tracing::error!(records = found.damaged.len(), "records on the disk are damaged and were given up");
            if let Some(ring) = &mut inner.ring {
                found.damaged.iter().for_each(|&(class, place)| ring.lose(class, place, LossReason::Damaged));
            }
            inner.write(now, Ring::save);
        }
        let mut records = found.records;
        let bytes: usize = records.iter().map(|r| r.payload.len()).sum();
        let rest = Limit { records: limit.records - records.len(), bytes: limit.bytes.saturating_sub(bytes) };
        if inner.refuge_since.is_some() && rest.records > 0 && rest.bytes > 0 {
            records.extend(self.refuge.peek(class, order, skip, rest));
        }
        records
    }

    fn retire(&self, ids: &[RecordId]) {
        let mut inner = self.lock();
        let mut others = ids.to_vec();
        if let Some(ring) = &mut inner.ring {
            others.retain(|id| ring.retire(id.class, id.epoch, id.seq, id.seq) == 0);
        }
        if inner.refuge_since.is_some() && !others.is_empty() {
            self.refuge.retire(&others);
        }
        inner.save(self.clock.mono());
    }

    fn retire_upto(&self, class: Class, epoch: u64, upto: u64, also: &[u64]) -> u64 {
        let mut inner = self.lock();
        let mut gone = 0;
        if let Some(ring) = &mut inner.ring {
            gone += ring.retire(class, epoch, 0, upto);
            gone += also.iter().map(|&seq| ring.retire(class, epoch, seq, seq)).sum::<u64>();
        }
        if inner.refuge_since.is_some() {
            gone += self.refuge.retire_upto(class, epoch, upto, also);
        }
        inner.save(self.clock.mono());
        gone
    }

    fn losses(&self) -> Vec<Gap> {
        let inner = self.lock();
        let mut losses = self.refuge.losses();
        losses.extend(inner.ring.iter().flat_map(|ring| ring.losses.open()));
        losses
    }

    fn settle(&self, gaps: &[Gap]) {
        let mut inner = self.lock();
        if !self.refuge.losses().is_empty() {
            self.refuge.settle(gaps);
        }
        if let Some(ring) = &mut inner.ring {
            ring.losses.settle(gaps);
        }
        // Where it cannot be written, the losses are told again after a restart: twice is better than never.
        inner.write(self.clock.mono(), Ring::save);
    }

    fn put_state(&self, key: &str, value: &[u8]) {
        self.refuge.put_state(key, value);
    }

    fn get_state(&self, key: &str) -> Option<Vec<u8>> {
        self.refuge.get_state(key)
    }

    fn states(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        self.refuge.states(prefix)
    }

    fn health(&self) -> Health {
        let inner = self.lock();
        let refuge = self.refuge.health();
        let backlog = Class::ALL.map(|class| {
            let ring = inner.ring.as_ref().map(|ring| ring.backlog(class)).unwrap_or_default();
            let beside = refuge.backlog[class.index()];
            Backlog {
                records: ring.records + beside.records,
                bytes: ring.bytes + beside.bytes,
                oldest_unix_ms: [ring.oldest_unix_ms, beside.oldest_unix_ms].into_iter().flatten().min(),
                lost: ring.lost + beside.lost,
            }
        });
        // A ring for which there is no room yet is no fault while the file beside it takes everything.
        let fault = inner.fault.as_ref().filter(|(_, is_room)| !is_room || refuge.degraded.is_some());
        let faults: Vec<&str> = fault.map(|(text, _)| &**text).into_iter().chain(refuge.degraded.as_deref()).collect();
        let degraded = (!faults.is_empty()).then(|| faults.join("; "));
        let set_aside = inner.set_aside.iter().chain(&refuge.set_aside).cloned().collect();
        Health { backlog, degraded, set_aside }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Drop for RingSpool {
    fn drop(&mut self) {
        let now = self.clock.mono();
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Makes what was acknowledged last durable, so that it is not sent again.
        inner.write(now, Ring::save);
    }
}
