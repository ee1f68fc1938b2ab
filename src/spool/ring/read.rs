//! Reading what waits in a ring.

use std::collections::HashSet;

use super::format::{RECORD_HEAD, RecordHead};
use super::lane::Entry;
use super::{Fault, Ring, failed};
use crate::spool::{Backlog, Class, Limit, Order, Record, RecordId};

/// What [`Ring::peek`] found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) records: Vec<Record>,
    /// Those whose bytes have changed, by class and place.
    pub(super) damaged: Vec<(Class, u64)>,
    /// Why some could not be read; the others are here.
    pub(super) fault: Option<Fault>,
}

impl Ring {
    /// Records of `class` that wait, but for those in `skip`.
    pub(super) fn peek(&self, class: Class, order: Order, skip: &HashSet<RecordId>, limit: Limit) -> Found {
        let lane = &self.lanes[class.index()];
        let mut waiting = lane.waiting();
        let (mut found, mut bytes) = (Found::default(), 0);
        while found.records.len() < limit.records && bytes < limit.bytes {
            let next = match order {
                Order::Oldest => waiting.next(),
                Order::Newest => waiting.next_back(),
            };
            let Some((place, entry)) = next else { break };
            let id = lane.id(place);
            if skip.contains(&id) {
                continue;
            }
            match self.read(id, place, entry) {
                Ok(Some(payload)) => {
                    bytes += payload.len();
                    found.records.push(Record { id, payload });
                }
                Ok(None) => found.damaged.push((class, place)),
                Err(fault) => found.fault = Some(fault),
            }
        }
        found
    }

    /// The payload of a record; none where its bytes have changed.
    pub(super) fn read(&self, id: RecordId, place: u64, entry: Entry) -> Result<Option<Vec<u8>>, Fault> {
        let mut bytes = vec![0; RECORD_HEAD + entry.length()];
        self.file.read_at(entry.at(), &mut bytes).map_err(failed("read from"))?;
        let sound = self.head(entry, &bytes).filter(|h| h.place == place && h.id(id.class) == id);
        if sound.and_then(|head| head.payload(&bytes)).is_none() {
            return Ok(None);
        }
        bytes.drain(..RECORD_HEAD);
        Ok(Some(bytes))
    }

    fn head(&self, entry: Entry, bytes: &[u8]) -> Option<RecordHead> {
        let segment = self.segments[self.geometry.place(entry.at())].head?;
        RecordHead::read(segment.seed(), bytes)
    }

    /// When a record was committed; none where its bytes have changed.
    pub(super) fn unix_ms(&self, entry: Entry) -> Option<i64> {
        let mut bytes = [0; RECORD_HEAD];
        self.file.read_at(entry.at(), &mut bytes).ok()?;
        Some(self.head(entry, &bytes)?.unix_ms)
    }

    /// What waits in `class`.
    pub(super) fn backlog(&self, class: Class) -> Backlog {
        let lane = &self.lanes[class.index()];
        let oldest = lane.waiting().next().and_then(|(_, entry)| self.unix_ms(entry));
        let lost = self.losses.total(class);
        Backlog { records: lane.records, bytes: lane.used, oldest_unix_ms: oldest, lost }
    }
}
