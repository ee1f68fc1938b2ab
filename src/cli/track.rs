//! `vedette track`: the tracker alone over detections in MOT format.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::Failure;
use super::eval::track::read;
use crate::toolchain::mot;
use crate::toolchain::track::{Recording, follow};

const EXAMPLE: &str = "\
Example:
  vedette track --detections det.txt --fps 25 > tracks.txt
  vedette eval track --truth gt.txt --detections tracks.txt

Lines are frame,id,left,top,width,height,score,-1,-1,-1, for each frame in which a track is believed and seen. A track \
is believed after some detections; its earlier boxes are printed too, unless --live is given.

Scores within 0..1 are taken as they are. Where all are the same they count as 1; where some lie outside 0..1, or none \
reaches 0.5, their rank in the file takes their place.";

/// Follows the objects in a file of detections and prints their tracks.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct TrackArgs {
    /// Detections in MOT format: frame,-1,left,top,width,height,score
    #[arg(long, value_name = "FILE")]
    detections: PathBuf,
    /// Frames per second of the recording
    #[arg(long, value_name = "N", value_parser = frames_per_second)]
    fps: f64,
    /// Size of the picture in pixels; otherwise taken from what the detections reach to
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = picture_size)]
    size: Option<(f64, f64)>,
    /// Print only what was known at the time of each frame
    #[arg(long)]
    live: bool,
    /// Also print boxes between the frames in which a track was seen, up to this many seconds apart
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0", conflicts_with = "live")]
    fill_gaps: f64,
}

/// Runs the command.
///
/// # Errors
/// Refused when the file is not of the format; failed when it cannot be read or the output cannot be written.
pub fn run(args: &TrackArgs) -> Result<(), Failure> {
    let detections = read(&args.detections)?;
    let recording =
        Recording { size: args.size, is_live: args.live, fill_gaps: args.fill_gaps, ..Recording::at(args.fps) };
    let mut out = BufWriter::new(io::stdout().lock());
    for row in follow(&detections, &recording) {
        mot::write(&mut out, &row).context("cannot write the tracks")?;
    }
    out.flush().context("cannot write the tracks")?;
    Ok(())
}

fn frames_per_second(text: &str) -> Result<f64, String> {
    let fps = text.parse::<f64>().ok().filter(|fps| (0.001..=10_000.0).contains(fps));
    fps.ok_or_else(|| "frames per second are a number from 0.001 to 10000".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "seconds are a number from 0 to 3600".to_owned())
}

fn picture_size(text: &str) -> Result<(f64, f64), String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse::<u32>().ok()?, h.parse::<u32>().ok()?)));
    let sides = sides.filter(|(w, h)| *w > 0 && *h > 0).map(|(w, h)| (f64::from(w), f64::from(h)));
    sides.ok_or_else(|| "the size is two whole numbers, such as 1920x1080".to_owned())
}
