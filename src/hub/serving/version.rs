//! One version of one model, loaded: what it takes and gives, its workers, and its detector for pictures.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::error::ServeError;
use super::proof;
use super::queue::{Done, Job, Queue, Refused};
use super::settings::Tuning;
use super::statistics::Statistics;
use super::validate;
use super::worker::{self, Desk};
use crate::base::clock::SharedClock;
use crate::base::threads;
use crate::detect::tensors::{Placed, Tensor, TensorModel, TensorSession, TensorSpec};
use crate::detect::{self, DetectError, Detector, ProviderChoice};
use crate::hub::blobs::LocalFile;
use crate::vocab::Id;

/// Where the content of a version lies.
#[derive(Debug, Clone)]
pub enum Content {
    /// In this file, which is read again when the first picture comes.
    File(LocalFile),
    /// Here: it came with the request to load it.
    Bytes(Vec<u8>),
}

/// What a version is opened from.
pub struct Plan {
    /// The model's name.
    pub model: String,
    /// The version.
    pub number: u64,
    /// Its file or package.
    pub content: Content,
    /// How it is run.
    pub tuning: Tuning,
    /// Requests that may wait for it.
    pub max_queue: usize,
    /// Where it is counted.
    pub statistics: Arc<Statistics>,
    /// The clock.
    pub clock: SharedClock,
}

/// A version, loaded.
pub struct Version {
    plan: Plan,
    placed: Placed,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    labels: Vec<String>,
    desk: Arc<Desk>,
    workers: Mutex<Vec<JoinHandle<()>>>,
    /// Opened when the first picture comes: most models never see one.
    detector: Mutex<Option<Detector>>,
}

/// A request that was decoded.
#[derive(Debug)]
pub struct Request {
    /// Its tensors, in any order.
    pub inputs: Vec<Tensor>,
    /// The names of the outputs that it wants; empty for all.
    pub outputs: Vec<String>,
    /// When it came, on the monotonic clock.
    pub arrived: Duration,
    /// After this moment nobody wants the answer.
    pub deadline: Duration,
}

/// What became of a request.
pub enum Sent {
    /// It waits; the answer comes here.
    Waits(oneshot::Receiver<Result<Done, ServeError>>),
    /// The version is stopping. The tensors come back, to be sent to its successor.
    Stopping(Vec<Tensor>),
}

impl Plan {
    /// The settings for the room that runs models.
    fn settings(&self) -> Result<detect::Settings, ServeError> {
        // Names of served models may be longer and freer than those of the configuration.
        let name = Id::new("served").map_err(|error| internal("name a model", &error))?;
        let file = match &self.content {
            Content::File(file) => file.path().to_owned(),
            Content::Bytes(_) => PathBuf::from(format!("{}/{}", self.model, self.number)),
        };
        let Tuning { provider, threads, .. } = self.tuning;
        Ok(detect::Settings { provider, threads, required: false, ..detect::Settings::new(name, file) })
    }

    fn fault(&self, source: DetectError) -> ServeError {
        ServeError::Load { model: self.model.clone(), version: self.number, source: Box::new(source) }
    }

    /// Reads and checks the file or package.
    ///
    /// # Errors
    /// When it cannot be read or must not be used.
    pub fn read(&self) -> Result<TensorModel, ServeError> {
        let settings = self.settings()?;
        let model = match &self.content {
            Content::File(_) => TensorModel::read(&settings, &*self.clock),
            Content::Bytes(bytes) => TensorModel::from_bytes(bytes.clone(), &settings, &*self.clock),
        };
        model.map_err(|error| self.fault(error))
    }

    /// Makes the model ready: its sessions are open and have run before this returns.
    ///
    /// # Errors
    /// When no provider runs it, or the machine refuses a thread.
    pub fn open(self, model: &TensorModel) -> Result<Version, ServeError> {
        let opened = (0..self.tuning.instances.max(1)).map(|_| model.open()).collect::<Result<Vec<_>, _>>();
        let mut sessions = opened.map_err(|error| self.fault(error))?;
        let first = sessions.first_mut().ok_or_else(|| internal("open a session", &"none was asked for"))?;
        let (placed, inputs, outputs) = (first.placed().clone(), first.inputs().to_vec(), first.outputs().to_vec());
        let batches = self.tuning.max_batch > 1 && proof::rows_are_independent(first);
        let desk = Arc::new(Desk {
            model: self.model.clone(),
            queue: Queue::new(self.max_queue),
            statistics: self.statistics.clone(),
            max_rows: AtomicUsize::new(if batches { self.tuning.max_batch } else { 1 }),
            delay: Duration::from_micros(self.tuning.max_queue_delay_us),
            clock: self.clock.clone(),
        });
        let workers = Mutex::new(start(&desk, sessions)?);
        let labels = model.labels().to_vec();
        let (name, version, obtained) = (&self.model, self.number, placed.report.obtained.as_str());
        tracing::info!(model = name, version, provider = obtained, batches, "a model is ready to be served");
        Ok(Version { plan: self, placed, inputs, outputs, labels, desk, workers, detector: Mutex::new(None) })
    }
}

fn start(desk: &Arc<Desk>, sessions: Vec<TensorSession>) -> Result<Vec<JoinHandle<()>>, ServeError> {
    let mut workers = Vec::with_capacity(sessions.len());
    for session in sessions {
        let shared = desk.clone();
        match threads::spawn(&format!("serve-{}", desk.model), move || worker::work(&shared, session)) {
            Ok(worker) => workers.push(worker),
            Err(error) => {
                // Those that were started must not wait for ever.
                desk.queue.close();
                return Err(internal("start a thread", &error));
            }
        }
    }
    Ok(workers)
}

fn internal(operation: &'static str, reason: &dyn std::fmt::Display) -> ServeError {
    ServeError::Internal { operation, reason: reason.to_string() }
}

impl Version {
    /// The model's name.
    pub fn model(&self) -> &str {
        &self.plan.model
    }

    /// The version.
    pub fn number(&self) -> u64 {
        self.plan.number
    }

    /// How it is run.
    pub fn tuning(&self) -> &Tuning {
        &self.plan.tuning
    }

    /// Where it runs.
    pub fn placed(&self) -> &Placed {
        &self.placed
    }

    /// What it takes.
    pub fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    /// What it gives.
    pub fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// The names of its classes; empty where nobody told them.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What is counted of it.
    pub fn statistics(&self) -> &Arc<Statistics> {
        &self.plan.statistics
    }

    /// Rows that are run together at most; 1 when its requests are run one by one.
    pub fn max_rows(&self) -> usize {
        self.desk.max_rows.load(Relaxed)
    }

    /// What it takes of the memory for models: bytes of its file, times its instances.
    pub fn bytes(&self) -> u64 {
        footprint(self.placed.size, &self.plan.tuning)
    }

    /// Checks a request and lets it wait for its turn.
    ///
    /// # Errors
    /// When it is not what the model takes, or the queue is full.
    pub fn send(&self, request: Request) -> Result<Sent, ServeError> {
        let name = self.model();
        let inputs = validate::arrange(name, &self.inputs, request.inputs).map_err(ServeError::Invalid)?;
        let wanted = validate::wanted(name, &self.outputs, &request.outputs).map_err(ServeError::Invalid)?;
        let (reply, answer) = oneshot::channel();
        let Request { arrived, deadline, .. } = request;
        // Counted before it waits, or a quick worker would take it off first.
        self.statistics().pending.fetch_add(1, Relaxed);
        match self.desk.queue.push(Job { inputs, wanted, arrived, deadline, reply }) {
            Ok(()) => Ok(Sent::Waits(answer)),
            Err(refused) => {
                self.statistics().pending.fetch_sub(1, Relaxed);
                match refused {
                    Refused::Full => Err(ServeError::QueueFull { model: name.to_owned(), limit: self.plan.max_queue }),
                    Refused::Closed(job) => Ok(Sent::Stopping(job.inputs)),
                }
            }
        }
    }

    /// Hands the model, opened as a detector, to `look`. Blocks: one picture at a time.
    ///
    /// # Errors
    /// When the model is no detector.
    pub fn with_detector<R>(&self, look: impl FnOnce(&mut Detector) -> R) -> Result<R, ServeError> {
        let mut slot = self.detector.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            *slot = Some(self.open_detector()?);
        }
        match slot.as_mut() {
            Some(detector) => Ok(look(detector)),
            None => Err(internal("open a detector", &"it is gone")),
        }
    }

    fn open_detector(&self) -> Result<Detector, ServeError> {
        let Content::File(_) = &self.plan.content else {
            return Err(ServeError::Unsupported(
                "looking at pictures with a model that came with a request".to_owned(),
            ));
        };
        let asked = ProviderChoice::One(self.placed.report.obtained);
        let settings = detect::Settings { provider: asked, ..self.plan.settings()? };
        Detector::open(&settings, self.plan.clock.clone()).map_err(|error| {
            let why = super::error::chain(&error);
            ServeError::Invalid(format!("model '{}' cannot look at pictures: {why}", self.model()))
        })
    }

    /// Takes no more requests; those that wait are still answered.
    pub fn close(&self) {
        self.desk.queue.close();
    }

    /// Waits until those that waited are answered and the sessions are gone. Blocks.
    pub fn drain(&self) {
        self.close();
        let workers = std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in workers {
            if let Err(panic) = worker.join() {
                tracing::error!(model = self.model(), "a worker panicked: {}", threads::panic_message(&*panic));
            }
        }
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a model takes of the memory for models.
pub fn footprint(size: usize, tuning: &Tuning) -> u64 {
    (size as u64).saturating_mul(u64::from(tuning.instances.max(1)))
}
