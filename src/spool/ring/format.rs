//! The bytes of the ring's file: what its parts look like, and whether they are still what was written. See the head of
//! [`super`] for the whole.

use serde::{Deserialize, Serialize};

use super::lane::LaneState;
use crate::spool::loss::Losses;
use crate::spool::{Class, RecordId, Settings};

/// Space of one checkpoint. Two stand at the beginning of the file.
pub(super) const SLOT: u64 = 256 * 1024;
/// Bytes of a segment before its first record: its head, and 512 bytes later, in another sector, its head once more.
pub(super) const SEGMENT_HEAD: usize = 1024;
const HEAD_COPY: usize = 512;
const HEAD_BYTES: usize = 48;
/// Bytes of a record before its payload.
pub(super) const RECORD_HEAD: usize = 56;
/// Records begin at multiples of this.
pub(super) const ALIGN: usize = 8;
const SLOT_MAGIC: [u8; 8] = *b"vdtring1";
const SEGMENT_MAGIC: [u8; 4] = *b"vseg";
const RECORD_MAGIC: [u8; 4] = *b"vrec";
const SMALLEST_SEGMENT: u64 = 4096;
const LARGEST_SEGMENT: u64 = 1 << 20;
const FEWEST_SEGMENTS: u64 = 64;

/// No ring counts so far. What says so was not written by one, whatever its checksum, and one more must not overflow.
const FAR: u64 = 1 << 62;
const FAR_GENERATION: u32 = 1 << 30;

/// How the file is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Bytes of a segment, a power of two.
    pub(super) segment: u64,
    /// How many there are.
    pub(super) count: u64,
}

impl Geometry {
    /// Room for all that `settings` allow: an eighth more, and some segments that are only partly filled.
    pub(super) fn of(settings: &Settings) -> Self {
        let shares = [settings.alert_bytes, settings.event_bytes, settings.telemetry_bytes];
        let total = shares.into_iter().fold(0u64, u64::saturating_add);
        // Two of the largest fit, so that at most half of a segment stays empty at its end.
        let two = (2 * (settings.record_bytes + RECORD_HEAD + ALIGN) + SEGMENT_HEAD) as u64;
        let usual = (total / 128 + 1).next_power_of_two() / 2;
        let segment = usual.clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT).max(two.next_power_of_two());
        let usable = segment - SEGMENT_HEAD as u64;
        let count = (total.saturating_add(total / 8).div_ceil(usable) + 8).max(FEWEST_SEGMENTS);
        Self { segment, count }
    }

    /// Where a segment begins.
    pub(super) fn start(self, place: usize) -> u64 {
        2 * SLOT + place as u64 * self.segment
    }

    /// In which segment a position lies.
    pub(super) fn place(self, at: u64) -> usize {
        at.saturating_sub(2 * SLOT).checked_div(self.segment).unwrap_or(0) as usize
    }

    /// Length of the file.
    pub(super) fn file(self) -> u64 {
        2 * SLOT + self.count * self.segment
    }

    /// The largest record that fits into a segment.
    pub(super) fn largest(self) -> usize {
        self.segment as usize - SEGMENT_HEAD - RECORD_HEAD - ALIGN
    }
}

/// Space of a record in a segment.
pub(super) fn space(payload: usize) -> usize {
    RECORD_HEAD + payload.next_multiple_of(ALIGN)
}

/// What is known without reading records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// The higher of two is the newer.
    pub(super) counter: u64,
    /// How many times the file was opened to be written.
    pub(super) generation: u32,
    /// The epoch of the ids that this store gives.
    pub(super) epoch: u64,
    /// Bytes of a segment.
    pub(super) segment: u64,
    /// The number of the next use of a segment.
    pub(super) next_use: u64,
    /// No segment from this one on was ever used.
    pub(super) fresh: u64,
    pub(super) lanes: [LaneState; 3],
    pub(super) losses: Losses,
}

impl Checkpoint {
    /// Bytes of a slot before the JSON.
    pub(super) const HEAD: usize = 16;

    /// How long the slot is that begins with `head`.
    pub(super) fn length(head: &[u8]) -> Option<usize> {
        head.starts_with(&SLOT_MAGIC).then_some(())?;
        Some(Self::HEAD + u32_at(head, 8)? as usize)
    }

    /// The bytes of a slot; none where they are more than fit.
    pub(super) fn written(&self) -> Option<Vec<u8>> {
        let body = serde_json::to_vec(self).ok()?;
        let mut slot = SLOT_MAGIC.to_vec();
        slot.extend((body.len() as u32).to_le_bytes());
        slot.extend(crc32fast::hash(&body).to_le_bytes());
        slot.extend(body);
        (slot.len() as u64 <= SLOT).then_some(slot)
    }

    /// The checkpoint in a slot, if one is there and whole.
    pub(super) fn read(slot: &[u8]) -> Option<Self> {
        let rest = slot.strip_prefix(&SLOT_MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let body = rest.get(..u32::from_le_bytes(*length) as usize)?;
        let sound = crc32fast::hash(body) == u32::from_le_bytes(*crc);
        sound.then(|| serde_json::from_slice(body).ok()).flatten().filter(Self::is_possible)
    }

    fn is_possible(&self) -> bool {
        let counts = [self.counter, self.next_use].into_iter().all(|count| count < FAR);
        counts
            && self.generation < FAR_GENERATION
            && self.lanes.iter().flat_map(LaneState::counts).all(|count| count < FAR)
            && self.losses.counts().all(|count| count < FAR)
    }
}

/// Who uses a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub(super) class: Class,
    pub(super) epoch: u64,
    /// Never given twice.
    pub(super) use_number: u64,
    /// The place in its class of its first record.
    pub(super) first: u64,
    pub(super) generation: u32,
    /// Bytes of the segment.
    pub(super) segment: u64,
}

impl SegmentHead {
    /// The first bytes of the segment.
    pub(super) fn written(&self) -> Vec<u8> {
        let mut head = SEGMENT_MAGIC.to_vec();
        head.extend((self.class as u32).to_le_bytes());
        head.extend(self.epoch.to_le_bytes());
        head.extend(self.use_number.to_le_bytes());
        head.extend(self.first.to_le_bytes());
        head.extend(self.generation.to_le_bytes());
        head.extend((self.segment as u32).to_le_bytes());
        head.extend(crc32fast::hash(&head).to_le_bytes());
        let mut both = head.clone();
        both.resize(HEAD_COPY, 0);
        both.extend(head);
        both.resize(SEGMENT_HEAD, 0);
        both
    }

    /// The newer of the two heads that are whole.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let copies = [bytes, bytes.get(HEAD_COPY..)?];
        copies.into_iter().filter_map(Self::read_one).max_by_key(|head| head.use_number)
    }

    fn read_one(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD_BYTES - 4)?;
        let sound = head.starts_with(&SEGMENT_MAGIC) && crc32fast::hash(head.get(..40)?) == u32_at(bytes, 40)?;
        sound.then_some(())?;
        let head = Self {
            class: *Class::ALL.get(u32_at(head, 4)? as usize)?,
            epoch: u64_at(head, 8)?,
            use_number: u64_at(head, 16)?,
            first: u64_at(head, 24)?,
            generation: u32_at(head, 32)?,
            segment: u64::from(u32_at(head, 36)?),
        };
        (head.use_number < FAR && head.first < FAR && head.generation < FAR_GENERATION).then_some(head)
    }

    /// Makes the checksum of a head hold for what stands there.
    #[cfg(any(test, fuzzing))]
    pub(super) fn reseal(bytes: &mut [u8]) {
        if let Some(head) = bytes.get_mut(..HEAD_BYTES).filter(|head| head.starts_with(&SEGMENT_MAGIC)) {
            let crc = crc32fast::hash(&head[..40]);
            head[40..44].copy_from_slice(&crc.to_le_bytes());
        }
    }

    /// What the checksums of its records begin with, so that those of another use never pass for them.
    pub(super) fn seed(&self) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.epoch.to_le_bytes());
        crc.update(&self.use_number.to_le_bytes());
        crc.finalize()
    }
}

/// What stands before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub(super) length: u32,
    /// Its place in its class, counted without holes over all epochs.
    pub(super) place: u64,
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) unix_ms: i64,
    pub(super) generation: u32,
    /// How many places before it the first one stands that was not known to be durable when it was written.
    pub(super) back: u32,
    pub(super) payload_crc: u32,
}

impl RecordHead {
    /// Adds the record to `out`.
    pub(super) fn write(&self, seed: u32, payload: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        out.extend(RECORD_MAGIC);
        out.extend(self.length.to_le_bytes());
        out.extend(self.place.to_le_bytes());
        out.extend(self.epoch.to_le_bytes());
        out.extend(self.seq.to_le_bytes());
        out.extend(self.unix_ms.to_le_bytes());
        out.extend(self.generation.to_le_bytes());
        out.extend(self.back.to_le_bytes());
        out.extend(self.payload_crc.to_le_bytes());
        let crc = seeded(seed, &out[from..]);
        out.extend(crc.to_le_bytes());
        out.extend(payload);
        out.resize(from + space(payload.len()), 0);
    }

    /// The head at the beginning of `bytes`, if it is whole and of the use that `seed` stands for.
    pub(super) fn read(seed: u32, bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..RECORD_HEAD)?;
        let sound = head.starts_with(&RECORD_MAGIC) && seeded(seed, &head[..52]) == u32_at(head, 52)?;
        let is_possible = |head: &Self| head.place < FAR && head.seq < FAR && head.generation < FAR_GENERATION;
        sound.then(|| Self::read_unsealed(head)).flatten().filter(is_possible)
    }

    /// Whether a head may begin here.
    #[cfg(any(test, fuzzing))]
    pub(super) fn is_marked(bytes: &[u8]) -> bool {
        bytes.starts_with(&RECORD_MAGIC)
    }

    /// What the head says, whether or not it is whole.
    pub(super) fn read_unsealed(head: &[u8]) -> Option<Self> {
        Some(Self {
            length: u32_at(head, 4)?,
            place: u64_at(head, 8)?,
            epoch: u64_at(head, 16)?,
            seq: u64_at(head, 24)?,
            unix_ms: u64_at(head, 32)? as i64,
            generation: u32_at(head, 40)?,
            back: u32_at(head, 44)?,
            payload_crc: u32_at(head, 48)?,
        })
    }

    /// The payload that follows the head in `bytes`, if it is whole.
    pub(super) fn payload<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let payload = bytes.get(RECORD_HEAD..RECORD_HEAD + self.length as usize)?;
        (crc32fast::hash(payload) == self.payload_crc).then_some(payload)
    }

    /// Makes the checksums of a record hold for what stands there.
    #[cfg(any(test, fuzzing))]
    pub(super) fn reseal(seed: u32, bytes: &mut [u8]) {
        let Some(head) = bytes.get(..RECORD_HEAD).filter(|head| head.starts_with(&RECORD_MAGIC)) else { return };
        let length = u32_at(head, 4).unwrap_or_default() as usize;
        if let Some(payload) = bytes.get(RECORD_HEAD..RECORD_HEAD + length) {
            let crc = crc32fast::hash(payload);
            bytes[48..52].copy_from_slice(&crc.to_le_bytes());
        }
        let crc = seeded(seed, &bytes[..52]);
        bytes[52..RECORD_HEAD].copy_from_slice(&crc.to_le_bytes());
    }

    pub(super) fn id(&self, class: Class) -> RecordId {
        RecordId { class, epoch: self.epoch, seq: self.seq }
    }
}

fn seeded(seed: u32, bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(seed);
    crc.update(bytes);
    crc.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}
