//! A decoder's buffer as a [`Frame`], without copying it.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use super::feed::Arrival;
use crate::vocab::{Frame, FrameBytes, MediaTime, PixelFormat, Plane, WallTime};

/// A buffer of the decoder, mapped for reading until the last clone of its frame is gone.
struct Mapped(gst_video::VideoFrame<gst_video::video_frame::Readable>);

impl FrameBytes for Mapped {
    fn plane(&self, index: usize) -> Plane<'_> {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let data = self.0.plane_data(index).unwrap_or_default();
        // Never negative: `frame` refuses pictures that are stored bottom up.
        let stride = self.0.plane_stride().get(index as usize).map_or(0, |&stride| stride.unsigned_abs() as usize);
        Plane { data, stride }
    }
}

/// Maps what arrived. `None` if the buffer cannot be mapped, or is laid out in a way that a [`Frame`] cannot express.
pub(super) fn frame(arrival: Arrival) -> Option<Frame> {
    let Arrival { buffer, layout, time, captured, keyframe, seq } = arrival;
    let format = match layout.format() {
        gst_video::VideoFormat::Nv12 => PixelFormat::Nv12,
        gst_video::VideoFormat::I420 => PixelFormat::I420,
        _ => return None,
    };
    let mapped = gst_video::VideoFrame::from_buffer_readable(buffer, &layout).ok()?;
    if mapped.plane_stride().iter().any(|&stride| stride < 0) {
        return None;
    }
    let mut frame = Frame::new(layout.width(), layout.height(), format, Arc::new(Mapped(mapped)));
    frame.seq = seq;
    frame.pts = MediaTime::from_nanos(time.map_or(0, |t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX)));
    frame.captured = WallTime::from_unix_nanos(captured);
    frame.keyframe = keyframe;
    let colour = layout.colorimetry();
    frame.full_range = colour.range() == gst_video::VideoColorRange::Range0_255;
    frame.bt709 = colour.matrix() == gst_video::VideoColorMatrix::Bt709;
    Some(frame)
}

/// When the camera says that this picture was taken, in nanoseconds since 1970, if it says so.
pub(super) fn camera_time(buffer: &gst::BufferRef) -> Option<i64> {
    /// From 1900, where NTP counts from, to 1970.
    const NTP_TO_UNIX: Duration = Duration::from_secs(2_208_988_800);
    let meta = buffer.meta::<gst::ReferenceTimestampMeta>()?;
    let since = Duration::from_nanos(meta.timestamp().nseconds());
    let unix = match meta.reference().structure(0)?.name().as_str() {
        "timestamp/x-ntp" => since.checked_sub(NTP_TO_UNIX)?,
        "timestamp/x-unix" => since,
        _ => return None,
    };
    i64::try_from(unix.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(format: gst_video::VideoFormat, width: u32, height: u32) -> Arrival {
        gst::init().unwrap();
        let layout = gst_video::VideoInfo::builder(format, width, height).build().unwrap();
        let mut buffer = gst::Buffer::with_size(layout.size()).unwrap();
        let bytes: Vec<u8> = (0..layout.size()).map(|i| (i % 251) as u8).collect();
        buffer.get_mut().unwrap().copy_from_slice(0, &bytes).unwrap();
        Arrival { buffer, layout, time: Some(Duration::from_secs(2)), captured: 7, keyframe: true, seq: 3 }
    }

    #[test]
    fn planes_of_odd_sizes_have_their_rows_where_the_stride_says() {
        let frame = frame(arrival(gst_video::VideoFormat::I420, 641, 361)).unwrap();
        assert_eq!((frame.width, frame.height, frame.format, frame.seq), (641, 361, PixelFormat::I420, 3));
        assert!(frame.luma().stride >= 641 && frame.luma().data.len() >= frame.luma().stride * 360 + 641);
        for chroma in [1, 2] {
            let plane = frame.plane(chroma);
            assert!(plane.stride >= 321 && plane.data.len() >= plane.stride * 180 + 321);
        }
        assert_eq!(frame.luma().data[frame.luma().stride], (frame.luma().stride % 251) as u8);
    }

    #[test]
    fn the_layout_of_the_buffer_wins_over_the_usual_one() {
        let mut arrival = arrival(gst_video::VideoFormat::Nv12, 64, 36);
        let padded = vec![0u8; 128 * 48 + 128 * 24];
        let mut buffer = gst::Buffer::from_slice(padded);
        gst_video::VideoMeta::add_full(
            buffer.get_mut().unwrap(),
            gst_video::VideoFrameFlags::empty(),
            gst_video::VideoFormat::Nv12,
            64,
            36,
            &[0, 128 * 48],
            &[128, 128],
        )
        .unwrap();
        arrival.buffer = buffer;
        let frame = frame(arrival).unwrap();
        assert_eq!((frame.luma().stride, frame.plane(1).stride), (128, 128));
        assert_eq!(frame.plane(1).data.len(), 128 * 18);
    }

    #[test]
    fn other_formats_are_not_frames() {
        assert!(frame(arrival(gst_video::VideoFormat::Y42b, 64, 36)).is_none());
    }
}
