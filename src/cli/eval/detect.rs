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
#[command(after_help = "Examples:
  vedette eval detect --model yolox_nano_416.onnx --images val/images --labels val/labels
  vedette eval detect --images coco/images --labels coco/labels --map 0=person,1=bike,2=vehicle,5=vehicle,7=vehicle")]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Folder of JPEG and PNG files.
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Folder of text files of the same names: a line `class cx cy w h` per object, normalised.
    #[arg(long, value_name = "DIR")]
    labels: PathBuf,
    /// Which class of the label files is which label of the model, as `0=person,2=vehicle,7=vehicle`; all other classes
    /// are left out. By default the classes are the model's.
    #[arg(long, value_name = "CLASS=LABEL", value_delimiter = ',', value_parser = mapping)]
    map: Vec<(u16, String)>,
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
    let map = args.map.into_iter().collect();
    let report = detect::run(&mut detector, &args.images, &args.labels, &map).map_err(|error| match error {
        EvalError::Detect { .. } => Failure::Running(error.into()),
        other => Failure::Refused(other.into()),
    })?;
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &report).context("cannot write the report")?;
    writeln!(out).context("cannot write the report")?;
    Ok(())
}

fn mapping(text: &str) -> Result<(u16, String), String> {
    let parts = text.split_once('=').filter(|(_, label)| !label.is_empty());
    let parsed = parts.and_then(|(class, label)| Some((class.parse().ok()?, label.to_owned())));
    parsed.ok_or_else(|| format!("{text:?} is no CLASS=LABEL, such as 2=vehicle"))
}
