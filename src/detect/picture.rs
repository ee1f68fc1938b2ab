//! What can be shown to a detector: a decoded video frame or a photograph.

use crate::vocab::{Frame, PixelFormat};

/// A picture to look at. Cloning a frame shares its bytes; cloning a photograph copies them.
#[derive(Debug, Clone)]
pub enum Picture {
    /// A frame of a video, NV12 or I420.
    Frame(Frame),
    /// A photograph.
    Rgb(RgbPicture),
}

/// A packed 8-bit RGB picture.
#[derive(Clone)]
pub struct RgbPicture {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

/// Why a picture cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Nothing in it, or more pixels than any camera has.
    #[error("a picture of {width}x{height} pixels; both sides must be 1 to {max}", max = MAX_SIDE)]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// A plane is shorter than its size and stride say.
    #[error("plane {plane} holds {found} bytes, its {rows} rows of {row} bytes at a stride of {stride} need {needed}")]
    Plane {
        /// Which plane, 0 being luma.
        plane: usize,
        /// How many bytes it has.
        found: usize,
        /// How many it needs.
        needed: usize,
        /// Its rows.
        rows: usize,
        /// Bytes of a row that are pixels.
        row: usize,
        /// Bytes from one row to the next.
        stride: usize,
    },
}

/// The longest side of a picture, in pixels.
pub const MAX_SIDE: u32 = 32_768;

impl RgbPicture {
    /// A picture over `data`: rows of `3 * width` bytes without gaps, red first.
    ///
    /// # Errors
    /// When a side is out of range or `data` too short.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Self, PictureError> {
        check_size(width, height)?;
        let row = width as usize * 3;
        check_plane(0, &data, row, row, height as usize)?;
        Ok(Self { width, height, data })
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.height
    }

    fn part(&self, left: u32, top: u32, width: u32, height: u32) -> Option<Self> {
        let (width, height) = (width.min(self.width.checked_sub(left)?), height.min(self.height.checked_sub(top)?));
        let row = |y: u32| {
            let start = (y as usize * self.width as usize + left as usize) * 3;
            &self.data[start..start + 3 * width as usize]
        };
        let data: Vec<u8> = (top..top + height).flat_map(row).copied().collect();
        Self::new(width, height, data).ok()
    }

    /// The bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

impl std::fmt::Debug for RgbPicture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbPicture {}x{}", self.width, self.height)
    }
}

impl Picture {
    /// Pixels across.
    pub fn width(&self) -> u32 {
        match self {
            Self::Frame(frame) => frame.width,
            Self::Rgb(picture) => picture.width,
        }
    }

    /// The part of it that begins at `left` and `top` and has at most this size, and where it really begins; of a
    /// photograph a copy. `None` where nothing of that lies in the picture.
    pub fn part(&self, left: u32, top: u32, width: u32, height: u32) -> Option<(Self, (u32, u32))> {
        match self {
            Self::Frame(frame) => {
                let part = frame.part(left, top, width, height)?;
                Some((Self::Frame(part), (left & !1, top & !1)))
            }
            Self::Rgb(picture) => picture.part(left, top, width, height).map(|part| (Self::Rgb(part), (left, top))),
        }
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        match self {
            Self::Frame(frame) => frame.height,
            Self::Rgb(picture) => picture.height,
        }
    }
}

pub(super) fn check_size(width: u32, height: u32) -> Result<(), PictureError> {
    let allowed = 1..=MAX_SIDE;
    if allowed.contains(&width) && allowed.contains(&height) {
        return Ok(());
    }
    Err(PictureError::Size { width, height })
}

fn check_plane(plane: usize, data: &[u8], stride: usize, row: usize, rows: usize) -> Result<(), PictureError> {
    let needed = stride.saturating_mul(rows.saturating_sub(1)).saturating_add(row);
    if data.len() >= needed && stride >= row {
        return Ok(());
    }
    Err(PictureError::Plane { plane, found: data.len(), needed, rows, row, stride })
}

/// Checks that every plane of `frame` is as long as its size says, so that rows can be cut out of it without surprise.
pub(super) fn check_frame(frame: &Frame) -> Result<(), PictureError> {
    check_size(frame.width, frame.height)?;
    let (w, h) = (frame.width as usize, frame.height as usize);
    let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
    let planes: &[(usize, usize, usize)] = match frame.format {
        PixelFormat::Nv12 => &[(0, w, h), (1, 2 * cw, ch)],
        PixelFormat::I420 => &[(0, w, h), (1, cw, ch), (2, cw, ch)],
    };
    for &(index, row, rows) in planes {
        let plane = frame.plane(index);
        check_plane(index, plane.data, plane.stride, row, rows)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::{FrameBytes, Plane};
    use std::sync::Arc;

    struct Short;

    impl FrameBytes for Short {
        fn plane(&self, index: usize) -> Plane<'_> {
            Plane { data: if index == 0 { &[0; 64] } else { &[0; 20] }, stride: 8 }
        }
    }

    #[test]
    fn a_part_of_a_photograph_is_what_lies_there() {
        let data: Vec<u8> = (0..5 * 4).flat_map(|at| [at, at, at]).collect();
        let picture = Picture::Rgb(RgbPicture::new(5, 4, data).unwrap());
        let (part, from) = picture.part(3, 1, 9, 2).unwrap();
        let Picture::Rgb(part) = part else { panic!("it was a photograph") };
        assert_eq!((part.width(), part.height(), from), (2, 2, (3, 1)));
        assert_eq!(part.data(), [8, 8, 8, 9, 9, 9, 13, 13, 13, 14, 14, 14]);
        assert!(picture.part(5, 0, 2, 2).is_none() && picture.part(9, 9, 2, 2).is_none());
    }

    #[test]
    fn a_short_plane_is_an_error_and_not_a_panic() {
        let frame = Frame::new(8, 8, PixelFormat::Nv12, Arc::new(Short));
        let error = check_frame(&frame).unwrap_err();
        assert_eq!(error, PictureError::Plane { plane: 1, found: 20, needed: 32, rows: 4, row: 8, stride: 8 });
        let narrow = Frame::new(9, 2, PixelFormat::Nv12, Arc::new(Short));
        assert!(matches!(check_frame(&narrow), Err(PictureError::Plane { plane: 0, .. })));
        assert!(matches!(RgbPicture::new(0, 3, vec![]), Err(PictureError::Size { .. })));
        assert!(RgbPicture::new(2, 2, vec![0; 11]).is_err());
    }
}
