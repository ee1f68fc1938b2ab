//! `vedette eval track`: HOTA, MOTA and IDF1 of tracker output.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;

use crate::cli::Failure;
use crate::toolchain::eval::track::score;
use crate::toolchain::mot::{Row, parse};

const EXAMPLE: &str = "\
Example:
  vedette track --detections det.txt --fps 25 > tracks.txt
  vedette eval track --truth gt.txt --detections tracks.txt

Definitions are TrackEval's. Truth lines flagged 0 do not count; where truth names classes, as MOT16 and later do, only \
pedestrians count, and boxes on distractors are neither right nor wrong.";

/// Scores a tracker's output against the truth, both in MOT format.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct EvalTrackArgs {
    /// The truth: frame,id,left,top,width,height,flag[,class,visibility]
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,
    /// The tracker's output: frame,id,left,top,width,height
    #[arg(long, value_name = "FILE")]
    detections: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// Refused when a file is not of the format; failed when one cannot be read.
pub fn run(args: &EvalTrackArgs) -> Result<(), Failure> {
    let (truth, output) = (read(&args.truth)?, read(&args.detections)?);
    let scores = score(&truth, &output).map_err(|fault| {
        let (truth, output) = (args.truth.display(), args.detections.display());
        Failure::Refused(anyhow!(fault).context(format!("cannot compare {output} with {truth}")))
    })?;
    let text = serde_json::to_string(&scores).context("cannot write the scores as JSON")?;
    writeln!(io::stdout().lock(), "{text}").context("cannot write the scores")?;
    Ok(())
}

/// Reads a file in MOT format.
///
/// # Errors
/// As [`run`].
pub fn read(path: &Path) -> Result<Vec<Row>, Failure> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text)
        .map_err(|fault| Failure::Refused(anyhow!(fault).context(format!("{} is not in MOT format", path.display()))))
}
