//! How a picture's bytes lie while they travel: plane after plane as GStreamer lays out a picture of this size and format if
//! nobody says otherwise. So both ends know where everything lies, and how much it is, from size and format.

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use super::protocol::{PictureHead, ProtocolError};

/// The formats in which software decoders give pictures of cameras; a place in here is what is sent.
const FORMATS: [gst_video::VideoFormat; 12] = [
    gst_video::VideoFormat::I420,
    gst_video::VideoFormat::Nv12,
    gst_video::VideoFormat::Y42b,
    gst_video::VideoFormat::Y444,
    gst_video::VideoFormat::Yv12,
    gst_video::VideoFormat::Y41b,
    gst_video::VideoFormat::Gray8,
    gst_video::VideoFormat::I42010le,
    gst_video::VideoFormat::I42210le,
    gst_video::VideoFormat::Y44410le,
    gst_video::VideoFormat::I42012le,
    gst_video::VideoFormat::P01010le,
];
const RANGES: [gst_video::VideoColorRange; 3] = [
    gst_video::VideoColorRange::Unknown,
    gst_video::VideoColorRange::Range0_255,
    gst_video::VideoColorRange::Range16_235,
];
const MATRICES: [gst_video::VideoColorMatrix; 6] = [
    gst_video::VideoColorMatrix::Unknown,
    gst_video::VideoColorMatrix::Bt709,
    gst_video::VideoColorMatrix::Bt601,
    gst_video::VideoColorMatrix::Fcc,
    gst_video::VideoColorMatrix::Smpte240m,
    gst_video::VideoColorMatrix::Bt2020,
];
/// No picture is larger either way; the stream itself is refused before.
const MAX_SIDE: u32 = 8192;

/// What is said of a picture that a decoder gives.
///
/// # Errors
/// The format, if it is none of those that travel.
pub(super) fn head(info: &gst_video::VideoInfo, buffer: &gst::BufferRef) -> Result<PictureHead, String> {
    let place = FORMATS.iter().position(|format| *format == info.format());
    let place =
        place.ok_or_else(|| format!("it gives pictures in {}, which is not expected", info.format().to_str()))?;
    let colour = info.colorimetry();
    let at = |place: Option<usize>| place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0);
    Ok(PictureHead {
        pts: buffer.pts().map(gst::ClockTime::nseconds),
        width: info.width(),
        height: info.height(),
        format: at(Some(place)),
        range: at(RANGES.iter().position(|range| *range == colour.range())),
        matrix: at(MATRICES.iter().position(|matrix| *matrix == colour.matrix())),
        corrupted: buffer.flags().contains(gst::BufferFlags::CORRUPTED),
    })
}

/// How the bytes of a picture lie of which this is said.
///
/// # Errors
/// When there is no such picture.
pub(super) fn info(head: &PictureHead) -> Result<gst_video::VideoInfo, ProtocolError> {
    let PictureHead { width, height, format, .. } = *head;
    let impossible = ProtocolError::Picture { width, height, format };
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
        return Err(impossible);
    }
    let Some(format) = FORMATS.get(usize::from(format)) else { return Err(impossible) };
    let range = RANGES.get(usize::from(head.range)).copied().unwrap_or(gst_video::VideoColorRange::Unknown);
    let matrix = MATRICES.get(usize::from(head.matrix)).copied().unwrap_or(gst_video::VideoColorMatrix::Unknown);
    let (transfer, primaries) = (gst_video::VideoTransferFunction::Unknown, gst_video::VideoColorPrimaries::Unknown);
    let colour = gst_video::VideoColorimetry::new(range, matrix, transfer, primaries);
    let builder = gst_video::VideoInfo::builder(*format, width, height).colorimetry(&colour);
    builder.build().map_err(|_| impossible)
}

/// Hands the planes of `picture` to `send`, as they lie in `to`: from where they are, if their rows are as long, and else by
/// way of `scratch`, of which one is kept to save the allocation.
pub(super) fn planes<R>(
    picture: &gst_video::VideoFrameRef<&gst::BufferRef>,
    to: &gst_video::VideoInfo,
    scratch: &mut Vec<u8>,
    send: impl FnOnce(&[&[u8]]) -> R,
) -> R {
    let mut parts: [&[u8]; 4] = [&[]; 4];
    let count = to.n_planes() as usize;
    let mut fit = true;
    for (plane, part) in parts.iter_mut().enumerate().take(count) {
        let ((at, end, stride), (data, own)) = (place_of(to, plane), plane_of(picture, plane));
        match data.get(..end - at) {
            Some(data) if own == stride => *part = data,
            _ => fit = false,
        }
    }
    if fit {
        return send(&parts[..count]);
    }
    scratch.resize(to.size(), 0);
    for plane in 0..count {
        let ((at, end, stride), (data, own)) = (place_of(to, plane), plane_of(picture, plane));
        if own > 0 && stride > 0 {
            let rows = scratch[at..end].chunks_mut(stride).zip(data.chunks(own));
            rows.for_each(|(into, from)| {
                let length = into.len().min(from.len());
                into[..length].copy_from_slice(&from[..length]);
            });
        }
    }
    send(&[scratch])
}

/// Where a plane begins and ends, and the bytes of one of its rows.
fn place_of(info: &gst_video::VideoInfo, plane: usize) -> (usize, usize, usize) {
    let at = |plane: usize| info.offset().get(plane).copied();
    let begin = at(plane).unwrap_or(info.size());
    let end = if plane + 1 < info.n_planes() as usize { at(plane + 1) } else { None };
    let stride = info.stride().get(plane).map_or(0, |stride| stride.unsigned_abs() as usize);
    (begin, end.unwrap_or(info.size()).max(begin), stride)
}

/// The bytes of a plane and of one of its rows.
fn plane_of<'a>(picture: &'a gst_video::VideoFrameRef<&gst::BufferRef>, plane: usize) -> (&'a [u8], usize) {
    let data = u32::try_from(plane).ok().and_then(|plane| picture.plane_data(plane).ok()).unwrap_or_default();
    (data, picture.plane_stride().get(plane).map_or(0, |stride| stride.unsigned_abs() as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of this format whose rows are `padding` bytes longer than they need be, each byte telling row and column.
    fn padded(
        format: gst_video::VideoFormat,
        width: u32,
        height: u32,
        padding: usize,
    ) -> (gst::Buffer, gst_video::VideoInfo) {
        gst::init().unwrap();
        let tight = gst_video::VideoInfo::builder(format, width, height).build().unwrap();
        let strides: Vec<i32> = tight.stride().iter().map(|stride| stride + padding as i32).collect();
        let rows: Vec<usize> = (0..tight.n_planes() as usize)
            .map(|plane| {
                let end = tight.offset().get(plane + 1).copied().unwrap_or(tight.size());
                (end - tight.offset()[plane]) / tight.stride()[plane] as usize
            })
            .collect();
        let mut offsets = vec![0];
        rows.iter()
            .zip(&strides)
            .for_each(|(rows, stride)| offsets.push(offsets.last().unwrap() + rows * *stride as usize));
        let mut bytes = vec![0xee; offsets.pop().unwrap_or(0)];
        for plane in 0..rows.len() {
            for row in 0..rows[plane] {
                for column in 0..tight.stride()[plane] as usize {
                    bytes[offsets[plane] + row * strides[plane] as usize + column] =
                        (plane * 50 + row * 7 + column) as u8;
                }
            }
        }
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let writable = buffer.get_mut().unwrap();
        gst_video::VideoMeta::add_full(
            writable,
            gst_video::VideoFrameFlags::empty(),
            format,
            width,
            height,
            &offsets,
            &strides,
        )
        .unwrap();
        (buffer, tight)
    }

    #[test]
    fn a_picture_with_longer_rows_travels_as_the_one_without() {
        for format in [gst_video::VideoFormat::I420, gst_video::VideoFormat::Nv12, gst_video::VideoFormat::Y42b] {
            let sent = |padding| {
                let (buffer, info) = padded(format, 64, 36, padding);
                let picture = gst_video::VideoFrameRef::from_buffer_ref_readable(&buffer, &info).unwrap();
                let (mut scratch, mut parts) = (Vec::new(), 0);
                let bytes = planes(&picture, &info, &mut scratch, |planes| {
                    parts = planes.len();
                    planes.concat()
                });
                assert_eq!(bytes.len(), info.size());
                (bytes, parts)
            };
            let (as_it_lies, parts) = sent(0);
            assert_eq!(parts, if format == gst_video::VideoFormat::Nv12 { 2 } else { 3 }, "nothing is copied");
            assert_eq!(sent(24).0, as_it_lies);
        }
    }

    #[test]
    fn what_is_said_of_a_picture_is_what_it_is() {
        let (buffer, _) = padded(gst_video::VideoFormat::I420, 64, 36, 0);
        let colour = gst_video::VideoColorimetry::new(
            gst_video::VideoColorRange::Range0_255,
            gst_video::VideoColorMatrix::Bt709,
            gst_video::VideoTransferFunction::Bt709,
            gst_video::VideoColorPrimaries::Bt709,
        );
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I42010le, 640, 360).colorimetry(&colour);
        let head = head(&info.build().unwrap(), &buffer).unwrap();
        let read = super::info(&head).unwrap();
        assert_eq!((read.format(), read.width(), read.height()), (gst_video::VideoFormat::I42010le, 640, 360));
        assert_eq!((read.colorimetry().range(), read.colorimetry().matrix()), (colour.range(), colour.matrix()));
    }

    #[test]
    fn no_picture_is_believed_that_cannot_be() {
        gst::init().unwrap();
        let head = PictureHead { pts: None, width: 64, height: 36, format: 0, range: 9, matrix: 9, corrupted: false };
        assert!(info(&head).is_ok(), "a colour that is not known is not known");
        assert!(info(&PictureHead { width: 0, ..head }).is_err());
        assert!(info(&PictureHead { height: 8193, ..head }).is_err());
        assert!(info(&PictureHead { format: 12, ..head }).is_err());
    }
}
