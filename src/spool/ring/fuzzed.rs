//! What holds for a ring whatever was done to the bytes of its file. Fuzzing looks for bytes that break it, and a test runs
//! what it found; compiled for both only.
//!
//! An input is a row of steps: some use the ring as the spool does, others change its file behind its back while it is
//! closed. A whole file would be three quarters of a megabyte, nearly all of it zeros. Whenever the ring is opened again:
//!
//! - nothing panics, and opening fails only where neither a checkpoint nor a head of a segment is whole;
//! - what it gives out lies in the file, head and payload under checksums that hold;
//! - what was committed and waited is there, if neither its own bytes nor any before it in its segment were changed. That
//!   does not hold where somebody made checksums hold for bytes of his own (`Step::Reseal`), or cut the file short: then
//!   only the others do.

mod memory;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use super::format::{ALIGN, Checkpoint, Geometry, RECORD_HEAD, RecordHead, SEGMENT_HEAD, SLOT, SegmentHead, space};
use super::{Fault, Ring, make, recover};
use crate::spool::queue::Stored;
use crate::spool::{Class, Limit, Order, RecordId, Settings};
use memory::Memory;

/// Segments that damage is aimed at: a script fills no more of them.
const AIMED_AT: u64 = 8;
/// No script does more: each step costs as much as it says, and a fuzzer must not find out how to be slow.
const MOST_STEPS: usize = 200;
const ALL: Limit = Limit { records: usize::MAX, bytes: usize::MAX };

/// Runs a script.
///
/// # Panics
/// When something does not hold that must.
pub fn recovers(input: &[u8]) {
    let mut script = Script(input);
    let mut bench = Bench::new();
    for _ in 0..MOST_STEPS {
        let Some(step) = script.step() else { break };
        bench.run(step);
    }
    bench.close();
    bench.open();
}

enum Step<'a> {
    Append(Class, usize),
    Commit,
    /// So many of the oldest are acknowledged.
    Retire(Class, usize),
    Save,
    /// The process ends, and is started again.
    Reopen,
    /// These bytes are put there.
    Damage(u64, &'a [u8]),
    /// All checksums are made to hold for what stands there.
    Reseal,
    /// The file ends there.
    Cut(u64),
}

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn step(&mut self) -> Option<Step<'a>> {
        let kind = self.byte()?;
        Some(match kind % 8 {
            0 => Step::Append(self.class()?, usize::from(self.byte()?) * 4),
            1 => Step::Commit,
            2 => Step::Retire(self.class()?, usize::from(self.byte()?)),
            3 => Step::Save,
            4 => Step::Reopen,
            5 => Step::Damage(self.place()?, self.bytes()?),
            6 => Step::Reseal,
            _ => Step::Cut(self.place()?),
        })
    }

    fn class(&mut self) -> Option<Class> {
        Class::ALL.get(usize::from(self.byte()? % 3)).copied()
    }

    /// A place in one of the checkpoints or of the first segments.
    fn place(&mut self) -> Option<u64> {
        let (part, offset) = (u64::from(self.byte()?), u64::from(self.byte()?) | u64::from(self.byte()?) << 8);
        let geometry = geometry();
        Some(match part % (AIMED_AT + 2) {
            slot @ 0..2 => slot * SLOT + offset % 2048,
            segment => geometry.start((segment - 2) as usize) + offset % geometry.segment,
        })
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.byte()? % 64).min(self.0.len());
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
}

fn geometry() -> Geometry {
    let share = 16 * 1024;
    Geometry::of(&Settings {
        alert_bytes: share,
        event_bytes: share,
        telemetry_bytes: share,
        memory_bytes: share,
        record_bytes: 1024,
    })
}

/// A record that waited when the ring was closed, and where.
struct Waiting {
    id: RecordId,
    payload: Vec<u8>,
    /// From the beginning of its segment to its own end.
    bytes: Range<u64>,
}

struct Bench {
    disk: Memory,
    /// None while its file is changed.
    ring: Option<Ring>,
    /// The file as it was when it was closed, and what waited in it.
    closed: Vec<u8>,
    waiting: Vec<Waiting>,
    damaged: Vec<Range<u64>>,
    /// Whether checksums may hold for what nobody wrote, or the end is missing.
    is_forged: bool,
}

impl Bench {
    fn new() -> Self {
        let disk = Memory::default();
        *disk.bytes() = empty().to_vec();
        let mut bench =
            Self { disk, ring: None, closed: Vec::new(), waiting: Vec::new(), damaged: Vec::new(), is_forged: false };
        bench.open();
        bench
    }

    fn run(&mut self, step: Step<'_>) {
        match step {
            Step::Damage(at, bytes) => {
                self.close();
                let end = at + bytes.len() as u64;
                if end <= self.disk.bytes().len() as u64 {
                    self.disk.bytes()[at as usize..end as usize].copy_from_slice(bytes);
                    self.damaged.push(at..end);
                }
            }
            Step::Reseal => {
                self.close();
                reseal(&mut self.disk.bytes());
                self.is_forged = true;
            }
            Step::Cut(at) => {
                self.close();
                self.disk.bytes().truncate(at as usize);
                self.is_forged = true;
            }
            Step::Reopen => {
                self.close();
                self.open();
            }
            Step::Append(..) | Step::Commit | Step::Retire(..) | Step::Save => {
                if self.ring.is_none() {
                    self.open();
                }
                // After an error it is opened anew, as the spool does.
                if self.use_ring(&step).is_err() {
                    self.close();
                }
            }
        }
    }

    fn use_ring(&mut self, step: &Step<'_>) -> Result<(), Fault> {
        let Some(ring) = &mut self.ring else { return Ok(()) };
        match *step {
            Step::Append(class, length) => {
                let id = ring.next_id(class);
                let length = length.min(ring.geometry.largest());
                ring.append(id, &Stored { unix_ms: 7, payload: vec![id.seq as u8 | 1; length] })
            }
            Step::Commit => ring.commit(),
            Step::Retire(class, count) => {
                let lane = &ring.lanes[class.index()];
                let ids: Vec<RecordId> = lane.waiting().take(count).map(|(place, _)| lane.id(place)).collect();
                for id in ids {
                    ring.retire(class, id.epoch, id.seq, id.seq);
                }
                Ok(())
            }
            // A checkpoint says how far records are durable, so that none may be pending.
            _ => ring.commit().and_then(|()| ring.save()),
        }
    }

    /// Ends the process: what was appended and not committed is gone.
    fn close(&mut self) {
        let Some(mut ring) = self.ring.take() else { return };
        ring.abandon();
        self.waiting.clear();
        for class in Class::ALL {
            let lane = &ring.lanes[class.index()];
            for (place, entry) in lane.waiting() {
                let start = ring.geometry.start(ring.geometry.place(entry.at()));
                let id = lane.id(place);
                let Ok(Some(payload)) = ring.read(id, place, entry) else { continue };
                let bytes = start..entry.at() + space(payload.len()) as u64;
                self.waiting.push(Waiting { id, payload, bytes });
            }
        }
        drop(ring);
        self.closed = self.disk.bytes().clone();
        self.damaged.clear();
        self.is_forged = false;
    }

    fn open(&mut self) {
        let before = self.disk.bytes().clone();
        let ring = match recover::open(&self.disk, Path::new("ring"), None) {
            Ok(ring) => ring,
            Err(fault) => {
                assert!(self.is_forged || !is_anything_whole(&before), "{fault:?}, and something of it is whole");
                // The spool sets it aside and makes a new one.
                *self.disk.bytes() = empty().to_vec();
                let ring = recover::open(&self.disk, Path::new("ring"), None).expect("an empty ring opens");
                self.ring = Some(ring);
                return;
            }
        };
        let found = everything(&ring);
        let image = self.disk.bytes().clone();
        let sound = sound_records(&image);
        for (id, payload) in &found {
            let lies_there = |at: &usize| {
                let head = RecordHead::read_unsealed(&image[*at..]);
                let ours =
                    head.filter(|h| (h.epoch, h.seq) == (id.epoch, id.seq) && h.length as usize == payload.len());
                ours.is_some_and(|head| head.payload(&image[*at..]) == Some(payload))
            };
            assert!(sound.iter().any(lies_there), "{id:?} was given out and does not lie in the file");
        }
        if !self.is_forged && !forges(&self.closed, &before) {
            for record in &self.waiting {
                let is_whole = self.damaged.iter().all(|d| d.end <= record.bytes.start || record.bytes.end <= d.start);
                let is_there = found.get(&record.id) == Some(&record.payload);
                assert!(is_there || !is_whole, "{:?} is whole, and was lost", record.id);
            }
        }
        self.ring = Some(ring);
    }
}

/// The file of an empty ring, always the same.
fn empty() -> &'static [u8] {
    static EMPTY: OnceLock<Vec<u8>> = OnceLock::new();
    EMPTY.get_or_init(|| {
        fastrand::seed(1);
        let disk = Memory::default();
        drop(make::create(&disk, Path::new("ring"), geometry()).expect("memory takes it"));
        disk.bytes().clone()
    })
}

fn everything(ring: &Ring) -> BTreeMap<RecordId, Vec<u8>> {
    let records =
        Class::ALL.into_iter().flat_map(|class| ring.peek(class, Order::Oldest, &HashSet::new(), ALL).records);
    let mut found = BTreeMap::new();
    for record in records {
        found.insert(record.id, record.payload);
    }
    found
}

fn slot(image: &[u8], slot: usize) -> Option<&[u8]> {
    let bytes = image.get(slot * SLOT as usize..(slot + 1) * SLOT as usize)?;
    Checkpoint::read(bytes)?;
    bytes.get(..Checkpoint::length(bytes)?)
}

/// Whatever may be the head of a segment.
fn heads(image: &[u8]) -> impl Iterator<Item = Option<SegmentHead>> {
    let segments = image.get(2 * SLOT as usize..).unwrap_or_default();
    segments
        .chunks(geometry().segment as usize)
        .map(|segment| SegmentHead::read(&segment[..SEGMENT_HEAD.min(segment.len())]))
}

fn is_anything_whole(image: &[u8]) -> bool {
    slot(image, 0).is_some() || slot(image, 1).is_some() || heads(image).flatten().next().is_some()
}

/// Where records lie whose heads hold for some segment.
fn sound_records(image: &[u8]) -> BTreeSet<usize> {
    let seeds: BTreeSet<u32> = heads(image).flatten().map(|head| head.seed()).collect();
    let is_sound = |at: &usize| {
        RecordHead::is_marked(&image[*at..])
            && seeds.iter().any(|seed| RecordHead::read(*seed, &image[*at..]).is_some())
    };
    (2 * SLOT as usize..image.len().saturating_sub(RECORD_HEAD)).step_by(ALIGN).filter(is_sound).collect()
}

/// Whether a checksum holds in `after` for something that was not in `before`: by chance, or because a fuzzer can reckon.
fn forges(before: &[u8], after: &[u8]) -> bool {
    let slots = (0..2).any(|n| slot(after, n).is_some_and(|bytes| slot(before, n) != Some(bytes)));
    let heads = heads(before).zip(heads(after)).any(|(before, after)| after.is_some() && after != before);
    let record = |image: &[u8], at: usize| image.get(at..at + RECORD_HEAD).map(<[u8]>::to_vec);
    slots || heads || sound_records(after).into_iter().any(|at| record(before, at) != record(after, at))
}

/// Makes every checksum hold for the bytes that stand there.
fn reseal(image: &mut [u8]) {
    for slot in image.chunks_mut(SLOT as usize).take(2) {
        let body = Checkpoint::length(slot).and_then(|length| slot.get(Checkpoint::HEAD..length));
        if let Some(crc) = body.map(crc32fast::hash) {
            slot[12..16].copy_from_slice(&crc.to_le_bytes());
        }
    }
    let Some(segments) = image.get_mut(2 * SLOT as usize..) else { return };
    for segment in segments.chunks_mut(geometry().segment as usize) {
        for copy in [0, SEGMENT_HEAD / 2] {
            SegmentHead::reseal(segment.get_mut(copy..).unwrap_or_default());
        }
        let Some(head) = SegmentHead::read(segment) else { continue };
        for at in (SEGMENT_HEAD..segment.len()).step_by(ALIGN) {
            RecordHead::reseal(head.seed(), &mut segment[at..]);
        }
    }
}
