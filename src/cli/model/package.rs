//! `vedette model package`: puts ONNX files, golden photographs and what their maker knows into one signed file.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde_json::json;

use crate::base::clock::SystemClock;
use crate::cli::{Failure, onnx_runtime};
use crate::config;
use crate::toolchain::detect::load;
use crate::toolchain::keys;
use crate::toolchain::package::draft::Draft;
use crate::toolchain::package::make::{self, Ingredients, ModelSource};
use crate::toolchain::package::verify;
use crate::toolchain::package::{Moment, this_machine};

/// Put ONNX files, golden photographs and what their maker knows into one signed file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  vedette model package --manifest people.yaml --model people.int8.onnx \\
      --model people.onnx:tensorrt --golden golden/ --key release.key -o people-1.4.0.vedette

The manifest holds what no program can find out; the least is
  name: people
  version: 1.4.0          # for people
  release: 12             # counts up with every release
  licence: Apache-2.0     # an SPDX expression
and it may have security_version, created, expires, compatible: {architectures, agent_min, agent_max}, family, labels, \
thresholds: {score, nms_iou, max_detections}, session: {PROVIDER: {disabled_optimizers}}, golden: {score_tolerance, \
min_iou}, limits: {memory_mib, inference_ms}, and free notes under metrics, calibration and training. Tensors, digests, \
pre-processing and what is seen in the golden photographs are found out by running the detector.

The package is written only if it then passes its own verification. Exit status: 0 when it was written, 1 when it could \
not be, 2 when the manifest, a model or a key is refused.")]
pub struct Args {
    /// What the maker knows, as YAML or JSON.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// An ONNX file, and the execution provider that it is for; without one it is for any that has none of its own.
    #[arg(long, required = true, value_name = "FILE[:PROVIDER]", value_parser = model)]
    model: Vec<ModelSource>,
    /// A folder of JPEG and PNG files in which the model must always see what it sees now.
    #[arg(long, value_name = "DIR")]
    golden: Option<PathBuf>,
    /// A secret key that signs; without one the package is unsigned.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// The package.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    let draft = draft(&args.manifest)?;
    let signers = args.key.iter().map(|path| keys::read_secret(path)).collect::<Result<Vec<_>, _>>();
    let signers = signers.map_err(|error| Failure::Refused(error.into()))?;
    load(&onnx_runtime::search(None)).map_err(|error| Failure::Running(error.into()))?;
    let clock = SystemClock::shared();
    let now = Moment::from_unix_seconds(clock.unix_nanos().div_euclid(1_000_000_000));
    let ingredients = Ingredients { draft, models: args.model, golden: args.golden, signers, now };
    let bytes = make::make(&ingredients).map_err(|error| Failure::Refused(error.into()))?;
    let report = prove(&bytes, &args.output, now)?;
    let line = json!({
        "file": args.output, "bytes": bytes.len(), "digest": report.digest, "name": report.name,
        "version": report.version, "release": report.release, "family": report.family, "labels": report.labels.len(),
        "signers": report.signers, "profiles": report.profiles,
    });
    writeln!(io::stdout().lock(), "{line}").context("cannot write to stdout")?;
    Ok(())
}

/// Writes the package beside its place, verifies it there, and only then moves it.
fn prove(bytes: &[u8], output: &Path, now: Moment) -> Result<verify::Report, Failure> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = output.file_name().context("the output is no file")?.to_string_lossy();
    let trial = folder.join(format!(".{name}.new"));
    keys::write(&trial, bytes).map_err(|error| Failure::Running(error.into()))?;
    let result = try_out(&trial, now).and_then(|report| {
        std::fs::rename(&trial, output).with_context(|| format!("cannot write {}", output.display()))?;
        Ok(report)
    });
    if result.is_err() {
        // What failed is not left lying about; that it cannot be removed is not what is to be told.
        let _ = std::fs::remove_file(&trial);
    }
    result
}

fn try_out(trial: &Path, now: Moment) -> Result<verify::Report, Failure> {
    let request = verify::Request {
        file: trial.to_owned(),
        trust: None,
        // It may be made for another machine than this one.
        hardware: verify::machine_for(trial).unwrap_or_else(|_| this_machine()),
        now,
        security_floor: 0,
    };
    let mut report = verify::inspect(&request).map_err(|error| Failure::Refused(error.into()))?;
    verify::run(&request, &mut report, &SystemClock::shared()).map_err(|error| Failure::Running(error.into()))?;
    Ok(report)
}

fn draft(path: &Path) -> Result<Draft, Failure> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let bytes = bytes.map_err(Failure::Refused)?;
    let value = config::read_value(&bytes)
        .map_err(|faults| Failure::Refused(anyhow!("{}", faults.render(&path.display().to_string()).trim_end())))?;
    Draft::from_value(value).map_err(|error| Failure::Refused(anyhow!(error).context(path.display().to_string())))
}

/// `FILE[:PROVIDER]`; what follows the last colon is a provider unless there is a file of the whole name.
fn model(text: &str) -> Result<ModelSource, String> {
    let whole = || ModelSource { path: text.into(), provider: "any".to_owned() };
    Ok(match text.rsplit_once(':') {
        Some((path, provider)) if !Path::new(text).exists() && !provider.contains('/') => {
            ModelSource { path: path.into(), provider: provider.to_owned() }
        }
        _ => whole(),
    })
}
