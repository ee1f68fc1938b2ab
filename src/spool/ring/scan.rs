//! Which records a segment holds, and where the power failed. Pure.

use super::format::{ALIGN, RECORD_HEAD, RecordHead, SEGMENT_HEAD, SegmentHead, space};
use super::lane::LaneState;

/// What a segment holds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Whole records and where in the segment they begin, in order.
    pub(super) records: Vec<(usize, RecordHead)>,
    /// Where in the segment the next record goes.
    pub(super) end: usize,
    /// Everything before this place was durable, whether or not it is whole.
    pub(super) proven: u64,
    /// The highest generation that was found.
    pub(super) generation: u32,
}

/// Reads a segment of a lane whose places end before `limit`, and of which everything before `proven` is known to have
/// been durable.
pub(super) fn scan(bytes: &[u8], head: &SegmentHead, lane: &LaneState, limit: u64, proven: u64) -> Scan {
    let whole = whole_records(bytes, head, lane, limit);
    let shown = whole.iter().map(|(_, record)| record.place - u64::from(record.back)).max();
    let proven = proven.max(head.first).max(shown.unwrap_or(0)).min(limit);
    let generation = whole.iter().map(|(_, record)| record.generation).max().unwrap_or(0).max(head.generation);
    let mut scan = Scan { records: Vec::with_capacity(whole.len()), end: SEGMENT_HEAD, proven, generation };
    let mut expected = head.first;
    for (at, record) in whole {
        // Something is missing before it that may never have been durable: the power failed there.
        if record.place > expected && record.place > proven {
            break;
        }
        expected = record.place + 1;
        scan.end = at + space(record.length as usize);
        scan.records.push((at, record));
    }
    scan
}

fn whole_records(bytes: &[u8], head: &SegmentHead, lane: &LaneState, limit: u64) -> Vec<(usize, RecordHead)> {
    let seed = head.seed();
    let (mut at, mut next, mut generation) = (SEGMENT_HEAD, head.first, head.generation);
    let mut found = Vec::new();
    while at + RECORD_HEAD <= bytes.len() {
        let follows = |record: &RecordHead| {
            (next..limit).contains(&record.place)
                && u64::from(record.back) <= record.place
                && record.generation >= generation
                && !lane.is_void(record.place, record.generation)
                && space(record.length as usize) <= bytes.len() - at
        };
        let Some(record) = RecordHead::read(seed, &bytes[at..]).filter(follows) else {
            at += ALIGN;
            continue;
        };
        if record.payload(&bytes[at..]).is_some() {
            found.push((at, record));
            (next, generation) = (record.place + 1, record.generation);
        }
        at += space(record.length as usize);
    }
    found
}
