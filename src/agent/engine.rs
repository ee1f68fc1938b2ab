//! One model as it runs on this box: opened, tested, on a thread of its own, or the reason why not.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::agent::role::{Desks, Role};
use crate::base::clock::SharedClock;
use crate::config;
use crate::detect::{self, Accepted, DetectError, Detector, PackageFacts, Results, Worker};
use crate::event::ModelChange;
use crate::history;
use crate::vocab::{Id, Labels, ModelFacts};
use crate::wire::ModelHealth;

/// A model of the configuration.
pub struct Engine {
    /// What the configuration says of it.
    pub config: config::Model,
    /// It, running; or why it is not.
    pub running: Result<Running, EngineError>,
    /// Since when, on the monotonic clock, an inference has been going on that was told to hang.
    hangs_since: Option<Duration>,
}

/// Why a model does not run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(Box<DetectError>),
    /// The machine refuses a thread for it.
    #[error("no thread for the model")]
    Thread(#[from] std::io::Error),
}

/// A model that runs.
pub struct Running {
    /// What the configuration says of it, and its package where that says nothing.
    pub config: config::Model,
    /// The package it came in, if it did.
    pub package: Option<PackageFacts>,
    /// Its thread.
    pub worker: Arc<Worker>,
    /// Whether what it sees counts.
    pub role: Role,
    /// What events say of it.
    pub facts: ModelFacts,
    /// The names of its classes.
    pub labels: Labels,
    /// The provider that was asked for, and why it is another one that runs it.
    asked: String,
    cause: Option<String>,
    /// How long opening took, self-test included.
    pub took: Duration,
}

impl Engine {
    /// A model of the configuration, and what came of opening it or what is to run in its place.
    pub fn new(config: config::Model, running: Result<Running, EngineError>) -> Self {
        if let Err(error) = &running {
            let error: &dyn std::error::Error = error;
            tracing::error!(model = %config.name, error, "the model does not run; its cameras are watched without it");
        }
        Self { config, running, hangs_since: None }
    }

    /// Its name.
    pub fn name(&self) -> &Id {
        &self.config.name
    }

    /// Whether it does what it can: its thread runs, and no inference hangs. One that never ran has been told as failed.
    pub fn is_alive(&self, now: Duration) -> bool {
        self.running.as_ref().map_or(true, |running| running.worker.is_alive() && running.worker.overdue(now).is_none())
    }

    /// What has changed since the last call about an inference that hangs, if anything.
    pub fn look_for_hang(&mut self, now: Duration) -> Option<ModelChange> {
        let overdue = self.running.as_ref().ok()?.worker.overdue(now);
        match (self.hangs_since, overdue) {
            (None, Some(since)) => {
                self.hangs_since = Some(now.saturating_sub(since));
                Some(ModelChange::Hangs { since })
            }
            (Some(began), None) => {
                self.hangs_since = None;
                Some(ModelChange::Resumed { after: now.saturating_sub(began) })
            }
            _ => None,
        }
    }

    /// How it is at `now`, on the monotonic clock.
    pub fn health(&self, inferences: u64, failure: Option<&str>, now: Duration) -> ModelHealth {
        let hang = self.running.as_ref().ok().and_then(|running| running.worker.overdue(now));
        let hang = hang.map(|since| format!("hangs: an inference has not come back for {} s", since.as_secs()));
        match &self.running {
            Ok(running) => ModelHealth {
                version: running.facts.version.clone(),
                sha256: running.facts.sha256.clone(),
                asked: running.asked.clone(),
                obtained: Some(running.facts.provider.clone()),
                cause: hang.or_else(|| failure.map(str::to_owned)).or_else(|| running.cause.clone()),
                inferences,
                restarts: running.restarts(),
            },
            Err(error) => ModelHealth {
                version: String::new(),
                sha256: String::new(),
                asked: format!("{:?}", self.config.provider).to_lowercase(),
                obtained: None,
                cause: Some(error_chain(error)),
                inferences,
                restarts: None,
            },
        }
    }
}

impl Running {
    /// How often the process of its own ended before its time; none where it has none.
    fn restarts(&self) -> Option<u64> {
        (self.config.isolation == config::Isolation::Process).then(|| self.worker.totals().restarts)
    }
}

/// A model that is to be opened.
pub struct Opening {
    /// What is said of it.
    pub config: config::Model,
    /// The number of its thread.
    pub number: usize,
    /// Where providers keep what they compile.
    pub cache: PathBuf,
    /// The packages that ran here before.
    pub accepted: BTreeMap<String, Accepted>,
    /// Where its results go.
    pub desks: Desks,
    /// Whether they count.
    pub role: Role,
}

impl Opening {
    /// Opens the model and starts its thread.
    ///
    /// # Errors
    /// When it cannot be opened, or the machine refuses the thread.
    pub fn start(self, clock: &SharedClock) -> Result<Running, EngineError> {
        let Self { config, number, cache, accepted, desks, role } = self;
        let results = role.results(desks, clock.clone());
        start(&config, number, cache, accepted, clock, role, results)
    }
}

fn start(
    config: &config::Model,
    number: usize,
    cache: PathBuf,
    accepted: BTreeMap<String, Accepted>,
    clock: &SharedClock,
    role: Role,
    results: Results,
) -> Result<Running, EngineError> {
    let began = clock.mono();
    let settings = detect::Settings { accepted, ..config.detect_settings(Some(cache)) };
    let (detector, config) = open(config, &settings, clock).map_err(|error| EngineError::Open(Box::new(error)))?;
    let facts = told_facts(&detector, &config);
    let labels = detector.labels().clone();
    let asked = detector.provider().asked.to_string();
    let package = detector.package().cloned();
    let expired = package.as_ref().filter(|package| package.is_expired).map(|_| "the package has expired".to_owned());
    let warnings: Vec<String> = detector.provider().warnings.iter().cloned().chain(expired).collect();
    let cause = (!warnings.is_empty()).then(|| warnings.join("; "));
    tracing::info!(
        model = %config.name,
        provider = facts.provider,
        family = %detector.family(),
        classes = labels.len(),
        "the model runs"
    );
    let took = clock.mono().saturating_sub(began);
    let worker = Arc::new(Worker::start(number, detector, results)?);
    Ok(Running { config, package, worker, role, facts, labels, asked, cause, took })
}

/// Opens the detector of a model. Returns it with what its package says where the configuration says nothing.
///
/// # Errors
/// When it cannot be opened.
pub fn open(
    config: &config::Model,
    settings: &detect::Settings,
    clock: &SharedClock,
) -> Result<(Detector, config::Model), DetectError> {
    let mut detector = Detector::open(settings, clock.clone())?;
    let config = config.completed(detector.package().map(|package| &package.thresholds));
    detector.set_thresholds(&config.thresholds());
    Ok((detector, config))
}

/// What the tracks of a camera cannot be understood without.
pub fn head(camera: &config::Camera, labels: &Labels, facts: &ModelFacts) -> history::Head {
    history::Head {
        camera: camera.id.clone(),
        labels: labels.iter().map(str::to_owned).collect(),
        model: facts.name.clone(),
        threshold: facts.threshold,
        fps: camera.detect.as_ref().map_or(0.0, |detect| detect.fps),
    }
}

/// What events say of a model. The threshold is the one that a detection had to pass to begin a track, not the lower one
/// to which the detector reports for the tracker's sake.
pub fn told_facts(detector: &Detector, config: &config::Model) -> ModelFacts {
    ModelFacts { threshold: config.score(), ..detector.facts() }
}

/// An error and its causes in one line.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
