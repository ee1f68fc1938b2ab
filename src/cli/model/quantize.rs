//! `vedette model quantize`: from a float detector to an 8-bit one, proven against it.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::base::clock::SystemClock;
use crate::cli::detect::rate;
use crate::cli::{Failure, onnx_runtime};
use crate::toolchain::detect::{Family, LabelSource, Settings, load};
use crate::toolchain::quantize::calibrate::Ranges;
use crate::toolchain::quantize::material::Selection;
use crate::toolchain::quantize::report;
use crate::toolchain::quantize::run::{self, Method, Request};
use crate::toolchain::quantize::verdict::{Gate, Outcome, Side};
use crate::toolchain::quantize::{Target, progress::Progress};
use crate::vocab::Id;

/// Make an 8-bit model of a float one, with ranges learned from your own cameras, and prove it against the float one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette model quantize people.onnx --calibrate photographs/ --target cpu-x86 -o people.int8.onnx
  vedette model quantize people.onnx --calibrate rtsp://10.0.0.5/stream2 --calibrate monday.mp4 \\
      --target tensorrt -o people.int8.onnx --report report/

Two thirds of the pictures teach ranges, a third is held back to judge by. What costs too much accuracy in 8 bits stays \
float. The result must agree with the float model (average precision of what it sees, with what the float model is sure \
of as the truth), or with --labels keep its mAP, and on this kind of machine must not be slower.

Exit status: 0 when the result passed, 1 when it did not (it is kept aside as NAME.rejected.onnx) or the work failed, 2 \
when the model or a picture is refused.")]
pub struct Args {
    /// The float ONNX file.
    file: PathBuf,
    /// Pictures of the cameras that it will watch: JPEG or PNG files, folders of them, clips, or rtsp:// and other
    /// addresses of streams.
    #[arg(long, required = true, value_name = "INPUT")]
    calibrate: Vec<PathBuf>,
    /// Who will run it: cpu-x86, cpu-arm, tensorrt, openvino or qnn.
    #[arg(long)]
    target: Target,
    /// The 8-bit ONNX file.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Folder of label files for the photographs of --calibrate: a line `class cx cy w h` per object, normalised.
    #[arg(long, value_name = "DIR")]
    labels: Option<PathBuf>,
    /// Write a page with pictures side by side and histograms into this folder.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Take so many pictures at most.
    #[arg(long, value_name = "N", default_value_t = 300)]
    pictures: usize,
    /// Of a clip or stream, take so many pictures a second of its own time at most.
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = rate)]
    fps: f64,
    /// Of a clip or stream, take pictures for so many seconds of its own time.
    #[arg(long, value_name = "N")]
    seconds: Option<u32>,
    /// How ranges follow from what is seen: minmax, or the percentile of all values that lies inside.
    #[arg(long, default_value = "99.99", value_parser = ranges)]
    ranges: Ranges,
    /// Weights of 7 bits, for x86 without VNNI, whose additions would overflow.
    #[arg(long)]
    reduce_range: bool,
    /// Least agreement with the float model, 0..1, averaged over IoU .50 to .95.
    #[arg(long, default_value_t = 0.85, value_name = "SHARE")]
    min_agreement: f64,
    /// Least agreement with the float model at IoU .50, 0..1.
    #[arg(long, default_value_t = 0.95, value_name = "SHARE")]
    min_agreement50: f64,
    /// Most mAP that may be lost, 0..1, where there are labels.
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    max_map_drop: f64,
    /// Most time that it may take, as a share of the float model's; less than a twentieth is chance.
    #[arg(long, default_value_t = 1.05, value_name = "SHARE")]
    max_latency: f64,
    /// How the model's outputs are to be read; recognised from the file by default.
    #[arg(long)]
    family: Option<Family>,
    /// A text file with the names of the classes, one per line.
    #[arg(long, value_name = "FILE")]
    labels_file: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Below this share of the multiplications in integers there is nothing to gain.
const HARDLY: f64 = 0.1;

/// Runs the command.
///
/// # Errors
/// Refused when the model, the pictures or the labels cannot be used; failed when the result does not pass.
pub fn run(args: &Args) -> Result<(), Failure> {
    load(&onnx_runtime::search(None)).map_err(|error| Failure::Running(error.into()))?;
    let request = request(args)?;
    let mut progress = Teller::new();
    let result = run::run(&request, &SystemClock::shared(), &mut progress);
    progress.end();
    let (outcome, evidence) = result.map_err(|error| {
        if error.is_refusal() { Failure::Refused(error.into()) } else { Failure::Running(error.into()) }
    })?;
    if let Some(folder) = &args.report {
        report::write(folder, &outcome, &evidence).map_err(|error| Failure::Running(error.into()))?;
    }
    print(args, &outcome).context("cannot write to stdout")?;
    if outcome.passed {
        return Ok(());
    }
    let (reasons, aside) = (outcome.reasons.join("; "), outcome.file.display());
    Err(Failure::Running(anyhow!("the 8-bit model is rejected: {reasons}; it is kept aside as {aside}")))
}

fn request(args: &Args) -> Result<Request, Failure> {
    let name = Id::new("model").context("the name of the model").map_err(Failure::Running)?;
    Ok(Request {
        settings: Settings {
            family: args.family,
            labels: args.labels_file.clone().map(LabelSource::File),
            ..Settings::new(name, args.file.clone())
        },
        calibration: args.calibrate.clone(),
        selection: Selection {
            pictures: args.pictures,
            fps: args.fps,
            length: args.seconds.map(|seconds| Duration::from_secs(seconds.into())),
        },
        labels: args.labels.clone(),
        method: Method {
            target: args.target,
            profile: args.target.profile(),
            ranges: args.ranges,
            weight_limit: if args.reduce_range { 63 } else { 127 },
        },
        gate: Gate {
            agreement: args.min_agreement,
            agreement50: args.min_agreement50,
            map_drop: args.max_map_drop,
            latency: args.max_latency,
        },
        output: args.output.clone(),
    })
}

fn print(args: &Args, outcome: &Outcome) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, outcome)?;
        return writeln!(out);
    }
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let row = |side: &Side| {
        let time = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.2} ms"));
        [
            share(Some(side.score.agreement)),
            share(Some(side.score.agreement50)),
            share(side.score.map),
            time(side.latency.map(|latency| latency.p50_ms)),
            time(side.latency.map(|latency| latency.p95_ms)),
            format!("{} KiB", side.bytes.div_ceil(1024)),
        ]
    };
    let heads = ["agreement", "agreement50", "mAP", "p50", "p95", "size"];
    writeln!(out, "{:12} {:>10} {:>10}", "", "float", "int8")?;
    for ((head, float), int8) in heads.iter().zip(row(&outcome.float)).zip(row(&outcome.int8)) {
        writeln!(out, "{head:12} {float:>10} {int8:>10}")?;
    }
    let (integer, all) = outcome.integer_operators;
    let (work, floats) = (outcome.integer_work * 100.0, outcome.left_in_floats.len());
    writeln!(
        out,
        "{}: {integer} of {all} operators compute in integers, {work:.0}% of the multiplications;",
        outcome.target
    )?;
    if outcome.integer_work < HARDLY {
        writeln!(
            out,
            "so little is left in 8 bits that the float model serves as well; a network of dense convolutions gains"
        )?;
    }
    let (learned, judged) = (outcome.calibrated_with, outcome.judged_by);
    writeln!(out, "{floats} of the worst tensors are left in floats;")?;
    writeln!(out, "ranges from {learned} pictures, judged by {judged} others; latency by turns on one thread")?;
    writeln!(out, "{}: {}", if outcome.passed { "passed" } else { "rejected" }, outcome.file.display())
}

/// Tells on stderr how far the work is: a bar that is redrawn on a terminal, a line per stage elsewhere.
struct Teller {
    is_terminal: bool,
    stage: String,
    steps: usize,
    done: usize,
}

impl Teller {
    const WIDTH: usize = 30;

    fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), stage: String::new(), steps: 0, done: 0 }
    }

    /// Leaves the line of the bar.
    fn end(&self) {
        if self.is_terminal && !self.stage.is_empty() {
            // That progress cannot be told is not worth failing for; this goes for all of it.
            let _ = writeln!(io::stderr());
        }
    }

    fn draw(&self) {
        let filled = (self.done * Self::WIDTH / self.steps.max(1)).min(Self::WIDTH);
        let (bar, rest) = ("#".repeat(filled), "-".repeat(Self::WIDTH - filled));
        let _ = write!(io::stderr(), "\r{:28} [{bar}{rest}] {}/{} ", self.stage, self.done, self.steps);
    }
}

impl Progress for Teller {
    fn begin(&mut self, stage: &str, steps: usize) {
        self.end();
        (self.stage, self.steps, self.done) = (stage.to_owned(), steps, 0);
        if self.is_terminal {
            self.draw();
        } else {
            let _ = writeln!(io::stderr(), "{stage}");
        }
    }

    fn step(&mut self) {
        self.done += 1;
        if self.is_terminal {
            self.draw();
        }
    }
}

fn ranges(text: &str) -> Result<Ranges, String> {
    if text == "minmax" {
        return Ok(Ranges::MinMax);
    }
    let percentile = text.parse::<f64>().ok().filter(|percentile| (90.0..=100.0).contains(percentile));
    percentile.map(Ranges::Percentile).ok_or_else(|| "ranges are `minmax` or a percentile from 90 to 100".to_owned())
}
