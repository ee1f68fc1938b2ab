//! The clips that the cameras show: one of the shared test data, and a 1080p one made of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

/// Where they are.
pub struct Clips {
    _folder: tempfile::TempDir,
    /// 768x432 at 10 fps, 139 s.
    pub small: PathBuf,
    /// 1080p at 25 fps, 4 Mbit/s, a keyframe every two seconds.
    pub large: PathBuf,
    /// yolox_nano at 416, float.
    pub model: PathBuf,
}

impl Clips {
    /// Finds the shared data and makes the larger clip, so long, of the smaller one. An error says what is missing.
    pub fn find_and_make(length: Duration) -> Result<Self, String> {
        let data = std::env::var_os("VEDETTE_TEST_DATA")
            .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
        let find = |file: &str| {
            let path = data.join(file);
            let absolute = path.canonicalize();
            absolute.map_err(|_| format!("{} is not there (set VEDETTE_TEST_DATA)", path.display()))
        };
        if std::env::var_os("VEDETTE_ORT").is_none_or(|library| !Path::new(&library).exists()) {
            return Err("ONNX Runtime is not there (set VEDETTE_ORT, or run make setup)".to_owned());
        }
        let small = find("video/one-by-one-person-detection.mp4")?;
        let model = find("models/detect/yolox_nano_416.onnx")?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let large = folder.path().join("1080p.mp4");
        make_1080p(&small, &large, length)?;
        Ok(Self { _folder: folder, small, large, model })
    }
}

fn make_1080p(from: &Path, to: &Path, length: Duration) -> Result<(), String> {
    let frames = length.as_secs() * 25;
    run(&format!(
        "filesrc location={} ! decodebin ! videorate ! video/x-raw,framerate=25/1 ! videoscale \
         ! video/x-raw,width=1920,height=1080 ! identity eos-after={} \
         ! x264enc tune=zerolatency speed-preset=superfast bitrate=4000 key-int-max=50 ! video/x-h264,profile=main \
         ! h264parse ! qtmux ! filesink location={}",
        from.display(),
        frames + 1,
        to.display()
    ))
}

/// Runs a pipeline to its end.
pub fn run(description: &str) -> Result<(), String> {
    gst::init().map_err(|error| error.to_string())?;
    let pipeline = gst::parse::launch(description).map_err(|error| error.to_string())?;
    let bus = pipeline.bus().ok_or("a pipeline without a bus")?;
    let outcome = match pipeline.set_state(gst::State::Playing) {
        Ok(_) => bus.timed_pop_filtered(gst::ClockTime::NONE, &[gst::MessageType::Eos, gst::MessageType::Error]),
        Err(error) => return Err(error.to_string()),
    };
    // It has ended; nothing is lost if it cannot be taken down in order.
    let _ = pipeline.set_state(gst::State::Null);
    match outcome.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(format!("{}: {:?}", error.error(), error.debug())),
        _ => Ok(()),
    }
}
