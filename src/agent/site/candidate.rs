//! A model beside the one that decides: opened, exchanged with it, closed, while every camera goes on.

use std::path::PathBuf;
use std::sync::Arc;

use super::Site;
use crate::agent::engine::{Engine, Opening, Running, error_chain};
use crate::agent::pipeline::Looker;
use crate::agent::post::Post;
use crate::agent::resources::Resources;
use crate::agent::role::Role;
use crate::agent::rollout::shadow::{Shadow, Voice};
use crate::agent::rollout::{Broken, InForce, Measures};
use crate::behaviour;
use crate::config;
use crate::event::{ModelChange, Notice};
use crate::vocab::{Id, ModelFacts};

/// Looks of a candidate that may fail before it is given up.
const MOST_FAILURES: u64 = 3;

impl Site {
    /// Opens the package that is in force for a model, the one before, or what the configuration names.
    pub(super) fn open_engine(&mut self, model: config::Model) -> Engine {
        let in_force = self.packages.in_force.get(&model.name).cloned().unwrap_or_default();
        let mut wrong = Vec::new();
        for package in [&in_force.active, &in_force.previous].into_iter().flatten() {
            let file = self.packages.folder.join(format!("{}.vedette", package.sha256));
            match self.opening(model.from_package(file), Role::deciding()).start(&self.clock) {
                Ok(running) => {
                    self.note_fall(&model.name, wrong, InForce { active: Some(package.clone()), previous: None });
                    return Engine::new(model, Ok(running));
                }
                Err(error) => wrong.push(error_chain(&error)),
            }
        }
        self.note_fall(&model.name, wrong, InForce::default());
        let running = self.opening(model.clone(), Role::deciding()).start(&self.clock);
        Engine::new(model, running)
    }

    fn note_fall(&mut self, name: &Id, wrong: Vec<String>, now: InForce) {
        if wrong.is_empty() {
            return;
        }
        let reason = wrong.join("; ");
        tracing::error!(model = %name, reason, "what the hub brought into force cannot be opened; what was before runs");
        self.packages.in_force.insert(name.clone(), now);
        self.packages.fallen.push((name.clone(), reason));
    }

    /// What it takes to open a model.
    pub(super) fn opening(&mut self, config: config::Model, role: Role) -> Opening {
        let number = self.next_engine;
        self.next_engine += 1;
        let cache = self.config.state_dir.join("engines");
        Opening { config, number, cache, accepted: self.kept.packages(), desks: self.desks.clone(), role }
    }

    /// What it takes to open `file` beside the model `name`, and the rules that will read what it sees.
    pub(super) fn candidate_opening(
        &mut self,
        name: &Id,
        file: Option<PathBuf>,
    ) -> Option<(Opening, Vec<(Id, behaviour::Settings)>)> {
        let own = self.engines.get(name)?.config.clone();
        let config = file.map_or_else(|| own.clone(), |file| own.from_package(file));
        let rules = self.posts_of(name).map(|post| (post.id().clone(), post.config.behaviour_settings())).collect();
        self.disturbed.remove(name);
        Some((self.opening(config, Role::candidate()), rules))
    }

    pub(super) fn set_candidate(&mut self, name: Id, running: Running) {
        self.candidates.insert(name, running);
    }

    /// Compares the candidate with the model that decides.
    pub(super) fn begin_shadow(&self, name: &Id, looks: u32) -> Option<Arc<Shadow>> {
        let candidate = self.candidates.get(name)?;
        let decides = self.engines.get(name)?.running.as_ref().ok()?;
        let shadow = Arc::new(Shadow::new(candidate.worker.clone(), voice(decides), voice(candidate), looks));
        candidate.role.set_shadow(Some(shadow.clone()));
        decides.role.set_shadow(Some(shadow.clone()));
        Some(shadow)
    }

    /// Why an attempt to bring another model into force cannot go on.
    pub(super) fn broken(&mut self, name: &Id) -> Option<Broken> {
        let is_there = self.engines.contains_key(name) && self.candidates.contains_key(name);
        if self.disturbed.remove(name) || !is_there {
            return Some(Broken::Ground);
        }
        let now = self.clock.mono();
        let decides = self.engines.get(name)?.running.as_ref().ok();
        let fault = |running: &Running| {
            let worker = &running.worker;
            if !worker.is_alive() {
                return Some("its thread has ended".to_owned());
            }
            if let Some(since) = worker.overdue(now) {
                return Some(format!("it hangs: an inference has not come back for {} s", since.as_secs()));
            }
            let failed = worker.totals().failed;
            (failed >= MOST_FAILURES).then(|| format!("{failed} of its looks failed"))
        };
        let candidates = self.candidates.get(name).into_iter().chain(decides);
        // On trial the candidate is the one that decides; that the other one hangs is no reason to keep it.
        candidates.filter(|running| running.role.is_candidate()).find_map(fault).map(Broken::Model)
    }

    /// The counters of the model that decides, and of its cameras.
    pub(super) fn measures(&self, name: &Id) -> Measures {
        let running = self.engines.get(name).and_then(|engine| engine.running.as_ref().ok());
        let totals = running.map(|running| running.worker.totals()).unwrap_or_default();
        let frames = self.posts_of(name).filter_map(|post| post.stats()).map(|(stats, _)| stats.counts.packets).sum();
        Measures {
            at: self.clock.mono(),
            frames,
            looked: totals.looked,
            superseded: totals.superseded,
            failed: totals.failed,
            memory: Resources::now(&self.config.state_dir).rss_bytes,
        }
    }

    /// Exchanges the model that decides and the one beside it. Until every camera has the new one neither decides, which
    /// is over before the next frame comes.
    pub(super) fn exchange(&mut self, name: &Id) -> Result<(), String> {
        let Some(mut engine) = self.engines.remove(name) else {
            return Err(format!("the configuration no longer has a model called {name}"));
        };
        let Some(candidate) = self.candidates.remove(name) else {
            self.engines.insert(name.clone(), engine);
            return Err("it is no longer open".to_owned());
        };
        let before = engine.running.ok();
        if let Some(before) = &before {
            before.role.set_deciding(false);
            before.role.set_shadow(None);
        }
        candidate.role.set_shadow(None);
        for post in self.posts_of(name) {
            post.change_model(self.looker(&candidate, post), candidate.worker.clone());
        }
        candidate.role.set_deciding(true);
        let facts = candidate.facts.clone();
        let was = before.as_ref().map(|before| before.facts.sha256.clone()).unwrap_or_default();
        engine.running = Ok(candidate);
        self.engines.insert(name.clone(), engine);
        self.candidates.extend(before.map(|before| (name.clone(), before)));
        self.tell_exchange(facts, was);
        Ok(())
    }

    fn tell_exchange(&mut self, model: ModelFacts, was: String) {
        self.notice(&Notice::Model { model, change: ModelChange::Replaced { was } });
    }

    fn looker(&self, running: &Running, post: &Post) -> Looker {
        Looker {
            model: running.facts.clone(),
            labels: running.labels.clone(),
            track: running.config.track_settings(&running.labels),
            behaviour: post.config.behaviour_settings(),
            timezone: self.config.timezone.clone(),
        }
    }

    /// Gives up the model that does not decide, for the caller to close. `in_force` is what a restart finds.
    pub(super) fn settle(&mut self, name: &Id, in_force: InForce) -> Option<Running> {
        self.packages.in_force.insert(name.clone(), in_force);
        if let Some(running) = self.engines.get(name).and_then(|engine| engine.running.as_ref().ok()) {
            running.role.set_shadow(None);
            running.role.set_proved();
            if let Some(package) = &running.package {
                self.kept.accept(package);
            }
        }
        self.candidates.remove(name)
    }
}

fn voice(running: &Running) -> Voice {
    Voice { labels: running.labels.clone(), threshold: running.config.score() }
}
