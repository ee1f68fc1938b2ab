//! `vedette detect`: photographs through a detector, one JSON line per picture.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};

use crate::toolchain::detect::{self, Family, LabelSource, OpenError, ProviderChoice, Settings};
use crate::vocab::Id;

use super::{Failure, onnx_runtime};

/// Look at photographs with a detector; one JSON line per picture.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  vedette detect --model yolox_nano_416.onnx --annotate seen/ street.jpg yard.png")]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Score a detection must reach, 0..1.
    #[arg(long, default_value_t = 0.4)]
    threshold: f32,
    /// Overlap (intersection over union, 0..1) above which the less confident of two boxes is dropped.
    #[arg(long, default_value_t = 0.45)]
    nms: f32,
    /// Write the pictures with their boxes into this folder.
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
    /// JPEG or PNG files, or folders of them.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

/// What every command with a detector needs to know about it.
#[derive(Debug, clap::Args)]
pub struct ModelArgs {
    /// The ONNX file.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
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
            family: self.family,
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
pub fn run(args: Args) -> Result<(), Failure> {
    let settings = Settings { threshold: args.threshold, nms_iou: args.nms, ..args.model.settings()? };
    let shots = detect::photographs(&args.inputs).map_err(|error| Failure::Refused(error.into()))?;
    if let Some(folder) = &args.annotate {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let mut detector = open(&settings)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (mut looked, mut unreadable) = (0usize, 0usize);
    for shot in shots {
        match shot {
            Ok(shot) => {
                let print = |record: &detect::Record<'_>| {
                    serde_json::to_writer(&mut out, record)?;
                    out.write_all(b"\n")
                };
                detect::look(&mut detector, &shot, args.annotate.as_deref(), print).map_err(anyhow::Error::from)?;
                looked += 1;
            }
            // One bad file among many should not cost the others their result; the status tells.
            Err(error) => {
                tracing::error!("{:#}", anyhow::Error::from(error));
                unreadable += 1;
            }
        }
    }
    out.flush().context("cannot write the detections")?;
    if unreadable > 0 {
        let all = looked + unreadable;
        return Err(Failure::Running(anyhow!("{unreadable} of {all} inputs could not be read")));
    }
    Ok(())
}
