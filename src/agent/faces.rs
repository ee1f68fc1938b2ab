//! The thread that looks for faces: what a camera's people show is found, judged, described and compared with the gallery.
//!
//! Each camera has one waiting place; a newer picture takes the place of the one that waits. No lock is held while it looks,
//! and no camera or detector waits for it. The gallery is read anew when its file was changed; while it cannot be read,
//! nobody is recognised, and the log says why.

use std::collections::VecDeque;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use crate::agent::engine::error_chain;
use crate::agent::known::Recognised;
use crate::agent::role::Desks;
use crate::base::clock::SharedClock;
use crate::base::threads;
use crate::config;
use crate::detect::embed::Embedder;
use crate::detect::{CameraKey, Detector, Picture};
use crate::identify::gallery::{Gallery, Key, KeyError, Store};
use crate::identify::{Due, Policy, RecogniseError, Recogniser, Sighting, identify};
use crate::vocab::{Frame, IdError, Rect, WallTime};

/// How often the gallery's file is looked at.
const RENEW: Duration = Duration::from_secs(2);
/// How long dropping it waits for the look in progress.
const DROP_LIMIT: Duration = Duration::from_secs(5);

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
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<FaceJob>,
    is_ending: bool,
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
        let detector = Detector::open(&settings.detector_settings()?, clock.clone())?;
        let embedder = Embedder::open(&settings.embedder_settings()?, settings.family, clock.clone())?;
        let recogniser = Recogniser::new(detector, embedder, settings.limits)?;
        let store = Store::new(&settings.gallery, Key::read(&settings.key_file)?);
        let book = Book {
            store,
            space: recogniser.space().to_string(),
            looked: None,
            changed: None,
            highest: 0,
            gallery: None,
        };
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let desk = Desk { recogniser, book, policy: settings.policy, desks, clock, sightings: Vec::new() };
        let thread = threads::spawn("faces", {
            let shared = shared.clone();
            move || desk.work(&shared)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Hands over a person; one of the same camera that still waits is given up.
    pub fn submit(&self, job: FaceJob) {
        let mut state = self.shared.lock();
        match state.waiting.iter_mut().find(|waiting| waiting.camera == job.camera) {
            Some(place) => *place = job,
            None => state.waiting.push_back(job),
        }
        drop(state);
        self.shared.changed.notify_one();
    }
}

impl Drop for Faces {
    fn drop(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.changed.notify_all();
        let Some(thread) = self.thread.take() else { return };
        if thread.thread().id() == std::thread::current().id() {
            return;
        }
        match threads::with_deadline("faces-join", DROP_LIMIT, move || thread.join()) {
            Some(Ok(())) => {}
            Some(Err(_)) => tracing::error!("the thread for faces had ended in a panic"),
            None => tracing::error!("an inference does not come back; its thread is left to itself"),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next person; none when it is time to end.
    fn next(&self) -> Option<FaceJob> {
        let mut state = self.lock();
        loop {
            if state.is_ending {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Desk {
    fn work(mut self, shared: &Shared) {
        let mut failed_in_a_row = 0u64;
        while let Some(job) = shared.next() {
            let guarded = AssertUnwindSafe(|| self.look(&job));
            let outcome = panic::catch_unwind(guarded)
                .unwrap_or_else(|panic| Err(format!("panic: {}", threads::panic_message(&*panic))));
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

/// The gallery as it was read last.
#[derive(Debug)]
struct Book {
    store: Store,
    /// Of the model that looks.
    space: String,
    looked: Option<Duration>,
    /// When the file that was read last was changed.
    changed: Option<SystemTime>,
    /// The highest revision that was read: nobody goes back behind it while the program runs, whatever is done to the log.
    highest: u64,
    gallery: Option<Gallery>,
}

impl Book {
    /// The gallery, read anew where its file was changed since; none where it cannot be used.
    fn renewed(&mut self, now: Duration) -> Option<&Gallery> {
        if self.looked.is_none_or(|looked| now.saturating_sub(looked) >= RENEW) {
            self.looked = Some(now);
            let changed = self.store.changed();
            if changed.is_none() || changed != self.changed {
                self.changed = changed;
                self.read();
            }
        }
        self.gallery.as_ref()
    }

    fn read(&mut self) {
        self.gallery = None;
        match self.store.read() {
            Ok(gallery) if gallery.revision < self.highest => {
                tracing::error!(revision = gallery.revision, "the gallery is older than before; nobody is recognised");
            }
            Ok(gallery) if gallery.space != self.space => {
                let (found, expected) = (&gallery.space, &self.space);
                tracing::error!(found, expected, "the gallery is of another embedding model; nobody is recognised");
            }
            Ok(gallery) => {
                tracing::info!(revision = gallery.revision, people = gallery.people.len(), "the gallery is in force");
                self.highest = gallery.revision;
                self.gallery = Some(gallery);
            }
            Err(error) => {
                let error = error_chain(&error);
                tracing::error!(error, "the gallery cannot be used; nobody is recognised");
            }
        }
    }
}

/// Where in a picture of `width` by `height` the face of the person in `bbox` must be: left, top, width and height in
/// pixels. A person who stands has it in the upper half; whoever is seen from near or sits, in a part that is as high as he
/// is wide.
pub fn head_part(bbox: &Rect, width: u32, height: u32) -> [u32; 4] {
    let (w, h) = (width as f32, height as f32);
    let (across, down) = (bbox.width() * w, bbox.height() * h);
    let margin = 0.1 * across;
    let reach = (1.25 * across).max(0.4 * down).min(down);
    let clamp = |value: f32, most: f32| value.clamp(0.0, most);
    let (left, top) = (clamp(bbox.x1 * w - margin, w), clamp(bbox.y1 * h - margin, h));
    let (right, bottom) = (clamp(bbox.x2 * w + margin, w), clamp(bbox.y1 * h + reach, h));
    [left, top, right - left, bottom - top].map(|value| value as u32)
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
