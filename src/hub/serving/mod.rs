//! Models as a service: the Open Inference Protocol (`/v2`), TensorFlow Serving's protocol (`/v1`), `/predict`, detection of
//! pictures, and metrics.
//!
//! ```text
//!   routes ── oip | tfs | pictures ── decode ─▶ validate ─▶ queue ─▶ worker (a session each) ─▶ encode
//!                                        models: catalogue ─▶ versions, loaded, swapped, unloaded
//! ```
//!
//! [`router`] knows no users: [`ROUTES`] tells the layer around it what each path asks of a caller. A request holds the
//! version it was given; when that stops in the meantime, the request goes to its successor.

mod batch;
pub mod catalogue;
mod error;
mod http;
mod metrics;
mod models;
mod oip;
pub mod openapi;
mod pictures;
mod proof;
mod queue;
mod routes;
mod settings;
mod statistics;
mod tfs;
mod upstream;
mod validate;
mod values;
mod version;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;

pub use catalogue::{Catalogue, CatalogueError, Entry, Folder};
pub use error::ServeError;
pub use models::Line;
pub use routes::{Access, Operation, ROUTES, Route, not_found, router};
pub use settings::{LoadAtStart, Settings, Tuning, VersionPolicy};

use crate::base::clock::SharedClock;
use crate::base::threads;
use crate::detect::runtime;
use crate::detect::tensors::Tensor;
use models::{Load, Models, Selector};
use queue::Done;
use upstream::Upstream;
use version::{Request, Sent, Version};

/// A version that stops hands a request on to its successor; more often than this in one request is no hot swap.
const MOST_SWAPS: usize = 16;

/// Models that are served.
pub struct Serving {
    settings: Settings,
    models: Models,
    clock: SharedClock,
    upstream: Option<Upstream>,
    /// Whether the models of the start were loaded, or found not to be loadable.
    is_started: AtomicBool,
    /// Pictures that are looked at or wait for it.
    looks: Arc<Semaphore>,
    further_metrics: OnceLock<FurtherMetrics>,
    /// The description of all paths, once it was asked for or given.
    document: OnceLock<serde_json::Value>,
}

/// Metrics of another part of the program, as Prometheus text.
pub type FurtherMetrics = Box<dyn Fn() -> String + Send + Sync>;

/// Why models cannot be served at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Settings are out of range.
    #[error("cannot serve models: {}", .0.join("; "))]
    Settings(Vec<String>),
    /// [`runtime::load`] has not succeeded.
    #[error("cannot serve models: ONNX Runtime is not loaded")]
    NoRuntime,
    /// The address of the other inference server is none.
    #[error("cannot hand requests on to {url}: {reason}")]
    Upstream {
        /// The address.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

/// Tensors for a model.
#[derive(Debug)]
struct Ask {
    inputs: Vec<Tensor>,
    /// Names of outputs; empty for all.
    outputs: Vec<String>,
    /// How long it may take, where the request says.
    limit: Option<Duration>,
}

impl Serving {
    /// Prepares to serve the models of a catalogue; none is loaded yet, see [`start`](Self::start).
    ///
    /// # Errors
    /// When a setting is out of range, or ONNX Runtime is not loaded.
    pub fn open(settings: Settings, catalogue: Arc<dyn Catalogue>, clock: SharedClock) -> Result<Arc<Self>, OpenError> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(OpenError::Settings(faults));
        }
        runtime::loaded().ok_or(OpenError::NoRuntime)?;
        let upstream = settings.upstream.as_deref().map(Upstream::new).transpose()?;
        let models = Models::new(catalogue, clock.clone());
        let (is_started, looks) = (AtomicBool::new(false), Arc::new(Semaphore::new(settings.max_queue)));
        Ok(Arc::new(Self {
            settings,
            models,
            clock,
            upstream,
            is_started,
            looks,
            further_metrics: OnceLock::new(),
            document: OnceLock::new(),
        }))
    }

    /// Makes `/metrics` tell of another part of the program too; the first one that is added stays.
    pub fn add_metrics(&self, further: FurtherMetrics) {
        self.further_metrics.get_or_init(|| further);
    }

    /// Makes `/openapi.json` describe paths of another part of the program too; only before it was first asked for.
    pub fn add_paths(&self, further: serde_json::Map<String, serde_json::Value>) {
        self.document.get_or_init(|| openapi::build_with(further));
    }

    /// Loads the models of the start on a thread of its own; `/v2/health/ready` says when that is done.
    ///
    /// # Errors
    /// When the machine refuses a thread.
    pub fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let serving = self.clone();
        threads::spawn("serve-load", move || serving.load_at_start()).map(drop)
    }

    /// Loads the models of the start. Blocks. One that cannot be loaded is logged and does not stop the others.
    pub fn load_at_start(&self) {
        let names = match &self.settings.load {
            LoadAtStart::None => Ok(Vec::new()),
            LoadAtStart::Only(names) => Ok(names.clone()),
            LoadAtStart::All => self.models.catalogued(),
        };
        let names = names.unwrap_or_else(|error| {
            tracing::error!("no model is served: {error}");
            Vec::new()
        });
        for name in names {
            if let Err(error) = self.load(&name, Load::default()) {
                tracing::error!(model = name, "{error}");
            }
        }
        self.is_started.store(true, Relaxed);
    }

    /// Makes a model's loaded versions and aliases follow the catalogue; versions that are loaded and stay wanted are not
    /// opened again. For whoever moves an alias. Blocks.
    ///
    /// # Errors
    /// When a version cannot be opened; what was loaded before stays.
    pub fn follow(&self, name: &str) -> Result<(), ServeError> {
        self.load(name, Load { keeps_loaded: true, ..Load::default() })
    }

    /// Makes what is served of a model be what the catalogue has of it now: loaded, swapped, or unloaded where it is gone.
    /// What fails is logged. For whoever changed the catalogue. Blocks.
    pub fn follow_catalogue(&self, name: &str) {
        let is_loaded = self.models.versions(name).is_ok();
        let result = match self.models.catalogued() {
            Ok(names) if !names.iter().any(|known| known == name) => {
                if is_loaded {
                    self.unload(name)
                } else {
                    Ok(())
                }
            }
            Ok(_) if is_loaded || self.settings.load.wants(name) => self.follow(name),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            tracing::error!(model = name, "{error}");
        }
    }

    /// Every version of the catalogue or loaded without it, and whether it is loaded. Blocks.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub fn index(&self) -> Result<Vec<Line>, ServeError> {
        self.models.index()
    }

    /// Loads a model anew from the catalogue. Requests go on meanwhile. Blocks.
    ///
    /// # Errors
    /// When it cannot be opened; what was loaded before stays.
    pub fn reload(&self, name: &str) -> Result<(), ServeError> {
        self.load(name, Load::default())
    }

    /// Unloads a model, once those that wait for it are answered. Blocks.
    ///
    /// # Errors
    /// When it is not loaded.
    pub fn unload(&self, name: &str) -> Result<(), ServeError> {
        self.models.unload(name)
    }

    fn load(&self, name: &str, load: Load) -> Result<(), ServeError> {
        self.models.load(&self.settings, name, load)
    }

    fn find(&self, name: &str, selector: &Selector) -> Result<Arc<Version>, ServeError> {
        self.models.find(&self.settings, name, selector)
    }

    /// Runs `version` on what is asked, or its successor where it stops in the meantime.
    async fn run(&self, mut version: Arc<Version>, selector: &Selector, ask: Ask) -> Result<Answered, ServeError> {
        let arrived = self.clock.mono();
        let longest = Duration::from_millis(self.settings.request_timeout_ms);
        let limit = ask.limit.map_or(longest, |limit| limit.min(longest));
        let mut inputs = ask.inputs;
        for _ in 0..MOST_SWAPS {
            let request =
                Request { inputs, outputs: ask.outputs.clone(), arrived, deadline: arrived.saturating_add(limit) };
            let answer = match version.send(request) {
                Ok(Sent::Waits(answer)) => answer,
                Ok(Sent::Stopping(back)) => {
                    inputs = back;
                    version = self.find(version.model(), selector)?;
                    continue;
                }
                Err(error) => return Err(self.count_failure(&version, arrived, error)),
            };
            let error = match tokio::time::timeout(limit, answer).await {
                Ok(Ok(Ok(done))) => {
                    version.statistics().succeeded(self.clock.mono().saturating_sub(arrived), &done.stages);
                    return Ok(Answered { version, done });
                }
                Ok(Ok(Err(error))) => error,
                Ok(Err(_)) => ServeError::Stopping { model: version.model().to_owned() },
                Err(_) => {
                    let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                    ServeError::Timeout { model: version.model().to_owned(), limit_ms }
                }
            };
            return Err(self.count_failure(&version, arrived, error));
        }
        Err(ServeError::Stopping { model: version.model().to_owned() })
    }

    fn count_failure(&self, version: &Version, arrived: Duration, error: ServeError) -> ServeError {
        version.statistics().failed(self.clock.mono().saturating_sub(arrived), error.reason());
        error
    }

    fn note_request(&self, version: &Version) {
        version.statistics().last_ms.store(self.clock.unix_nanos() / 1_000_000, Relaxed);
    }
}

/// An answer, and the version that gave it.
struct Answered {
    version: Arc<Version>,
    done: Done,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving").field("settings", &self.settings).finish_non_exhaustive()
    }
}
