//! `vedette model`: work on model files. A subcommand is a variant here and a file beside this one.

mod bench;
mod figures;
mod inspect;
mod package;
mod prune;
mod quantize;
mod verify;

use clap::Subcommand;

use super::Failure;

/// Work on model files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  vedette model verify people-1.4.0.vedette --trust release.pub")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Inspect(inspect::Args),
    Bench(bench::Args),
    Prune(prune::Args),
    Package(package::Args),
    Quantize(quantize::Args),
    Verify(verify::Args),
}

/// Runs the command.
///
/// # Errors
/// Those of the work that was asked for.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Inspect(args) => inspect::run(&args),
        What::Bench(args) => bench::run(args),
        What::Prune(args) => prune::run(args),
        What::Package(args) => package::run(args),
        What::Quantize(args) => quantize::run(&args),
        What::Verify(args) => verify::run(&args),
    }
}
