//! The thread that looks for faces: what a camera's people show is found, judged, described and compared with the gallery.
//!
//! Each camera has one waiting place; a newer picture takes the place of the one that waits. No lock is held while it looks,
//! and no camera or detector waits for it. The gallery is read anew when its file was changed; while it cannot be read,
//! nobody is recognised, and the log and `health` say why.

mod book;

use std::collections::BTreeSet;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use crate::agent::engine::error_chain;
use crate::agent::gallery::{self, Updates};
use crate::agent::inbox::Inbox;
use crate::agent::known::Recognised;
use crate::agent::role::Desks;
use crate::base::clock::SharedClock;
use crate::base::threads;
use crate::config;
use crate::detect::embed::Embedder;
use crate::detect::{CameraKey, Detector, Picture};
use crate::identify::gallery::{Key, KeyError, Store};
use crate::identify::{Due, Policy, RecogniseError, Recogniser, Sighting, identify};
use crate::vocab::{Frame, Id, IdError, Rect, WallTime};
use crate::wire::FacesHealth;
use book::Book;

/// Whoever looks for faces on this box, if anybody does; every post asks here.
pub type FaceDesk = Arc<RwLock<Option<Arc<Faces>>>>;

/// A person whose face is to be looked for.
#[derive(Debug)]
pub struct FaceJob {
    /// Whose camera it is.
    pub camera: CameraKey,
    /// The picture.
    pub frame: Frame,
    /// Where in it the face must be.
    pub part: Frame,
    /// Whose face, and how good it must be.
    pub due: Due,
}

/// Why nobody is recognised.
#[derive(Debug, thiserror::Error)]
pub enum FacesError {
    /// The models do not fit.
    #[error(transparent)]
    Recognise(#[from] RecogniseError),
    /// A model cannot be opened.
    #[error(transparent)]
    Model(#[from] crate::detect::DetectError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A model's name is none.
    #[error(transparent)]
    Name(#[from] IdError),
    /// The machine refuses a thread.
    #[error("no thread for faces")]
    Thread(#[from] io::Error),
}

/// The thread. Dropping it ends it after the look in progress.
#[derive(Debug)]
pub struct Faces {
    shared: Arc<Shared>,
    /// What names the vectors, and who runs the two models.
    about: FacesHealth,
    thread: Option<JoinHandle<()>>,
    /// What keeps the gallery as new as the hub's, where it comes from there.
    updates: Option<Updates>,
}

#[derive(Debug)]
struct Shared {
    inbox: Inbox<Task>,
    tally: Mutex<Tally>,
}

/// What came of the looks so far.
#[derive(Debug, Default)]
struct Tally {
    looks: u64,
    described: u64,
    superseded: u64,
    failed: u64,
    /// Why the last look failed, where it did.
    failure: Option<String>,
    /// Revision and people of the gallery in force, or why there is none; none before it was read.
    gallery: Option<Result<(u64, u64), String>>,
}

/// What the thread is to do.
#[derive(Debug)]
enum Task {
    Look(FaceJob),
    Renew,
}

/// What the thread works with.
struct Desk {
    recogniser: Recogniser,
    book: Book,
    policy: Policy,
    desks: Desks,
    clock: SharedClock,
    sightings: Vec<Sighting>,
}

impl Faces {
    /// Opens both models and starts the thread. ONNX Runtime must be loaded.
    ///
    /// # Errors
    /// When a model or the key cannot be used, or the machine refuses the thread. A gallery that is not there is no error:
    /// it may come.
    pub fn start(settings: &config::Identify, desks: Desks, clock: SharedClock) -> Result<Self, FacesError> {
        let (detector, embedder) = open(settings, &clock)?;
        let [detector_by, embedder_by] =
            [detector.provider(), embedder.provider()].map(|report| Some(report.obtained.as_str().to_owned()));
        let recogniser = Recogniser::new(detector, embedder, settings.limits)?;
        let space = Some(recogniser.space().to_string());
        let about = FacesHealth { space, detector: detector_by, embedder: embedder_by, ..FacesHealth::default() };
        let (key, space) = (Key::read(&settings.key_file)?, recogniser.space().to_string());
        let book = Book::new(store(settings, key.clone()), space.clone());
        let shared = Arc::new(Shared { inbox: Inbox::new(), tally: Mutex::default() });
        let start = |from_hub| {
            let settings = gallery::Settings { from_hub, file: settings.gallery.clone(), key, space };
            let shared = shared.clone();
            Updates::start(settings, clock.clone(), move || shared.renew())
        };
        let updates = settings.from_hub.clone().map(start).transpose()?;
        let desk = Desk { recogniser, book, policy: settings.policy, desks, clock, sightings: Vec::new() };
        let thread = threads::spawn("faces", {
            let shared = shared.clone();
            move || desk.work(&shared)
        })?;
        Ok(Self { shared, about, thread: Some(thread), updates })
    }

    /// Hands over a person; one of the same camera that still waits is given up.
    pub fn submit(&self, job: FaceJob) {
        let camera = job.camera;
        let is_of_it = |task: &Task| matches!(task, Task::Look(waiting) if waiting.camera == camera);
        if self.shared.inbox.put(Task::Look(job), is_of_it).is_some() {
            self.shared.tally().superseded += 1;
        }
    }

    /// How it is.
    pub fn health(&self) -> FacesHealth {
        let is_gone = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        let waiting = self.shared.inbox.waiting(|task| matches!(task, Task::Look(_))) as u64;
        let tally = self.shared.tally();
        let Tally { looks, described, superseded, failed, failure, gallery } = &*tally;
        let in_force = gallery.as_ref().and_then(|gallery| gallery.as_ref().ok());
        let missing = gallery.as_ref().and_then(|gallery| gallery.as_ref().err());
        FacesHealth {
            gallery: in_force.map(|(revision, _)| *revision),
            people: in_force.map_or(0, |(_, people)| *people),
            from_hub: self.updates.as_ref().map(Updates::health),
            looks: *looks,
            described: *described,
            waiting,
            superseded: *superseded,
            failed: *failed,
            cause: is_gone.then(|| "its thread has ended".to_owned()).or(missing.or(failure.as_ref()).cloned()),
            ..self.about.clone()
        }
    }
}

fn open(settings: &config::Identify, clock: &SharedClock) -> Result<(Detector, Embedder), FacesError> {
    let detector = Detector::open(&settings.detector_settings()?, clock.clone())?;
    let embedder = Embedder::open(&settings.embedder_settings()?, settings.family, clock.clone())?;
    Ok((detector, embedder))
}

/// The gallery, which is kept here or on the hub.
fn store(settings: &config::Identify, key: Key) -> Store {
    let store = Store::new(&settings.gallery, key);
    if settings.from_hub.is_some() { store.received() } else { store }
}

/// Tries whether people could be recognised: the models, the key, and the gallery where there is one already. `names` are the
/// watch lists and persons that the configuration names; those whom the gallery does not know are told.
///
/// # Errors
/// Why they could not, in one line.
pub fn probe(settings: &config::Identify, names: &BTreeSet<Id>, clock: &SharedClock) -> Result<String, String> {
    let (detector, embedder) = open(settings, clock).map_err(|error| error_chain(&error))?;
    let by = [detector.provider(), embedder.provider()].map(|report| report.obtained.as_str());
    let family = detector.family();
    let recogniser = Recogniser::new(detector, embedder, settings.limits).map_err(|error| error_chain(&error))?;
    let key = Key::read(&settings.key_file).map_err(|error| error_chain(&error))?;
    let (space, store) = (recogniser.space(), store(settings, key));
    let gallery = match store.changed().map(|_| store.read()) {
        None => "no gallery yet".to_owned(),
        Some(Ok(gallery)) if gallery.space == **space => {
            let lists = gallery.lists();
            let unknown = names.iter().filter(|name| gallery.person(name).is_none() && !lists.contains(name));
            let unknown = unknown.map(|name| format!("; nobody in it is on a list or has the id `{name}`"));
            format!("a gallery of {} people{}", gallery.people.len(), unknown.collect::<String>())
        }
        Some(Ok(gallery)) => {
            return Err(format!("the gallery is of another embedding model: {}, not {space}", gallery.space));
        }
        Some(Err(error)) => return Err(error_chain(&error)),
    };
    Ok(format!("{family} on {}, {space} on {}, {gallery}", by[0], by[1]))
}

impl Drop for Faces {
    fn drop(&mut self) {
        self.shared.inbox.end("faces", self.thread.take());
    }
}

impl Shared {
    /// Says that another gallery came: before the next look, so that who was removed is known no more.
    fn renew(&self) {
        self.inbox.put_first(Task::Renew, |waiting| matches!(waiting, Task::Renew));
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn note(&mut self, outcome: &Result<Option<Recognised>, String>, gallery: Result<(u64, u64), String>) {
        self.looks += 1;
        self.described += u64::from(matches!(outcome, Ok(Some(_))));
        self.failed += u64::from(outcome.is_err());
        self.failure = outcome.as_ref().err().cloned();
        self.gallery = Some(gallery);
    }
}

impl Desk {
    fn work(mut self, shared: &Shared) {
        let mut failed_in_a_row = 0u64;
        while let Some(task) = shared.inbox.next() {
            let Task::Look(job) = task else {
                self.book.read();
                shared.tally().gallery = Some(self.book.told());
                continue;
            };
            let guarded = AssertUnwindSafe(|| self.look(&job));
            let outcome = panic::catch_unwind(guarded)
                .unwrap_or_else(|panic| Err(format!("panic: {}", threads::panic_message(&*panic))));
            shared.tally().note(&outcome, self.book.told());
            let recognised = match outcome {
                Ok(recognised) => recognised,
                Err(reason) => {
                    failed_in_a_row += 1;
                    // The first of a row is news, the hundredth is not.
                    if failed_in_a_row.is_power_of_two() {
                        tracing::warn!(in_a_row = failed_in_a_row, "a look for a face failed: {reason}");
                    }
                    continue;
                }
            };
            failed_in_a_row = 0;
            let Some(recognised) = recognised else { continue };
            // A camera that was withdrawn meanwhile has no post.
            let post = self.desks.read().unwrap_or_else(PoisonError::into_inner).get(&job.camera).cloned();
            if let Some(post) = post {
                post.recognised(&job.frame, recognised);
            }
        }
    }

    /// Who it is, where there is a face that will do and is better than those before.
    fn look(&mut self, job: &FaceJob) -> Result<Option<Recognised>, String> {
        let Some(gallery) = self.book.renewed(self.clock.mono()) else { return Ok(None) };
        let told = |error: RecogniseError| error_chain(&error);
        let picture = Picture::Frame(job.part.clone());
        self.recogniser.look(&picture, &mut self.sightings).map_err(told)?;
        let limits = *self.recogniser.limits();
        // Of several faces in one person's part of the picture the largest is his.
        let sufficient = self.sightings.iter().filter(|sighting| sighting.quality.suffices(&limits));
        let size = |sighting: &&Sighting| sighting.quality.size_px;
        let Some(sighting) = sufficient.max_by(|a, b| size(a).total_cmp(&size(b))).copied() else { return Ok(None) };
        let quality = self.recogniser.judge(&picture, &sighting).map_err(told)?;
        let worth = quality.worth(&limits);
        if !quality.suffices(&limits) || worth < job.due.worth {
            return Ok(None);
        }
        let embedding = self.recogniser.describe().map_err(told)?;
        let now = WallTime::from_unix_nanos(self.clock.unix_nanos());
        let identity = identify(gallery, &embedding, &self.policy, now).map_err(|error| error.to_string())?;
        Ok(Some(Recognised { track: job.due.track, worth, identity }))
    }
}

/// Where in a picture of `width` by `height` the face of the person in `bbox` must be, normalised. A person who stands has it
/// in the upper half; whoever is seen from near or sits, in a part that is as high as he is wide.
pub fn head(bbox: &Rect, width: u32, height: u32) -> Rect {
    let shape = width as f32 / height.max(1) as f32;
    let margin = 0.1 * bbox.width();
    let reach = (1.25 * bbox.width() * shape).max(0.4 * bbox.height()).min(bbox.height());
    Rect::new(bbox.x1 - margin, bbox.y1 - margin * shape, bbox.x2 + margin, bbox.y1 + reach).clamped()
}

/// The same as left, top, width and height in pixels.
pub fn head_part(bbox: &Rect, width: u32, height: u32) -> [u32; 4] {
    let head = head(bbox, width, height);
    let (w, h) = (width as f32, height as f32);
    [head.x1 * w, head.y1 * h, head.width() * w, head.height() * h].map(|value| value.round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_who_stands_is_above_and_of_who_is_near_anywhere() {
        let standing = head_part(&Rect::new(0.4, 0.2, 0.5, 0.9), 1000, 1000);
        assert_eq!(standing, [390, 190, 120, 290], "100 wide, 700 high");
        let near = head_part(&Rect::new(0.1, 0.3, 0.9, 1.0), 1000, 1000);
        assert_eq!(near, [20, 220, 960, 780]);
        let outside = head_part(&Rect::new(-0.2, -0.2, 0.1, 0.4), 1000, 1000);
        assert_eq!(outside, [0, 0, 130, 175]);
    }
}
