//! `vedette eval detect`: COCO's mean average precision of a detector on labelled photographs.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::Failure;
use crate::cli::detect::{ModelArgs, open};
use crate::toolchain::detect::Settings;
use crate::toolchain::eval::detect::{self, EvalError};

/// COCO mean average precision (pycocotools' definitions) of a detector on photographs with YOLO labels.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  vedette eval detect --model yolox_nano_416.onnx --images val/images --labels val/labels"
)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Folder of JPEG and PNG files.
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Folder of text files of the same names: a line `class cx cy w h` per object, normalised.
    #[arg(long, value_name = "DIR")]
    labels: PathBuf,
    /// Score from which detections count, 0..1; low, so that the whole curve is traced.
    #[arg(long, default_value_t = detect::THRESHOLD)]
    threshold: f32,
    /// Overlap (intersection over union, 0..1) above which the less confident of two boxes is dropped.
    #[arg(long, default_value_t = detect::NMS_IOU)]
    nms: f32,
}

/// Runs the command.
pub fn run(args: Args) -> Result<(), Failure> {
    let settings = Settings {
        threshold: args.threshold,
        nms_iou: args.nms,
        max_detections: detect::MAX_DETECTIONS,
        ..args.model.settings()?
    };
    let mut detector = open(&settings)?;
    let report = detect::run(&mut detector, &args.images, &args.labels).map_err(|error| match error {
        EvalError::Detect { .. } => Failure::Running(error.into()),
        other => Failure::Refused(other.into()),
    })?;
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &report).context("cannot write the report")?;
    writeln!(out).context("cannot write the report")?;
    Ok(())
}
