//! Records in memory, in order and within a quota: what [`MemorySpool`](super::MemorySpool) is made of, and where
//! [`DurableSpool`](super::DurableSpool) takes refuge while the disk fails.

use std::collections::{BTreeMap, HashSet};

use super::loss::{LossReason, Losses};
use super::quota::{OVERHEAD, Quota};
use super::{Backlog, Class, Draft, Limit, Order, Receipt, Record, RecordId, TooLarge};

/// An epoch that no other store has.
pub(super) fn new_epoch() -> u64 {
    fastrand::u64(1..)
}

/// Bytes and when they were committed.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) unix_ms: i64,
    pub(super) payload: Vec<u8>,
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) epoch: u64,
    pub(super) losses: Losses,
    quota: Quota,
    record_bytes: usize,
    next_seq: [u64; 3],
    used: [u64; 3],
    records: [BTreeMap<u64, Stored>; 3],
}

impl Queue {
    pub(super) fn new(quota: Quota, record_bytes: usize) -> Self {
        Self {
            epoch: new_epoch(),
            losses: Losses::default(),
            quota,
            record_bytes,
            next_seq: [1; 3],
            used: [0; 3],
            records: Default::default(),
        }
    }

    /// Takes records, then gives up the oldest where the quota asks for it.
    pub(super) fn commit(&mut self, drafts: &[Draft<'_>], unix_ms: i64) -> Vec<Result<Receipt, TooLarge>> {
        let receipt = |id| Receipt { id, durable: false };
        let answers = drafts.iter().map(|draft| self.append(draft, unix_ms).map(receipt)).collect();
        self.shed();
        answers
    }

    fn append(&mut self, draft: &Draft<'_>, unix_ms: i64) -> Result<RecordId, TooLarge> {
        let class = draft.class.index();
        let id = RecordId { class: draft.class, epoch: self.epoch, seq: self.next_seq[class] };
        let payload = (draft.build)(id);
        if payload.len() > self.record_bytes {
            return Err(TooLarge { size: payload.len(), limit: self.record_bytes });
        }
        self.next_seq[class] += 1;
        self.used[class] += payload.len() as u64 + OVERHEAD;
        self.records[class].insert(id.seq, Stored { unix_ms, payload });
        Ok(id)
    }

    fn shed(&mut self) {
        while let Some(class) = self.quota.first_to_go(self.used) {
            let Some((&seq, _)) = self.records[class.index()].first_key_value() else { break };
            let oldest = RecordId { class, epoch: self.epoch, seq };
            self.remove(oldest);
            self.losses.add(oldest, LossReason::Quota);
        }
    }

    pub(super) fn peek(
        &self,
        class: Class,
        order: Order,
        skip: &HashSet<RecordId>,
        limit: Limit,
        found: &mut Vec<Record>,
    ) {
        let all = self.records[class.index()].iter();
        let waiting: &mut dyn Iterator<Item = _> = match order {
            Order::Oldest => &mut all.into_iter(),
            Order::Newest => &mut all.rev(),
        };
        let mut bytes = found.iter().map(|r| r.payload.len()).sum::<usize>();
        for (&seq, stored) in waiting {
            if found.len() >= limit.records || bytes >= limit.bytes {
                return;
            }
            let id = RecordId { class, epoch: self.epoch, seq };
            if !skip.contains(&id) {
                bytes += stored.payload.len();
                found.push(Record { id, payload: stored.payload.clone() });
            }
        }
    }

    /// Removes a record; returns whether it was there.
    pub(super) fn remove(&mut self, id: RecordId) -> bool {
        if id.epoch != self.epoch {
            return false;
        }
        let class = id.class.index();
        let Some(stored) = self.records[class].remove(&id.seq) else { return false };
        self.used[class] -= stored.payload.len() as u64 + OVERHEAD;
        true
    }

    /// Ids of `class` and `epoch` up to `upto`, and those in `also`, that are there.
    pub(super) fn upto(&self, class: Class, epoch: u64, upto: u64, also: &[u64]) -> Vec<RecordId> {
        if epoch != self.epoch {
            return Vec::new();
        }
        let records = &self.records[class.index()];
        let low = records.range(..=upto).map(|(&seq, _)| seq);
        let high = also.iter().copied().filter(|&seq| seq > upto && records.contains_key(&seq));
        low.chain(high).map(|seq| RecordId { class, epoch, seq }).collect()
    }

    pub(super) fn backlog(&self, class: Class) -> Backlog {
        let records = &self.records[class.index()];
        Backlog {
            records: records.len() as u64,
            bytes: self.used[class.index()],
            oldest_unix_ms: records.first_key_value().map(|(_, s)| s.unix_ms),
            lost: self.losses.total(class),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.iter().all(BTreeMap::is_empty)
    }

    /// Every record, in order of class and number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RecordId, &Stored)> {
        Class::ALL.into_iter().flat_map(move |class| {
            let records = self.records[class.index()].iter();
            records.map(move |(&seq, stored)| (RecordId { class, epoch: self.epoch, seq }, stored))
        })
    }
}
