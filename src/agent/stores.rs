//! What the agent opens before it knows any camera, and why it may not be able to start.

use std::path::PathBuf;
use std::sync::Arc;

use crate::agent::engine::{EngineError, error_chain};
use crate::agent::rollout::LedgerError;
use crate::agent::site::Packages;
use crate::base::clock::SharedClock;
use crate::config::Config;
use crate::detect;
use crate::evidence;
use crate::history;
use crate::spool::{RingSpool, Spool};
use crate::vocab::Id;

/// Why the agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// ONNX Runtime cannot be loaded, and a model needs it.
    #[error(transparent)]
    Runtime(#[from] detect::RuntimeError),
    /// A model that the configuration requires does not run.
    #[error("the model {model} is required and does not run")]
    Model {
        /// The model.
        model: Id,
        /// Why.
        #[source]
        source: EngineError,
    },
    /// Nobody knows which models are in force.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A folder could not be made.
    #[error("cannot make the folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The machine refuses a thread.
    #[error("cannot start the thread {name}")]
    Thread {
        /// Which.
        name: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What the agent opens before it knows any camera.
pub struct Stores {
    /// The queue on disk.
    pub spool: Arc<dyn Spool>,
    /// How pictures are kept.
    pub evidence: evidence::Settings,
    /// Where tracks are kept, where they are.
    pub history: Option<history::Store>,
    /// What runs in place of the models that the configuration names.
    pub packages: Packages,
}

impl Stores {
    /// Opens or makes the stores that `config` names.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn open(config: &Config, clock: &SharedClock) -> Result<Self, StartError> {
        for path in [&config.state_dir, &config.spool.folder] {
            std::fs::create_dir_all(path).map_err(|source| StartError::Folder { path: path.clone(), source })?;
        }
        let settings = config.spool.spool_settings(config.mqtt.max_packet);
        let spool = Arc::new(RingSpool::open(&config.spool.folder, settings, clock.clone()));
        let evidence = config.evidence.evidence_settings();
        Ok(Self { spool, evidence, history: open_history(config, clock), packages: Packages::default() })
    }
}

/// An agent whose tracks cannot be kept watches all the same.
fn open_history(config: &Config, clock: &SharedClock) -> Option<history::Store> {
    let opened = history::Store::open(config.history.history_settings()?, clock.clone());
    opened.inspect_err(|error| tracing::error!(error = error_chain(error), "tracks are not kept")).ok()
}
