//! Records into the body of a block.

use super::known::{Known, Stance, find};
use super::{QUIET, SPARSE};
use crate::vocab::{MediaTime, Track, TrackId, TrackState, Trunk, WallTime};

pub(super) const SIZE: u8 = 0;
pub(super) const WAIT: u8 = 1;
pub(super) const CUT: u8 = 2;
pub(super) const STOP: u8 = 3;
pub(super) const MANY: u8 = 4;
pub(super) const TRUNKS: u8 = 6;
pub(super) const LOOK: u8 = 8;

pub(super) const NEW: u8 = 1 << 2;
pub(super) const SEEN: u8 = 1 << 3;
pub(super) const CLASS: u8 = 1 << 4;
pub(super) const ODD: u8 = 1 << 5;
pub(super) const AS_EXPECTED: u8 = 1 << 6;
pub(super) const SAME_SCORE: u8 = 1 << 7;

/// Fills one block after another.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    body: Vec<u8>,
    size: Option<(u32, u32)>,
    /// When the block's first record was, and whether it has one.
    began: Option<MediaTime>,
    clock: Clock,
    known: Vec<Known>,
    /// Kept for its memory.
    next: Vec<Known>,
    first_number: TrackId,
    /// When a track was last in sight.
    in_sight: Option<MediaTime>,
    last_look: Option<MediaTime>,
}

/// The two clocks as they were at the last record.
#[derive(Debug, Default)]
pub(super) struct Clock {
    at: u64,
    step: i64,
    ahead_ms: i64,
}

impl Clock {
    fn advance(&mut self, at: MediaTime) -> i64 {
        let step = at.as_nanos().wrapping_sub(self.at).cast_signed();
        let change = step.wrapping_sub(self.step);
        (self.at, self.step) = (at.as_nanos(), step);
        change
    }

    fn set_wall(&mut self, wall: WallTime) -> i64 {
        let ahead_ms = wall.unix_nanos().div_euclid(1_000_000).wrapping_sub((self.at / 1_000_000).cast_signed());
        let change = ahead_ms.wrapping_sub(self.ahead_ms);
        self.ahead_ms = ahead_ms;
        change
    }

    /// The time of the record whose step changed by so much.
    pub(super) fn time(&mut self, change: i64) -> MediaTime {
        self.step = self.step.wrapping_add(change);
        self.at = self.at.wrapping_add_signed(self.step);
        MediaTime::from_nanos(self.at)
    }

    /// The wall time of that record.
    pub(super) fn wall(&mut self, change: i64) -> WallTime {
        self.ahead_ms = self.ahead_ms.wrapping_add(change);
        let ms = self.ahead_ms.wrapping_add((self.at / 1_000_000).cast_signed());
        WallTime::from_unix_nanos(ms.saturating_mul(1_000_000))
    }
}

impl Encoder {
    /// The picture's size from now on.
    pub(super) fn set_size(&mut self, width: u32, height: u32) {
        if self.size != Some((width, height)) {
            self.size = Some((width, height));
            if self.began.is_some() {
                self.write_size();
            }
        }
    }

    /// A frame was looked at, with these tracks.
    pub(super) fn look(&mut self, at: MediaTime, wall: WallTime, tracks: &[Track]) {
        let is_due = self.last_look.is_none_or(|last| at.since(last) >= SPARSE);
        if tracks.is_empty() && self.is_quiet(at) && !is_due {
            return;
        }
        self.last_look = Some(at);
        if !tracks.is_empty() {
            self.in_sight = Some(at);
        }
        self.begin(at);
        let tells_trunks = tracks.iter().any(|track| track.trunk.is_some());
        match u8::try_from(tracks.len()).ok().and_then(|n| n.checked_add(LOOK)) {
            Some(kind) if !tells_trunks => self.body.push(kind),
            _ => {
                self.body.push(if tells_trunks { TRUNKS } else { MANY });
                unsigned(&mut self.body, tracks.len() as u64);
            }
        }
        self.moment(at, wall);
        let mut before = self.first_number;
        for track in tracks {
            signed(&mut self.body, track.id.wrapping_sub(before).cast_signed());
            before = track.id;
            self.track(at, track);
        }
        if tells_trunks {
            tracks.iter().for_each(|track| self.trunk(track.trunk));
        }
        self.first_number = tracks.first().map_or(self.first_number, |track| track.id);
        std::mem::swap(&mut self.known, &mut self.next);
        self.next.clear();
    }

    /// Time has passed.
    pub(super) fn wait(&mut self, at: MediaTime, wall: WallTime) {
        if !self.is_quiet(at) {
            self.begin(at);
            self.body.push(WAIT);
            self.moment(at, wall);
        }
    }

    /// The stream was cut.
    pub(super) fn cut(&mut self, at: MediaTime) {
        self.mark(CUT, at);
    }

    /// The rules ended.
    pub(super) fn stop(&mut self, at: MediaTime) {
        self.mark(STOP, at);
    }

    /// How much the block holds.
    pub(super) fn bytes(&self) -> usize {
        self.body.len()
    }

    /// How long the block has been filled at `now`.
    pub(super) fn age(&self, now: MediaTime) -> std::time::Duration {
        self.began.map_or(std::time::Duration::ZERO, |began| now.since(began))
    }

    /// The body of the block; the next one is filled into `empty`.
    pub(super) fn take(&mut self, mut empty: Vec<u8>) -> Vec<u8> {
        empty.clear();
        self.began = None;
        self.clock = Clock::default();
        self.known.clear();
        self.first_number = 0;
        std::mem::replace(&mut self.body, empty)
    }

    /// Whether nobody has been in sight for long.
    fn is_quiet(&self, at: MediaTime) -> bool {
        self.in_sight.is_none_or(|last| at.since(last) > QUIET)
    }

    fn mark(&mut self, kind: u8, at: MediaTime) {
        self.begin(at);
        self.body.push(kind);
        let change = self.clock.advance(at);
        signed(&mut self.body, change);
        self.known.clear();
        // Whoever was in sight is so no more, but what was begun may go on until it is said to have ended.
        self.in_sight = self.in_sight.map(|_| at);
    }

    fn begin(&mut self, at: MediaTime) {
        if self.began.is_none() {
            self.began = Some(at);
            self.write_size();
        }
    }

    fn write_size(&mut self) {
        if let Some((width, height)) = self.size {
            self.body.push(SIZE);
            unsigned(&mut self.body, u64::from(width));
            unsigned(&mut self.body, u64::from(height));
        }
    }

    fn moment(&mut self, at: MediaTime, wall: WallTime) {
        let change = self.clock.advance(at);
        signed(&mut self.body, change);
        let change = self.clock.set_wall(wall);
        signed(&mut self.body, change);
    }

    fn trunk(&mut self, trunk: Option<Trunk>) {
        let Some(stance) = trunk.and_then(|trunk| Stance::of(&trunk)) else { return self.body.push(0) };
        for number in [stance.degrees.saturating_add(1), stance.length] {
            unsigned(&mut self.body, u64::from(number));
        }
    }

    fn track(&mut self, at: MediaTime, track: &Track) {
        let before = find(&self.known, track.id, self.next.len()).copied();
        let known = before.unwrap_or_else(|| Known::new(track.id));
        let now = known.next(track);
        let is_seen = track.last_seen == at;
        let mut follows = Known { score: now.score, ..known };
        follows.follow(at, is_seen);
        let (odd, same) = (|k: &Known| (k.best, k.hits, k.first_seen, k.last_seen), known.expected() == now.edges);
        let flags = [
            (before.is_none(), NEW),
            (is_seen, SEEN),
            (before.is_none() || now.class != known.class, CLASS),
            (before.is_none() || odd(&follows) != odd(&now), ODD),
            (same, AS_EXPECTED),
            (now.score == known.score, SAME_SCORE),
        ];
        let flags = flags.iter().filter(|(is_set, _)| *is_set).fold(state(track.state), |all, (_, flag)| all | flag);
        self.body.push(flags);
        if flags & CLASS != 0 {
            unsigned(&mut self.body, u64::from(now.class));
        }
        if flags & SAME_SCORE == 0 {
            signed(&mut self.body, i64::from(now.score) - i64::from(known.score));
        }
        if flags & AS_EXPECTED == 0 {
            for (edge, expected) in now.edges.iter().zip(known.expected()) {
                signed(&mut self.body, edge.wrapping_sub(expected));
            }
        }
        if flags & ODD != 0 {
            unsigned(&mut self.body, u64::from(now.best));
            unsigned(&mut self.body, u64::from(now.hits));
            let age = |seen: MediaTime| at.as_nanos().wrapping_sub(seen.as_nanos()).cast_signed();
            signed(&mut self.body, age(now.first_seen));
            signed(&mut self.body, age(now.last_seen));
        }
        self.next.push(now);
    }
}

fn state(state: TrackState) -> u8 {
    match state {
        TrackState::Tentative => 0,
        TrackState::Confirmed => 1,
        TrackState::Lost => 2,
        TrackState::Ended => 3,
    }
}

fn unsigned(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn signed(to: &mut Vec<u8>, value: i64) {
    unsigned(to, ((value << 1) ^ (value >> 63)).cast_unsigned());
}
