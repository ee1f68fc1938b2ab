//! Opening a ring: see the head of [`super`] for how, and why so.

use std::path::Path;

use super::format::{Checkpoint, Geometry, SEGMENT_HEAD, SLOT, SegmentHead};
use super::lane::{Entry, Lane, LaneState};
use super::scan::{Scan, scan};
use super::vfs::{Storage, Vfs};
use super::{Fault, Ring, Segment, Tail, failed};
use crate::spool::loss::{LossReason, Losses};
use crate::spool::{Class, RecordId};

/// A page. Heads are looked for at multiples of this where nothing says how large segments are.
const STEP: u64 = 4096;
/// More places than any ring has had; a checkpoint that says so is not believed. Fuzzing makes checkpoints that say anything,
/// and has little memory.
const PLACES: u64 = if cfg!(fuzzing) { 1 << 18 } else { 1 << 28 };

/// Opens the ring at `path`. `known` is what this process knows of it from before a fault: records after it were never
/// committed, and are void.
pub(super) fn open(disk: &dyn Vfs, path: &Path, known: Option<Checkpoint>) -> Result<Ring, Fault> {
    let file = disk.open(path, false).map_err(failed("open"))?;
    let mut slots = Slots::read(&*file)?;
    let saved = slots.newest.take();
    let known = known.filter(|known| saved.as_ref().is_none_or(|saved| saved.epoch == known.epoch));
    let is_exact = known.is_some();
    let counter = [&known, &saved].into_iter().flatten().map(|c| c.counter).max().unwrap_or(0);
    let mut base = match known.or(saved) {
        Some(base) => base,
        None => from_heads(&*file)?,
    };
    if is_exact {
        let generation = base.generation;
        base.lanes.iter_mut().for_each(|lane| lane.void = Some((lane.next, generation)));
    }
    let geometry = geometry(&*file, base.segment)?;
    let (heads, void) = read_heads(&*file, geometry, &base)?;
    let mut ring = Ring {
        file,
        geometry,
        epoch: base.epoch,
        generation: base.generation,
        counter,
        slot: slots.next,
        next_use: base.next_use.max(heads.iter().flatten().map(|h| h.use_number + 1).max().unwrap_or(1)),
        fresh: base.fresh,
        lanes: Class::ALL.map(|class| Lane::new(class, &base.lanes[class.index()])),
        segments: heads.iter().map(|&head| Segment { head, live: 0 }).collect(),
        tails: [const { None }; 3],
        losses: base.losses.clone(),
        committed: [(1, 1); 3],
        durable: [(1, 1); 3],
        latest: latest(&heads),
        unsaved: 0,
    };
    for class in Class::ALL {
        ring.read_lane(class, &base.lanes[class.index()])?;
    }
    ring.committed = ring.ends();
    ring.durable = ring.committed;
    if let Some(bytes) = slots.bytes {
        ring.file.write_at((1 - slots.next) * SLOT, &bytes).map_err(failed("write to"))?;
    }
    ring.file.sync().map_err(failed("commit to"))?;
    ring.generation += 1;
    ring.save()?;
    if !void.is_empty() {
        // Said to be void in the checkpoint from now on, so that they can go one by one; the next one may not say it.
        for place in void {
            ring.file.write_at(geometry.start(place), &[0; SEGMENT_HEAD]).map_err(failed("write to"))?;
        }
        ring.file.sync().map_err(failed("commit to"))?;
    }
    Ok(ring)
}

/// The checkpoint in force.
struct Slots {
    newest: Option<Checkpoint>,
    bytes: Option<Vec<u8>>,
    /// The slot that the next one goes to.
    next: u64,
}

impl Slots {
    fn read(file: &dyn Storage) -> Result<Self, Fault> {
        let mut slots = Self { newest: None, bytes: None, next: 0 };
        for slot in 0..2 {
            let bytes = read_slot(file, slot)?;
            let Some(checkpoint) = Checkpoint::read(&bytes) else { continue };
            if slots.newest.as_ref().is_none_or(|newest| newest.counter < checkpoint.counter) {
                slots = Self { newest: Some(checkpoint), bytes: Some(bytes), next: 1 - slot };
            }
        }
        Ok(slots)
    }
}

fn read_slot(file: &dyn Storage, slot: u64) -> Result<Vec<u8>, Fault> {
    if file.len().map_err(failed("measure"))? < 2 * SLOT {
        return Ok(Vec::new());
    }
    let head = read(file, slot * SLOT, Checkpoint::HEAD)?;
    let length = Checkpoint::length(&head).filter(|length| *length as u64 <= SLOT);
    length.map_or(Ok(head), |length| read(file, slot * SLOT, length))
}

/// Reads what lies at `at`. A page that the disk refuses is zeros, so that one bad sector costs only what is in it.
fn read(file: &dyn Storage, at: u64, length: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; length];
    match file.read_at(at, &mut bytes) {
        Ok(()) => return Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Err(failed("read from")(error)),
        Err(error) => tracing::error!(%error, at, "a part of the spool's ring cannot be read"),
    }
    for (page, part) in bytes.chunks_mut(STEP as usize).enumerate() {
        if file.read_at(at + page as u64 * STEP, part).is_err() {
            part.fill(0);
        }
    }
    Ok(bytes)
}

/// What can be said where both checkpoints are damaged: nothing is acknowledged, and what there is will show.
fn from_heads(file: &dyn Storage) -> Result<Checkpoint, Fault> {
    let length = file.len().map_err(failed("measure"))?;
    let mut found = None;
    for at in (2 * SLOT..length).step_by(STEP as usize) {
        found = SegmentHead::read(&read(file, at, SEGMENT_HEAD.min((length - at) as usize))?);
        if found.is_some() {
            break;
        }
    }
    let Some(head) = found else { return Err(Fault::Damaged("it has neither a checkpoint nor a segment")) };
    tracing::error!("both checkpoints of the spool are damaged; what was acknowledged is sent again");
    Ok(Checkpoint {
        counter: 0,
        generation: 0,
        epoch: head.epoch,
        segment: head.segment,
        next_use: 0,
        fresh: u64::MAX,
        // Place 0 was never given: the lane begins with the first record that is found.
        lanes: Class::ALL.map(|_| LaneState { next_seq: 1, ..LaneState::default() }),
        losses: Losses::default(),
    })
}

fn geometry(file: &dyn Storage, segment: u64) -> Result<Geometry, Fault> {
    let length = file.len().map_err(failed("measure"))?;
    let count = length.saturating_sub(2 * SLOT).checked_div(segment).unwrap_or(0);
    if !segment.is_power_of_two() || segment < STEP || count == 0 {
        return Err(Fault::Damaged("it is too short"));
    }
    Ok(Geometry { segment, count })
}

/// The heads of segments, and which segments were begun after the last commit.
fn read_heads(
    file: &dyn Storage,
    geometry: Geometry,
    base: &Checkpoint,
) -> Result<(Vec<Option<SegmentHead>>, Vec<usize>), Fault> {
    let (mut heads, mut void) = (Vec::new(), Vec::new());
    for place in 0..geometry.count as usize {
        let bytes = read(file, geometry.start(place), SEGMENT_HEAD)?;
        let is_ours = |head: &SegmentHead| head.epoch == base.epoch && head.segment == geometry.segment;
        let head = SegmentHead::read(&bytes).filter(is_ours);
        let is_void = head.is_some_and(|h| base.lanes[h.class.index()].is_void(h.first, h.generation));
        heads.push(head.filter(|_| !is_void));
        void.extend(is_void.then_some(place));
    }
    Ok((heads, void))
}

fn latest(heads: &[Option<SegmentHead>]) -> usize {
    let used = heads.iter().enumerate().filter_map(|(place, head)| Some((head.as_ref()?.use_number, place)));
    used.max().map_or(heads.len() - 1, |(_, place)| place)
}

/// A record that was found.
type Seen = (u64, RecordId, Entry);

impl Ring {
    fn read_lane(&mut self, class: Class, state: &LaneState) -> Result<(), Fault> {
        let of_class = |(place, segment): (usize, &Segment)| Some((place, segment.head.filter(|h| h.class == class)?));
        let mut segments: Vec<_> = self.segments.iter().enumerate().filter_map(of_class).collect();
        segments.sort_by_key(|(_, head)| std::cmp::Reverse(head.use_number));
        let (mut limit, mut proven, mut seen, mut next) = (u64::MAX, state.next, Vec::new(), state.next);
        for (index, (place, head)) in segments.into_iter().enumerate() {
            let is_newest = index == 0;
            if is_newest || !state.are_gone(head.first, limit) {
                let bytes = read(&*self.file, self.geometry.start(place), self.geometry.segment as usize)?;
                let scan = scan(&bytes, &head, state, limit, proven);
                self.generation = self.generation.max(scan.generation);
                next = next.max(scan.proven);
                if is_newest {
                    let start = self.geometry.start(place);
                    self.file.write_at(start, &bytes[..scan.end]).map_err(failed("write to"))?;
                    self.tails[class.index()] = Some(Tail { place, at: scan.end, pending: Vec::new() });
                }
                seen.extend(self.seen(class, place, &scan).rev());
            }
            // All before a segment's head were durable before it was written.
            (limit, proven) = (limit.min(head.first), u64::MAX);
        }
        seen.reverse();
        next = next.max(seen.last().map_or(0, |(place, ..)| place + 1));
        self.fill_lane(class, state, next, &seen)
    }

    fn seen<'a>(&'a self, class: Class, place: usize, scan: &'a Scan) -> impl DoubleEndedIterator<Item = Seen> + 'a {
        let start = self.geometry.start(place);
        let entry = move |at: usize, length| Entry::new(start + at as u64, length);
        scan.records.iter().map(move |(at, r)| (r.place, r.id(class), entry(*at, r.length)))
    }

    /// Puts the records that were found in their places, and notes those that should be there and are not.
    fn fill_lane(&mut self, class: Class, state: &LaneState, next: u64, found: &[Seen]) -> Result<(), Fault> {
        let begin = if state.first > 0 { state.first } else { found.first().map_or(next.max(1), |(place, ..)| *place) };
        if next.saturating_sub(begin) > PLACES {
            return Err(Fault::Damaged("its checkpoint names more records than it can hold"));
        }
        let mut lane = Lane::new(class, &LaneState { first: begin, ..state.clone() });
        let mut missing = Vec::new();
        let mut seen = found.iter().skip_while(|(place, ..)| *place < begin).peekable();
        for place in begin..next {
            match seen.next_if(|(seen, ..)| *seen == place) {
                Some(&(_, id, entry)) if !state.is_gone(place) => {
                    lane.push(id, entry);
                    self.segments[self.geometry.place(entry.at())].live += 1;
                }
                there => {
                    lane.push_gone();
                    if there.is_none() && !state.is_gone(place) {
                        missing.push(place);
                    }
                    if let Some(&(_, id, _)) = there {
                        lane.note(place, id);
                    }
                }
            }
        }
        let missing: Vec<RecordId> = missing.into_iter().map(|place| lane.id(place)).collect();
        let given = missing.iter().chain(found.iter().map(|(_, id, _)| id)).filter(|id| id.epoch == self.epoch);
        lane.next_seq = given.map(|id| id.seq + 1).max().unwrap_or(1).max(state.next_seq);
        for id in missing {
            tracing::error!(?id, "a record on the disk is damaged and was given up");
            self.losses.add(id, LossReason::Damaged);
        }
        self.lanes[class.index()] = lane;
        Ok(())
    }
}
