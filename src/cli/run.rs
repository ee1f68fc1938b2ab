//! `vedette run`: the agent, until it is told to stop.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{Failure, check, onnx_runtime};
use crate::agent::run::{self, Options, StartError};
use crate::base::clock::SystemClock;
use crate::base::shutdown::{Shutdown, Stopping};

/// Run the agent: watch the configured cameras and publish what happens.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  vedette run -c /etc/vedette/vedette.yaml

SIGTERM and Ctrl-C end it after everything open is told; a second one ends it at once. SIGHUP reads the configuration \
again; cameras that it does not change go on undisturbed.")]
pub struct Args {
    /// The configuration, a YAML file
    #[arg(short, long, value_name = "FILE", default_value = "/etc/vedette/vedette.yaml")]
    config: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Refused`] when the configuration is faulty or a required model does not run.
pub fn run(args: &Args) -> Result<(), Failure> {
    let config = check::configuration(&args.config)?.config;
    let options = Options {
        file: args.config.clone(),
        folders: check::folders(&args.config),
        search: onnx_runtime::search(config.runtime_library.clone()),
        health_interval: Duration::from_secs(10),
    };
    tracing::info!(agent = %config.id, cameras = config.cameras.len(), revision = config.revision, "the agent starts");
    let runtime = multi_threaded()?;
    runtime.block_on(async {
        let stopping = stop_on_signals()?;
        let reload = reload_on_hangup(&args.config)?;
        run::run(config, options, SystemClock::shared(), reload, stopping).await.map_err(refused_or_failed)
    })?;
    // Whatever did not end in time was left to itself, and must not hold the program up now.
    runtime.shutdown_background();
    tracing::info!("the agent has stopped");
    Ok(())
}

/// A runtime with as few threads as the agent's few tasks need.
pub(super) fn multi_threaded() -> Result<Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).max_blocking_threads(4).thread_name("async").enable_all().build();
    Ok(runtime.context("cannot start the asynchronous runtime")?)
}

pub(super) fn refused_or_failed(error: StartError) -> Failure {
    match error {
        StartError::Model { .. } | StartError::Runtime(_) => Failure::Refused(error.into()),
        StartError::Folder { .. } | StartError::Thread { .. } | StartError::Ledger(_) => Failure::Running(error.into()),
    }
}

/// The first SIGTERM or SIGINT asks to stop, the second ends the process.
pub(super) fn stop_on_signals() -> anyhow::Result<Stopping> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let (shutdown, stopping) = Shutdown::new();
    tokio::spawn(async move {
        let mut shutdown = Some(shutdown);
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if shutdown.take().is_none() {
                std::process::exit(1);
            }
            tracing::info!("stopping; a second signal ends the program at once");
        }
    });
    Ok(stopping)
}

fn reload_on_hangup(file: &Path) -> anyhow::Result<mpsc::Receiver<()>> {
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let (ask, asked) = mpsc::channel(1);
    let file = file.display().to_string();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::info!(file, "SIGHUP: reading the configuration again");
            // One request waits at most: reading twice in a row gives nothing new.
            let _ = ask.try_send(());
        }
    });
    Ok(asked)
}
