//! `vedette eval`: measures against a known truth. A subcommand is a variant here and a file beside this one.

mod detect;
pub mod track;

use clap::Subcommand;

use super::Failure;

/// Measure against a known truth; the result is a JSON object.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  vedette eval detect --model yolox_nano_416.onnx --images val/images --labels val/labels"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Detect(detect::Args),
    Track(track::EvalTrackArgs),
}

/// Runs the command.
///
/// # Errors
/// Those of the evaluation that was asked for.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Detect(args) => detect::run(args),
        What::Track(args) => track::run(&args),
    }
}
