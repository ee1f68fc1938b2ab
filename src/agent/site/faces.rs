//! Who looks for faces on this box, and what no picture shows: started where the configuration asks for it, and exchanged when that changes.

use std::sync::{Arc, PoisonError};

use super::Site;
use crate::agent::engine::error_chain;
use crate::agent::faces::Faces;
use crate::agent::known;
use crate::agent::post::Means;
use crate::config::{self, Config};
use crate::event::{ModelChange, Notice};
use crate::evidence;
use crate::vocab::ModelFacts;

impl Site {
    /// Starts, exchanges or ends what looks for faces, where the configuration differs from `before`. Where it cannot be
    /// started, nobody is recognised, and an event says why.
    pub(super) fn renew_faces(&mut self, before: Option<&Config>) {
        if before.is_some_and(|before| wanted(before) == wanted(&self.config)) {
            return;
        }
        self.set_faces(None);
        let Some(settings) = wanted(&self.config).cloned() else { return };
        match Faces::start(&settings, self.desks.clone(), self.clock.clone()) {
            Ok(faces) => self.set_faces(Some(Arc::new(faces))),
            Err(error) => {
                let why = error_chain(&error);
                tracing::error!(why, "nobody is recognised");
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

    /// Nobody looks for faces any more.
    pub(super) fn end_faces(&self) {
        self.set_faces(None);
    }

    fn set_faces(&self, faces: Option<Arc<Faces>>) {
        // Dropped only once nobody waits for the lock: it waits for the look in progress.
        let before = std::mem::replace(&mut *self.means.faces.write().unwrap_or_else(PoisonError::into_inner), faces);
        drop(before);
    }

    /// How a camera's pictures are kept: never with what it must not show.
    pub(super) fn evidence_of(&self, camera: &config::Camera) -> evidence::Settings {
        let masks = camera.privacy_masks.clone();
        evidence::Settings { masks, ..self.config.evidence.evidence_settings() }
    }

    /// What a camera's post shares with the rest of the agent.
    pub(super) fn means_of(&self, camera: &config::Camera) -> Means {
        Means { evidence: self.evidence_of(camera), ..self.means.clone() }
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
