//! `vedette detect`: photographs, clips and streams through a detector, one JSON line per picture.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::base::clock::SystemClock;
use crate::toolchain::detect::{self, Detector, Family, LabelSource, OpenError, ProviderChoice, Settings};
use crate::toolchain::pictures::{self, Input, InputError, Sampling};
use crate::vocab::Id;

use super::{Failure, onnx_runtime};

/// Look at photographs, clips or streams with a detector; one JSON line per picture.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette detect --annotate seen/ street.jpg yard.png
  vedette detect --model yolox_nano_416.onnx --fps 5 yesterday.mp4 | jq .detections
  vedette detect --model yolox_nano_416.onnx --seconds 10 rtsp://10.0.0.5/stream2

A recording gives every picture, in order; a stream the newest one whenever the detector is free. Files called .jpg, \
.jpeg or .png are photographs, all others recordings.

Exit status: 0 when everything was looked at, 1 when an input could not be read (the others were), 2 when the model or \
an address is refused.")]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Score a detection must reach, 0..1; what the package says by default, else 0.4.
    #[arg(long)]
    threshold: Option<f32>,
    /// Overlap (intersection over union, 0..1) above which the less confident of two boxes is dropped; what the package
    /// says by default, else 0.45.
    #[arg(long)]
    nms: Option<f32>,
    /// Write the pictures with their boxes into this folder.
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
    /// Of a clip or stream, look at so many pictures a second of its own time at most.
    #[arg(long, value_name = "N", value_parser = rate)]
    fps: Option<f64>,
    /// Of a clip or stream, look at so many pictures.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frames: Option<u64>,
    /// Of a clip or stream, look at so many seconds of its own time.
    #[arg(long, value_name = "N", value_parser = seconds)]
    seconds: Option<f64>,
    /// JPEG or PNG files, folders of them, clips, or rtsp:// and other addresses of streams.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

/// What every command with a detector needs to know about it.
#[derive(Debug, clap::Args)]
pub struct ModelArgs {
    /// The ONNX file or package; by default the detector that the program brings.
    #[arg(long, value_name = "FILE", default_value = detect::bundled::DETECTOR)]
    model: PathBuf,
    /// Who must have signed the package: a list of trusted keys, or public keys one per line.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Execution provider: auto, cpu, cuda, tensorrt, openvino, …; one that is named must run the model.
    #[arg(long, default_value = "auto")]
    provider: ProviderChoice,
    /// Device of the provider, such as GPU or NPU for OpenVINO.
    #[arg(long)]
    device: Option<String>,
    /// Threads of one inference.
    #[arg(long, default_value_t = 1)]
    threads: u16,
    /// How the model's outputs are to be read; recognised from the file by default.
    #[arg(long)]
    family: Option<Family>,
    /// Size of the model's input in pixels, for files that leave it open.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size)]
    input: Option<(u32, u32)>,
    /// A text file with the names of the classes, one per line.
    #[arg(long, value_name = "FILE")]
    labels_file: Option<PathBuf>,
}

impl ModelArgs {
    /// The settings of a model that is named on the command line: a provider that was asked for is required.
    pub fn settings(&self) -> Result<Settings, Failure> {
        let name = Id::new("model").context("the name of the model").map_err(Failure::Running)?;
        Ok(Settings {
            provider: self.provider,
            device: self.device.clone(),
            required: self.provider != ProviderChoice::Auto,
            threads: self.threads,
            require_signed: self.trust.is_some(),
            trust: self.trust.clone(),
            family: self.family,
            input: self.input,
            labels: self.labels_file.clone().map(LabelSource::File),
            ..Settings::new(name, self.model.clone())
        })
    }
}

/// Opens a detector; a refused model is refused input, a missing ONNX Runtime a failure of the machine.
pub fn open(settings: &Settings) -> Result<detect::Detector, Failure> {
    detect::open(&onnx_runtime::search(None), settings).map_err(|error| match error {
        OpenError::Runtime(error) => Failure::Running(error.into()),
        OpenError::Detector(error) => Failure::Refused(error.into()),
    })
}

/// Runs the command.
///
/// # Errors
/// Refused when the model or an address cannot be used; failed when something could not be read, after everything else was.
pub fn run(args: Args) -> Result<(), Failure> {
    let mut settings = args.model.settings()?;
    settings.threshold = args.threshold.unwrap_or(settings.threshold);
    settings.nms_iou = args.nms.unwrap_or(settings.nms_iou);
    let inputs = pictures::inputs(&args.inputs).map_err(|error| Failure::Refused(error.into()))?;
    if let Some(folder) = &args.annotate {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let mut detector = open(&settings)?;
    if let Some(mut thresholds) = detector.package().map(|package| package.thresholds) {
        thresholds.score = args.threshold.map_or(thresholds.score, f64::from);
        thresholds.nms_iou = args.nms.map_or(thresholds.nms_iou, f64::from);
        detector.set_thresholds(&thresholds);
    }
    let mut unreadable = Vec::new();
    for input in &inputs {
        // One bad file among many should not cost the others their result; the status tells.
        if let Err(error) = look_through(&mut detector, input, &args)? {
            let error = anyhow::Error::from(error);
            tracing::error!("{error:#}");
            unreadable.push(error);
        }
    }
    let (failed, all) = (unreadable.len(), inputs.len());
    match unreadable.into_iter().next() {
        None => Ok(()),
        Some(error) if all == 1 => Err(Failure::Running(error)),
        Some(_) => Err(Failure::Running(anyhow!("{failed} of {all} inputs could not be read, or not to their end"))),
    }
}

/// Looks at every picture of one input; the inner error is the input's own.
fn look_through(detector: &mut Detector, input: &Input, args: &Args) -> anyhow::Result<Result<(), InputError>> {
    let sampling = Sampling { fps: args.fps, frames: args.frames, length: args.seconds.map(Duration::from_secs_f64) };
    let mut reel = match input.open(sampling, &SystemClock::shared()) {
        Ok(reel) => reel,
        Err(error) => return Ok(Err(error)),
    };
    let mut read = Ok(());
    for shot in &mut reel {
        match shot {
            Ok(shot) => detect::look(detector, &shot, args.annotate.as_deref(), print)?,
            Err(error) => read = Err(error),
        }
    }
    let damaged = reel.damaged();
    if damaged > 0 {
        tracing::warn!("{}: {damaged} damaged pictures were left out", reel.name());
    }
    Ok(read)
}

/// Prints a line at once: a stream is watched as it comes, and may be ended by Ctrl-C.
fn print(record: &detect::Record<'_>) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// A size in pixels, `WIDTHxHEIGHT`.
pub fn size(text: &str) -> Result<(u32, u32), String> {
    let side = |text: &str| text.parse::<u32>().ok().filter(|side| (16..=8192).contains(side));
    let sides = text.split_once('x').and_then(|(width, height)| side(width).zip(side(height)));
    sides.ok_or_else(|| "a size is two numbers from 16 to 8192, such as 640x384".to_owned())
}

/// Frames per second, as every command that takes pictures from a video reads them.
pub fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.01..=1000.0).contains(rate));
    rate.ok_or_else(|| "frames per second are a number from 0.01 to 1000".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.001..=1e6).contains(seconds));
    seconds.ok_or_else(|| "seconds are a number from 0.001 to 1000000".to_owned())
}
