//! The latest encoded pictures of one camera, as it sent them: a ring that is bounded in bytes and in time. Pure.
//!
//! ```text
//!            run (one encoding, one clock)              run
//!   [K d d d][K d d d d][K d …                │ [K d d d][K d …
//!    └ oldest group, goes first                └ newest
//! ```
//!
//! What is kept begins with a keyframe, and goes by whole groups: a keyframe with all that needs it. A stream that changes
//! its encoding, is connected anew or jumps on its clock begins a new *run*; nothing continues across the border of two.
//! Packets come on the stream's own clock. Where that lies on the camera's media clock is told by [`Ring::anchor`] with
//! each picture that was decoded, so that a moment that an event names is found here to the picture.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::vocab::{Encoding, MediaTime, Packet, WallTime};

/// A step of the stream's clock by more than this, either way, is a jump: no camera leaves such a hole in what it sends,
/// and none orders pictures so far apart.
const JUMP: Duration = Duration::from_secs(2);

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingLimits {
    /// The most bytes of packets, a hard limit. Default 16 MiB.
    pub bytes: usize,
    /// How far back it reaches; more is not kept, but for the rest of its group. Default 30 s.
    pub span: Duration,
}

impl Default for RingLimits {
    fn default() -> Self {
        Self { bytes: 16 << 20, span: Duration::from_secs(30) }
    }
}

/// The ring.
#[derive(Debug)]
pub struct Ring {
    limits: RingLimits,
    runs: VecDeque<Run>,
    bytes: usize,
    /// The number that the next packet gets.
    next: u64,
    /// Whether packets are left out until the next keyframe.
    waits: bool,
    /// A group that was larger than the whole ring.
    overflowed: bool,
    /// How many runs have begun.
    begun: u64,
}

/// Packets of one encoding on one clock, the oldest first.
#[derive(Debug)]
struct Run {
    /// Its number among all.
    id: u64,
    encoding: Arc<Encoding>,
    /// What must be added to the stream's clock for the media clock, in nanoseconds; unknown until a picture was decoded.
    offset: Option<i128>,
    /// The number of the first packet.
    first: u64,
    packets: VecDeque<Packet>,
    /// The latest moment on the stream's clock.
    latest: MediaTime,
}

/// A place in the ring: the next packet to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    run: u64,
    number: u64,
    /// How the packets are encoded.
    pub encoding: Arc<Encoding>,
    /// The media time of the first packet.
    pub begins: MediaTime,
    /// How much of the beginning that was asked for is no longer there.
    pub lacks: Duration,
}

/// What could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Packets in the order in which they are decoded, with `pts` on the stream's clock. Whole groups, but at the end.
    pub packets: Vec<Packet>,
    /// The media time of the last picture among them.
    pub reached: MediaTime,
    /// Whether there will be more.
    pub state: ReadState,
}

/// Whether there is more to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadState {
    /// There will be, up to the end that was asked for.
    More,
    /// All that was asked for has been read.
    Reached,
    /// The stream does not go on: it was connected anew, changed its encoding, or jumped.
    Ended,
    /// What comes next was overwritten before it was read.
    Overrun,
}

/// Why nothing can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// No keyframe has come since the stream began.
    #[error("no keyframe has come yet")]
    Empty,
    /// A group of pictures is larger than the ring.
    #[error("the pictures from one keyframe to the next are larger than the ring")]
    TooSmall,
    /// All of what was asked for is older than what is kept.
    #[error("that time is no longer kept")]
    Gone,
}

impl RingError {
    /// A short reason for an event's `clip_missing`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Empty => "no-keyframe",
            Self::TooSmall => "ring-too-small",
            Self::Gone => "no-longer-kept",
        }
    }
}

impl Ring {
    /// An empty ring.
    pub fn new(limits: RingLimits) -> Self {
        Self { limits, runs: VecDeque::new(), bytes: 0, next: 0, waits: true, overflowed: false, begun: 0 }
    }

    /// A stream begins, or goes on in another encoding.
    pub fn begin(&mut self, encoding: Arc<Encoding>) {
        self.runs.retain(|run| !run.packets.is_empty());
        self.begun += 1;
        let (id, first, packets) = (self.begun, self.next, VecDeque::new());
        self.runs.push_back(Run { id, encoding, offset: None, first, packets, latest: MediaTime::ZERO });
        self.waits = true;
    }

    /// Takes the next packet of the newest stream. One that cannot be decoded by what is here is left out.
    pub fn push(&mut self, packet: Packet) {
        let Some(run) = self.runs.back() else { return };
        let is_jump =
            !run.packets.is_empty() && (packet.pts.since(run.latest) > JUMP || run.latest.since(packet.pts) > JUMP);
        if is_jump {
            let encoding = run.encoding.clone();
            self.begin(encoding);
        }
        self.waits &= !packet.keyframe;
        if self.waits {
            return;
        }
        if let Some(run) = self.runs.back_mut() {
            self.bytes += packet.data.len();
            run.latest = if run.packets.is_empty() { packet.pts } else { run.latest.max(packet.pts) };
            run.packets.push_back(packet);
            self.next += 1;
            self.evict();
        }
    }

    /// Says where the moment `stream` of the newest stream lies on the camera's media clock.
    pub fn anchor(&mut self, stream: MediaTime, media: MediaTime) {
        let offset = i128::from(media.as_nanos()) - i128::from(stream.as_nanos());
        let holds =
            |run: &&mut Run| run.packets.front().is_some_and(|first| stream >= first.pts) && stream <= run.latest;
        // A picture that was decoded late may belong to the run before.
        match self.runs.iter_mut().rev().find(holds) {
            Some(run) => run.offset = Some(offset),
            None => self.runs.back_mut().into_iter().for_each(|run| run.offset = Some(offset)),
        }
    }

    /// Where the last keyframe at or before `at` lies, or the first one behind it where that is no longer there, but not
    /// behind `until`.
    ///
    /// # Errors
    /// When there is no keyframe at all, or none before `until`.
    pub fn find(&self, at: MediaTime, until: MediaTime) -> Result<Cursor, RingError> {
        let mut last = None;
        for (run, number, time) in self.keyframes() {
            if time > at && last.is_some() || time > until {
                break;
            }
            last = Some(run.cursor(number, time, at));
        }
        let is_over = |cursor: &Cursor| self.end_of_run(cursor.run).is_some_and(|end| end < at);
        match last {
            // What ended before the time that is asked for shows nothing of it; what comes behind it may.
            Some(cursor) if is_over(&cursor) => self.first_behind(at, until).ok_or(RingError::Gone),
            Some(cursor) => Ok(cursor),
            None if self.keyframes().next().is_some() => Err(RingError::Gone),
            None if self.overflowed => Err(RingError::TooSmall),
            None => Err(RingError::Empty),
        }
    }

    /// Reads on from `cursor` to the moment `until`: what is there in whole groups, and the rest of the last one once
    /// `until` is reached.
    pub fn read(&self, cursor: &mut Cursor, until: MediaTime) -> Reading {
        let mut reading = Reading { packets: Vec::new(), reached: cursor.begins, state: ReadState::More };
        let run = self.runs.iter().find(|run| run.id == cursor.run && run.first <= cursor.number);
        let Some(run) = run else {
            let is_over = self.runs.front().is_none_or(|run| run.first <= cursor.number);
            reading.state = if is_over { ReadState::Ended } else { ReadState::Overrun };
            return reading;
        };
        let is_over = run.id != self.begun;
        let rest = || run.packets.iter().skip(usize::try_from(cursor.number - run.first).unwrap_or(usize::MAX));
        let wanted = rest().position(|packet| run.media(packet.pts) > until);
        let whole = match wanted {
            Some(wanted) => wanted,
            None if is_over => rest().count(),
            // The newest group is not whole yet.
            None => rest().count() - rest().rev().position(|packet| packet.keyframe).map_or(rest().count(), |p| p + 1),
        };
        reading.packets = rest().take(whole).cloned().collect();
        let last = reading.packets.iter().map(|packet| run.media(packet.pts)).max();
        reading.reached = last.unwrap_or(cursor.begins);
        reading.state = match wanted {
            Some(_) => ReadState::Reached,
            None if is_over => ReadState::Ended,
            None => ReadState::More,
        };
        cursor.number += whole as u64;
        reading
    }

    /// Reads whatever is left behind `cursor`, without waiting for a group to be whole.
    pub fn read_rest(&self, cursor: &mut Cursor, until: MediaTime) -> Reading {
        let mut reading = self.read(cursor, until);
        if reading.state == ReadState::More {
            let Some(run) = self.runs.back() else { return reading };
            let skip = usize::try_from(cursor.number.saturating_sub(run.first)).unwrap_or(usize::MAX);
            reading.packets.extend(run.packets.iter().skip(skip).cloned());
            let last = reading.packets.iter().map(|packet| run.media(packet.pts)).max();
            reading.reached = last.unwrap_or(reading.reached);
            cursor.number = run.end();
            reading.state = ReadState::Ended;
        }
        reading
    }

    /// How many bytes of packets there are.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many packets have come since the ring was made; changes whenever one comes.
    pub fn taken(&self) -> u64 {
        self.next
    }

    /// Where a moment of the wall clock lies on the media clock, going by the picture that was captured next; behind the
    /// last one, by that. `None` where there is no picture.
    pub fn media_at(&self, at: WallTime) -> Option<MediaTime> {
        let packets = self.runs.iter().filter(|run| run.offset.is_some());
        let mut packets = packets.flat_map(|run| run.packets.iter().map(move |packet| (run, packet)));
        let last = packets.clone().next_back();
        let (run, packet) = packets.find(|(_, packet)| packet.captured >= at).or(last)?;
        let ahead = packet.captured.unix_nanos().saturating_sub(at.unix_nanos());
        let step = Duration::from_nanos(ahead.unsigned_abs());
        let media = run.media(packet.pts);
        Some(if ahead > 0 { media - step } else { media + step })
    }

    /// Whether anything is kept of the time before `at` on the wall clock.
    pub fn reaches(&self, at: WallTime) -> bool {
        let known = self.runs.iter().find(|run| run.offset.is_some() && !run.packets.is_empty());
        known.and_then(|run| run.packets.front()).is_some_and(|first| first.captured <= at)
    }

    /// The keyframes whose place on the media clock is known.
    fn keyframes(&self) -> impl Iterator<Item = (&Run, u64, MediaTime)> {
        self.runs.iter().filter(|run| run.offset.is_some()).flat_map(|run| {
            let numbered = run.packets.iter().enumerate().filter(|(_, packet)| packet.keyframe);
            numbered.map(move |(i, packet)| (run, run.first + i as u64, run.media(packet.pts)))
        })
    }

    fn first_behind(&self, at: MediaTime, until: MediaTime) -> Option<Cursor> {
        let mut behind = self.keyframes().filter(|(_, _, time)| (at..=until).contains(time));
        let (run, number, begins) = behind.next()?;
        Some(run.cursor(number, begins, at))
    }

    /// Where a run ended on the media clock; none while it goes on.
    fn end_of_run(&self, id: u64) -> Option<MediaTime> {
        let run = self.runs.iter().find(|run| run.id == id)?;
        (id != self.begun).then(|| run.media(run.latest))
    }

    /// Lets the oldest groups go until the limits hold.
    fn evict(&mut self) {
        while self.bytes > self.limits.bytes || self.reaches_too_far() {
            self.drop_oldest_group();
        }
    }

    /// Whether the ring reaches as far back as it should without its oldest group.
    fn reaches_too_far(&self) -> bool {
        let mut keyframes = self.keyframes();
        let (Some(_), Some((_, _, second))) = (keyframes.next(), keyframes.next()) else { return false };
        let newest = self.runs.iter().rev().find(|run| run.offset.is_some());
        newest.is_some_and(|run| run.media(run.latest).since(second) >= self.limits.span)
    }

    fn drop_oldest_group(&mut self) {
        let Some(run) = self.runs.front_mut() else { return };
        let mut is_first = true;
        while let Some(packet) = run.packets.front() {
            if packet.keyframe && !is_first {
                return;
            }
            is_first = false;
            self.bytes -= packet.data.len();
            run.packets.pop_front();
            run.first += 1;
        }
        if self.runs.len() > 1 {
            self.runs.pop_front();
        } else if !is_first {
            // The group that is being received is larger than the ring: the rest of it could not be decoded.
            self.waits = true;
            self.overflowed = true;
        }
    }
}

impl Run {
    fn end(&self) -> u64 {
        self.first + self.packets.len() as u64
    }

    fn cursor(&self, number: u64, begins: MediaTime, at: MediaTime) -> Cursor {
        Cursor { run: self.id, number, encoding: self.encoding.clone(), begins, lacks: begins.since(at) }
    }

    fn media(&self, stream: MediaTime) -> MediaTime {
        let nanos = i128::from(stream.as_nanos()) + self.offset.unwrap_or(0);
        MediaTime::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
