//! Tells which packets a libav decoder could not decode cleanly.
//!
//! libav conceals damage: it pads what it cannot decode with a guess, delivers the picture as if it were whole, and only
//! writes a line to its log, which names neither stream nor packet. But it writes it on the thread that decodes, so a
//! flag per thread, looked at between two packets, says that the packet before was damaged. That holds for decoders
//! with one thread, the default here; damage seen by a decoder's own threads is not counted.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gstreamer as gst;

thread_local! {
    static DAMAGED: Cell<bool> = const { Cell::new(false) };
    /// Which stream this thread last decoded a packet of: GStreamer lends its threads to one stream after another.
    static DECODING: Cell<u64> = const { Cell::new(0) };
}

/// The log category in which GStreamer passes on what libav says.
const CATEGORY: &str = "libav";

/// Starts listening to libav's log. To be called once, after GStreamer is initialised.
pub(super) fn listen() {
    if std::env::var_os("GST_DEBUG").is_none() {
        // Nobody asked for GStreamer's log: without this, the level set below would print libav's part of it.
        gst::log::remove_default_log_function();
    }
    gst::log::set_threshold_for_name(CATEGORY, gst::DebugLevel::Info);
    gst::log::set_active(true);
    gst::log::add_log_function(|category, level, _, _, _, _, message| {
        if category.name() == CATEGORY && tells_damage(level, message) {
            DAMAGED.set(true);
        }
    });
}

fn tells_damage(level: gst::DebugLevel, message: &gst::log::DebugMessage) -> bool {
    match level {
        gst::DebugLevel::Error => true,
        gst::DebugLevel::Warning | gst::DebugLevel::Fixme | gst::DebugLevel::Info => {
            message.get().is_some_and(|text| text.starts_with("concealing"))
        }
        _ => false,
    }
}

/// Watches the decoding of one stream.
#[derive(Debug)]
pub(super) struct Watch(u64);

impl Watch {
    /// For a new stream.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Relaxed))
    }

    /// To be called before each packet, on the thread that decodes it: whether the one before was damaged.
    pub fn take(&self) -> bool {
        let same = DECODING.replace(self.0) == self.0;
        DAMAGED.replace(false) && same
    }
}
