//! Every encoded picture of a stream, for whoever keeps them: read behind the parser, before the gate leaves any out.
//!
//! A packet's bytes are copied once. A reference to GStreamer's buffer would copy nothing, but holds whatever its memory is
//! a part of: packets of the network, blocks of a file. Only a copy takes as much as its bytes, so that whoever keeps many
//! can bound what they take.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;

use super::branch::running_time;
use super::feed::Feed;
use super::{Codec, picture};
use crate::vocab::{Encoding, MediaTime, Packet, VideoCodec, WallTime};

/// Takes the encoded pictures of one stream, in the order in which they are decoded, on a thread of GStreamer's. Must
/// return at once.
pub trait Tap: Send + Sync {
    /// What follows is encoded so. Told before the first packet, and whenever it changes.
    fn encoding(&self, encoding: Arc<Encoding>);
    /// The next picture, with `pts` on the stream's clock.
    fn packet(&self, packet: Packet);
    /// There are no packets to be had of this stream, for this reason, in words.
    fn unable(&self, why: &str);
}

/// The codec as far as its packets can be kept.
fn kept(codec: &Codec) -> Option<VideoCodec> {
    match codec {
        Codec::H264 => Some(VideoCodec::H264),
        Codec::H265 => Some(VideoCodec::H265),
        _ => None,
    }
}

/// Says to the feed's tap, where there is one, that it gets nothing of a stream of this codec, if that is so.
pub(super) fn refuse(feed: &Feed, codec: &Codec) {
    if let (Some(tap), None) = (&feed.tap, kept(codec)) {
        tap.unable(&format!("the stream is {}, and only H.264 and H.265 are kept", codec.name()));
    }
}

/// Lets the feed's tap, where there is one, have what leaves `parser`.
pub(super) fn listen(parser: &gst::Element, codec: &Codec, feed: &Arc<Feed>) {
    let (Some(tap), Some(codec)) = (feed.tap.clone(), kept(codec)) else { return };
    let Some(output) = parser.static_pad("src") else { return };
    if parser.find_property("config-interval").is_some() {
        // With every keyframe, as whoever keeps packets begins at any of them.
        parser.set_property("config-interval", -1);
    }
    let clock = feed.clock.clone();
    output.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, probe| {
        match &probe.data {
            Some(gst::PadProbeData::Event(event)) => {
                if let gst::EventView::Caps(caps) = event.view() {
                    tap.encoding(Arc::new(encoding(codec, caps.caps())));
                }
            }
            Some(gst::PadProbeData::Buffer(buffer)) => {
                let captured = picture::camera_time(buffer).unwrap_or_else(|| clock.unix_nanos());
                if let Some(packet) = packet(pad, buffer, captured) {
                    tap.packet(packet);
                }
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

fn encoding(codec: VideoCodec, caps: &gst::CapsRef) -> Encoding {
    let side = |name: &str| caps.structure(0).and_then(|s| s.get::<i32>(name).ok()).unwrap_or(0);
    let size = [side("width"), side("height")].map(|side| u32::try_from(side).unwrap_or(0));
    Encoding { codec, description: caps.to_string().into(), size: size.into() }
}

/// The packet in a buffer. One without a time cannot be placed.
fn packet(pad: &gst::Pad, buffer: &gst::Buffer, captured: i64) -> Option<Packet> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let shown = buffer.pts().or(buffer.dts())?;
    // What lies before the beginning of a file's edited part is decoded there and not shown.
    let time = running_time(segment.segment(), Some(shown)).unwrap_or(Duration::ZERO);
    let bytes = buffer.map_readable().ok()?;
    Some(Packet {
        data: Bytes::copy_from_slice(&bytes),
        pts: MediaTime::from_nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
        keyframe: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
        captured: WallTime::from_unix_nanos(captured),
    })
}
