//! `vedette hub`: the hub, until it is told to stop.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::run::{multi_threaded, stop_on_signals};
use super::{Failure, onnx_runtime};
use crate::base::clock::SystemClock;
use crate::base::shutdown::Stopping;
use crate::hub::{Hub, HubError, Settings, keep_first_token};
use crate::toolchain::detect;
use crate::vocab::Secret;

/// Run the hub: register models and serve them over HTTP.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  vedette hub -c /etc/vedette/hub.yaml

The first start makes an admin's token. On a terminal it is shown once; otherwise it is written to admin.token in the \
data folder, readable by the hub's user alone. SIGTERM and Ctrl-C end the hub after what it is answering; a second one \
ends it at once.")]
pub struct Args {
    /// The configuration, a YAML file
    #[arg(short, long, value_name = "FILE", default_value = "/etc/vedette/hub.yaml")]
    config: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Refused`] when the configuration is faulty.
pub fn run(args: &Args) -> Result<(), Failure> {
    let settings = Settings::load(&args.config).map_err(|error| Failure::Refused(error.into()))?;
    let library = onnx_runtime::search(settings.runtime.library.clone());
    detect::load(&library).map_err(|error| Failure::Refused(error.into()))?;
    let runtime = multi_threaded()?;
    runtime.block_on(async {
        let stopping = stop_on_signals()?;
        Ok::<_, Failure>(Box::pin(serve(settings, stopping)).await.map_err(anyhow::Error::from)?)
    })?;
    runtime.shutdown_background();
    tracing::info!("the hub has stopped");
    Ok(())
}

async fn serve(settings: Settings, stopping: Stopping) -> Result<(), HubError> {
    let data_dir = settings.data_dir.clone();
    let mut hub = Hub::open(settings, SystemClock::shared()).await?;
    if let Some(token) = hub.take_first_token() {
        hand_over(&data_dir, &token)?;
    }
    tracing::info!(address = %hub.address(), "the hub answers");
    hub.run(stopping).await
}

/// A journal keeps what is printed; a terminal forgets it.
#[expect(clippy::print_stdout, reason = "the one time that this token can be seen")]
fn hand_over(data_dir: &Path, token: &Secret) -> Result<(), HubError> {
    if std::io::stdout().is_terminal() {
        println!("admin token, shown this once: {}", token.expose());
        return Ok(());
    }
    let file = keep_first_token(data_dir, token)?;
    tracing::info!(file = %file.display(), "the first admin's token is in this file; delete it when you have it");
    Ok(())
}
