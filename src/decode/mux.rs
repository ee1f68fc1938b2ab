//! Packets into a fragmented MP4 file that browsers play, without encoding anything anew.
//!
//! ```text
//!   packets ─ times ─▶ appsrc ─ h264parse / h265parse ─ avc1 / hvc1 ─ mp4mux ─▶ filesink
//! ```
//!
//! The file is written while packets come, a fragment a second, so that as little is in memory for a long clip as for a
//! short one. What it says of its length stands in it when it is finished.

use std::path::Path;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::branch::make;
use super::timing::Timing;
use super::{DecodeError, init};
use crate::vocab::{Encoding, Packet, VideoCodec};

/// The length of a fragment, in milliseconds.
const FRAGMENT_MS: u32 = 1_000;
/// Of the file's clock, a second: what every common frame rate and RTP's clock divide.
const TIMESCALE: u32 = 90_000;
/// Bytes that wait to be written; with more, the disk does not come along.
const MOST_WAITING: u64 = 64 << 20;

/// Why a clip could not be written.
#[derive(Debug, thiserror::Error)]
pub enum MuxError {
    /// GStreamer or an element of it is missing.
    #[error(transparent)]
    Missing(#[from] DecodeError),
    /// The disk is full.
    #[error("no room on the disk for {file}")]
    Full {
        /// The file.
        file: String,
    },
    /// The file cannot be written.
    #[error("cannot write {file}: {detail}")]
    Write {
        /// The file.
        file: String,
        /// What GStreamer says.
        detail: String,
    },
    /// The packets cannot be put into a file.
    #[error("cannot put the stream into {file}: {detail}")]
    Stream {
        /// The file.
        file: String,
        /// What GStreamer says.
        detail: String,
    },
    /// It takes too long.
    #[error("writing {file} does not come to an end")]
    Hangs {
        /// The file.
        file: String,
    },
}

impl MuxError {
    /// A short reason for an event's `clip_missing`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Full { .. } => "disk-full",
            Self::Write { .. } | Self::Hangs { .. } => "write-failed",
            Self::Missing(_) | Self::Stream { .. } => "mux-failed",
        }
    }
}

/// A file that is being written. Dropping it leaves whatever is there of it.
pub struct Muxer {
    pipeline: gst::Pipeline,
    input: gst_app::AppSrc,
    file: String,
    timing: Timing,
}

impl Muxer {
    /// Begins the file at `path`, in place of one that is there, for packets of this encoding.
    ///
    /// # Errors
    /// When an element is missing, the encoding is not one that `decode` wrote, or the file cannot be made.
    pub fn create(encoding: &Encoding, path: &Path) -> Result<Self, MuxError> {
        init()?;
        let file = path.display().to_string();
        let stream = |detail: String| MuxError::Stream { file: file.clone(), detail };
        let caps: gst::Caps = encoding.description.parse().map_err(|_| stream("its caps cannot be read".to_owned()))?;
        let (parser, form) = match encoding.codec {
            VideoCodec::H264 => ("h264parse", "video/x-h264,stream-format=avc,alignment=au"),
            VideoCodec::H265 => ("h265parse", "video/x-h265,stream-format=hvc1,alignment=au"),
        };
        let input = gst_app::AppSrc::builder().caps(&caps).format(gst::Format::Time).build();
        // What is pushed at once is a group of pictures, which the ring has bounded.
        input.set_max_bytes(u64::MAX);
        let filter = make("capsfilter")?;
        filter.set_property_from_str("caps", form);
        let mux = make("mp4mux")?;
        mux.set_property("fragment-duration", FRAGMENT_MS);
        // Not as a stream that nobody can go back in: what it says of its length is put right at the end.
        mux.set_property("streamable", false);
        let sink = make("filesink")?;
        sink.set_property("location", path);
        sink.set_property("async", false);
        let pipeline = gst::Pipeline::new();
        let parser = make(parser)?;
        let chain: [&gst::Element; 5] = [input.upcast_ref(), &parser, &filter, &mux, &sink];
        let linked = pipeline.add_many(chain).and_then(|()| gst::Element::link_many(chain));
        linked.map_err(|error| stream(error.to_string()))?;
        if let Some(pad) = mux.sink_pads().first()
            && pad.find_property("trak-timescale").is_some()
        {
            pad.set_property("trak-timescale", TIMESCALE);
        }
        let muxer = Self { pipeline, input, file, timing: Timing::default() };
        if muxer.pipeline.set_state(gst::State::Playing).is_err() {
            return Err(muxer.fault().unwrap_or_else(|| muxer.stream_fault("the pipeline does not start")));
        }
        Ok(muxer)
    }

    /// Writes packets: whole groups in the order in which they are decoded, from a keyframe on; only the last may be cut.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(&mut self, packets: &[Packet]) -> Result<(), MuxError> {
        for (packet, times) in packets.iter().zip(self.timing.stamp(packets)) {
            let Some(times) = times else { continue };
            let mut buffer = gst::Buffer::from_slice(packet.data.clone());
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(gst::ClockTime::from_nseconds(times.shown));
                buffer.set_dts(gst::ClockTime::from_nseconds(times.decoded));
                if !packet.keyframe {
                    buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
                }
            }
            if self.input.push_buffer(buffer).is_err() {
                return Err(self.fault().unwrap_or_else(|| self.stream_fault("it takes no more packets")));
            }
        }
        if self.input.current_level_bytes() > MOST_WAITING {
            return Err(MuxError::Hangs { file: self.file.clone() });
        }
        self.fault().map_or(Ok(()), Err)
    }

    /// Ends the file. Waits until it is written, at most `limit`; that it is on the disk is for the caller to see to.
    ///
    /// # Errors
    /// When the file could not be written, or not in time.
    pub fn finish(self, limit: Duration) -> Result<(), MuxError> {
        let ended = self.input.end_of_stream();
        let bus = self.pipeline.bus();
        let limit = gst::ClockTime::from_nseconds(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX - 1));
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = bus.and_then(|bus| bus.timed_pop_filtered(limit, &kinds));
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => Err(self.classify(error)),
            Some(_) if ended.is_ok() => Ok(()),
            _ => Err(MuxError::Hangs { file: self.file.clone() }),
        }
    }

    fn fault(&self) -> Option<MuxError> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(self.classify(error)),
            _ => None,
        }
    }

    fn classify(&self, error: &gst::message::Error) -> MuxError {
        let (file, said) = (self.file.clone(), error.error());
        if said.matches(gst::ResourceError::NoSpaceLeft) {
            return MuxError::Full { file };
        }
        let detail = format!("{said} ({})", error.debug().unwrap_or_default());
        let is_of_file = said.is::<gst::ResourceError>();
        if is_of_file { MuxError::Write { file, detail } } else { MuxError::Stream { file, detail } }
    }

    fn stream_fault(&self, detail: &str) -> MuxError {
        MuxError::Stream { file: self.file.clone(), detail: detail.to_owned() }
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        // A file has no network to wait for. Whatever it says, the pipeline is not used again.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
