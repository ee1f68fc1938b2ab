//! The gallery from the hub: asked for again and again, fetched, opened with the key of this box, and put in force, or never.
//!
//! ```text
//!   ask ─▶ offer ─ consider ─▶ fetch ─▶ open ─ judge ─▶ in place of the older one ─▶ read anew
//!                     │                   │
//!                     ╰──── refused ◀─────╯    what is here stays in use, and `health` says why
//! ```
//!
//! [`offer`] decides, pure. A download that breaks off goes on where it stopped, also in another run of the agent. The
//! thread works beside cameras and models, and none of them waits for it.

mod offer;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::agent::engine::error_chain;
use crate::agent::hub_client;
use crate::base::backoff::Backoff;
use crate::base::clock::SharedClock;
use crate::base::threads;
use crate::client::{self, Client, ClientError};
use crate::config::FromHub;
use crate::identify::gallery::{Key, Store, StoreError};
use crate::vocab::{Id, WallTime};
use crate::wire::GalleryHealth;
use offer::{Held, Offer, Refusal, Step, consider, judge};

/// The longest time until what arrived damaged is fetched again.
const DAMAGED: Duration = Duration::from_secs(3600);

/// Which gallery, and what it must fit.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is on the hub.
    pub from_hub: FromHub,
    /// Where it lies here.
    pub file: PathBuf,
    /// What opens it.
    pub key: Key,
    /// What names the vectors of the embedding model that runs here.
    pub space: String,
}

/// Why no newer gallery is here.
#[derive(Debug, thiserror::Error)]
enum UpdateError {
    /// The hub does not answer, or refuses.
    #[error(transparent)]
    Hub(#[from] ClientError),
    /// It is not taken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It does not open, or cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The same that was refused before.
    #[error("{0}")]
    Still(String),
}

/// The thread that keeps the gallery as new as the hub's. Dropping it ends it, once the request in progress is over.
#[derive(Debug)]
pub struct Updates {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    ending: Condvar,
}

#[derive(Debug)]
struct State {
    health: GalleryHealth,
    is_ending: bool,
}

impl Updates {
    /// Starts the thread. `renewed` is called when another gallery lies in the file.
    ///
    /// # Errors
    /// When the machine refuses the thread.
    pub fn start(settings: Settings, clock: SharedClock, renewed: impl Fn() + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(settings.from_hub.gallery.clone()));
        threads::spawn("gallery", {
            let (shared, updater) = (shared.clone(), Updater::new(settings, clock));
            move || updater.run(&shared, &renewed)
        })?;
        Ok(Self { shared })
    }

    /// How it is.
    pub fn health(&self) -> GalleryHealth {
        self.shared.lock().health.clone()
    }
}

impl Drop for Updates {
    /// The thread is not waited for: a request to a hub that is silent may take long, and harms nobody.
    fn drop(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.ending.notify_all();
    }
}

impl Shared {
    fn new(gallery: Id) -> Self {
        let health = GalleryHealth { gallery, offered: None, has: None, asked: None, cause: None };
        Self { state: Mutex::new(State { health, is_ending: false }), ending: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; whether it is time to end.
    fn wait(&self, limit: Duration) -> bool {
        let waited = self.ending.wait_timeout_while(self.lock(), limit, |state| !state.is_ending);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_ending
    }
}

/// What the thread works with.
struct Updater {
    settings: Settings,
    store: Store,
    clock: SharedClock,
    /// The file as it was looked at last, and when it had been changed then.
    seen: Option<(Option<SystemTime>, Held)>,
    /// SHA-256 of what was fetched and refused, and why: it is not fetched again while the agent runs.
    refused: Option<(String, String)>,
}

impl Updater {
    fn new(settings: Settings, clock: SharedClock) -> Self {
        let store = Store::new(&settings.file, settings.key.clone()).received();
        Self { settings, store, clock, seen: None, refused: None }
    }

    fn run(mut self, shared: &Shared, renewed: &dyn Fn()) {
        let every = self.settings.from_hub.every;
        let (mut damaged, mut told) = (Backoff::new(every, DAMAGED.max(every)), None);
        loop {
            let outcome = self.round(shared);
            let cause = outcome.as_ref().err().map(|error| error_chain(error));
            let wait = match &outcome {
                Err(UpdateError::Hub(ClientError::Digest { .. })) => damaged.next_wait().max(every),
                _ => every,
            };
            if let Ok(Step::Fetch) = outcome {
                damaged.reset();
                renewed();
            }
            if cause != told
                && let Some(why) = &cause
            {
                tracing::warn!(gallery = %self.settings.from_hub.gallery, why, "no newer gallery comes from the hub");
            }
            shared.lock().health.cause = cause.clone();
            told = cause;
            if shared.wait(wait) {
                return;
            }
        }
    }

    /// Asks once and takes what is newer: [`Step::Fetch`] where that was so.
    fn round(&mut self, shared: &Shared) -> Result<Step, UpdateError> {
        let held = self.held()?;
        shared.lock().health.has = held.known.has;
        let client = hub_client::connect(&self.settings.from_hub.hub)?;
        let offer = self.ask(&client, shared)?;
        if consider(&offer, &held)? == Step::Nothing {
            self.sweep(None);
            return Ok(Step::Nothing);
        }
        if let Some((_, why)) = self.refused.as_ref().filter(|(sha256, _)| *sha256 == offer.sha256) {
            return Err(UpdateError::Still(why.clone()));
        }
        self.take(&client, &offer)?;
        shared.lock().health.has = self.held()?.known.has;
        Ok(Step::Fetch)
    }

    fn ask(&self, client: &Client, shared: &Shared) -> Result<Offer, UpdateError> {
        let offer = match client.get(&format!("/api/v1/galleries/{}", self.settings.from_hub.gallery)) {
            Ok(answer) => Offer::read(answer).map_err(UpdateError::from),
            // It answers, and has none.
            Err(error @ ClientError::Refused { .. }) => Err(error.into()),
            Err(error) => return Err(error.into()),
        };
        let mut state = shared.lock();
        state.health.asked = Some(self.now().to_rfc3339());
        state.health.offered = offer.as_ref().ok().map(|offer| offer.revision);
        drop(state);
        offer
    }

    /// Fetches what is offered and puts it in the other's place.
    fn take(&mut self, client: &Client, offer: &Offer) -> Result<(), UpdateError> {
        let file = self.incoming(&offer.sha256);
        self.sweep(Some(&file));
        client.fetch(&offer.sha256, offer.size, &file, &mut |_, _| {})?;
        let space = &self.settings.space;
        let judged = self.store.receive::<UpdateError>(&file, ("hub", self.now()), |gallery, known| {
            Ok(judge(gallery, offer, known, space)?)
        });
        match judged {
            Ok(gallery) => {
                let (revision, people) = (gallery.revision, gallery.people.len());
                tracing::info!(revision, people, "a newer gallery came from the hub");
                Ok(())
            }
            Err(error) => {
                if matches!(error, UpdateError::Refused(_) | UpdateError::Store(StoreError::Format { .. })) {
                    self.refused = Some((offer.sha256.clone(), error_chain(&error)));
                }
                let _ = fs::remove_file(&file);
                Err(error)
            }
        }
    }

    /// What is here; looked at again only where it was changed.
    fn held(&mut self) -> Result<Held, StoreError> {
        let changed = self.store.changed();
        if let Some((_, held)) = self.seen.as_ref().filter(|(at, _)| *at == changed && changed.is_some()) {
            return Ok(held.clone());
        }
        let known = self.store.known()?;
        let sha256 = known.has.and_then(|_| client::digest(&self.settings.file).ok());
        let held = Held { known, sha256 };
        self.seen = Some((changed, held.clone()));
        Ok(held)
    }

    /// Where a file lies while it is fetched: beside the gallery, so that it can take its place in one step.
    fn incoming(&self, sha256: &str) -> PathBuf {
        let mut name = self.settings.file.as_os_str().to_owned();
        name.push(format!(".incoming-{sha256}"));
        name.into()
    }

    /// Deletes what was begun of other files: who was removed since may be in them.
    fn sweep(&self, but: Option<&Path>) {
        let begins = self.incoming("");
        let (Some(folder), Some(begins)) = (self.settings.file.parent(), begins.file_name()) else { return };
        let of = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (begins, kept) = (begins.to_string_lossy().into_owned(), but.map(of));
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_kept = kept.as_ref().is_some_and(|kept| name.starts_with(kept));
            if name.starts_with(&begins)
                && !is_kept
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::warn!(file = name, %error, "what was begun of an older gallery cannot be deleted");
            }
        }
    }

    fn now(&self) -> WallTime {
        WallTime::from_unix_nanos(self.clock.unix_nanos())
    }
}
