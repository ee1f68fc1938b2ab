//! One decoded picture, without copying it.

use std::fmt;
use std::sync::Arc;

use super::{MediaTime, WallTime};

/// How the pixels of a [`Frame`] are laid out. Both are 4:2:0, 8 bit; anything else is converted by `decode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Two planes: luma, then interleaved U and V at half size.
    Nv12,
    /// Three planes: luma, U and V, the last two at half size.
    I420,
}

/// One plane of a picture: rows of `stride` bytes, of which the first ones are pixels.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// The bytes, at least `stride * (rows - 1) + row length` of them.
    pub data: &'a [u8],
    /// Bytes from the start of one row to the start of the next.
    pub stride: usize,
}

/// Who owns the bytes of a frame: a mapped buffer of the decoder, or a vector in tests.
pub trait FrameBytes: Send + Sync {
    /// Plane `index`, 0 being luma. Called with an index below the number of planes of the frame's format.
    fn plane(&self, index: usize) -> Plane<'_>;
}

/// A decoded picture. Cloning shares the bytes.
#[derive(Clone)]
pub struct Frame {
    /// Counts the frames this camera delivered since the agent started, dropped ones included.
    pub seq: u64,
    /// When it was captured, on the camera's media clock.
    pub pts: MediaTime,
    /// When it was captured, on the wall clock: the camera's own time where it sends one, else the time of arrival.
    pub captured: WallTime,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Layout of the bytes.
    pub format: PixelFormat,
    /// Whether the chroma and luma use the full range 0..255 instead of 16..235.
    pub full_range: bool,
    /// Whether colours follow BT.709 (HD) instead of BT.601.
    pub bt709: bool,
    /// Whether it was decoded from a keyframe.
    pub keyframe: bool,
    bytes: Arc<dyn FrameBytes>,
}

impl Frame {
    /// A frame over `bytes`, in limited range BT.601, not a keyframe; set the public fields where that is not so.
    pub fn new(width: u32, height: u32, format: PixelFormat, bytes: Arc<dyn FrameBytes>) -> Self {
        Self {
            seq: 0,
            pts: MediaTime::ZERO,
            captured: WallTime::default(),
            width,
            height,
            format,
            full_range: false,
            bt709: false,
            keyframe: false,
            bytes,
        }
    }

    /// A frame that owns tightly packed I420 bytes: luma, then U, then V, chroma rows of `(width + 1) / 2` bytes.
    /// `None` if `bytes` is shorter than that.
    pub fn from_i420(width: u32, height: u32, bytes: Vec<u8>) -> Option<Self> {
        let (w, h) = (width as usize, height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        if bytes.len() < w * h + 2 * cw * ch {
            return None;
        }
        Some(Self::new(width, height, PixelFormat::I420, Arc::new(PackedI420 { w, h, cw, ch, bytes })))
    }

    /// The part of it that begins at column `left` and row `top`, both made even, and has at most this size; nothing is
    /// copied. `None` where nothing of that lies in the picture.
    pub fn part(&self, left: u32, top: u32, width: u32, height: u32) -> Option<Self> {
        let (left, top) = (left & !1, top & !1);
        let (width, height) = (width.min(self.width.checked_sub(left)?), height.min(self.height.checked_sub(top)?));
        if width == 0 || height == 0 {
            return None;
        }
        let bytes =
            Arc::new(Part { whole: self.bytes.clone(), format: self.format, left: left as usize, top: top as usize });
        Some(Self { width, height, bytes, ..self.clone() })
    }

    /// The luma plane: `height` rows of `width` bytes.
    pub fn luma(&self) -> Plane<'_> {
        self.bytes.plane(0)
    }

    /// Plane `index`: 1 is interleaved UV for NV12 and U for I420; 2 is V for I420 only.
    pub fn plane(&self, index: usize) -> Plane<'_> {
        self.bytes.plane(index)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame #{} {}x{} {:?} at {:?}", self.seq, self.width, self.height, self.format, self.pts)
    }
}

struct PackedI420 {
    w: usize,
    h: usize,
    cw: usize,
    ch: usize,
    bytes: Vec<u8>,
}

impl FrameBytes for PackedI420 {
    fn plane(&self, index: usize) -> Plane<'_> {
        let chroma = self.cw * self.ch;
        let (start, stride, len) = match index {
            0 => (0, self.w, self.w * self.h),
            1 => (self.w * self.h, self.cw, chroma),
            _ => (self.w * self.h + chroma, self.cw, chroma),
        };
        Plane { data: &self.bytes[start..start + len], stride }
    }
}

/// A part of another picture.
struct Part {
    whole: Arc<dyn FrameBytes>,
    format: PixelFormat,
    left: usize,
    top: usize,
}

impl FrameBytes for Part {
    fn plane(&self, index: usize) -> Plane<'_> {
        let Plane { data, stride } = self.whole.plane(index);
        let (row, column) = match (index, self.format) {
            (0, _) => (self.top, self.left),
            // A pair for every two columns.
            (_, PixelFormat::Nv12) => (self.top / 2, self.left),
            (_, PixelFormat::I420) => (self.top / 2, self.left / 2),
        };
        Plane { data: data.get(row * stride + column..).unwrap_or_default(), stride }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_shows_what_lies_there_and_ends_where_the_picture_ends() {
        let (w, h) = (8u8, 6u8);
        let luma = (0..h).flat_map(|y| (0..w).map(move |x| 10 * y + x));
        let u = (0..h / 2).flat_map(|y| (0..w / 2).map(move |x| 100 + 10 * y + x));
        let v = (0..h / 2).flat_map(|y| (0..w / 2).map(move |x| 200 + 10 * y + x));
        let frame = Frame::from_i420(8, 6, luma.chain(u).chain(v).collect()).unwrap();
        let part = frame.part(3, 2, 99, 3).unwrap();
        assert_eq!((part.width, part.height), (6, 3), "it begins at column 2");
        let first = |index: usize| part.plane(index).data[part.plane(index).stride];
        assert_eq!((part.luma().data[0], first(0)), (22, 32));
        assert_eq!((part.plane(1).data[0], first(1), part.plane(2).data[0]), (111, 121, 211));
        assert!(frame.part(8, 0, 2, 2).is_none() && frame.part(0, 0, 0, 2).is_none());
        let within = part.part(2, 0, 2, 2).unwrap();
        assert_eq!((within.luma().data[0], within.plane(2).data[0]), (24, 212), "a part of a part");
    }
}
