//! Who recognises people again on this box: started where the configuration asks for it, and exchanged when that changes.

use std::sync::{Arc, PoisonError};

use super::Site;
use crate::agent::engine::error_chain;
use crate::agent::familiar;
use crate::agent::reidentify::Reidentifier;
use crate::config::{self, Config};
use crate::event::{ModelChange, Notice};
use crate::vocab::ModelFacts;
use crate::wire::ReidentifyHealth;

impl Site {
    /// Starts, exchanges or ends what recognises people again, where the configuration differs from `before`; all who were
    /// remembered are forgotten then. Where it cannot be started, nobody is recognised again, and an event says why.
    pub(super) fn renew_reidentifier(&mut self, before: Option<&Config>) {
        if before.is_some_and(|before| wanted(before) == wanted(&self.config)) {
            return;
        }
        self.set_reidentifier(None);
        self.reidentify_failure = None;
        let Some(settings) = wanted(&self.config).cloned() else { return };
        match Reidentifier::start(&settings, self.desks.clone(), self.clock.clone()) {
            Ok(reidentifier) => self.set_reidentifier(Some(Arc::new(reidentifier))),
            Err(error) => {
                let why = error_chain(&error);
                tracing::error!(why, "nobody is recognised again");
                self.reidentify_failure = Some(why.clone());
                let model = ModelFacts {
                    name: "reidentify".to_owned(),
                    version: String::new(),
                    sha256: String::new(),
                    provider: String::new(),
                    threshold: settings.appearances.threshold,
                };
                self.notice(&Notice::Model { model, change: ModelChange::Failed { why } });
            }
        }
    }

    /// How those who recognise people again are; none where nobody is to.
    pub fn reidentify_health(&self) -> Option<ReidentifyHealth> {
        if let Some(why) = &self.reidentify_failure {
            return Some(ReidentifyHealth { cause: Some(why.clone()), ..ReidentifyHealth::default() });
        }
        let reidentifier = self.means.reidentifier.read().unwrap_or_else(PoisonError::into_inner);
        reidentifier.as_ref().map(|reidentifier| reidentifier.health())
    }

    /// Nobody is recognised again any more.
    pub(super) fn end_reidentifier(&self) {
        self.set_reidentifier(None);
    }

    fn set_reidentifier(&self, reidentifier: Option<Arc<Reidentifier>>) {
        let mut desk = self.means.reidentifier.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *desk, reidentifier);
        // Dropped only once nobody waits for the lock: it waits for the look in progress.
        drop(desk);
        drop(before);
    }

    /// How people are recognised again before a camera, where they are.
    pub(super) fn familiar_settings(&self, camera: &config::Camera) -> Option<familiar::Settings> {
        let own = camera.reidentify.as_ref().filter(|_| self.config.reidentify.is_some())?;
        Some(familiar::Settings { camera: camera.id.clone(), tell: own.tell.clone() })
    }
}

/// What the configuration asks for, where a camera makes use of it.
fn wanted(config: &Config) -> Option<&config::Reidentify> {
    config.reidentify.as_ref().filter(|_| config.cameras.iter().any(|camera| camera.reidentify.is_some()))
}
