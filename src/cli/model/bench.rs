//! `vedette model bench`: measures models on the providers and thread counts of this machine.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::base::clock::SystemClock;
use crate::cli::{Failure, onnx_runtime};
use crate::toolchain::bench::{self, BenchError, Configuration, Report, Request, Verdict};
use crate::toolchain::detect::{Family, LabelSource, Provider, ProviderChoice, Settings, load};
use crate::vocab::Id;

/// Measure latency, throughput and memory of models on the providers and thread counts of this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette model bench yolox_nano_416.onnx --threads 1,2
  vedette model bench people.onnx people.int8.onnx --provider cpu --pictures yard/ --json | jq .configurations

Configurations take turns of a tenth of a second, so that whatever else the machine does falls on all alike. The first \
file on the CPU is the reference: a configuration that does not see in the pictures what the reference sees is not the \
winner, however fast it is. Without --pictures it is the self-test picture, in which many detectors see nothing; then \
nothing is compared, and the report says so. Milliseconds are those of the inference; looks a second count from picture \
to detections. Memory is what opening the model added to the process.

Exit status: 0 when there is a winner, 1 when there is none, 2 when the first file or the pictures are refused.")]
pub struct Args {
    /// ONNX files or packages.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// An execution provider; all that ONNX Runtime was built with by default.
    #[arg(long, value_name = "PROVIDER", value_delimiter = ',', value_parser = provider)]
    provider: Vec<Provider>,
    /// Threads of one inference.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Vec<u16>,
    /// How long each configuration is measured.
    #[arg(long, value_name = "N", default_value = "5", value_parser = seconds)]
    seconds: f64,
    /// A folder of JPEG and PNG files, of which up to 64 are shown.
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// The least agreement with the reference, 0..1: twice the shared objects over all that either sees.
    #[arg(long, value_name = "SHARE", default_value = "0.8", value_parser = share)]
    min_agreement: f64,
    /// How the models' outputs are to be read; recognised from the files by default.
    #[arg(long)]
    family: Option<Family>,
    /// Size of the models' input in pixels, for files that leave it open.
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
/// When the reference or the pictures are refused, or no configuration is fit to win.
pub fn run(args: Args) -> Result<(), Failure> {
    load(&onnx_runtime::search(None)).map_err(|error| Failure::Running(error.into()))?;
    let name = Id::new("model").context("the name of the model")?;
    let settings = Settings {
        family: args.family,
        input: args.input,
        labels: args.labels_file.map(LabelSource::File),
        ..Settings::new(name, "")
    };
    let request = Request {
        files: args.files,
        providers: args.provider,
        threads: args.threads,
        time: Duration::from_secs_f64(args.seconds),
        pictures: args.pictures,
        min_agreement: args.min_agreement,
        settings,
    };
    let report = bench::run(&request, &SystemClock::shared(), &mut progress()).map_err(|error| match error {
        BenchError::Look { .. } => Failure::Running(error.into()),
        _ => Failure::Refused(error.into()),
    })?;
    let text = match args.json {
        true => serde_json::to_string_pretty(&report).context("cannot write the report as JSON")? + "\n",
        false => text_of(&report),
    };
    io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")?;
    match report.configurations.iter().any(|it| it.verdict == Verdict::Winner) {
        true => Ok(()),
        false => Err(Failure::Running(anyhow::anyhow!("no configuration both runs and sees what the reference sees"))),
    }
}

/// Writes the share that is done over and over in one line, where somebody watches.
fn progress() -> impl FnMut(f64) {
    let watched = io::stderr().is_terminal();
    let mut shown = None;
    move |done| {
        let percent = (done * 100.0) as u32;
        if watched && shown != Some(percent) {
            shown = Some(percent);
            let end = if percent == 100 { "\r               \r" } else { "" };
            // Nobody is helped by an error about the progress.
            let _ = write!(io::stderr(), "\rmeasuring {percent:>3} %{end}");
        }
    }
}

fn text_of(report: &Report) -> String {
    let width = report.configurations.iter().map(|it| it.file.chars().count()).max().unwrap_or(0).max(4);
    let mut text = format!(
        "  {:width$}  {:<10} {:>7} {:>9} {:>9} {:>9} {:>6} {:>9}\n",
        "file", "provider", "threads", "p50 ms", "p95 ms", "looks/s", "MiB", "agreement"
    );
    for configuration in &report.configurations {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", row(configuration, width).trim_end());
    }
    let guard = match report.reference_objects {
        0 => "the reference sees nothing in the pictures, so nothing was compared; name others with --pictures"
            .to_owned(),
        objects => format!(
            "the reference sees {objects} objects in {} pictures; a winner agrees with it to at least {:.2}",
            report.pictures, report.min_agreement
        ),
    };
    text + "\n" + &guard + "\n"
}

fn row(configuration: &Configuration, width: usize) -> String {
    let mark = if configuration.verdict == Verdict::Winner { '*' } else { ' ' };
    let Configuration { file, provider, threads, measured, .. } = configuration;
    let figures = measured.map_or_else(
        || format!("{:>9} {:>9} {:>9} {:>6} {:>9}", "-", "-", "-", "-", "-"),
        |it| {
            let agreement =
                it.agreement.map_or_else(|| "-".to_owned(), |agreement| format!("{:.2}", agreement.score()));
            let memory = it.memory_mib;
            format!("{:>9.2} {:>9.2} {:>9.1} {memory:>6} {agreement:>9}", it.p50_ms, it.p95_ms, it.looks_per_second)
        },
    );
    format!("{mark} {file:width$}  {provider:<10} {threads:>7} {figures}  {}", why(&configuration.verdict))
}

fn why(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Winner => "winner".to_owned(),
        Verdict::Slower { times } => format!("{times:.2} times as slow"),
        Verdict::Costlier => "as fast, but takes more threads or memory".to_owned(),
        Verdict::SeesTooLittle { agreement, least } => format!("sees too little: {agreement:.2}, at least {least:.2}"),
        Verdict::DoesNotRun { reason } => format!("does not run: {reason}"),
    }
}

fn provider(text: &str) -> Result<Provider, String> {
    match text.parse::<ProviderChoice>().map_err(|error| error.to_string())? {
        ProviderChoice::One(provider) => Ok(provider),
        ProviderChoice::Auto => Err("name a provider; without one all are measured".to_owned()),
    }
}

/// How long something is measured.
pub fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "seconds are a number from 0.1 to 3600".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a share is a number from 0 to 1".to_owned())
}
