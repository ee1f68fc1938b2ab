//! Records in a file of fixed size that is written in rounds: nothing is allocated to commit, so a full disk does not
//! matter, and a commit is one write and one sync.
//!
//! # The file
//!
//! ```text
//! | slot A 256 KiB | slot B 256 KiB | segment 0 | segment 1 | ... |
//! ```
//!
//! The space of all of it is taken from the disk when it is made, under another name, and it is renamed when it is whole. A
//! segment is written with zeros before its first use: in space that is only reserved, each first writing of a block would
//! cost the file system an entry in its journal. Integers are little endian.
//!
//! - **Segment** (1 MiB usually; a power of two). It belongs to one class at a time. Its head says class, epoch of the
//!   store, the number of this use (never given twice), place of the first record, generation, and a CRC-32; it stands in
//!   the first sector and again in the second. Records follow from byte 1024 on.
//! - **Record**. 56 bytes, then the payload, padded to 8 bytes: magic, length, *place* (the position in its class, counted
//!   from 1 without holes over all epochs), epoch and number of its id, time, generation, how many places before it the
//!   first stood that was not known to be durable, CRC-32 of the payload, CRC-32 of the 52 bytes before. The last begins
//!   with epoch and use of the segment, so that bytes of an earlier use never pass for a record.
//! - **Slot**. A checkpoint as JSON, with length and CRC-32: for each class which places are gone (acknowledged, or lost
//!   and told), how far it was durable, how places and ids belong together; the losses that were not told; the generation.
//!   Slots are written in turn, each is synced before the other is written, and the higher counter is in force.
//!
//! # Rules
//!
//! - **Commit**: the records of a group are written and synced. What is not synced was not committed.
//! - **New segment**: save a checkpoint (and with it sync the records before), only then write the new head. So whatever
//!   a head is written over is already known to be gone, and all records before a head are durable.
//! - **Acknowledgements** change memory only; a checkpoint is saved after every 256 of them. Those after it come back when
//!   the power fails, and are sent again.
//! - **Generation**: one more at each opening, durable before anything is written. In a segment it never decreases, so
//!   records that were written after the last commit, and given up when it was opened anew, never follow new ones.
//! - **Failed commit**: its records are written to another store, so they must not show here. Where the same process opens
//!   the file anew, the next checkpoint says from which place on records of that generation and before are void.
//! - **Full**: the quota gives up the oldest records, telemetry first. Where a segment is held by few records that
//!   wait and none is free, the oldest of the least precious class is given up with what is left in it.
//!   Each loss stands in the checkpoint that is saved before its segment is used again.
//!
//! # Opening
//!
//! The newer checkpoint, then the head of every segment, then, class by class, the segments from the newest to the oldest:
//! each one bounds the places of the one before it. In a segment, a record that is not whole is *damaged* when a later one
//! shows that it had been durable (see `back` above), or a later segment or the checkpoint do; then it is a loss that is
//! told. Otherwise the power failed while it was written, and the lane ends before it. A failed sync may have left bytes in
//! the kernel's memory that are not on the disk: so the newest segment of each class and the slot in force are written
//! again as they were read, and synced, before anything in them is believed. A page that cannot be read is taken for zeros:
//! its records are damaged, and all others are delivered.

mod format;
#[cfg(any(test, fuzzing))]
mod fuzzed;
mod lane;
mod make;
mod read;
mod recover;
mod scan;
mod spool;
mod vfs;

use std::io;

use super::loss::{LossReason, Losses};
use super::queue::Stored;
use super::quota::Quota;
use super::{Class, Record, RecordId};
use format::{Checkpoint, Geometry, RecordHead, SEGMENT_HEAD, SLOT, SegmentHead, space};
use lane::{Entry, Lane};
pub(super) use vfs::Storage;

#[cfg(any(test, fuzzing))]
pub use fuzzed::recovers;
pub use spool::RingSpool;
#[cfg(test)]
pub(super) use vfs::{RealDisk, Vfs};

/// So many acknowledged records may come back when the power fails; they are then sent again.
const UNSAVED: usize = 256;
/// No class takes the last two segments of another.
const RESERVE: usize = 2;

/// Why the ring could not be used.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// Another process has it open.
    #[error("another process has the spool's ring open")]
    Busy,
    /// The file is not what was written.
    #[error("the spool's ring is damaged: {0}")]
    Damaged(&'static str),
    /// The system refused to read or write.
    #[error("cannot {operation} the spool's ring")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl Fault {
    /// Whether there is no such file.
    fn is_missing(&self) -> bool {
        matches!(self, Self::Failed { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// A shorthand for `map_err`.
fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> Fault {
    move |source| Fault::Failed { operation, source }
}

/// What is known of a segment.
#[derive(Debug, Clone, Copy, Default)]
struct Segment {
    head: Option<SegmentHead>,
    /// Its records that wait.
    live: u32,
}

/// Where the next record of a class goes.
#[derive(Debug, Default)]
struct Tail {
    /// The segment.
    place: usize,
    /// Where in the segment `pending` belongs.
    at: usize,
    /// Written by nobody yet.
    pending: Vec<u8>,
}

/// An open file. After an error nothing may be written any more, but what was committed can be read.
struct Ring {
    file: Box<dyn Storage>,
    geometry: Geometry,
    epoch: u64,
    generation: u32,
    counter: u64,
    /// The slot that is written next.
    slot: u64,
    next_use: u64,
    /// No segment from this one on was ever used.
    fresh: u64,
    lanes: [Lane; 3],
    segments: Vec<Segment>,
    tails: [Option<Tail>; 3],
    losses: Losses,
    /// Next place and next number of each class, as of the last commit.
    committed: [(u64, u64); 3],
    /// The same, as of the last sync.
    durable: [(u64, u64); 3],
    /// The segment taken last.
    latest: usize,
    /// Acknowledged since the last checkpoint.
    unsaved: usize,
}

impl Ring {
    /// The id that the next record of `class` has where it is numbered here. The same until one is appended.
    fn next_id(&self, class: Class) -> RecordId {
        RecordId { class, epoch: self.epoch, seq: self.lanes[class.index()].next_seq }
    }

    /// Adds a record under [`Ring::next_id`] or an id of another epoch. Not committed before [`Ring::commit`].
    fn append(&mut self, id: RecordId, stored: &Stored) -> Result<(), Fault> {
        let class = id.class;
        let need = space(stored.payload.len());
        let full = |t: &Tail| t.at + t.pending.len() + need > self.geometry.segment as usize;
        if self.tails[class.index()].as_ref().is_none_or(full) {
            self.roll(class)?;
        }
        let (place, generation) = (self.lanes[class.index()].next(), self.generation);
        let Some(tail) = &mut self.tails[class.index()] else { return Err(Fault::Damaged("a class has no segment")) };
        let segment = &mut self.segments[tail.place];
        let Some(head) = segment.head else { return Err(Fault::Damaged("a segment in use has no head")) };
        let record = RecordHead {
            length: stored.payload.len() as u32,
            place,
            epoch: id.epoch,
            seq: id.seq,
            unix_ms: stored.unix_ms,
            generation,
            back: u32::try_from(place - self.durable[class.index()].0).unwrap_or(u32::MAX),
            payload_crc: crc32fast::hash(&stored.payload),
        };
        let at = self.geometry.start(tail.place) + (tail.at + tail.pending.len()) as u64;
        record.write(head.seed(), &stored.payload, &mut tail.pending);
        segment.live += 1;
        let lane = &mut self.lanes[class.index()];
        lane.push(id, Entry::new(at, record.length));
        if id.epoch == self.epoch {
            lane.next_seq = id.seq + 1;
        }
        Ok(())
    }

    /// Appends and commits records under the ids that they have, but for those that wait here already. Returns the ids of
    /// those that are here now: all but what is too large.
    fn take_in(&mut self, records: Vec<Record>, unix_ms: i64, quota: &Quota) -> Result<Vec<RecordId>, Fault> {
        let mut ids = Vec::with_capacity(records.len());
        let largest = self.geometry.largest();
        for Record { id, payload } in records.into_iter().filter(|r| r.payload.len() <= largest) {
            if self.lanes[id.class.index()].find(id.epoch, id.seq, id.seq).is_empty() {
                self.append(id, &Stored { unix_ms, payload })?;
            }
            ids.push(id);
        }
        self.commit()?;
        self.shed(quota);
        Ok(ids)
    }

    /// Makes what was appended durable.
    fn commit(&mut self) -> Result<(), Fault> {
        self.write_pending()?;
        self.file.sync().map_err(failed("commit to"))?;
        self.durable = self.ends();
        self.committed = self.durable;
        Ok(())
    }

    /// Takes back what was appended and not committed, after an error.
    fn abandon(&mut self) {
        for class in Class::ALL {
            let ((next, next_seq), lane) = (self.committed[class.index()], &mut self.lanes[class.index()]);
            for entry in lane.truncate(next) {
                self.segments[self.geometry.place(entry.at())].live -= 1;
            }
            lane.next_seq = next_seq;
        }
    }

    fn ends(&self) -> [(u64, u64); 3] {
        Class::ALL.map(|class| (self.lanes[class.index()].next(), self.lanes[class.index()].next_seq))
    }

    fn write_pending(&mut self) -> Result<(), Fault> {
        for tail in self.tails.iter_mut().flatten().filter(|t| !t.pending.is_empty()) {
            let at = self.geometry.start(tail.place) + tail.at as u64;
            self.file.write_at(at, &tail.pending).map_err(failed("write to"))?;
            tail.at += tail.pending.len();
            tail.pending.clear();
        }
        Ok(())
    }

    /// Gives `class` an empty segment.
    fn roll(&mut self, class: Class) -> Result<(), Fault> {
        self.write_pending()?;
        let Some(place) = self.free_for(class) else { return Err(Fault::Damaged("no segment can be freed")) };
        let lane = &self.lanes[class.index()];
        let head = SegmentHead {
            class,
            epoch: self.epoch,
            use_number: self.next_use,
            first: lane.next(),
            generation: self.generation,
            segment: self.geometry.segment,
        };
        self.next_use += 1;
        if place as u64 >= self.fresh && self.segments[place].head.is_none() {
            let zeros = vec![0; self.geometry.segment as usize];
            self.file.write_at(self.geometry.start(place), &zeros).map_err(failed("write zeros to"))?;
            self.fresh = place as u64 + 1;
        }
        self.save()?;
        self.file.write_at(self.geometry.start(place), &head.written()).map_err(failed("write to"))?;
        self.segments[place] = Segment { head: Some(head), live: 0 };
        self.tails[class.index()] = Some(Tail { place, at: SEGMENT_HEAD, pending: Vec::new() });
        self.latest = place;
        Ok(())
    }

    fn is_free(&self, place: usize) -> bool {
        self.segments[place].live == 0 && self.tails.iter().flatten().all(|t| t.place != place)
    }

    /// A segment that `class` may take. Gives up records where there is none.
    fn free_for(&mut self, class: Class) -> Option<usize> {
        loop {
            let count = self.segments.len();
            let round = (1..=count).map(|step| (self.latest + step) % count);
            let free: Vec<usize> = round.filter(|&place| self.is_free(place)).collect();
            let mut used = [0usize; 3];
            for (_, segment) in self.segments.iter().enumerate().filter(|(place, _)| !self.is_free(*place)) {
                used[segment.head?.class.index()] += 1;
            }
            let others = Class::ALL.into_iter().filter(|other| *other != class);
            let reserved: usize = others.map(|other| RESERVE.saturating_sub(used[other.index()])).sum();
            if free.len() > reserved {
                return free.first().copied();
            }
            let spare = |victim: &Class| *victim >= class && used[victim.index()] > RESERVE;
            let victim = Class::ALL.into_iter().rev().find(spare).unwrap_or(class);
            self.give_up_oldest_segment(victim)?;
        }
    }

    /// Gives up all that waits in the oldest segment of a class.
    fn give_up_oldest_segment(&mut self, class: Class) -> Option<()> {
        let lane = &self.lanes[class.index()];
        let oldest = self.geometry.place(lane.waiting().next()?.1.at());
        let within = |entry: &Entry| self.geometry.place(entry.at()) == oldest;
        let places: Vec<u64> = lane.waiting().take_while(|(_, e)| within(e)).map(|(place, _)| place).collect();
        for place in places {
            self.lose(class, place, LossReason::Quota);
        }
        Some(())
    }

    /// Saves and syncs a checkpoint, and with it all that was appended before; nothing of it may be pending.
    fn save(&mut self) -> Result<(), Fault> {
        self.counter += 1;
        let Some(slot) = self.checkpoint(self.durable).written() else {
            return Err(Fault::Damaged("its checkpoint is too large"));
        };
        self.file.write_at(self.slot * SLOT, &slot).map_err(failed("write to"))?;
        self.file.sync().map_err(failed("commit to"))?;
        self.slot = 1 - self.slot;
        self.unsaved = 0;
        self.durable = self.ends();
        Ok(())
    }

    /// What is known, of records before these places and numbers.
    fn checkpoint(&self, ends: [(u64, u64); 3]) -> Checkpoint {
        Checkpoint {
            counter: self.counter,
            generation: self.generation,
            epoch: self.epoch,
            segment: self.geometry.segment,
            next_use: self.next_use,
            fresh: self.fresh,
            lanes: Class::ALL.map(|class| {
                let (next, next_seq) = ends[class.index()];
                self.lanes[class.index()].state(next, next_seq)
            }),
            losses: self.losses.clone(),
        }
    }

    /// Lets go of a record; returns whether it was there.
    fn remove(&mut self, class: Class, place: u64) -> bool {
        let Some(entry) = self.lanes[class.index()].remove(place) else { return false };
        self.segments[self.geometry.place(entry.at())].live -= 1;
        self.unsaved += 1;
        true
    }

    /// Lets go of a record that was not acknowledged.
    fn lose(&mut self, class: Class, place: u64, reason: LossReason) {
        let id = self.lanes[class.index()].id(place);
        if self.remove(class, place) {
            self.losses.add(id, reason);
        }
    }

    /// Lets go of acknowledged records of `class` and `epoch` with numbers from `from` to `upto`; returns how many.
    fn retire(&mut self, class: Class, epoch: u64, from: u64, upto: u64) -> u64 {
        let found = self.lanes[class.index()].find(epoch, from, upto);
        found.into_iter().filter(|&place| self.remove(class, place)).count() as u64
    }

    /// Whether so many were let go of that a checkpoint is due.
    fn is_save_due(&self) -> bool {
        self.unsaved >= UNSAVED
    }

    /// Gives up the oldest records until the rest is within `quota`.
    fn shed(&mut self, quota: &Quota) {
        let used = |ring: &Self| [0, 1, 2].map(|class| ring.lanes[class].used);
        while let Some(class) = quota.first_to_go(used(self)) {
            let Some((place, _)) = self.lanes[class.index()].waiting().next() else { return };
            self.lose(class, place, LossReason::Quota);
        }
    }
}

#[cfg(test)]
mod tests;
