//! Who finds the faces that pictures must not show: a thread for each model that does it, and why a picture is withheld.
//!
//! ```text
//!   recorder ── picture ──▶ redactor (a thread) ── faces ──▶ recorder: hidden, then written and published
//!                              └─ none, fails, hangs ──▶ withheld: the event is told without a picture, and says so
//! ```
//!
//! The recorder waits for the faces of a picture, as an event names the picture's file, but never for longer than [`LIMIT`]:
//! events are worth more than pictures.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::agent::engine::error_chain;
use crate::base::clock::SharedClock;
use crate::base::threads;
use crate::config;
use crate::detect::{DetectError, Detector};
use crate::evidence::Shot;
use crate::vocab::{Frame, Id, Labels, ModelFacts, Rect};
use crate::wire::ModelHealth;

/// How long a picture waits for its faces.
const LIMIT: Duration = Duration::from_secs(5);
/// How long dropping a redactor waits for the look in progress.
const DROP_LIMIT: Duration = Duration::from_secs(5);
/// A score from which on something is taken for a face, whatever the model's own threshold is where that is higher: hiding
/// what is none costs less than showing one.
const SCORE: f32 = 0.3;
/// The labels of what is hidden.
const FACES: [&str; 2] = ["face", "head"];

/// Why a model does not find faces.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// It cannot be opened.
    #[error(transparent)]
    Model(#[from] DetectError),
    /// It is a detector of something else.
    #[error("it finds no faces: none of its labels is `face` or `head`, they are {0}")]
    NoFaces(String),
    /// The machine refuses a thread.
    #[error("no thread for it")]
    Thread(#[from] std::io::Error),
}

/// Every redactor, by the name of its model; the recorder and the site share it.
#[derive(Debug, Clone, Default)]
pub struct Redactors(Arc<RwLock<BTreeMap<Id, Arc<Redactor>>>>);

/// One model that finds faces, or that should and does not.
#[derive(Debug)]
pub struct Redactor {
    config: config::Model,
    running: Result<Running, String>,
    looked: AtomicU64,
    /// Why the last picture was withheld.
    failure: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Running {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    facts: ModelFacts,
    asked: String,
    /// Whether a picture was handed over that has not been looked at.
    hangs: Arc<AtomicBool>,
    /// How often its own process was started again, where it has one.
    restarts: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Job {
    frame: Frame,
    answer: SyncSender<Result<Vec<Rect>, String>>,
}

impl Redactors {
    /// Hides the faces of a picture that must not show them.
    ///
    /// # Errors
    /// Why it must be withheld.
    pub fn redact(&self, shot: &mut Shot) -> Result<(), String> {
        let Some(model) = shot.hides_faces_by().cloned() else { return Ok(()) };
        let redactor = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&model).cloned();
        let redactor = redactor.ok_or_else(|| format!("the model {model}, which finds faces, is not there"))?;
        shot.hide_faces(|frame| redactor.find(frame))
    }

    /// Those that are there.
    pub fn all(&self) -> Vec<(Id, Arc<Redactor>)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(name, redactor)| (name.clone(), redactor.clone())).collect()
    }

    /// Keeps only those that `stays` says.
    pub fn retain(&self, stays: impl Fn(&Redactor) -> bool) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<_> = all.extract_if(.., |_, redactor| !stays(redactor)).collect();
        drop(all);
        // Only now: dropping one waits for the look in progress.
        drop(gone);
    }

    /// Puts one there.
    pub fn insert(&self, redactor: Redactor) {
        let name = redactor.config.name.clone();
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(redactor));
    }
}

impl Redactor {
    /// Opens the model and starts its thread. ONNX Runtime must be loaded. `cache` is where providers keep what they compile.
    ///
    /// # Errors
    /// When it cannot be opened or finds no faces, or the machine refuses the thread.
    pub fn open(model: config::Model, cache: Option<PathBuf>, clock: &SharedClock) -> Result<Self, RedactError> {
        let mut detector = Detector::open(&model.detect_settings(cache), clock.clone())?;
        let classes = face_classes(detector.labels())?;
        detector.set_threshold(model.score().min(SCORE));
        let (facts, asked) = (detector.facts(), detector.provider().asked.to_string());
        // One waits while one is looked at: whoever comes then is not let in.
        let (jobs, waiting) = mpsc::sync_channel(1);
        let hangs = Arc::new(AtomicBool::new(false));
        let restarts = Arc::new(AtomicU64::new(0));
        let thread = threads::spawn("redact", {
            let (hangs, restarts) = (hangs.clone(), restarts.clone());
            move || work(detector, &classes, &waiting, &hangs, &restarts)
        })?;
        let running = Running { jobs: Some(jobs), thread: Some(thread), facts, asked, hangs, restarts };
        Ok(Self { config: model, running: Ok(running), looked: AtomicU64::new(0), failure: Mutex::default() })
    }

    /// One that does not run: every picture that needs it is withheld.
    pub fn broken(model: config::Model, why: String) -> Self {
        Self { config: model, running: Err(why), looked: AtomicU64::new(0), failure: Mutex::default() }
    }

    /// What the configuration says of it.
    pub fn model(&self) -> &config::Model {
        &self.config
    }

    /// Why it does not run, where it does not.
    pub fn fault(&self) -> Option<&str> {
        self.running.as_ref().err().map(String::as_str)
    }

    /// What events say of it.
    pub fn facts(&self) -> Option<&ModelFacts> {
        self.running.as_ref().ok().map(|running| &running.facts)
    }

    /// How it is.
    pub fn health(&self) -> ModelHealth {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let inferences = self.looked.load(Ordering::Relaxed);
        let isolated = self.config.isolation == config::Isolation::Process;
        match &self.running {
            Ok(Running { facts, asked, restarts, .. }) => ModelHealth {
                version: facts.version.clone(),
                sha256: facts.sha256.clone(),
                asked: asked.clone(),
                obtained: Some(facts.provider.clone()),
                cause: failure,
                inferences,
                restarts: isolated.then(|| restarts.load(Ordering::Relaxed)),
            },
            Err(why) => ModelHealth {
                version: String::new(),
                sha256: String::new(),
                asked: format!("{:?}", self.config.provider).to_lowercase(),
                obtained: None,
                cause: Some(why.clone()),
                inferences,
                restarts: None,
            },
        }
    }

    /// The faces of a picture, normalised.
    fn find(&self, frame: Frame) -> Result<Vec<Rect>, String> {
        let found = self.running.as_ref().map_err(String::clone).and_then(|running| running.find(frame));
        self.looked.fetch_add(u64::from(found.is_ok()), Ordering::Relaxed);
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = found.as_ref().err().cloned();
        found
    }
}

impl Running {
    fn find(&self, frame: Frame) -> Result<Vec<Rect>, String> {
        const HANGS: &str = "an inference has not come back";
        // Set here and taken back by the thread when it has looked, so that an answer which comes as the limit passes does not
        // leave a model that works marked as one that hangs.
        if self.hangs.swap(true, Ordering::Relaxed) {
            return Err(HANGS.to_owned());
        }
        let (answer, answered) = mpsc::sync_channel(1);
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.try_send(Job { frame, answer }).is_ok());
        if !sent {
            self.hangs.store(false, Ordering::Relaxed);
            return Err("its thread is gone".to_owned());
        }
        match answered.recv_timeout(LIMIT) {
            Ok(found) => found,
            Err(RecvTimeoutError::Timeout) => Err(HANGS.to_owned()),
            Err(RecvTimeoutError::Disconnected) => {
                self.hangs.store(false, Ordering::Relaxed);
                Err("its thread is gone".to_owned())
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.jobs = None;
        let Some(thread) = self.thread.take() else { return };
        match threads::with_deadline("redact-join", DROP_LIMIT, move || thread.join()) {
            Some(Ok(())) => {}
            Some(Err(_)) => tracing::error!("a thread that finds faces had ended in a panic"),
            None => tracing::error!("an inference does not come back; its thread is left to itself"),
        }
    }
}

fn work(mut detector: Detector, classes: &[u16], waiting: &Receiver<Job>, hangs: &AtomicBool, restarts: &AtomicU64) {
    let mut found = Vec::new();
    for Job { frame, answer } in waiting {
        let looked = panic::catch_unwind(AssertUnwindSafe(|| detector.detect(&frame, &mut found)));
        // Before the answer: whoever waits for it wants the picture back.
        drop(frame);
        let faces = match looked {
            Ok(Ok(_)) => Ok(found.iter().filter(|d| classes.contains(&d.class)).map(|d| d.bbox).collect()),
            Ok(Err(error)) => Err(error_chain(&error)),
            Err(panic) => Err(format!("panic: {}", threads::panic_message(&*panic))),
        };
        restarts.store(detector.restarts(), Ordering::Relaxed);
        hangs.store(false, Ordering::Relaxed);
        // Whoever asked may have given up waiting.
        let _ = answer.send(faces);
    }
}

/// Which of a model's classes are faces.
fn face_classes(labels: &Labels) -> Result<Vec<u16>, RedactError> {
    let classes: Vec<u16> = FACES.iter().filter_map(|name| labels.index(name)).collect();
    if classes.is_empty() {
        let named: Vec<&str> = labels.iter().take(8).collect();
        return Err(RedactError::NoFaces(named.join(", ")));
    }
    Ok(classes)
}

/// Whether a model finds faces, for whoever tries a configuration.
///
/// # Errors
/// When it does not.
pub fn finds_faces(labels: &Labels) -> Result<(), String> {
    face_classes(labels).map(drop).map_err(|error| error.to_string())
}

/// The models that a configuration needs for this.
pub fn wanted(config: &config::Config) -> Vec<&config::Model> {
    let is_wanted = |model: &&config::Model| {
        config.cameras.iter().any(|camera| camera.enabled && camera.hide_faces.as_ref() == Some(&model.name))
    };
    config.models.iter().filter(is_wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Settings;

    fn model(name: &str) -> config::Model {
        let text = format!(
            "agent: {{ id: a }}\nmqtt: {{ url: \"mqtt://localhost\" }}\nmodels: {{ {name}: {{ file: f.onnx }} }}\n\
             cameras: [ {{ id: door, url: \"scene://\", privacy: {{ faces: {name} }} }} ]"
        );
        let folders = config::Folders { config: PathBuf::from("/"), credentials: None };
        let config = config::load(text.as_bytes(), &folders).unwrap().config;
        assert_eq!(wanted(&config).len(), 1);
        config.models[0].clone()
    }

    fn shot(model: &str) -> Shot {
        let settings = Settings { hide_faces: Id::new(model).ok(), ..Settings::default() };
        Shot::of(&Frame::from_i420(32, 32, vec![90; 32 * 48]).unwrap(), None, &[], &settings)
    }

    #[test]
    fn a_picture_is_withheld_where_its_model_is_not_there_or_does_not_run() {
        let redactors = Redactors::default();
        let refused = redactors.redact(&mut shot("faces")).unwrap_err();
        assert_eq!(refused, "the model faces, which finds faces, is not there");
        redactors.insert(Redactor::broken(model("faces"), "no such file".to_owned()));
        let mut withheld = shot("faces");
        assert_eq!(redactors.redact(&mut withheld).unwrap_err(), "no such file");
        assert_eq!(withheld.to_jpegs(&Settings::default()), (None, None));
        let (_, redactor) = redactors.all().remove(0);
        let health = redactor.health();
        assert_eq!((health.obtained, health.cause.as_deref(), health.inferences), (None, Some("no such file"), 0));
        redactors.retain(|_| false);
        assert!(redactors.all().is_empty());
    }

    #[test]
    fn a_picture_that_may_show_faces_needs_nobody() {
        let mut shot = Shot::of(&Frame::from_i420(32, 32, vec![90; 32 * 48]).unwrap(), None, &[], &Settings::default());
        assert_eq!(Redactors::default().redact(&mut shot), Ok(()));
        assert!(shot.to_jpeg(&Settings::default()).is_some());
    }

    #[test]
    fn an_inference_that_hangs_holds_up_one_picture_and_no_more() {
        let (jobs, waiting) = mpsc::sync_channel::<Job>(1);
        let hangs = Arc::new(AtomicBool::new(true));
        let facts = ModelFacts {
            name: "faces".to_owned(),
            version: String::new(),
            sha256: String::new(),
            provider: String::new(),
            threshold: 0.3,
        };
        let (asked, restarts) = (String::new(), Arc::default());
        let running = Running { jobs: Some(jobs), thread: None, facts, asked, hangs, restarts };
        let frame = Frame::from_i420(2, 2, vec![0; 6]).unwrap();
        assert_eq!(running.find(frame.clone()).unwrap_err(), "an inference has not come back");
        assert!(waiting.try_recv().is_err(), "nothing is handed over");
        drop(waiting);
        running.hangs.store(false, Ordering::Relaxed);
        assert_eq!(running.find(frame).unwrap_err(), "its thread is gone");
    }

    #[test]
    fn a_model_of_something_else_is_refused() {
        assert!(finds_faces(&Labels::new(["face"])).is_ok());
        let refused = finds_faces(&Labels::new(["person", "car"])).unwrap_err();
        assert!(refused.contains("they are person, car"), "{refused}");
    }
}
