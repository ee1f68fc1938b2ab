//! How a rollout, on its own thread, asks the site for what it needs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Site;
use crate::agent::engine::{Running, error_chain};
use crate::agent::rollout::shadow::Shadow;
use crate::agent::rollout::{Bed, Broken, Gone, InForce, Measures};
use crate::base::clock::SharedClock;
use crate::behaviour;
use crate::vocab::{Id, Labels};
use crate::wire::{PackageRef, ProofEvidence, ReportedMessage, to_json};

/// Something that is done to the site by whoever has it.
pub type Act = Box<dyn FnOnce(&mut Site) + Send>;

/// The site's cameras as a rollout's bed.
pub struct SiteBed {
    acts: mpsc::Sender<Act>,
    clock: SharedClock,
    shadows: BTreeMap<Id, Arc<Shadow>>,
}

impl SiteBed {
    /// Asks through `acts`.
    pub fn new(acts: mpsc::Sender<Act>, clock: SharedClock) -> Self {
        Self { acts, clock, shadows: BTreeMap::new() }
    }

    pub(super) fn ask<T: Send + 'static>(&self, act: impl FnOnce(&mut Site) -> T + Send + 'static) -> Result<T, Gone> {
        let (tell, told) = std::sync::mpsc::channel();
        let act: Act = Box::new(move |site| drop(tell.send(act(site))));
        self.acts.blocking_send(act).map_err(|_| Gone)?;
        told.recv().map_err(|_| Gone)
    }

    fn ask_of<T: Send + 'static>(
        &self,
        slot: &Id,
        act: impl FnOnce(&mut Site, &Id) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let slot = slot.clone();
        self.ask(move |site| act(site, &slot))
    }
}

impl Bed for SiteBed {
    fn fallen(&mut self) -> Result<Vec<(Id, Option<PackageRef>, String)>, Gone> {
        self.ask(|site| {
            let fallen = std::mem::take(&mut site.packages.fallen);
            let active = |name: &Id| site.packages.in_force.get(name).and_then(|in_force| in_force.active.clone());
            fallen.into_iter().map(|(name, reason)| (name.clone(), active(&name), reason)).collect()
        })
    }

    fn has(&mut self, slot: &Id) -> Result<bool, Gone> {
        self.ask_of(slot, |site, slot| site.engines.contains_key(slot))
    }

    /// Opened here, as it may take long: the site goes on meanwhile.
    fn open(&mut self, slot: &Id, file: Option<&Path>) -> Result<Result<(), String>, Gone> {
        let file = file.map(Path::to_owned);
        let Some((opening, rules)) = self.ask_of(slot, move |site, slot| site.candidate_opening(slot, file))? else {
            return Ok(Err(format!("the configuration no longer has a model called {slot}")));
        };
        let running = match opening.start(&self.clock) {
            Ok(running) => running,
            Err(error) => return Ok(Err(error_chain(&error))),
        };
        if let Some(fault) = fault(&rules, &running.labels) {
            return Ok(Err(fault));
        }
        self.ask_of(slot, move |site, slot| site.set_candidate(slot.clone(), running))?;
        Ok(Ok(()))
    }

    fn begin_shadow(&mut self, slot: &Id, looks: u32) -> Result<(), Gone> {
        let shadow = self.ask_of(slot, move |site, slot| site.begin_shadow(slot, looks))?;
        self.shadows.extend(shadow.map(|shadow| (slot.clone(), shadow)));
        Ok(())
    }

    fn shadow(&mut self, slot: &Id) -> Result<ProofEvidence, Gone> {
        Ok(self.shadows.get(slot).map(|shadow| shadow.seen()).unwrap_or_default())
    }

    fn broken(&mut self, slot: &Id) -> Result<Option<Broken>, Gone> {
        self.ask_of(slot, Site::broken)
    }

    fn measure(&mut self, slot: &Id) -> Result<Measures, Gone> {
        self.ask_of(slot, |site, slot| site.measures(slot))
    }

    fn switch(&mut self, slot: &Id, why: &str) -> Result<Result<(), String>, Gone> {
        tracing::info!(model = %slot, why, "another model decides from now on");
        self.ask_of(slot, Site::exchange)
    }

    fn close(&mut self, slot: &Id, in_force: InForce) -> Result<(), Gone> {
        self.shadows.remove(slot);
        // Dropped here: an inference that hangs would hold up the site.
        let closed: Option<Running> = self.ask_of(slot, move |site, slot| site.settle(slot, in_force))?;
        drop(closed);
        Ok(())
    }

    fn report(&mut self, report: ReportedMessage) -> Result<(), Gone> {
        self.ask(move |site| {
            let topic = site.means().topics.reported();
            site.means().broker.set_retained(&topic, to_json(&report));
        })
    }
}

/// What the cameras' rules ask for that a model does not know.
fn fault(rules: &[(Id, behaviour::Settings)], labels: &Labels) -> Option<String> {
    rules.iter().find_map(|(camera, rules)| {
        let faults = rules.faults(labels);
        let first = faults.first()?;
        Some(format!("it does not fit the rules of the camera {camera}: {first}"))
    })
}
