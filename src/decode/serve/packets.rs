//! A clip's encoded pictures in memory, so that it can be played over and over without being coded again.

use std::path::Path;
use std::time::Duration;

use gstreamer::prelude::*;
use gstreamer::{ClockTime, MessageView};
use gstreamer_app::AppSink;

use super::ServeError;

/// A clip with more encoded bytes than this is refused, for all of it is held in memory.
const LARGEST: usize = 256 << 20;
/// How long the demultiplexer may take for the next picture.
const PATIENCE: ClockTime = ClockTime::from_seconds(20);

/// One encoded picture.
#[derive(Debug)]
pub struct Packet {
    /// The bytes and flags; its timestamps mean nothing.
    pub buffer: gstreamer::Buffer,
    /// When it is to be sent, since the start of the clip.
    pub sent: Duration,
    /// When it is to be shown, since the start of the clip.
    pub shown: Duration,
}

/// All encoded pictures of a clip, in the order of decoding.
#[derive(Debug)]
pub struct Packets {
    /// What they are coded in.
    pub caps: gstreamer::Caps,
    /// At least one.
    pub packets: Vec<Packet>,
    /// How long the clip lasts, so that the next round continues evenly.
    pub length: Duration,
}

/// Reads the first video stream of the clip at `path`.
///
/// # Errors
/// When the file cannot be read, holds no video or is too large.
pub fn read(path: &Path) -> Result<Packets, ServeError> {
    let fault = |detail: String| ServeError::Clip { path: path.to_owned(), detail };
    if let Err(error) = std::fs::File::open(path) {
        return Err(fault(error.to_string()));
    }
    let (pipeline, sink) = build(path).map_err(|e| fault(e.to_string()))?;
    let read = pull(&pipeline, &sink, path);
    // Nothing can be done about a pipeline that does not stop; it holds a file, no device.
    let _ = pipeline.set_state(gstreamer::State::Null);
    read
}

/// `parsebin` finds the demultiplexer and the parser; of its streams only the first with pictures is looked at.
fn build(path: &Path) -> Result<(gstreamer::Pipeline, AppSink), gstreamer::glib::BoolError> {
    let pipeline = gstreamer::Pipeline::new();
    let file = gstreamer::ElementFactory::make("filesrc").property("location", path).build()?;
    let parse = gstreamer::ElementFactory::make("parsebin").build()?;
    let sink = AppSink::builder().sync(false).max_buffers(16).build();
    pipeline.add_many([&file, &parse, sink.upcast_ref()])?;
    file.link(&parse)?;
    let into = sink.static_pad("sink");
    parse.connect_pad_added(move |_, pad| {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let pictures =
            caps.structure(0).is_some_and(|s| s.name().starts_with("video/") || s.name().starts_with("image/"));
        if let Some(into) = into.as_ref().filter(|into| pictures && !into.is_linked()) {
            // A pad that does not link ends in an error on the bus, which is read below.
            let _ = pad.link(into);
        }
    });
    Ok((pipeline, sink))
}

fn pull(pipeline: &gstreamer::Pipeline, sink: &AppSink, path: &Path) -> Result<Packets, ServeError> {
    let fault = |detail: String| ServeError::Clip { path: path.to_owned(), detail };
    let started = pipeline.set_state(gstreamer::State::Playing);
    let (mut samples, mut bytes, mut caps) = (Vec::new(), 0, None);
    while let Some(sample) = started.as_ref().ok().and_then(|_| sink.try_pull_sample(PATIENCE)) {
        caps = caps.or_else(|| sample.caps_owned());
        let Some(buffer) = sample.buffer_owned() else { continue };
        bytes += buffer.size();
        if bytes > LARGEST {
            return Err(fault(format!("it holds more than {} MiB of video", LARGEST >> 20)));
        }
        samples.push(buffer);
        if bus_error(pipeline).is_some() {
            break;
        }
    }
    // A file that is damaged further on is played as far as it can be read.
    match caps {
        Some(caps) if !samples.is_empty() => Ok(in_time(caps, samples)),
        _ => Err(fault(bus_error(pipeline).unwrap_or_else(|| "it holds no video that can be read".to_owned()))),
    }
}

fn bus_error(pipeline: &gstreamer::Pipeline) -> Option<String> {
    let message = pipeline.bus()?.pop_filtered(&[gstreamer::MessageType::Error])?;
    match message.view() {
        MessageView::Error(error) => Some(error.error().to_string()),
        _ => None,
    }
}

/// Gives every picture its times from zero on. Where the file leaves some out, the pictures follow evenly.
fn in_time(caps: gstreamer::Caps, buffers: Vec<gstreamer::Buffer>) -> Packets {
    let count = buffers.len() as u32;
    let shown = |b: &gstreamer::Buffer| b.pts().or(b.dts()).map(Duration::from);
    let first = buffers.iter().filter_map(shown).min().unwrap_or_default();
    let last = buffers.iter().filter_map(shown).max().unwrap_or_default();
    let spacing = if last > first { (last - first) / (count - 1).max(1) } else { Duration::from_millis(100) };
    let start = buffers.iter().find_map(|b| b.dts().or(b.pts())).map(Duration::from).unwrap_or_default();
    let mut sent = Duration::ZERO;
    let packets = buffers.into_iter().zip(0u32..).map(|(buffer, i)| {
        let due = buffer.dts().or(buffer.pts()).map_or(spacing * i, |at| Duration::from(at).saturating_sub(start));
        sent = sent.max(due);
        // From the same zero, for a picture that others refer to is decoded well before it is shown.
        let shown = shown(&buffer).map_or(sent, |at| at.saturating_sub(start)).max(sent);
        Packet { buffer, sent, shown }
    });
    let packets: Vec<Packet> = packets.collect();
    Packets { caps, packets, length: last - first + spacing }
}

impl Packets {
    /// The name of the codec's media type, such as `video/x-h264`.
    pub fn media_type(&self) -> &str {
        self.caps.structure(0).map_or("", |s| s.name().as_str())
    }
}
