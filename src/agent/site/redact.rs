//! What no picture shows, and who finds the faces of those that must not show any: opened where the configuration asks for
//! it, and exchanged when that changes.

use super::Site;
use crate::agent::engine::error_chain;
use crate::agent::redact::{Redactor, wanted};
use crate::config;
use crate::detect;
use crate::event::{ModelChange, Notice};
use crate::evidence;
use crate::vocab::ModelFacts;

impl Site {
    /// How a camera's pictures are kept: never with what it must not show.
    pub(super) fn evidence_of(&self, camera: &config::Camera) -> evidence::Settings {
        let (masks, hide_faces) = (camera.privacy_masks.clone(), camera.hide_faces.clone());
        evidence::Settings { masks, hide_faces, ..self.config.evidence.evidence_settings() }
    }

    /// Opens the models that find faces, and ends those that nobody needs any more. Where one cannot be opened, the pictures
    /// that need it are withheld, and an event says why.
    pub(super) fn renew_redactors(&mut self) {
        let wanted: Vec<config::Model> = wanted(&self.config).into_iter().cloned().collect();
        let redactors = self.means.redactors.clone();
        // One that does not run is tried anew.
        let stays = |redactor: &Redactor| wanted.contains(redactor.model()) && redactor.fault().is_none();
        if redactors.all().iter().any(|(_, redactor)| !stays(redactor)) {
            // Pictures that wait to be written still need them.
            self.means.recorder.flush();
        }
        redactors.retain(stays);
        let missing = wanted.into_iter().filter(|model| !redactors.all().iter().any(|(name, _)| *name == model.name));
        for model in missing.collect::<Vec<_>>() {
            let redactor = self.open_redactor(model);
            redactors.insert(redactor);
        }
    }

    fn open_redactor(&mut self, model: config::Model) -> Redactor {
        let began = self.clock.mono();
        let cache = Some(self.config.state_dir.join("engines"));
        let opened = detect::runtime::load(&self.search)
            .map_err(|error| error_chain(&error))
            .and_then(|_| Redactor::open(model.clone(), cache, &self.clock).map_err(|error| error_chain(&error)));
        let redactor = opened.unwrap_or_else(|why| {
            tracing::error!(model = %model.name, why, "pictures that must not show faces are withheld");
            Redactor::broken(model.clone(), why)
        });
        let named = || ModelFacts {
            name: model.name.to_string(),
            version: String::new(),
            sha256: String::new(),
            provider: String::new(),
            threshold: model.score(),
        };
        let change = match redactor.fault() {
            None => ModelChange::Loaded { took: self.clock.mono().saturating_sub(began) },
            Some(why) => ModelChange::Failed { why: why.to_owned() },
        };
        let facts = redactor.facts().cloned().unwrap_or_else(named);
        self.notice(&Notice::Model { model: facts, change });
        redactor
    }
}
