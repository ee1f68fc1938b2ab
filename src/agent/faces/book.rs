//! The gallery as the thread that looks for faces has it: read anew when its file was changed, and never an older one.

use std::time::{Duration, SystemTime};

use crate::agent::engine::error_chain;
use crate::identify::gallery::{Gallery, Store};

/// How often the gallery's file is looked at.
const RENEW: Duration = Duration::from_secs(2);

/// The gallery as it was read last.
#[derive(Debug)]
pub(super) struct Book {
    store: Store,
    /// Of the model that looks.
    space: String,
    looked: Option<Duration>,
    /// When the file that was read last was changed.
    changed: Option<SystemTime>,
    /// The highest revision that was read: nobody goes back behind it while the program runs, whatever is done to the log.
    highest: u64,
    /// Or why there is none.
    gallery: Result<Gallery, String>,
}

impl Book {
    /// The gallery of `store`, which is not read yet. `space` is that of the model that looks.
    pub(super) fn new(store: Store, space: String) -> Self {
        let gallery = Err("it was not read yet".to_owned());
        Self { store, space, looked: None, changed: None, highest: 0, gallery }
    }

    /// Its revision and how many people are in it, or why there is none.
    pub(super) fn told(&self) -> Result<(u64, u64), String> {
        let about = |gallery: &Gallery| (gallery.revision, gallery.people.len() as u64);
        self.gallery.as_ref().map(about).map_err(String::clone)
    }

    /// The gallery, read anew where its file was changed since; none where it cannot be used.
    pub(super) fn renewed(&mut self, now: Duration) -> Option<&Gallery> {
        if self.looked.is_none_or(|looked| now.saturating_sub(looked) >= RENEW) {
            self.looked = Some(now);
            let changed = self.store.changed();
            if changed.is_none() || changed != self.changed {
                self.read();
            }
        }
        self.gallery.as_ref().ok()
    }

    /// Reads it anew.
    pub(super) fn read(&mut self) {
        self.changed = self.store.changed();
        self.gallery = match self.store.read() {
            Ok(gallery) if gallery.revision < self.highest => {
                Err(format!("the gallery is older than before: revision {} after {}", gallery.revision, self.highest))
            }
            Ok(gallery) if gallery.space != self.space => {
                Err(format!("the gallery is of another embedding model: {}, not {}", gallery.space, self.space))
            }
            Ok(gallery) => Ok(gallery),
            Err(error) => Err(error_chain(&error)),
        };
        match &self.gallery {
            Ok(gallery) => {
                tracing::info!(revision = gallery.revision, people = gallery.people.len(), "the gallery is in force");
                self.highest = gallery.revision;
            }
            Err(why) => tracing::error!(why, "the gallery cannot be used; nobody is recognised"),
        }
    }
}
