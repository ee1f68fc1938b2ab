//! Encoded pictures as plain data: what a camera sent, before anything is decoded.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::{MediaTime, WallTime};

/// One encoded picture. Cheap to clone: the bytes are shared.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    /// The encoded picture, as the stream's [`Encoding`] says.
    pub data: Bytes,
    /// When it is shown. From `decode` on the stream's own clock, which starts anew with each connection.
    pub pts: MediaTime,
    /// Whether it can be decoded without an earlier one.
    pub keyframe: bool,
    /// When it was captured, on the wall clock: by the camera's own clock where it says so, else when it arrived.
    pub captured: WallTime,
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.keyframe { "keyframe" } else { "delta" };
        write!(f, "Packet({kind} of {} bytes at {} ms)", self.data.len(), self.pts.as_millis())
    }
}

/// How the packets of a stream are encoded. A stream whose size or parameters change has another one from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// The codec.
    pub codec: VideoCodec,
    /// Everything that a decoder must know, as `decode` writes and reads it.
    pub description: Arc<str>,
    /// Width and height of the pictures in pixels; 0 where the stream has not said.
    pub size: (u32, u32),
}

/// A codec whose packets can be kept in an MP4 file that browsers play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// H.264, AVC; played by every browser.
    H264,
    /// H.265, HEVC; played where the machine of the viewer has a decoder for it.
    H265,
}
