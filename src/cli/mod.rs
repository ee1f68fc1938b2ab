//! The command line: one file per subcommand. The only room that reads arguments and the environment, or prints.

mod check;
mod connection;
mod demo;
mod detect;
mod doctor;
mod eval;
mod fleet;
mod gallery;
mod hub;
mod isolated;
mod keys;
mod model;
mod onnx_runtime;
mod registry;
mod replay;
mod rules;
mod run;
mod schema;
mod track;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::agent::isolated as processes;
use crate::base::{core_dumps, environment, logging};

/// Video analytics for security teams: an agent on every site, a hub in the centre.
#[derive(Debug, Parser)]
#[command(name = "vedette", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// A variant per subcommand, in the order of `--help`.
#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Run(run::Args),
    Check(check::CheckArgs),
    Doctor(doctor::Args),
    Replay(replay::Args),
    Rules(rules::Args),
    Detect(detect::Args),
    Track(track::TrackArgs),
    Eval(eval::Args),
    Model(model::Args),
    Keys(keys::Args),
    Gallery(gallery::Args),
    Hub(hub::Args),
    Registry(registry::Args),
    Fleet(fleet::Args),
    Schema(schema::Args),
    /// Run one model for the agent that has started this
    #[command(name = processes::MODEL, hide = true)]
    ModelProcess,
    /// Decode one camera for the agent that has started this
    #[command(name = processes::DECODER, hide = true)]
    DecodeProcess,
}

/// How a command failed, which decides the exit status.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Status 1: it failed while running.
    #[error(transparent)]
    Running(anyhow::Error),
    /// Status 2: the usage, configuration or model was refused.
    #[error(transparent)]
    Refused(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Running(error)
    }
}

/// Parses the command line, runs the command and returns the exit status: 0 done, 1 failed, 2 refused.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let complete = environment::complete(wanted_environment(&arguments.command));
    // The demo owns the terminal and logs to a file of its own; what an agent starts has nowhere to log to.
    if !matches!(arguments.command, Command::Demo(_) | Command::ModelProcess | Command::DecodeProcess) {
        logging::start(logging::Target::Auto, "info,ort=warn");
    }
    core_dumps::forbid();
    if let Err(error) = complete {
        tracing::warn!(%error, "this program could not be started anew with the environment that it wants");
    }
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Running(error)) => end(1, &error),
        Err(Failure::Refused(error)) => end(2, &error),
    }
}

/// What is to be in the environment before anything is loaded.
fn wanted_environment(command: &Command) -> &'static [environment::Variable] {
    match command {
        Command::Run(_) => &[environment::NO_TELEMETRY, environment::ALLOCATOR, environment::NO_SLICES],
        // What they measure and print is to be what an agent does.
        Command::Replay(_) | Command::Detect(_) | Command::Model(_) => {
            &[environment::NO_TELEMETRY, environment::ALLOCATOR]
        }
        // As `base::child` starts them.
        Command::ModelProcess | Command::DecodeProcess => &[],
        _ => &[environment::NO_TELEMETRY],
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Detect(args) => detect::run(args),
        Command::Track(args) => track::run(&args),
        Command::Eval(args) => eval::run(args),
        Command::Model(args) => model::run(args),
        Command::Keys(args) => keys::run(args),
        Command::Gallery(args) => gallery::run(args),
        Command::Hub(args) => hub::run(&args),
        Command::Registry(args) => registry::run(args),
        Command::Fleet(args) => fleet::run(&args),
        Command::Schema(args) => schema::run(args),
        Command::ModelProcess => isolated::model(),
        Command::DecodeProcess => isolated::decoder(),
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a failed command belongs on stderr whatever the log filter")]
fn end(status: u8, error: &anyhow::Error) -> ExitCode {
    eprintln!("vedette: {error:#}");
    ExitCode::from(status)
}
