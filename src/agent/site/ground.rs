//! Another configuration while the agent runs, and how everything is meanwhile.

use std::collections::BTreeMap;

use super::Site;
use super::bed::SiteBed;
use crate::agent::feeding::while_fed;
use crate::agent::post::Post;
use crate::agent::rollout::{CameraReading, Gone, Ground, Reading, told};
use crate::config::{Faults, Overlay};

impl Site {
    /// Puts the file in force as it was read anew, with the overlay over it where that still fits. Returns what needs a
    /// restart of the program.
    ///
    /// # Errors
    /// When the file is faulty; then nothing is changed.
    pub fn renew(&mut self, file: Vec<u8>) -> Result<Vec<&'static str>, Faults> {
        let config = self.layers.renew(file)?;
        if let Some(reason) = self.layers.unfit() {
            tracing::error!(reason, "the hub's overlay does not lie over the file; the file alone is in force");
        }
        Ok(while_fed(|| self.apply(config)))
    }

    fn lay(&mut self, overlay: Option<Overlay>) -> Result<(), String> {
        let config = self.layers.lay(overlay).map_err(|faults| told(&faults))?;
        while_fed(|| self.apply(config));
        Ok(())
    }

    fn restore(&mut self, committed: Option<Result<Overlay, String>>) {
        match self.layers.restore(committed) {
            Ok(config) => drop(while_fed(|| self.apply(config))),
            // It was in force before, so it is not; what is on trial is taken away with the next file that is read.
            Err(faults) => tracing::error!(faults = told(&faults), "the file in force is faulty"),
        }
    }

    fn reading(&self) -> Reading {
        let camera = |post: &Post| {
            let stats = post.stats().map(|(stats, _)| stats);
            CameraReading {
                post: post.key.0,
                frames: stats.as_ref().map_or(0, |stats| stats.counts.packets),
                has_pictures: post.state().has_pictures(),
                unseen: self.unseen(post),
            }
        };
        let cameras: BTreeMap<_, _> = self.posts().map(|post| (post.id().clone(), camera(post))).collect();
        Reading {
            at: self.clock.mono(),
            applied: self.applied,
            cameras,
            is_connected: self.means.broker.status().borrow().connected_since.is_some(),
            acknowledged: self.forwarder.acknowledged_by_hub(),
        }
    }

    /// Why nobody looks at a camera's pictures though a model should.
    fn unseen(&self, post: &Post) -> Option<String> {
        let model = post.config.model()?;
        let is_running = self.engines.get(model).is_some_and(|engine| engine.running.is_ok());
        if is_running { post.unseen() } else { Some(format!("the model {model} does not run")) }
    }
}

impl Ground for SiteBed {
    fn fits(&mut self, overlay: Option<&Overlay>) -> Result<Result<(), String>, Gone> {
        let layers = self.ask(|site| site.layers.clone())?;
        Ok(layers.with(overlay).map(drop).map_err(|faults| told(&faults)))
    }

    fn lay(&mut self, overlay: Option<&Overlay>) -> Result<Result<(), String>, Gone> {
        let overlay = overlay.cloned();
        self.ask(move |site| site.lay(overlay))
    }

    fn restore(&mut self, committed: Option<Result<Overlay, String>>) -> Result<(), Gone> {
        self.ask(move |site| site.restore(committed))
    }

    fn unfit(&mut self) -> Result<Option<String>, Gone> {
        self.ask(|site| site.layers.unfit().map(str::to_owned))
    }

    fn look(&mut self) -> Result<Reading, Gone> {
        self.ask(|site| site.reading())
    }
}
