//! `vedette model prune`: takes out of a detector what is not needed, exactly.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::base::clock::SystemClock;
use crate::cli::{Failure, onnx_runtime};
use crate::toolchain::detect::{Family, LabelSource, Settings, load};
use crate::toolchain::prune::{self, Report, Request};
use crate::vocab::Id;

use super::figures::{bytes, count};

/// Take out of a detector what is not needed, exactly: other classes, channels that are always zero, what nothing uses.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette model prune yolox_nano_416.onnx --classes person,bicycle,car -o street.onnx
  vedette model prune people.onnx -o people.pruned.onnx --pictures yard/ --json | jq .proof

Nothing is retrained and nothing approximated. The rows of the last layers that make the other classes are taken out, and \
the names of those that are left written into the file; they keep their order. Where the classes share a softmax, all of \
them are computed still and only then dropped. Classes can be cut of yolox, yolox-decoded, yolov5, yolov5-lite, yolov8 \
and fastestdet with a single output.

The result is shown pictures beside the original, and every output that was kept must be equal, within 0.0001 of the \
larger of 1 and the value: a smaller layer may add in another order. One that is not equal is kept aside as \
OUT.refused.

Exit status: 0 when the file was written, 1 when it is not equal or could not be written, 2 when the input is refused.")]
pub struct Args {
    /// An ONNX file.
    file: PathBuf,
    /// The pruned file.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Labels to keep; all by default.
    #[arg(long, value_name = "LABEL", value_delimiter = ',')]
    classes: Vec<String>,
    /// A folder of JPEG and PNG files for the proof, of which up to 64 are shown; built-in pictures by default.
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// How the model's outputs are to be read; recognised from the file by default.
    #[arg(long)]
    family: Option<Family>,
    /// Size of the model's input in pixels, for files that leave it open.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = crate::cli::detect::size)]
    input: Option<(u32, u32)>,
    /// A text file with the names of the classes, one per line.
    #[arg(long, value_name = "FILE")]
    labels_file: Option<PathBuf>,
    /// How long each of the two files is measured.
    #[arg(long, value_name = "N", default_value = "2", value_parser = super::bench::seconds)]
    seconds: f64,
    /// Print everything as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the input is refused, or the result is not equal.
pub fn run(args: Args) -> Result<(), Failure> {
    load(&onnx_runtime::search(None)).map_err(|error| Failure::Running(error.into()))?;
    let name = Id::new("model").context("the name of the model")?;
    let settings = Settings {
        family: args.family,
        input: args.input,
        labels: args.labels_file.map(LabelSource::File),
        ..Settings::new(name, args.file)
    };
    let time = Duration::from_secs_f64(args.seconds);
    let request = Request { classes: args.classes, output: args.output, pictures: args.pictures, time, settings };
    let report = prune::prune(&request, &SystemClock::shared()).map_err(|error| match error.is_refusal() {
        true => Failure::Refused(error.into()),
        false => Failure::Running(error.into()),
    })?;
    let text = match args.json {
        true => serde_json::to_string_pretty(&report).context("cannot write the report as JSON")? + "\n",
        false => text_of(&report),
    };
    io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")?;
    Ok(())
}

fn text_of(report: &Report) -> String {
    let Report { before, after, proof, .. } = report;
    let labels = match report.classes.len() {
        left if left == report.classes_before => format!("all {left} are kept"),
        left => format!("{left} of {} are kept: {}", report.classes_before, report.classes.join(", ")),
    };
    let mut lines = vec![
        ("written", report.output.clone()),
        ("family", report.family.clone()),
        ("classes", labels),
        ("channels", format!("{} that were always zero are gone", report.silent_channels)),
        (
            "unused",
            format!("{} operators and {} constants are gone", report.removed_operators, report.removed_constants),
        ),
    ];
    let shared = report.still_computed_by.iter();
    lines
        .extend(shared.map(|node| ("note", format!("{node} needs every class, so all are computed and then dropped"))));
    let change = |was: f64, is: f64| if was > 0.0 { (is / was - 1.0) * 100.0 } else { 0.0 };
    let row = |was: String, is: String, change: f64| format!("{was:>12} -> {is:>12}  {change:+6.1} %");
    lines.extend([
        ("size", row(bytes(before.bytes), bytes(after.bytes), change(before.bytes as f64, after.bytes as f64))),
        (
            "parameters",
            row(
                count(before.parameters),
                count(after.parameters),
                change(before.parameters as f64, after.parameters as f64),
            ),
        ),
        (
            "multiply-adds",
            row(
                count(before.multiply_adds),
                count(after.multiply_adds),
                change(before.multiply_adds as f64, after.multiply_adds as f64),
            ),
        ),
        (
            "inference",
            row(
                format!("{:.2} ms", before.p50_ms),
                format!("{:.2} ms", after.p50_ms),
                change(before.p50_ms, after.p50_ms),
            ),
        ),
    ]);
    let equal = match proof.differing {
        0 => "equal bit for bit".to_owned(),
        differing => format!("{differing} differ, by {:.1e} at most", proof.largest_difference),
    };
    lines.push(("proof", format!("{} values of {} pictures: {equal}", count(proof.values as u64), proof.pictures)));
    lines.iter().map(|(topic, text)| format!("{topic:<14} {text}\n")).collect()
}
