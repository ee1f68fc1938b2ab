//! Where the records of one class lie, in the order of their commit. Pure; 8 bytes of memory a record.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::format::ALIGN;
use crate::spool::quota::OVERHEAD;
use crate::spool::{Class, RecordId};

/// So many ranges of gone records are kept in a checkpoint, the longest ones. Records of the others may come back when
/// the power fails, and are then sent again.
const RANGES: usize = 1000;
/// So many changes of numbering are kept in a checkpoint; the records themselves name the others.
const RUNS: usize = 200;
const GONE: u32 = u32::MAX;

/// What a [checkpoint](super::format::Checkpoint) keeps of a lane.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct LaneState {
    /// Everything before this place is gone.
    pub(super) first: u64,
    /// Everything before this place was durable.
    pub(super) next: u64,
    /// The number that the next record of this store's own epoch gets.
    pub(super) next_seq: u64,
    /// First and last places of those after `first` that are gone.
    pub(super) gone: Vec<(u64, u64)>,
    /// Records from this place on are void where their generation is this one or an earlier one: they were written, and a
    /// process that lived on said that they were not committed.
    pub(super) void: Option<(u64, u32)>,
    /// From which place on the ids count in which epoch, and from which number.
    pub(super) runs: Vec<(u64, u64, u64)>,
}

impl LaneState {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self { first: 1, next: 1, next_seq: 1, ..Self::default() }
    }

    /// Every place and number in it.
    pub(super) fn counts(&self) -> impl Iterator<Item = u64> {
        let gone = self.gone.iter().flat_map(|&(from, to)| [from, to]);
        let runs = self.runs.iter().flat_map(|&(place, _, seq)| [place, seq]);
        [self.first, self.next, self.next_seq]
            .into_iter()
            .chain(gone)
            .chain(runs)
            .chain(self.void.map(|(from, _)| from))
    }

    /// Whether the record at a place need not be looked for.
    pub(super) fn is_gone(&self, place: u64) -> bool {
        let after = self.gone.partition_point(|(from, _)| *from <= place);
        place < self.first || after > 0 && self.gone[after - 1].1 >= place
    }

    /// Whether what stands at a place never was a record.
    pub(super) fn is_void(&self, place: u64, generation: u32) -> bool {
        self.void.is_some_and(|(from, upto)| place >= from && generation <= upto)
    }

    /// Whether all from `from` up to, not including, `end` are gone.
    pub(super) fn are_gone(&self, from: u64, end: u64) -> bool {
        let after = self.gone.partition_point(|(first, _)| *first <= from.max(self.first));
        end <= self.first || from >= end || after > 0 && self.gone[after - 1].1 + 1 >= end
    }
}

/// Where a record lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Position in the file, in units of [`ALIGN`].
    at: u32,
    /// Bytes of its payload.
    length: u32,
}

impl Entry {
    pub(super) fn new(at: u64, length: u32) -> Self {
        Self { at: (at / ALIGN as u64) as u32, length }
    }

    pub(super) const fn gone() -> Self {
        Self { at: 0, length: GONE }
    }

    pub(super) fn at(self) -> u64 {
        u64::from(self.at) * ALIGN as u64
    }

    pub(super) fn length(self) -> usize {
        self.length as usize
    }
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Lane {
    class: Class,
    first: u64,
    entries: VecDeque<Entry>,
    void: Option<(u64, u32)>,
    /// From a place on, the ids count in this epoch from this number.
    runs: BTreeMap<u64, (u64, u64)>,
    pub(super) next_seq: u64,
    /// Records that wait.
    pub(super) records: u64,
    /// What they count against the quota, in bytes.
    pub(super) used: u64,
}

impl Lane {
    /// A lane without records, that goes on at `state`.
    pub(super) fn new(class: Class, state: &LaneState) -> Self {
        let runs = state.runs.iter().map(|&(place, epoch, seq)| (place, (epoch, seq))).collect();
        let LaneState { first, next_seq, void, .. } = *state;
        Self { class, first, entries: VecDeque::new(), void, runs, next_seq, records: 0, used: 0 }
    }

    /// The place of the next record.
    pub(super) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Adds a record at the end.
    pub(super) fn push(&mut self, id: RecordId, entry: Entry) {
        self.note(self.next(), id);
        self.entries.push_back(entry);
        self.records += 1;
        self.used += u64::from(entry.length) + OVERHEAD;
    }

    /// Adds a place at the end whose record is not there.
    pub(super) fn push_gone(&mut self) {
        if self.entries.is_empty() {
            self.first += 1;
        } else {
            self.entries.push_back(Entry::gone());
        }
    }

    /// Lets go of a record; returns where it lay, if it was there.
    pub(super) fn remove(&mut self, place: u64) -> Option<Entry> {
        let index = usize::try_from(place.checked_sub(self.first)?).ok()?;
        let entry = self.entries.get_mut(index).filter(|e| e.length != GONE)?;
        let removed = std::mem::replace(entry, Entry::gone());
        self.count_out(removed);
        while self.entries.front().is_some_and(|e| e.length == GONE) {
            self.entries.pop_front();
            self.first += 1;
        }
        while self.runs.keys().nth(1).is_some_and(|&next| next <= self.first) {
            self.runs.pop_first();
        }
        Some(removed)
    }

    /// Takes back the records from `next` on; returns where they lay.
    pub(super) fn truncate(&mut self, next: u64) -> Vec<Entry> {
        let mut taken = Vec::new();
        while self.next() > next
            && let Some(entry) = self.entries.pop_back()
        {
            self.runs.remove(&self.next());
            if entry.length != GONE {
                self.count_out(entry);
                taken.push(entry);
            }
        }
        taken
    }

    /// Notes the id of a place at the end.
    pub(super) fn note(&mut self, place: u64, id: RecordId) {
        if self.id(place) != id {
            self.runs.insert(place, (id.epoch, id.seq));
        }
    }

    fn count_out(&mut self, entry: Entry) {
        self.records -= 1;
        self.used -= u64::from(entry.length) + OVERHEAD;
    }

    /// The places that wait, and where their records lie.
    pub(super) fn waiting(&self) -> impl DoubleEndedIterator<Item = (u64, Entry)> {
        let all = self.entries.iter().enumerate();
        all.filter(|(_, e)| e.length != GONE).map(|(i, &e)| (self.first + i as u64, e))
    }

    /// The id of a place.
    pub(super) fn id(&self, place: u64) -> RecordId {
        let run = self.runs.range(..=place).next_back();
        let (epoch, seq) = run.map_or((0, place), |(&from, &(epoch, seq))| (epoch, seq + (place - from)));
        RecordId { class: self.class, epoch, seq }
    }

    /// The places that wait and have this epoch, and a number from `from` to `upto`.
    pub(super) fn find(&self, epoch: u64, from: u64, upto: u64) -> Vec<u64> {
        let mut found = Vec::new();
        let ends = self.runs.keys().skip(1).copied().chain([u64::MAX]);
        for ((&start, &(_, seq)), end) in self.runs.iter().zip(ends).filter(|((_, (e, _)), _)| *e == epoch) {
            let place = |number: u64| start.saturating_add(number.saturating_sub(seq));
            let low = place(from).max(self.first);
            let high = if upto < seq { 0 } else { place(upto).saturating_add(1).min(end).min(self.next()) };
            let waits = |place: &u64| self.entries[(place - self.first) as usize].length != GONE;
            found.extend((low..high).filter(waits));
        }
        found
    }

    /// What a checkpoint keeps; only of places before `next` and numbers before `next_seq`.
    pub(super) fn state(&self, next: u64, next_seq: u64) -> LaneState {
        let mut gone: Vec<(u64, u64)> = Vec::new();
        for (index, _) in self.entries.iter().enumerate().filter(|(_, e)| e.length == GONE) {
            let place = self.first + index as u64;
            match gone.last_mut() {
                Some(last) if last.1 + 1 == place => last.1 = place,
                _ => gone.push((place, place)),
            }
        }
        if gone.len() > RANGES {
            gone.sort_by_key(|(from, to)| std::cmp::Reverse(to - from));
            gone.truncate(RANGES);
            gone.sort_unstable();
        }
        let newest = self.runs.range(..next).rev().take(RUNS);
        let mut runs: Vec<_> = newest.map(|(&place, &(epoch, seq))| (place, epoch, seq)).collect();
        runs.reverse();
        LaneState { first: self.first.min(next), next, next_seq, gone, void: self.void, runs }
    }
}
