//! Films the rendered street: some seconds of it as an H.264 clip, to measure with on a machine that has none.

use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use gstreamer_video as gst_video;

use super::street::Street;
use super::{DecodeError, init};

/// How long the encoder may take to finish after the last picture.
const FINISH: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// Writes the first `frames` pictures of `street` to `path`, in Matroska, with a keyframe every two seconds.
///
/// # Errors
/// When no encoder is installed, or the file cannot be written.
pub fn film(street: &Street, frames: u64, path: &Path) -> Result<(), DecodeError> {
    init()?;
    let failed = |detail: String| DecodeError::Other { source_name: path.display().to_string(), detail };
    let description = format!(
        "appsrc name=source format=time block=true max-bytes=8388608 ! {} ! h264parse ! matroskamux ! filesink name=sink",
        encoder(street.fps())?
    );
    let pipeline = gst::parse::launch(&description).map_err(|e| failed(e.to_string()))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| failed("no pipeline".to_owned()))?;
    let (Some(source), Some(sink)) = (pipeline.by_name("source"), pipeline.by_name("sink")) else {
        return Err(failed("the pipeline lacks its ends".to_owned()));
    };
    sink.set_property("location", path.display().to_string());
    let source = source.downcast::<AppSrc>().map_err(|_| failed("the source is no appsrc".to_owned()))?;
    source.set_caps(Some(&caps(street).ok_or_else(|| failed("no caps for this size".to_owned()))?));
    let result = pipeline.set_state(gst::State::Playing).map_err(|e| e.to_string()).and_then(|_| {
        expose(street, frames, &source)?;
        finish(&pipeline)
    });
    // What could not be stopped was told above, or does not matter any more.
    let _ = pipeline.set_state(gst::State::Null);
    result.map_err(failed)
}

fn encoder(fps: f64) -> Result<String, DecodeError> {
    let keyframe = (fps * 2.0).round().max(1.0);
    let exists = |name: &str| gst::ElementFactory::find(name).is_some();
    if exists("x264enc") {
        return Ok(format!("x264enc tune=zerolatency speed-preset=superfast bitrate=3000 key-int-max={keyframe}"));
    }
    if exists("openh264enc") {
        return Ok(format!("openh264enc complexity=low bitrate=3000000 gop-size={keyframe}"));
    }
    Err(DecodeError::MissingElement { element: "x264enc".to_owned(), package: "gstreamer1.0-plugins-ugly" })
}

fn caps(street: &Street) -> Option<gst::Caps> {
    let (width, height) = street.size();
    let fps = gst::Fraction::approximate_f64(street.fps())?;
    let layout = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, width, height).fps(fps).build();
    layout.ok()?.to_caps().ok()
}

fn expose(street: &Street, frames: u64, source: &AppSrc) -> Result<(), String> {
    for number in 0..frames {
        let mut bytes = Vec::new();
        street.draw(number, &mut bytes);
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let nanos = |number: u64| gst::ClockTime::from_nseconds((number as f64 / street.fps() * 1e9) as u64);
        if let Some(meta) = buffer.get_mut() {
            meta.set_pts(nanos(number));
            meta.set_duration(nanos(number + 1).saturating_sub(nanos(number)));
        }
        // An error is told by the bus in words.
        if source.push_buffer(buffer).is_err() {
            return Ok(());
        }
    }
    source.end_of_stream().map(drop).map_err(|e| e.to_string())
}

fn finish(pipeline: &gst::Pipeline) -> Result<(), String> {
    let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
    let message = bus.timed_pop_filtered(FINISH, &[gst::MessageType::Eos, gst::MessageType::Error]);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(error)) => Err(error.error().to_string()),
        _ => Err("encoding does not come to an end".to_owned()),
    }
}
