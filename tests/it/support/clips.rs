//! Makes clips of every kind on the spot, with GStreamer's own encoders, and damages them.

use std::path::{Path, PathBuf};

use gstreamer as gst;
use gstreamer::prelude::*;

/// Runs a pipeline written as for `gst-launch-1.0` to its end.
pub fn launch(description: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(description).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &kinds);
    pipeline.set_state(gst::State::Null).unwrap();
    match message.as_ref().map(|m| m.view()) {
        Some(gst::MessageView::Eos(_)) => {}
        Some(gst::MessageView::Error(e)) => panic!("{description}: {} {:?}", e.error(), e.debug()),
        _ => panic!("{description} does not end"),
    }
}

/// Makes the clip `name` in `folder`: `frames` pictures of `caps`, encoded and muxed by `encoder`. The moving rings of the
/// pattern leave encoders enough to do that a flipped bit hits something.
pub fn make(folder: &Path, name: &str, frames: u32, caps: &str, encoder: &str) -> PathBuf {
    let path = folder.join(name);
    let source =
        format!("videotestsrc num-buffers={frames} pattern=zone-plate kx2=20 ky2=20 kt=4 ! video/x-raw,{caps}");
    launch(&format!("{source} ! {encoder} ! filesink location={}", path.display()));
    path
}

/// A copy that ends after `part` of its bytes.
pub fn truncated(path: &Path, part: f64) -> PathBuf {
    let bytes = std::fs::read(path).unwrap();
    let keep = (bytes.len() as f64 * part) as usize;
    write_beside(path, "truncated", &bytes[..keep])
}

/// A copy in which one bit is flipped in about every `every` bytes behind the first `spare`.
pub fn bit_flipped(path: &Path, spare: usize, every: usize) -> PathBuf {
    let mut bytes = std::fs::read(path).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for start in (spare..bytes.len().saturating_sub(every)).step_by(every) {
        bytes[start + random.usize(..every)] ^= 1 << random.u8(..8);
    }
    write_beside(path, "flipped", &bytes)
}

fn write_beside(path: &Path, what: &str, bytes: &[u8]) -> PathBuf {
    let name = format!("{what}-{}", path.file_name().unwrap().to_str().unwrap());
    let copy = path.with_file_name(name);
    std::fs::write(&copy, bytes).unwrap();
    copy
}
