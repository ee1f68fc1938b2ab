//! `vedette replay`: a recorded clip through the configured line, events as JSON lines.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;

use super::{Failure, check, onnx_runtime};
use crate::agent::replay::{self, Pace, Request, Source, WallTime};
use crate::base::clock::SystemClock;
use crate::base::shutdown::Shutdown;
use crate::vocab::Id;

/// Play a recording through a camera's rules; one JSON line per event.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  vedette replay -c vedette.yaml --camera door --input yesterday.mp4 | jq -r .data.explanation
  vedette replay -c vedette.yaml --camera door --input scene://street --seconds 60

The same recording and configuration give the same bytes: time is counted from --start, by the recording's own clock.")]
pub struct Args {
    /// The configuration, a YAML file
    #[arg(short, long, value_name = "FILE", default_value = "/etc/vedette/vedette.yaml")]
    config: PathBuf,
    /// Whose zones, lines and rules
    #[arg(long, value_name = "ID")]
    camera: Id,
    /// The recording; or `scene://street`, which the program draws itself
    #[arg(long, value_name = "CLIP")]
    input: Source,
    /// Only its first seconds; of a street, which has no end, 30 unless this says otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// How fast
    #[arg(long, value_enum, default_value_t = Speed::Max)]
    speed: Speed,
    /// The moment at which the recording begins, which schedules go by
    #[arg(long, value_name = "TIME", default_value = "2000-01-01T00:00:00Z")]
    start: jiff::Timestamp,
    /// Keep the tracks in this folder, for `vedette rules test`
    #[arg(long, value_name = "FOLDER")]
    tracks: Option<PathBuf>,
}

/// How much of the street is played where nobody says it: people have come and gone by then.
const STREET_SECONDS: u32 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Speed {
    /// As fast as this machine can
    Max,
    /// At the recording's own pace
    Real,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Refused`] when the configuration, camera or model cannot be used.
pub fn run(args: &Args) -> Result<(), Failure> {
    let config = check::configuration(&args.config)?.config;
    if replay::needs_runtime(&config, &args.camera) {
        let search = onnx_runtime::search(config.runtime_library.clone());
        replay::load_runtime(&search).map_err(|error| Failure::Running(error.into()))?;
    }
    let endless = args.input.is_live();
    let request = Request {
        camera: args.camera.clone(),
        input: args.input.clone(),
        length: args.seconds.or(endless.then_some(STREET_SECONDS)).map(|n| Duration::from_secs(n.into())),
        pace: if args.speed == Speed::Real { Pace::Real } else { Pace::Max },
        start: WallTime::from_unix_nanos(i64::try_from(args.start.as_nanosecond()).unwrap_or(0)),
        tracks: args.tracks.clone(),
    };
    let (_shutdown, stopping) = Shutdown::new();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written: io::Result<()> = Ok(());
    let mut tell = |message: &replay::EventMessage| {
        if written.is_ok() {
            written =
                serde_json::to_writer(&mut out, message).map_err(io::Error::from).and_then(|()| out.write_all(b"\n"));
        }
    };
    let outcome = replay::replay(&config, &request, SystemClock::shared(), &stopping, &mut tell);
    written.and_then(|()| out.flush()).context("cannot write the events")?;
    match outcome {
        Ok(summary) => {
            let replay::Summary { frames, looks, events, damaged, .. } = summary;
            let seconds = summary.length.as_secs_f64();
            tracing::info!(frames, looks, events, damaged, seconds, "replayed");
            Ok(())
        }
        Err(error) if error.is_refusal() => Err(Failure::Refused(error.into())),
        Err(error) => Err(Failure::Running(error.into())),
    }
}
