//! The thread that recognises people again by how they look: who is due is described and compared with those who are
//! remembered.
//!
//! Each camera has one waiting place; a newer picture takes the place of the one that waits. No lock is held while it looks,
//! and no camera or detector waits for it. What is remembered lies in the memory of this thread alone and goes with it.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use fastrand::Rng;

use crate::agent::engine::error_chain;
use crate::agent::inbox::Inbox;
use crate::agent::role::Desks;
use crate::base::clock::SharedClock;
use crate::base::threads;
use crate::config;
use crate::detect::embed::Embedder;
use crate::detect::{CameraKey, Picture};
use crate::identify::{Appearances, DescribeError, Describer, Presence, Taken};
use crate::vocab::{Appearance, Frame, IdError, Rect, TrackId};
use crate::wire::ReidentifyHealth;

/// How many words of tracks that have ended wait at most. Beyond that nobody knows who is away, and all are forgotten.
const MOST_WORDS: usize = 1024;

/// Whoever recognises people again on this box, if anybody does; every post asks here.
pub type ReidentifyDesk = Arc<RwLock<Option<Arc<Reidentifier>>>>;

/// A person to be described.
#[derive(Debug)]
pub struct BodyJob {
    /// Whose camera it is.
    pub camera: CameraKey,
    /// The picture.
    pub frame: Frame,
    /// The part of it that shows the person.
    pub part: Frame,
    /// Where in that part, in pixels.
    pub bbox: Rect,
    /// The person's track.
    pub track: TrackId,
    /// When and where the picture was taken.
    pub taken: Taken,
    /// Who else is there, this person included.
    pub present: Vec<Presence>,
}

/// What the thread is to do.
#[derive(Debug)]
enum Job {
    Look(Box<BodyJob>),
    Left(Taken, Vec<Presence>),
    Forget,
}

/// Why nobody is recognised again.
#[derive(Debug, thiserror::Error)]
pub enum ReidentifyError {
    /// The model does not fit.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// The model cannot be opened.
    #[error(transparent)]
    Model(#[from] crate::detect::DetectError),
    /// A model's name is none.
    #[error(transparent)]
    Name(#[from] IdError),
    /// The machine refuses a thread.
    #[error("no thread for people who come again")]
    Thread(#[from] io::Error),
}

/// The thread. Dropping it ends it after the look in progress.
#[derive(Debug)]
pub struct Reidentifier {
    shared: Arc<Shared>,
    /// What names the vectors, and who runs the model.
    about: ReidentifyHealth,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    inbox: Inbox<Job>,
    tally: Mutex<Tally>,
}

/// What came of the looks so far.
#[derive(Debug, Default)]
struct Tally {
    described: u64,
    again: u64,
    remembered: u64,
    superseded: u64,
    failed: u64,
    /// Why the last look failed, where it did.
    failure: Option<String>,
}

/// What the thread works with.
struct Desk {
    describer: Describer,
    memory: Appearances,
    desks: Desks,
    clock: SharedClock,
}

impl Reidentifier {
    /// Opens the model and starts the thread. ONNX Runtime must be loaded.
    ///
    /// # Errors
    /// When the model cannot be used, or the machine refuses the thread.
    pub fn start(settings: &config::Reidentify, desks: Desks, clock: SharedClock) -> Result<Self, ReidentifyError> {
        let (describer, embedder) = open(settings, &clock)?;
        let about = ReidentifyHealth {
            space: Some(describer.space().to_string()),
            embedder: Some(embedder),
            ..ReidentifyHealth::default()
        };
        let shared = Arc::new(Shared { inbox: Inbox::new(), tally: Mutex::default() });
        let memory = Appearances::new(settings.appearances, Rng::new());
        let desk = Desk { describer, memory, desks, clock };
        let thread = threads::spawn("reidentify", {
            let shared = shared.clone();
            move || desk.work(&shared)
        })?;
        Ok(Self { shared, about, thread: Some(thread) })
    }

    /// Hands over a person; one of the same camera that still waits is given up.
    pub fn submit(&self, job: BodyJob) {
        let camera = job.camera;
        let supersedes = |waiting: &Job| matches!(waiting, Job::Look(waiting) if waiting.camera == camera);
        if self.shared.inbox.put(Job::Look(Box::new(job)), supersedes).is_some() {
            self.shared.tally().superseded += 1;
        }
    }

    /// Tracks of a camera have ended; `taken` is its last picture.
    pub fn left(&self, taken: Taken, gone: Vec<Presence>) {
        let is_word = |job: &Job| !matches!(job, Job::Look(_));
        if self.shared.inbox.waiting(is_word) < MOST_WORDS {
            self.shared.inbox.put(Job::Left(taken, gone), |_| false);
        } else {
            self.shared.inbox.put(Job::Forget, is_word);
        }
    }

    /// How it is.
    pub fn health(&self) -> ReidentifyHealth {
        let is_gone = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        let waiting = self.shared.inbox.waiting(|job| matches!(job, Job::Look(_))) as u64;
        let tally = self.shared.tally();
        let Tally { described, again, remembered, superseded, failed, failure } = &*tally;
        ReidentifyHealth {
            remembered: *remembered,
            described: *described,
            again: *again,
            waiting,
            superseded: *superseded,
            failed: *failed,
            cause: is_gone.then(|| "its thread has ended".to_owned()).or(failure.clone()),
            ..self.about.clone()
        }
    }
}

/// The model, and who runs it.
fn open(settings: &config::Reidentify, clock: &SharedClock) -> Result<(Describer, String), ReidentifyError> {
    let embedder = Embedder::open(&settings.embedder_settings()?, None, clock.clone())?;
    let by = embedder.provider().obtained.as_str().to_owned();
    Ok((Describer::new(embedder)?, by))
}

/// Tries whether people could be recognised again.
///
/// # Errors
/// Why they could not, in one line.
pub fn probe(settings: &config::Reidentify, clock: &SharedClock) -> Result<String, String> {
    let (describer, by) = open(settings, clock).map_err(|error| error_chain(&error))?;
    Ok(format!("{} on {by}", describer.space()))
}

impl Drop for Reidentifier {
    fn drop(&mut self) {
        self.shared.inbox.end("reidentify", self.thread.take());
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn work(mut self, shared: &Shared) {
        let mut failed_in_a_row = 0u64;
        while let Some(job) = shared.inbox.next() {
            self.memory.forget(self.clock.mono());
            let looked = match job {
                Job::Look(job) => Some((self.guarded(&job), job)),
                Job::Left(taken, gone) => {
                    self.memory.left(&taken, &gone);
                    None
                }
                Job::Forget => {
                    self.memory.clear();
                    None
                }
            };
            shared.tally().remembered = self.memory.len() as u64;
            let Some((outcome, job)) = looked else { continue };
            shared.tally().note(&outcome);
            match outcome {
                Ok(appearance) => {
                    failed_in_a_row = 0;
                    self.tell(&job, appearance);
                }
                Err(reason) => {
                    failed_in_a_row += 1;
                    // The first of a row is news, the hundredth is not.
                    if failed_in_a_row.is_power_of_two() {
                        tracing::warn!(in_a_row = failed_in_a_row, "a look at a person failed: {reason}");
                    }
                }
            }
        }
    }

    fn guarded(&mut self, job: &BodyJob) -> Result<Appearance, String> {
        let guarded = AssertUnwindSafe(|| self.look(job));
        panic::catch_unwind(guarded).unwrap_or_else(|panic| Err(format!("panic: {}", threads::panic_message(&*panic))))
    }

    /// Whom the person is taken for.
    fn look(&mut self, job: &BodyJob) -> Result<Appearance, String> {
        let picture = Picture::Frame(job.part.clone());
        let shot = self.describer.describe(&picture, &job.bbox).map_err(|error| error_chain(&error))?;
        let shown = self.memory.shown(&job.taken, job.track, &job.present, shot);
        shown.map_err(|error| error.to_string())
    }

    fn tell(&self, job: &BodyJob, appearance: Appearance) {
        // A camera that was withdrawn meanwhile has no post.
        let post = self.desks.read().unwrap_or_else(PoisonError::into_inner).get(&job.camera).cloned();
        if let Some(post) = post {
            post.seen_again(&job.frame, job.track, appearance);
        }
    }
}

impl Tally {
    fn note(&mut self, outcome: &Result<Appearance, String>) {
        match outcome {
            Ok(appearance) => {
                self.described += 1;
                self.again += u64::from(appearance.before.is_some());
                self.failure = None;
            }
            Err(reason) => {
                self.failed += 1;
                self.failure = Some(reason.clone());
            }
        }
    }
}
