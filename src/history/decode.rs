//! The body of a block into records.

use super::Record;
use super::encode::{AS_EXPECTED, CLASS, CUT, Clock, LOOK, MANY, NEW, ODD, SAME_SCORE, SEEN, SIZE, STOP, TRUNKS, WAIT};
use super::known::{Known, Stance, find};
use crate::vocab::{MediaTime, Track, TrackId, TrackState, Trunk};

/// More tracks than any tracker follows at a time.
const MOST_TRACKS: usize = 10_000;

/// The body is not what an encoder writes. With a CRC that holds, a fault of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Gives `tell` each record of a body.
pub(super) fn records(body: &[u8], tell: &mut dyn FnMut(Record)) -> Result<(), Malformed> {
    let mut decoder = Decoder { rest: body, clock: Clock::default(), known: Vec::new(), first_number: 0 };
    while !decoder.rest.is_empty() {
        tell(decoder.record()?);
    }
    Ok(())
}

struct Decoder<'a> {
    rest: &'a [u8],
    clock: Clock,
    known: Vec<Known>,
    first_number: TrackId,
}

impl Decoder<'_> {
    fn record(&mut self) -> Result<Record, Malformed> {
        match self.byte()? {
            SIZE => Ok(Record::Size { width: self.number()?, height: self.number()? }),
            WAIT => {
                let at = self.time()?;
                let wall = self.signed()?;
                Ok(Record::Wait { at, wall: self.clock.wall(wall) })
            }
            CUT => {
                self.known.clear();
                Ok(Record::Cut { at: self.time()? })
            }
            STOP => {
                self.known.clear();
                Ok(Record::Stop { at: self.time()? })
            }
            MANY => {
                let count = self.number()?;
                self.look(count, false)
            }
            TRUNKS => {
                let count = self.number()?;
                self.look(count, true)
            }
            kind => self.look(usize::from(kind.checked_sub(LOOK).ok_or(Malformed)?), false),
        }
    }

    fn look(&mut self, count: usize, tells_trunks: bool) -> Result<Record, Malformed> {
        if count > MOST_TRACKS {
            return Err(Malformed);
        }
        let at = self.time()?;
        let wall = self.signed()?;
        let wall = self.clock.wall(wall);
        let (mut tracks, mut next) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut number = self.first_number;
        for index in 0..count {
            number = number.wrapping_add_signed(self.signed()?);
            if index == 0 {
                self.first_number = number;
            }
            let (known, track) = self.track(at, number, index)?;
            next.push(known);
            tracks.push(track);
        }
        self.known = next;
        if tells_trunks {
            for track in &mut tracks {
                track.trunk = self.trunk()?;
            }
        }
        Ok(Record::Look { at, wall, tracks })
    }

    /// The track `id`, which stands at `place` in its look.
    fn track(&mut self, at: MediaTime, id: TrackId, place: usize) -> Result<(Known, Track), Malformed> {
        let flags = self.byte()?;
        let known = match find(&self.known, id, place) {
            _ if flags & NEW != 0 => Known::new(id),
            Some(known) => *known,
            None => return Err(Malformed),
        };
        let mut now = known;
        if flags & CLASS != 0 {
            now.class = self.number()?;
        }
        if flags & SAME_SCORE == 0 {
            let score = i64::from(known.score).checked_add(self.signed()?).ok_or(Malformed)?;
            now.score = u16::try_from(score).map_err(|_| Malformed)?;
        }
        now.edges = known.expected();
        if flags & AS_EXPECTED == 0 {
            for edge in &mut now.edges {
                *edge = edge.wrapping_add(self.signed()?);
            }
        }
        now.step = std::array::from_fn(|i| now.edges[i].wrapping_sub(known.edges[i]));
        now.follow(at, flags & SEEN != 0);
        if flags & ODD != 0 {
            (now.best, now.hits) = (self.number()?, self.number()?);
            (now.first_seen, now.last_seen) = (self.before(at)?, self.before(at)?);
        }
        let state = match flags & 3 {
            0 => TrackState::Tentative,
            1 => TrackState::Confirmed,
            2 => TrackState::Lost,
            _ => TrackState::Ended,
        };
        Ok((now, now.track(state)))
    }

    fn trunk(&mut self) -> Result<Option<Trunk>, Malformed> {
        let Some(degrees) = self.number::<u16>()?.checked_sub(1) else { return Ok(None) };
        Ok(Some(Stance { degrees, length: self.number()? }.trunk()))
    }

    /// The time that lies so far before `at` as is written.
    fn before(&mut self, at: MediaTime) -> Result<MediaTime, Malformed> {
        Ok(MediaTime::from_nanos(at.as_nanos().wrapping_sub(self.signed()?.cast_unsigned())))
    }

    fn time(&mut self) -> Result<MediaTime, Malformed> {
        let change = self.signed()?;
        Ok(self.clock.time(change))
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    fn number<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return T::try_from(value).map_err(|_| Malformed);
            }
        }
        Err(Malformed)
    }

    fn signed(&mut self) -> Result<i64, Malformed> {
        let value = self.number::<u64>()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}
