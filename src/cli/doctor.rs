//! `vedette doctor`: says what this box can do.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, anyhow};

use super::{Failure, onnx_runtime};
use crate::agent::doctor::capacity::{Capacity, Request};
use crate::agent::doctor::{self, CodecReport, Examination, Report};
use crate::base::clock::SystemClock;
use crate::toolchain::detect::{ProviderChoice, Settings, bundled};
use crate::vocab::Id;

/// Say what this box can do: decoders, providers, ONNX Runtime, memory, and how many cameras fit, measured.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette doctor --model yolox_nano_416.onnx
  vedette doctor --model yolox_nano_416.onnx --clip yesterday.mp4 --json | jq .capacity.cameras

How many cameras fit follows from the CPU time that decoding one picture and one look of the detector take here:
  cores x 0.8 x 1000 / (decode_ms x stream_fps + look_ms x detect_fps)
What it decodes is a street that it films itself, or --clip.

Exit status: 0 when nothing essential is missing, 1 when H.264 cannot be decoded, ONNX Runtime is missing, or the model \
does not run.")]
pub struct Args {
    /// The detector that is tried and measured, an ONNX file or package; by default the one that the program brings
    #[arg(long, value_name = "FILE", default_value = bundled::DETECTOR)]
    model: PathBuf,
    /// Execution provider for it: auto, cpu, cuda, tensorrt, openvino, …
    #[arg(long, default_value = "auto")]
    provider: ProviderChoice,
    /// A recording of a camera, to measure what decoding costs
    #[arg(long, value_name = "FILE")]
    clip: Option<PathBuf>,
    /// Pictures a second that the cameras send; those of the clip by default
    #[arg(long, value_name = "N", value_parser = rate)]
    stream_fps: Option<f64>,
    /// Looks a second at each camera; 5 by default
    #[arg(long, value_name = "N", value_parser = rate)]
    detect_fps: Option<f64>,
    /// Where the agent keeps its state
    #[arg(long, value_name = "DIR", default_value = "/var/lib/vedette")]
    state_dir: PathBuf,
    /// Print everything as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Running`] when something essential is missing.
pub fn run(args: &Args) -> Result<(), Failure> {
    let name = Id::new("model").context("the name of the model")?;
    let examination = Examination {
        search: onnx_runtime::search(None),
        model: Settings { provider: args.provider, ..Settings::new(name, args.model.clone()) },
        state_dir: args.state_dir.clone(),
        capacity: Request { clip: args.clip.clone(), stream_fps: args.stream_fps, detect_fps: args.detect_fps },
    };
    let report = doctor::examine(&examination, &SystemClock::shared(), &mut |what| tracing::info!("{what}"));
    let text = if args.json {
        serde_json::to_string_pretty(&report).context("cannot write the report as JSON")? + "\n"
    } else {
        text_of(&report)
    };
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")?;
    match report.findings.iter().filter(|finding| finding.essential).count() {
        0 => Ok(()),
        missing => Err(Failure::Running(anyhow!("{missing} of what the agent needs is missing or does not work"))),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.01..=1000.0).contains(rate));
    rate.ok_or_else(|| "a rate is a number from 0.01 to 1000".to_owned())
}

/// The report for people, a topic per line.
fn text_of(report: &Report) -> String {
    let mut lines = vec![("vedette", report.vedette.to_owned())];
    lines.push(("GStreamer", report.gstreamer.clone().unwrap_or_else(|| "missing".to_owned())));
    lines.extend(report.codecs.iter().map(|codec| ("  decodes", codec_text(codec))));
    match &report.onnx_runtime {
        Some(found) => {
            lines.push(("ONNX Runtime", format!("{} at {}", found.version, found.path.display())));
            lines.push(("  providers", found.providers.join(", ")));
        }
        None => lines.push(("ONNX Runtime", "missing".to_owned())),
    }
    if let Some(model) = &report.model {
        lines.push(("model", format!("{}, {}", model.file.display(), model.family)));
        lines.push(("  provider", format!("{} asked for, {} runs it", model.asked, model.obtained)));
        lines.extend(model.warnings.iter().map(|warning| ("  warning", warning.clone())));
    }
    let machine = &report.machine;
    lines.push(("cores", machine.cores.to_string()));
    lines.push(("memory", format!("{} free of {}", size(machine.memory_available_bytes), size(machine.memory_bytes))));
    lines.push(("disk", format!("{} free at {}", size(machine.disk_free_bytes), machine.state_dir.display())));
    let clock = if machine.clock_synchronised { "synchronised" } else { "not known to be synchronised" };
    lines.push(("clock", clock.to_owned()));
    let mosquitto = report.mosquitto.as_ref().map(|path| path.display().to_string());
    lines.push(("mosquitto", mosquitto.unwrap_or_else(|| "not installed".to_owned())));
    let mut text: String = lines.iter().map(|(topic, found)| format!("{topic:<13} {found}\n")).collect();
    if let Some(capacity) = &report.capacity {
        text += &capacity_text(capacity);
    }
    for finding in &report.findings {
        let weight = if finding.essential { "MISSING" } else { "note" };
        text += &format!("\n{weight}: {}\n  remedy: {}\n", finding.what, finding.remedy);
    }
    text
}

fn codec_text(codec: &CodecReport) -> String {
    let decoders: Vec<String> = codec
        .decoders
        .iter()
        .map(|decoder| format!("{}{}", decoder.element, if decoder.hardware { " (hardware)" } else { "" }))
        .collect();
    let by = if decoders.is_empty() { "no decoder".to_owned() } else { decoders.join(", ") };
    format!("{:<6} {by}{}", codec.codec, if codec.over_rtp { "" } else { "; not over RTSP" })
}

fn capacity_text(capacity: &Capacity) -> String {
    let Capacity { decode, look, .. } = capacity;
    let [width, height] = decode.size;
    let mut text = format!(
        "\nfits {} cameras = {}\n  measured: {} pictures of {width}x{height} through {}, {} looks on {}\n",
        capacity.cameras, capacity.formula, decode.frames, decode.decoder, look.looks, look.provider
    );
    for assumed in &capacity.assumed {
        text += &format!("  assumed: {assumed}\n");
    }
    text
}

/// A size for people.
fn size(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
