//! `vedette model inspect`: says what a model file is.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;

use crate::base::clock::SystemClock;
use crate::cli::{Failure, onnx_runtime};
use crate::toolchain::detect::{Family, LabelSource, ProviderChoice, Settings, load};
use crate::toolchain::inspect::{
    self, CostReport, ModelReport, PackageReport, PortReport, ProviderTrial, Recognised, Report, Side, Told,
};
use crate::vocab::Id;

use super::figures::{bytes, count};

/// Say what a model file is: inputs and outputs, detector family and why, weights, cost, and who would run it here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette model inspect yolox_nano_416.onnx
  vedette model inspect people-1.4.0.vedette --json | jq '.models[].cost.multiply_adds'

The cost counts multiply-additions of convolutions and matrix products at the size at which the model runs; what cannot \
be told is said to be unknown. Signatures of a package are checked, not whether anybody trusts them; `model verify` does \
that.

Exit status: 0 when it was described, 2 when the file is no model, or one that would not be run.")]
pub struct Args {
    /// An ONNX file or a package.
    file: PathBuf,
    /// How the model's outputs are to be read; recognised from the file by default.
    #[arg(long)]
    family: Option<Family>,
    /// Size of the model's input in pixels, for files that leave it open.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = crate::cli::detect::size)]
    input: Option<(u32, u32)>,
    /// A text file with the names of the classes, one per line.
    #[arg(long, value_name = "FILE")]
    labels_file: Option<PathBuf>,
    /// Print everything as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the file is no model, or one that would not be run.
pub fn run(args: &Args) -> Result<(), Failure> {
    let name = Id::new("model").context("the name of the model")?;
    let settings = Settings {
        provider: ProviderChoice::Auto,
        family: args.family,
        input: args.input,
        labels: args.labels_file.clone().map(LabelSource::File),
        ..Settings::new(name, &args.file)
    };
    let runtime = load(&onnx_runtime::search(None)).map_err(|error| error.to_string());
    let clock = SystemClock::shared();
    let report = inspect::inspect(&settings, runtime, &clock).map_err(|error| Failure::Refused(error.into()))?;
    let text = match args.json {
        true => serde_json::to_string_pretty(&report).context("cannot write the report as JSON")? + "\n",
        false => text_of(&report),
    };
    io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")?;
    inspect::verdict(report).map_err(|error| Failure::Refused(error.into()))
}

/// A report for people: a topic per line, and more of it on the lines below.
struct Page(String);

impl Page {
    fn heading(&mut self, text: impl Display) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.write(format_args!("{gap}{text}\n"));
    }

    /// The topic stands before the first of its lines only.
    fn lines<T: Display>(&mut self, topic: &str, lines: impl IntoIterator<Item = T>) {
        let mut topic = topic;
        for line in lines {
            self.write(format_args!("  {topic:<14} {line}\n"));
            topic = "";
        }
    }

    fn line(&mut self, topic: &str, line: impl Display) {
        self.lines(topic, [line]);
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(text);
    }
}

fn text_of(report: &Report) -> String {
    let mut page = Page(String::new());
    page.heading(&report.file);
    page.line("kind", if report.kind == "onnx" { "ONNX file" } else { "Vedette package" });
    page.line("size", bytes(report.bytes));
    page.line("sha256", &report.sha256);
    if let Some(package) = &report.package {
        package_text(&mut page, package);
    }
    detector_text(&mut page, &report.detector);
    for model in &report.models {
        model_text(&mut page, model);
    }
    page.0
}

fn package_text(page: &mut Page, package: &PackageReport) {
    page.line("model", format_args!("{} {}, release {}", package.name, package.version, package.release));
    page.line("licence", &package.licence);
    let signers = if package.signers.is_empty() { "nobody".to_owned() } else { package.signers.join(", ") };
    page.line("signed by", signers);
    page.line("golden", format_args!("{} pictures", package.golden_pictures));
}

fn detector_text(page: &mut Page, detector: &Told<Box<Recognised>>) {
    page.heading("detector");
    match detector {
        Told::Unknown { unknown_because } => page.lines("none", unknown_because.lines()),
        Told::Known(detector) => {
            page.line("family", &detector.family);
            page.line("because", &detector.because);
            page.lines("ruled out", &detector.ruled_out);
            page.line("input", format_args!("{}x{} pixels", detector.input[0], detector.input[1]));
            page.line("pictures", &detector.preprocess);
            const SHOWN: usize = 12;
            let more = detector.labels.len().saturating_sub(SHOWN);
            let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
            let labels = detector.labels.iter().take(SHOWN).map(|label| shown(label)).collect::<Vec<_>>().join(", ");
            page.line("labels", format_args!("{}: {labels}{rest}", detector.labels.len()));
        }
    }
}

fn model_text(page: &mut Page, model: &ModelReport) {
    match &model.name {
        Some(name) => page.heading(format_args!("{name}, for {}", model.profiles.join(", "))),
        None => page.heading("network"),
    }
    if model.name.is_some() {
        page.line("size", bytes(model.bytes));
        page.line("sha256", &model.sha256);
    }
    let opsets: Vec<String> = model.opsets.iter().map(|(domain, version)| format!("{domain} {version}")).collect();
    let producer = if model.producer.is_empty() { "an unnamed program" } else { &shown(&model.producer) };
    page.line("written by", format_args!("{producer}, IR version {}", model.ir_version));
    page.line("operator sets", shown(&opsets.join(", ")));
    page.lines("inputs", model.inputs.iter().map(port_text));
    page.lines("outputs", model.outputs.iter().map(port_text));
    page.line("computes in", &model.precision);
    page.lines(
        "weights",
        model.weights.iter().map(|(element, held)| {
            format!("{element:<8} {:>8} in {:>4} tensors, {}", count(held.elements), held.tensors, bytes(held.bytes))
        }),
    );
    operators_text(page, model);
    match &model.cost {
        Told::Known(cost) => cost_text(page, cost),
        Told::Unknown { unknown_because } => page.line("cost", format_args!("unknown: {unknown_because}")),
    }
    page.line("static checks", &model.static_checks);
    match &model.providers {
        Told::Known(trials) => page.lines("providers", trials.iter().map(trial_text)),
        Told::Unknown { unknown_because } => page.lines("providers", format!("not tried: {unknown_because}").lines()),
    }
    let pairs = model.metadata.iter().map(|(key, value)| format!("{}: {}", shown(key), shown(value)));
    page.lines("metadata", pairs);
    page.lines("warnings", &model.warnings);
}

fn operators_text(page: &mut Page, model: &ModelReport) {
    const PER_LINE: usize = 6;
    let mut operators: Vec<(&String, &usize)> = model.operators.iter().collect();
    operators.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let all: usize = model.operators.values().sum();
    let named: Vec<String> = operators.iter().map(|(name, count)| format!("{} {count}", shown(name))).collect();
    let lines = named.chunks(PER_LINE).map(|line| line.join(", "));
    page.lines("operators", std::iter::once(format!("{all}")).chain(lines));
}

fn cost_text(page: &mut Page, cost: &CostReport) {
    let unknown = match cost.unknown_layers {
        0 => String::new(),
        layers => format!(", {layers} layers unknown"),
    };
    page.line("cost", format_args!("{} multiply-additions{unknown}", count(cost.multiply_adds)));
    let kinds = cost.kinds.iter().map(|kind| {
        let share = kind.share * 100.0;
        let in_8_bits = if kind.in_8_bits > 0 { format!(", {} in 8 bits", kind.in_8_bits) } else { String::new() };
        format!("{share:>5.1} % {:<23} {:>4} layers{in_8_bits}", kind.kind, kind.layers)
    });
    page.lines("", kinds);
}

/// A text of the file as it may be shown: cut, and without characters that move the cursor.
fn shown(text: &str) -> String {
    const LONGEST: usize = 100;
    let cut: String = text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let dots = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    cut + dots
}

fn port_text(port: &PortReport) -> String {
    let side = |side: &Side| match side {
        Side::Fixed(side) => side.to_string(),
        Side::Open(name) => name.clone(),
    };
    let sides: Vec<String> = port.shape.iter().map(side).collect();
    let runs_as = port.runs_as.as_ref().map_or_else(String::new, |sizes| {
        let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        format!(", here [{}]", sizes.join(","))
    });
    format!("{} {} [{}]{runs_as}", shown(&port.name), port.element, sides.join(","))
}

fn trial_text(trial: &ProviderTrial) -> String {
    let result = match (&trial.refusal, trial.on_provider.zip(trial.on_cpu)) {
        (Some(reason), _) => format!("does not run it: {reason}"),
        (None, Some((own, cpu))) => format!("runs it; {own} operators, {cpu} stay on the CPU"),
        (None, None) => "runs it".to_owned(),
    };
    format!("{:<10} {result}", trial.provider)
}
