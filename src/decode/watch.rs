//! What goes into a decoder and what comes out: probes that count, choose what is decoded, and drop what is not wanted.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::DecodeError;
use super::branch::{self, running_time};
use super::feed::{Feed, count, lock};
use super::gate::{Facts, Verdict};
use super::pool;
use super::want::Want;

/// No camera has more pixels across or down; a stream that claims to would exhaust the memory.
const MAX_SIDE: i32 = 8192;

/// Counts bytes where they come in, so that "no data" and "no pictures" are told apart.
pub(super) fn watch_input(pad: &gst::Pad, feed: &Arc<Feed>) {
    let feed = feed.clone();
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, probe| {
        let bytes = match &probe.data {
            Some(gst::PadProbeData::Buffer(buffer)) => buffer.size(),
            Some(gst::PadProbeData::BufferList(list)) => list.calculate_size(),
            _ => 0,
        };
        count(&feed.counters.bytes, bytes);
        gst::PadProbeReturn::Ok
    });
}

/// Who chooses the pictures to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chooser {
    /// The gate before the decoder, so that what nobody wants need not be decoded.
    Gate,
    /// The limiter behind it: of a recording the same pictures each time, however the decoder orders them.
    Limiter,
}

pub(super) fn watch_decoder(decoder: &gst::Element, input: &gst::Pad, feed: &Arc<Feed>, chooser: Chooser) {
    let watched = feed.clone();
    input.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, probe| {
        match &probe.data {
            Some(gst::PadProbeData::Buffer(buffer)) => gate(&watched, pad, buffer, chooser),
            Some(gst::PadProbeData::Event(event)) => {
                note_damage(&watched);
                limit_size(&watched, event)
            }
            _ => gst::PadProbeReturn::Ok,
        }
    });
    if let Some(output) = decoder.static_pad("src") {
        if chooser == Chooser::Gate && branch::has_libav(decoder) {
            pool::offer(decoder, &output, feed);
        }
        watch_output(&output, feed, chooser);
    }
}

/// For raw pictures of a device, which need no decoder.
pub(super) fn watch_raw(pad: &gst::Pad, feed: &Arc<Feed>) {
    let watched = feed.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, probe| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &probe.data {
            count(&watched.counters.packets, 1);
            watched.keyframe_enters(buffer.pts());
        }
        gst::PadProbeReturn::Ok
    });
    watch_output(pad, feed, Chooser::Limiter);
}

/// Lets a packet into the decoder, or not; feeds it first what was kept for it.
fn gate(feed: &Arc<Feed>, pad: &gst::Pad, buffer: &gst::Buffer, chooser: Chooser) -> gst::PadProbeReturn {
    if RELEASING.get() {
        return gst::PadProbeReturn::Ok;
    }
    note_damage(feed);
    count(&feed.counters.packets, 1);
    let time = buffer.dts().or(buffer.pts()).map(|t| Duration::from_nanos(t.nseconds()));
    let keyframe = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
    let facts = Facts { keyframe, time, bytes: buffer.size(), late: is_late(feed, pad, buffer), owed: feed.is_owed() };
    let want = if chooser == Chooser::Gate { feed.want.get() } else { Want::Every };
    let verdict = lock(&feed.gate).offer(want, facts, || buffer.clone());
    match verdict {
        Verdict::Skip => {
            count(&feed.counters.dropped_idle, 1);
            // Not `Drop`: on a sink pad, GStreamer then releases a second time what the binding has released.
            gst::PadProbeReturn::Handled
        }
        Verdict::Pass { first, wanted } => {
            release(feed, pad, first);
            if keyframe {
                feed.keyframe_enters(buffer.pts());
            }
            if wanted {
                feed.wanted_enters(buffer.pts());
            }
            gst::PadProbeReturn::Ok
        }
    }
}

/// Whether a live stream's packet comes to the decoder too late.
fn is_late(feed: &Feed, pad: &gst::Pad, buffer: &gst::Buffer) -> bool {
    if !feed.source.is_live() {
        return false;
    }
    let Some(now) = pad.parent_element().and_then(|decoder| decoder.current_running_time()) else { return false };
    let Some(segment) = pad.sticky_event::<gst::event::Segment>(0) else { return false };
    let Some(time) = running_time(segment.segment(), buffer.dts().or(buffer.pts())) else { return false };
    lock(&feed.lag).is_late(time, Duration::from_nanos(now.nseconds()))
}

/// Counts the packet before if it was damaged.
fn note_damage(feed: &Feed) {
    count(&feed.counters.corrupt, usize::from(feed.damage.take()));
}

thread_local! {
    /// Set while kept packets go through the pad whose probe kept them.
    static RELEASING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn release(feed: &Arc<Feed>, pad: &gst::Pad, kept: Vec<gst::Buffer>) {
    for packet in kept {
        feed.counters.dropped_idle.fetch_sub(1, Relaxed);
        if !packet.flags().contains(gst::BufferFlags::DELTA_UNIT) {
            feed.keyframe_enters(packet.pts());
        }
        note_damage(feed);
        RELEASING.set(true);
        // An error here is the decoder's, and comes again with the packet that follows.
        let _ = pad.chain(packet);
        RELEASING.set(false);
    }
}

/// Refuses a stream whose pictures would not fit into memory, before anything is allocated for them.
fn limit_size(feed: &Arc<Feed>, event: &gst::Event) -> gst::PadProbeReturn {
    let gst::EventView::Caps(caps) = event.view() else {
        return gst::PadProbeReturn::Ok;
    };
    let side = |name: &str| caps.structure().and_then(|s| s.get::<i32>(name).ok()).unwrap_or(0);
    let (width, height) = (side("width"), side("height"));
    if width > MAX_SIDE || height > MAX_SIDE {
        let detail = format!("its pictures are {width}x{height}; at most {MAX_SIDE} either way are accepted");
        feed.fail(DecodeError::Unsupported { source_name: feed.source.to_string(), detail });
        return gst::PadProbeReturn::Handled;
    }
    gst::PadProbeReturn::Ok
}

/// Counts decoded pictures and drops those that are damaged or not wanted.
fn watch_output(pad: &gst::Pad, feed: &Arc<Feed>, chooser: Chooser) {
    let feed = feed.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, probe| {
        let Some(gst::PadProbeData::Buffer(buffer)) = &probe.data else {
            return gst::PadProbeReturn::Ok;
        };
        feed.came_out();
        let was_wanted = feed.wanted_leaves(buffer.pts());
        if buffer.flags().contains(gst::BufferFlags::CORRUPTED) {
            count(&feed.counters.corrupt, 1);
            return gst::PadProbeReturn::Handled;
        }
        let passes = match (chooser, feed.want.get()) {
            (_, Want::Every) => true,
            (Chooser::Gate, _) => was_wanted,
            (Chooser::Limiter, want) => {
                let time = buffer.pts().map(|t| Duration::from_nanos(t.nseconds()));
                lock(&feed.limiter).passes(want.interval(), time)
            }
        };
        if passes {
            return gst::PadProbeReturn::Ok;
        }
        count(&feed.counters.dropped_rate, 1);
        gst::PadProbeReturn::Handled
    });
}
