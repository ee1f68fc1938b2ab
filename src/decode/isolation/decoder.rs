//! A decoder without a pipeline around it: when a packet has gone in, the pictures are there that it brings.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;

use super::super::feed::{Feed, lock};
use super::super::gate::Gate;
use super::super::source::Source;
use super::super::want::Want;
use super::super::{branch, pool};
use super::protocol::{Done, PacketHead};
use crate::base::clock::SystemClock;

/// What of a buffer's flags is meant for the decoder.
const FLAGS: gst::BufferFlags = gst::BufferFlags::DELTA_UNIT
    .union(gst::BufferFlags::DISCONT)
    .union(gst::BufferFlags::RESYNC)
    .union(gst::BufferFlags::CORRUPTED)
    .union(gst::BufferFlags::MARKER)
    .union(gst::BufferFlags::HEADER)
    .union(gst::BufferFlags::DROPPABLE)
    .union(gst::BufferFlags::DECODE_ONLY);

/// See the file's head.
pub(super) struct Decoder {
    element: gst::Element,
    into: gst::Pad,
    /// Kept, as the decoder's pad does not hold it.
    _from: gst::Pad,
    made: Arc<Mutex<Made>>,
    feed: Arc<Feed>,
}

/// What has come out.
#[derive(Default)]
struct Made {
    layout: Option<gst_video::VideoInfo>,
    pictures: Vec<(gst_video::VideoInfo, gst::Buffer)>,
}

impl Decoder {
    /// The element `name` of the plugin in `file`. GStreamer is initialised.
    ///
    /// # Errors
    /// When there is none or it does not start, as a phrase.
    pub(super) fn open(file: &Path, name: &str, threads: u32) -> Result<Self, String> {
        let failed = |error: gst::glib::BoolError| error.to_string();
        // In tests the plugin is there already.
        if gst::ElementFactory::find(name).is_none() {
            let plugin = gst::Plugin::load_file(file).map_err(|error| error.to_string())?;
            gst::Registry::get().add_plugin(&plugin).map_err(failed)?;
        }
        let element = gst::ElementFactory::make(name).build().map_err(failed)?;
        branch::configure(&element, threads, true);
        let source = Source::parse("rtsp://localhost").map_err(|error| error.to_string())?;
        // That not every picture is wanted is all that the pool has to know; which are is said packet by packet.
        let want = Want::OneIn(Duration::from_secs(1));
        let feed = Arc::new(Feed::new(source, SystemClock::shared(), Gate::open(), want, Box::new(|| ())));
        let made = Arc::new(Mutex::new(Made::default()));
        let pads = (element.static_pad("sink"), element.static_pad("src"));
        let (Some(input), Some(output)) = pads else { return Err(format!("{name} has not one pad on each side")) };
        if branch::has_libav(&element) {
            pool::offer(&element, &output, &feed);
        }
        let (into, from) = (gst::Pad::builder(gst::PadDirection::Src).name("into").build(), collect(&made));
        into.link(&input).map_err(|error| error.to_string())?;
        output.link(&from).map_err(|error| error.to_string())?;
        from.set_active(true).map_err(failed)?;
        into.set_active(true).map_err(failed)?;
        element.set_state(gst::State::Playing).map_err(|error| error.to_string())?;
        into.push_event(gst::event::StreamStart::new("stream"));
        Ok(Self { element, into, _from: from, made, feed })
    }

    /// What follows is encoded so.
    ///
    /// # Errors
    /// When the decoder does not take it, as a phrase.
    pub(super) fn set_caps(&self, caps: &str) -> Result<(), String> {
        let caps: gst::Caps = caps.parse().map_err(|_| "these are no caps".to_owned())?;
        if !self.into.push_event(gst::event::Caps::new(&caps)) {
            return Err("the decoder does not take this stream".to_owned());
        }
        if self.into.sticky_event::<gst::event::Segment>(0).is_none() {
            self.into.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        }
        Ok(())
    }

    /// Decodes a packet.
    ///
    /// # Errors
    /// When the decoder gives up, as a phrase.
    pub(super) fn decode(&self, head: PacketHead, bytes: Vec<u8>) -> Result<Done, String> {
        let time = |nanos: Option<u64>| nanos.map(gst::ClockTime::from_nseconds);
        let mut packet = gst::Buffer::from_mut_slice(bytes);
        if let Some(packet) = packet.get_mut() {
            packet.set_pts(time(head.pts));
            packet.set_dts(time(head.dts));
            packet.set_duration(time(head.duration));
            packet.set_flags(gst::BufferFlags::from_bits_truncate(head.flags) & FLAGS);
        }
        if head.wanted {
            self.feed.wanted_enters(time(head.pts));
        }
        // What was said before is of other packets.
        self.feed.damage.take();
        let pushed = self.into.push(packet);
        let damaged = self.feed.damage.take();
        pushed.map_err(|error| format!("it gives up: {error}"))?;
        Ok(Done { kept: self.keep_wanted(), damaged })
    }

    /// Brings out what is still inside.
    pub(super) fn drain(&self) -> Done {
        self.into.push_event(gst::event::Eos::new());
        Done { kept: self.keep_wanted(), damaged: false }
    }

    /// Drops what came out and is not wanted, and says how many were not, those that stayed inside included.
    fn keep_wanted(&self) -> u32 {
        let pictures = &mut lock(&self.made).pictures;
        let before = pictures.len();
        pictures.retain(|(_, picture)| self.feed.wanted_leaves(picture.pts()));
        let dropped = (before - pictures.len()) as u64 + self.feed.take_kept();
        u32::try_from(dropped).unwrap_or(u32::MAX)
    }

    /// The next picture that has come out, with how it lies.
    pub(super) fn next(&self) -> Option<(gst_video::VideoInfo, gst::Buffer)> {
        let pictures = &mut lock(&self.made).pictures;
        if pictures.is_empty() { None } else { Some(pictures.remove(0)) }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let _ = self.element.set_state(gst::State::Null);
    }
}

/// A pad that keeps what comes.
fn collect(made: &Arc<Mutex<Made>>) -> gst::Pad {
    let (pictures, layout) = (made.clone(), made.clone());
    gst::Pad::builder(gst::PadDirection::Sink)
        .name("from")
        .chain_function(move |_, _, buffer| {
            let mut made = lock(&pictures);
            let layout = made.layout.clone().ok_or(gst::FlowError::NotNegotiated)?;
            made.pictures.push((layout, buffer));
            Ok(gst::FlowSuccess::Ok)
        })
        .event_function(move |_, _, event| {
            if let gst::EventView::Caps(caps) = event.view() {
                lock(&layout).layout = gst_video::VideoInfo::from_caps(caps.caps()).ok();
            }
            true
        })
        .build()
}
