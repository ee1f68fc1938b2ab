//! How many cameras fit on this box: what decoding and looking cost here, measured, and the sum that follows from it.
//!
//! ```text
//!   cameras = cores × 0.8 × 1000 / (decode_ms × stream_fps + look_ms × detect_fps)
//! ```
//!
//! All times are CPU time of this process, so that it does not matter what else runs. A fifth of the machine is left for
//! everything else: tracking, events, the system. The motion gate, which saves most looks, is left out of the sum.

use std::time::Duration;

use serde::Serialize;

use crate::agent::engine::error_chain;
use crate::agent::resources::cpu_time;
use crate::base::clock::SharedClock;
use crate::decode::street::Street;
use crate::decode::{self, Clip, Pace, Source};
use crate::detect::{Detector, Provider};
use crate::vocab::Frame;

/// The share of the machine that cameras may use.
const SHARE: f64 = 0.8;
/// What is filmed where no clip is given: pixels across and down, pictures a second, and how many.
const FILM: (u32, u32, f64, u64) = (1280, 720, 25.0, 100);
/// How many pictures of a clip are decoded at most.
const LONGEST: usize = 1000;
/// How long the detector is measured.
const LOOKING: Duration = Duration::from_secs(2);
/// Looks before it, in which providers still make themselves ready.
const WARM_UP: usize = 3;

/// What is measured with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// The clip that is decoded; a filmed street by default.
    pub clip: Option<std::path::PathBuf>,
    /// Pictures a second of the cameras; those of the clip by default.
    pub stream_fps: Option<f64>,
    /// Looks a second; 5 by default, as in the configuration.
    pub detect_fps: Option<f64>,
}

/// What decoding costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecodeCost {
    /// The codec.
    pub codec: String,
    /// The GStreamer element that decodes it.
    pub decoder: String,
    /// Width and height of the pictures in pixels.
    pub size: [u32; 2],
    /// How many were decoded.
    pub frames: u64,
    /// How many the clip has a second.
    pub fps: f64,
    /// CPU time of one, in milliseconds.
    pub cpu_ms: f64,
}

/// What a look of the detector costs, from the picture to the detections.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LookCost {
    /// What ran it.
    pub provider: &'static str,
    /// Threads of one inference.
    pub threads: u16,
    /// How often it looked.
    pub looks: u64,
    /// CPU time of one, in milliseconds.
    pub cpu_ms: f64,
    /// How long one took, in milliseconds; another programs' work counts here too.
    pub wall_ms: f64,
}

/// The estimate and what it follows from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capacity {
    /// How many cameras fit.
    pub cameras: u64,
    /// CPU cores.
    pub cores: usize,
    /// Pictures a second of each camera.
    pub stream_fps: f64,
    /// Looks a second at each camera.
    pub detect_fps: f64,
    /// What decoding costs.
    pub decode: DecodeCost,
    /// What looking costs.
    pub look: LookCost,
    /// The sum with its figures.
    pub formula: String,
    /// What was assumed.
    pub assumed: Vec<String>,
}

/// Measures what decoding costs: `clip`, or a filmed street.
///
/// # Errors
/// In words, when there is neither a clip nor an encoder, or it cannot be decoded.
pub fn measure_decoding(request: &Request) -> Result<DecodeCost, String> {
    let told = |error: decode::DecodeError| error_chain(&error);
    let Some(clip) = &request.clip else {
        let folder = std::env::temp_dir().join(format!("vedette-doctor-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&folder).map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
        let path = folder.join("street.mkv");
        let (width, height, fps, frames) = FILM;
        let cost = decode::film(&Street::new(1, width, height, fps), frames, &path)
            .and_then(|()| decode_through(&Source::file(&path)));
        // Left behind at worst, in a folder that the system empties.
        let _ = std::fs::remove_dir_all(&folder);
        return cost.map_err(told);
    };
    decode_through(&Source::file(clip)).map_err(told)
}

/// The clock runs from the first picture on: a GPU's driver takes a second of CPU time to make itself ready, once, which is
/// no cost of a picture.
fn decode_through(source: &Source) -> Result<DecodeCost, decode::DecodeError> {
    decode::init()?;
    let start = cpu_time();
    let mut clip = Clip::open(source, &decode::Settings::default(), Pace::Max)?;
    let (mut frames, mut last, mut size) = (0u64, Duration::ZERO, [0, 0]);
    let mut ready = start;
    for frame in clip.by_ref().take(LONGEST) {
        let frame = frame?;
        last = Duration::from_nanos(frame.pts.as_nanos());
        size = [frame.width, frame.height];
        frames += 1;
        if frames == 1 {
            ready = cpu_time();
        }
    }
    // Of a clip of one picture there is nothing but the start.
    let (before, counted) = if frames > 1 { (ready, frames - 1) } else { (start, frames) };
    let cpu = cpu_time().saturating_sub(before);
    let info = clip.info();
    let fps = if frames > 1 && !last.is_zero() { (frames - 1) as f64 / last.as_secs_f64() } else { FILM.2 };
    Ok(DecodeCost {
        codec: info.codec.map_or_else(String::new, |codec| codec.name().to_owned()),
        decoder: info.decoder.unwrap_or_default(),
        size,
        frames,
        fps: rounded(fps, 100.0),
        cpu_ms: per(cpu, counted),
    })
}

/// Measures what a look costs, at pictures of the filmed street.
///
/// # Errors
/// In words, when the detector fails.
pub fn measure_looking(detector: &mut Detector, clock: &SharedClock) -> Result<LookCost, String> {
    let (width, height, fps, _) = FILM;
    let street = Street::new(1, width, height, fps);
    let mut bytes = Vec::new();
    street.draw(0, &mut bytes);
    let frame = Frame::from_i420(width, height, bytes).ok_or("the street has no picture")?;
    let mut found = Vec::new();
    let mut look = || detector.detect(&frame, &mut found).map(drop).map_err(|error| error_chain(&error));
    (0..WARM_UP).try_for_each(|_| look())?;
    let (cpu, start) = (cpu_time(), clock.mono());
    let mut looks = 0;
    while looks < 3 || clock.mono().saturating_sub(start) < LOOKING {
        look()?;
        looks += 1;
    }
    let (cpu, wall) = (cpu_time().saturating_sub(cpu), clock.mono().saturating_sub(start));
    let provider = detector.provider().obtained.as_str();
    let threads = detector.settings().threads;
    Ok(LookCost { provider, threads, looks, cpu_ms: per(cpu, looks), wall_ms: per(wall, looks) })
}

/// Does the sum.
pub fn estimate(cores: usize, request: &Request, decode: DecodeCost, look: LookCost) -> Capacity {
    let stream_fps = request.stream_fps.unwrap_or(decode.fps);
    let detect_fps = request.detect_fps.unwrap_or(5.0).min(stream_fps);
    let DecodeCost { cpu_ms: decode_ms, size: [width, height], .. } = decode;
    let load = decode_ms * stream_fps + look.cpu_ms * detect_fps;
    let mut fit = cores as f64 * SHARE * 1000.0 / load.max(0.001);
    let mut formula = format!(
        "{cores} cores x {SHARE} x 1000 / ({decode_ms} ms decoding x {stream_fps}/s + {} ms looking x {detect_fps}/s)",
        look.cpu_ms
    );
    let mut assumed = vec![
        format!("cameras send {} at {width}x{height}, {stream_fps} pictures a second", decode.codec),
        format!("the detector looks {detect_fps} times a second all the time; with the motion gate more cameras fit"),
        format!("a fifth of the machine is left for everything else; {} thread per inference", look.threads),
    ];
    if look.provider != Provider::Cpu.as_str() {
        let accelerator = SHARE * 1000.0 / (look.wall_ms * detect_fps).max(0.001);
        if accelerator < fit {
            formula = format!("{SHARE} x 1000 / ({} ms on {} x {detect_fps}/s)", look.wall_ms, look.provider);
            fit = accelerator;
        }
        assumed.push(format!("one look at a time on {}", look.provider));
    }
    if decode::is_hardware(&decode.decoder) {
        assumed.push(format!("{} has room for all of them; its own limit was not measured", decode.decoder));
    }
    Capacity { cameras: fit as u64, cores, stream_fps, detect_fps, decode, look, formula, assumed }
}

/// Milliseconds of each, to two decimals.
fn per(all: Duration, count: u64) -> f64 {
    rounded(all.as_secs_f64() * 1000.0 / count.max(1) as f64, 100.0)
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(provider: &'static str) -> (DecodeCost, LookCost) {
        let (codec, decoder) = ("h264".to_owned(), "avdec_h264".to_owned());
        let decode = DecodeCost { codec, decoder, size: [1280, 720], frames: 100, fps: 25.0, cpu_ms: 2.0 };
        (decode, LookCost { provider, threads: 1, looks: 60, cpu_ms: 30.0, wall_ms: 40.0 })
    }

    #[test]
    fn the_sum_is_the_documented_one() {
        let (decode, look) = costs("cpu");
        let capacity = estimate(4, &Request::default(), decode.clone(), look.clone());
        // 3200 / (50 + 150)
        assert_eq!((capacity.cameras, capacity.stream_fps, capacity.detect_fps), (16, 25.0, 5.0));
        assert_eq!(capacity.formula, "4 cores x 0.8 x 1000 / (2 ms decoding x 25/s + 30 ms looking x 5/s)");
        let request = Request { stream_fps: Some(10.0), detect_fps: Some(20.0), clip: None };
        let capacity = estimate(4, &request, decode, look);
        assert_eq!((capacity.cameras, capacity.detect_fps), (10, 10.0), "nobody looks more often than pictures come");
    }

    #[test]
    fn an_accelerator_is_a_limit_of_its_own() {
        let (decode, mut look) = costs("cuda");
        look.cpu_ms = 1.0;
        let capacity = estimate(64, &Request::default(), decode, look);
        assert_eq!(capacity.cameras, 4, "800 / (40 x 5)");
        assert!(capacity.formula.contains("cuda"), "{}", capacity.formula);
    }
}
