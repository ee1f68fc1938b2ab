//! Who looks for faces on this box: started where the configuration asks for it, and exchanged when that changes.

use std::sync::{Arc, PoisonError};

use super::Site;
use crate::agent::engine::error_chain;
use crate::agent::faces::Faces;
use crate::agent::known;
use crate::config::{self, Config};
use crate::event::{ModelChange, Notice};
use crate::vocab::ModelFacts;
use crate::wire::{FacesHealth, GalleryHealth};

impl Site {
    /// Starts, exchanges or ends what looks for faces, where the configuration differs from `before`. Where it cannot be
    /// started, nobody is recognised, and an event says why.
    pub(super) fn renew_faces(&mut self, before: Option<&Config>) {
        if before.is_some_and(|before| wanted(before) == wanted(&self.config)) {
            return;
        }
        self.set_faces(None);
        self.faces_failure = None;
        let Some(settings) = wanted(&self.config).cloned() else { return };
        match Faces::start(&settings, self.desks.clone(), self.clock.clone()) {
            Ok(faces) => self.set_faces(Some(Arc::new(faces))),
            Err(error) => {
                let why = error_chain(&error);
                tracing::error!(why, "nobody is recognised");
                self.faces_failure = Some(why.clone());
                let model = ModelFacts {
                    name: "faces".to_owned(),
                    version: String::new(),
                    sha256: String::new(),
                    provider: String::new(),
                    threshold: settings.policy.threshold,
                };
                self.notice(&Notice::Model { model, change: ModelChange::Failed { why } });
            }
        }
    }

    /// How those who look for faces are; none where nobody is to.
    pub fn faces_health(&self) -> Option<FacesHealth> {
        if let Some(why) = &self.faces_failure {
            let from_hub = wanted(&self.config).and_then(|settings| settings.from_hub.as_ref());
            let from_hub = from_hub.map(|from_hub| GalleryHealth {
                gallery: from_hub.gallery.clone(),
                offered: None,
                has: None,
                asked: None,
                cause: Some("nobody asks for it, as nobody is recognised".to_owned()),
            });
            return Some(FacesHealth { cause: Some(why.clone()), from_hub, ..FacesHealth::default() });
        }
        let faces = self.means.faces.read().unwrap_or_else(PoisonError::into_inner);
        faces.as_ref().map(|faces| faces.health())
    }

    /// Nobody looks for faces any more.
    pub(super) fn end_faces(&self) {
        self.set_faces(None);
    }

    fn set_faces(&self, faces: Option<Arc<Faces>>) {
        // Dropped only once nobody waits for the lock: it waits for the look in progress.
        let before = std::mem::replace(&mut *self.means.faces.write().unwrap_or_else(PoisonError::into_inner), faces);
        drop(before);
    }

    /// How people are recognised before a camera, where they are.
    pub(super) fn known_settings(&self, camera: &config::Camera) -> Option<known::Settings> {
        let (own, box_wide) = (camera.identify.as_ref()?, self.config.identify.as_ref()?);
        Some(known::Settings { shots: box_wide.shots, tell: own.tell.clone() })
    }
}

/// What the configuration asks for, where a camera makes use of it.
fn wanted(config: &Config) -> Option<&config::Identify> {
    config.identify.as_ref().filter(|_| config.cameras.iter().any(|camera| camera.identify.is_some()))
}
