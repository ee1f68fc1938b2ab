//! What is said over the socket between a stream and its decoder's process, and what of it is believed. Pure.
//!
//! ```text
//!   stream                                       process
//!   Opening (JSON)                          ──▶
//!                                           ◀──  Ready or Failed (text)
//!   Caps (text): how packets are encoded    ──▶
//!   Packet (head, bytes), or Drain          ──▶
//!                                           ◀──  Picture (head, bytes), none or several
//!                                           ◀──  Done (head) or Failed (text)
//!   …
//! ```
//!
//! The stream closes the connection when it wants no more, and the process ends. Each message is one of
//! [`channel`](crate::base::channel). Heads are little-endian numbers of fixed places.
//!
//! The stream is believed. The process is not: it may have been taken over by a video. How many bytes a picture has follows
//! from its size and format and from nothing else that the process says, and both are bounded before there is room for it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::channel::Head;

/// The longest text or JSON, in bytes. The caps of a stream hold its parameter sets.
const MOST_TEXT: u64 = 1 << 18;
/// The longest packet, in bytes: a raw 8K picture, which no encoder makes larger.
const MOST_PACKET: u64 = 64 << 20;
/// The largest picture, in bytes: 8192 by 8192 in 4:2:0 of 16 bits.
const MOST_PICTURE: u64 = 8192 * 8192 * 3;
/// The most pictures that one packet may bring: no decoder holds more of them back.
pub(super) const MOST_PICTURES: usize = 64;
/// The longest reason that is told on, in characters.
const LONGEST_REASON: usize = 400;
/// No time.
const NO_TIME: u64 = u64::MAX;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Opening = 1,
    Ready = 2,
    Caps = 3,
    Packet = 4,
    Drain = 5,
    Picture = 6,
    Done = 7,
    Failed = 8,
}

/// Why what the other end said is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error("it sent a message of the unknown kind {0}")]
    UnknownKind(u8),
    #[error("it sent {kind:?} of {length} bytes")]
    Length { kind: Kind, length: u64 },
    #[error("it sent {0:?} out of turn")]
    OutOfTurn(Kind),
    #[error("it sent a picture of {width}x{height} in format {format}")]
    Picture { width: u32, height: u32, format: u8 },
    #[error("it sent more pictures than there can be")]
    TooMany,
}

impl Kind {
    /// The kind of a message and its length, where both are possible.
    ///
    /// # Errors
    /// When one is not.
    pub(super) fn of(head: Head) -> Result<(Self, u64), ProtocolError> {
        let all = [
            Self::Opening,
            Self::Ready,
            Self::Caps,
            Self::Packet,
            Self::Drain,
            Self::Picture,
            Self::Done,
            Self::Failed,
        ];
        let kind = all.into_iter().find(|kind| *kind as u8 == head.kind);
        let kind = kind.ok_or(ProtocolError::UnknownKind(head.kind))?;
        let (least, most) = kind.lengths();
        if head.length < least || head.length > most {
            return Err(ProtocolError::Length { kind, length: head.length });
        }
        Ok((kind, head.length))
    }

    /// The fewest and the most bytes of its content.
    fn lengths(self) -> (u64, u64) {
        match self {
            Self::Opening | Self::Caps | Self::Failed => (0, MOST_TEXT),
            Self::Ready | Self::Drain => (0, 0),
            Self::Packet => (PacketHead::BYTES as u64, PacketHead::BYTES as u64 + MOST_PACKET),
            Self::Picture => (PictureHead::BYTES as u64, PictureHead::BYTES as u64 + MOST_PICTURE),
            Self::Done => (Done::BYTES as u64, Done::BYTES as u64),
        }
    }
}

/// What the process needs to know to have a decoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opening {
    /// The file of GStreamer's plugin.
    pub(super) plugin: PathBuf,
    /// The element.
    pub(super) decoder: String,
    pub(super) threads: u32,
    /// The most memory that the process may have, in bytes.
    pub(super) memory: u64,
}

/// What is said of a packet before its bytes. Times are nanoseconds of the stream's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PacketHead {
    pub(super) pts: Option<u64>,
    pub(super) dts: Option<u64>,
    pub(super) duration: Option<u64>,
    /// GStreamer's flags of its buffer.
    pub(super) flags: u32,
    /// Whether its picture is to come back.
    pub(super) wanted: bool,
}

impl PacketHead {
    pub(super) const BYTES: usize = 32;

    pub(super) fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        put(&mut bytes, 0, &self.pts.unwrap_or(NO_TIME).to_le_bytes());
        put(&mut bytes, 8, &self.dts.unwrap_or(NO_TIME).to_le_bytes());
        put(&mut bytes, 16, &self.duration.unwrap_or(NO_TIME).to_le_bytes());
        put(&mut bytes, 24, &self.flags.to_le_bytes());
        put(&mut bytes, 28, &u32::from(self.wanted).to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        Self {
            pts: time(bytes, 0),
            dts: time(bytes, 8),
            duration: time(bytes, 16),
            flags: number(bytes, 24),
            wanted: number(bytes, 28) != 0,
        }
    }
}

/// What is said of a picture before its bytes. `format`, `range` and `matrix` are places in the tables of `layout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureHead {
    pub(super) pts: Option<u64>,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) format: u8,
    pub(super) range: u8,
    pub(super) matrix: u8,
    /// The decoder says that it is damaged.
    pub(super) corrupted: bool,
}

impl PictureHead {
    pub(super) const BYTES: usize = 20;

    pub(super) fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        put(&mut bytes, 0, &self.pts.unwrap_or(NO_TIME).to_le_bytes());
        put(&mut bytes, 8, &self.width.to_le_bytes());
        put(&mut bytes, 12, &self.height.to_le_bytes());
        put(&mut bytes, 16, &[self.format, self.range, self.matrix, u8::from(self.corrupted)]);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let [format, range, matrix, corrupted] = number(bytes, 16).to_le_bytes();
        Self {
            pts: time(bytes, 0),
            width: number(bytes, 8),
            height: number(bytes, 12),
            format,
            range,
            matrix,
            corrupted: corrupted != 0,
        }
    }
}

/// What is said when all is done that can be with what has come so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Done {
    /// Pictures begun that will not come back, as nobody wants them.
    pub(super) kept: u32,
    /// Whether the packet was damaged.
    pub(super) damaged: bool,
}

impl Done {
    pub(super) const BYTES: usize = 8;

    pub(super) fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        put(&mut bytes, 0, &self.kept.to_le_bytes());
        put(&mut bytes, 4, &u32::from(self.damaged).to_le_bytes());
        bytes
    }

    /// However many it says: more than a decoder can hold are not counted.
    pub(super) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        Self { kept: number(bytes, 0).min(MOST_PICTURES as u32), damaged: number(bytes, 4) != 0 }
    }
}

/// A reason that the process gave, as one line that may be told on: it may have been chosen by whoever made the video.
pub(super) fn told(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REASON).collect()
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |four| u32::from_le_bytes(*four))
}

fn time(bytes: &[u8], at: usize) -> Option<u64> {
    let time = bytes[at..].first_chunk().map_or(NO_TIME, |eight| u64::from_le_bytes(*eight));
    (time != NO_TIME).then_some(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_bounded_before_anything_is_read() {
        let of = |kind: Kind, length| Kind::of(Head { kind: kind as u8, length });
        assert_eq!(of(Kind::Done, 8), Ok((Kind::Done, 8)));
        assert!(matches!(of(Kind::Done, 9), Err(ProtocolError::Length { .. })));
        assert!(matches!(of(Kind::Picture, 19), Err(ProtocolError::Length { .. })));
        assert!(matches!(of(Kind::Picture, u64::MAX), Err(ProtocolError::Length { .. })));
        assert!(matches!(of(Kind::Failed, MOST_TEXT + 1), Err(ProtocolError::Length { .. })));
        assert_eq!(Kind::of(Head { kind: 9, length: 0 }), Err(ProtocolError::UnknownKind(9)));
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let reason = told(b"no\n\x1b[31m\xff").chars().filter(|c| c.is_control()).count();
        assert_eq!(reason, 0);
        assert_eq!(told(&[b'a'; 10_000]).len(), LONGEST_REASON);
    }

    proptest! {
        #[test]
        fn heads_come_back_as_they_were(
            times in any::<[Option<u64>; 3]>(),
            numbers in any::<[u32; 3]>(),
            small in any::<[u8; 3]>(),
            yes in any::<bool>(),
        ) {
            let times = times.map(|time| time.filter(|time| *time != NO_TIME));
            let [pts, dts, duration] = times;
            let packet = PacketHead { pts, dts, duration, flags: numbers[0], wanted: yes };
            prop_assert_eq!(PacketHead::decode(&packet.encode()), packet);
            let [format, range, matrix] = small;
            let picture =
                PictureHead { pts, width: numbers[1], height: numbers[2], format, range, matrix, corrupted: yes };
            prop_assert_eq!(PictureHead::decode(&picture.encode()), picture);
            let done = Done { kept: numbers[0] % 64, damaged: yes };
            prop_assert_eq!(Done::decode(&done.encode()), done);
        }
    }
}
