//! `vedette eval`: how good detectors, trackers and events are, as JSON.

pub mod track;

use clap::{Args, Subcommand};

use super::Failure;

/// Scores results against the truth.
#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Track(track::EvalTrackArgs),
}

/// Runs the command.
///
/// # Errors
/// Those of the evaluation that was asked for.
pub fn run(args: &EvalArgs) -> Result<(), Failure> {
    match &args.what {
        What::Track(args) => track::run(args),
    }
}
