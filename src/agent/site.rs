//! Everything that runs on one box: models, cameras, recorder and forwarder, started in order and stopped in reverse.
//!
//! ```text
//!   cameras ──▶ posts ──▶ detectors ──▶ posts ──▶ recorder ──▶ spool ──▶ forwarder ──▶ broker
//!      └─────────────── states, counts, health: retained ───────────────────────────────┘
//! ```
//!
//! `upkeep` is what it does by the clock; `candidate` is how one model takes the place of another, `ground` how another
//! configuration does, and `bed` how a rollout asks for that.

mod access;
pub mod bed;
mod candidate;
mod faces;
mod ground;
mod redact;
mod reidentify;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::agent::cadence;
use crate::agent::change;
use crate::agent::clips::{self, Clips};
use crate::agent::clockwatch::ClockWatch;
use crate::agent::engine::{Engine, Running, error_chain, head};
use crate::agent::forward::Forwarder;
use crate::agent::kept::Kept;
use crate::agent::layers::{Layered, Layers};
use crate::agent::pipeline::{self, Line, Occurrence};
use crate::agent::post::{Means, Post};
use crate::agent::recorder::{Pictures, Recorder};
use crate::agent::redact::Redactors;
use crate::agent::role::Desks;
use crate::agent::rollout::InForce;
use crate::agent::stores::{StartError, Stores};
use crate::base::clock::SharedClock;
use crate::config::{self, Config};
use crate::detect::{self, CameraKey, LibrarySearch};
use crate::event::{self, Narrator, Notice};
use crate::history;
use crate::mqtt;
use crate::scene::MOVING;
use crate::spool::Spool;
use crate::vocab::{Id, Labels, MediaTime, ModelFacts, WallTime};
use crate::wire::{Origin, Topics};

/// How long a camera's thread may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// What runs on this box.
pub struct Site {
    /// The configuration in force.
    config: Config,
    /// What it is made of.
    layers: Layers,
    /// How often one was put in force.
    applied: u64,
    search: LibrarySearch,
    /// Drawn at random for this run.
    boot: String,
    epoch: u64,
    clock: SharedClock,
    spool: Arc<dyn Spool>,
    history: Option<history::Store>,
    forwarder: Arc<Forwarder>,
    means: Means,
    /// Clips, where any are kept.
    clips: Option<Clips>,
    engines: BTreeMap<Id, Engine>,
    packages: Packages,
    /// Beside each engine at most one other model: on its way to decide, or that decided before.
    candidates: BTreeMap<Id, Running>,
    /// The models that were opened anew while a candidate was beside them.
    disturbed: BTreeSet<Id>,
    posts: BTreeMap<Id, Arc<Post>>,
    /// The posts by the numbers that workers know them by.
    desks: Desks,
    next_key: u32,
    next_engine: usize,
    kept: Kept,
    narrator: Narrator,
    /// Why nobody is recognised though somebody should be.
    faces_failure: Option<String>,
    /// Why nobody is recognised again though somebody should be.
    reidentify_failure: Option<String>,
    /// When losses were last told of, on the monotonic clock.
    losses_told: Option<Duration>,
    /// When maps were last kept.
    heats_kept: Option<Duration>,
}

/// The packages from the hub that are in force in place of what the configuration names.
#[derive(Debug, Clone, Default)]
pub struct Packages {
    /// Where they lie.
    pub folder: PathBuf,
    /// Which, by the model's name.
    pub in_force: BTreeMap<Id, InForce>,
    /// Those that could not be opened, and why; what runs now is in `in_force`.
    pub fallen: Vec<(Id, String)>,
}

impl Site {
    /// Starts models and cameras. `broker` is where states are published; `boot` names this run.
    ///
    /// # Errors
    /// When something that cannot be done without is missing: a required model, a thread.
    pub fn start(
        layered: Layered,
        search: LibrarySearch,
        stores: Stores,
        forwarder: Arc<Forwarder>,
        broker: mqtt::Handle,
        boot: String,
        clock: SharedClock,
    ) -> Result<Self, StartError> {
        let Layered { config, layers } = layered;
        let origin = Origin { agent: config.id.clone(), site: config.site.clone(), boot: boot.clone() };
        let ledger = clips::ledger(&config, &stores.spool);
        let redactors = Redactors::default();
        let pictures = Pictures { settings: stores.evidence, redactors: redactors.clone() };
        let recorder = Recorder::start(origin, stores.spool.clone(), pictures, ledger.clone(), clock.clone())
            .map_err(|source| StartError::Thread { name: "record", source })?;
        let means = Means {
            recorder: Arc::new(recorder),
            broker,
            topics: Topics::new(&config.id),
            clock: clock.clone(),
            redactors,
            clock_watch: Arc::new(ClockWatch::new(clock.clone())),
            faces: Default::default(),
            reidentifier: Default::default(),
        };
        let clips = Clips::start(&config, ledger, &means)?;
        // Episodes must never repeat: the epoch is drawn anew for each run.
        let epoch = fastrand::u64(1..=u64::from(u32::MAX));
        let narrator = Narrator::new(event::Settings::new(config.id.clone(), None, epoch));
        let kept = Kept::new(stores.spool.clone());
        let mut site = Self {
            layers,
            applied: 0,
            search,
            boot,
            epoch,
            clock,
            spool: stores.spool,
            history: stores.history,
            forwarder,
            means,
            clips,
            engines: BTreeMap::new(),
            packages: stores.packages,
            candidates: BTreeMap::new(),
            disturbed: BTreeSet::new(),
            posts: BTreeMap::new(),
            desks: Desks::default(),
            next_key: 0,
            next_engine: 0,
            kept,
            narrator,
            faces_failure: None,
            reidentify_failure: None,
            losses_told: None,
            heats_kept: None,
            config,
        };
        site.start_engines()?;
        site.require_engines()?;
        site.renew_faces(None);
        site.renew_reidentifier(None);
        site.renew_redactors();
        site.clear_orphans();
        site.config.cameras.clone().into_iter().for_each(|camera| site.post(camera));
        Ok(site)
    }

    /// Puts a changed configuration in force: cameras and models that it does not concern go on undisturbed. Returns
    /// what needs a restart of the program.
    pub fn apply(&mut self, config: Config) -> Vec<&'static str> {
        self.applied += 1;
        let needs_restart = change::needs_restart(&self.config, &config);
        let config = change::without_what_needs_a_restart(&self.config, config);
        let changed_models: Vec<Id> = self.engines_to_replace(&config);
        let old = std::mem::replace(&mut self.config, config);
        let concerned = |camera: &&config::Camera| {
            let is_same = change::leaves_alone(&old, &self.config, camera);
            let has_new_model = camera.model().is_some_and(|model| changed_models.contains(model));
            !is_same || has_new_model || self.posts.get(&camera.id).is_some_and(|post| post.is_outdated())
        };
        let concerned: Vec<Id> = old.cameras.iter().filter(concerned).map(|camera| camera.id.clone()).collect();
        self.withdraw(&concerned);
        self.posts.values().for_each(|post| post.set_config_revision(&self.config.revision));
        self.clear_orphans();
        self.engines.retain(|name, _| !changed_models.contains(name));
        let disturbed = self.candidates.extract_if(.., |name, _| changed_models.contains(name));
        self.disturbed.extend(disturbed.map(|(name, _)| name));
        if let Err(error) = self.start_engines() {
            tracing::error!(error = error_chain(&error), "a model of the new configuration does not run");
        }
        self.renew_faces(Some(&old));
        self.renew_reidentifier(Some(&old));
        self.renew_redactors();
        let missing: Vec<config::Camera> =
            self.config.cameras.iter().filter(|c| !self.posts.contains_key(&c.id)).cloned().collect();
        missing.into_iter().for_each(|camera| self.post(camera));
        self.notice(&Notice::Config { revision: self.config.revision.clone(), change: event::ConfigChange::Applied });
        needs_restart
    }

    /// Records something that concerns the agent as a whole.
    pub fn notice(&mut self, notice: &Notice) {
        let wall = WallTime::from_unix_nanos(self.clock.unix_nanos());
        let labels = Labels::default();
        let context = event::Context {
            pts: MediaTime::ZERO,
            captured: wall,
            clock: self.means.clock_watch.state(),
            model: None,
            config_revision: &self.config.revision,
            labels: &labels,
        };
        let event = self.narrator.notice(notice, &context);
        self.means.recorder.record(vec![Occurrence { event, shot: None }]);
    }

    /// Stops cameras and models, ends every open happening, and waits until all is on the disk.
    pub fn stop(mut self) {
        // Said before anything is waited for, so that it is delivered however long a camera takes to end.
        self.posts.values().for_each(|post| post.close_for_good());
        let finishing = self.clips.as_ref().map(Clips::finish);
        let all: Vec<Id> = self.posts.keys().cloned().collect();
        self.withdraw(&all);
        finishing.into_iter().for_each(clips::Finishing::wait);
        // Before the models end: an inference that hangs must not keep what is recorded from the disk.
        self.means.recorder.flush();
        self.end_faces();
        self.end_reidentifier();
        self.candidates.clear();
        self.engines.clear();
    }

    fn start_engines(&mut self) -> Result<(), StartError> {
        let wanted: Vec<config::Model> = self.config.models.clone();
        let is_used = |name: &Id| self.config.cameras.iter().any(|c| c.model() == Some(name));
        let missing: Vec<config::Model> =
            wanted.into_iter().filter(|m| is_used(&m.name) && !self.engines.contains_key(&m.name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        detect::runtime::load(&self.search)?;
        for model in missing {
            let engine = self.open_engine(model);
            if let Some(package) = engine.running.as_ref().ok().and_then(|running| running.package.as_ref()) {
                self.kept.accept(package);
            }
            self.tell_engine(&engine);
            self.engines.insert(engine.name().clone(), engine);
        }
        Ok(())
    }

    /// Without a model that is required the agent does not start.
    fn require_engines(&mut self) -> Result<(), StartError> {
        let fails = |engine: &&Engine| engine.config.required && engine.running.is_err();
        let model = self.engines.values().find(fails).map(|engine| engine.name().clone());
        match model.and_then(|name| self.engines.remove(&name)).map(|engine| (engine.config.name, engine.running)) {
            Some((model, Err(source))) => Err(StartError::Model { model, source }),
            _ => Ok(()),
        }
    }

    fn tell_engine(&mut self, engine: &Engine) {
        let (model, change) = match &engine.running {
            Ok(Running { facts, took, .. }) => (facts.clone(), event::ModelChange::Loaded { took: *took }),
            Err(error) => {
                let facts = ModelFacts {
                    name: engine.name().to_string(),
                    version: String::new(),
                    sha256: String::new(),
                    provider: String::new(),
                    threshold: engine.config.score(),
                };
                (facts, event::ModelChange::Failed { why: error_chain(error) })
            }
        };
        self.notice(&Notice::Model { model, change });
    }

    fn engines_to_replace(&self, config: &Config) -> Vec<Id> {
        let is_used = |name: &Id| config.cameras.iter().any(|c| c.model() == Some(name));
        let stays = |engine: &Engine| {
            config.models.contains(&engine.config) && engine.running.is_ok() && is_used(engine.name())
        };
        self.engines.values().filter(|e| !stays(e)).map(|e| e.name().clone()).collect()
    }

    /// Posts a camera: makes its line and connects it.
    fn post(&mut self, camera: config::Camera) {
        let running = camera.model().and_then(|model| self.engines.get(model));
        let running = running.and_then(|engine| Some((engine, engine.running.as_ref().ok()?)));
        let settings = self.line_settings(&camera, running);
        let worker = running.map(|(_, running)| running.worker.clone());
        let log = running.and_then(|(_, r)| self.history.as_ref()?.log(head(&camera, &r.labels, &r.facts)));
        let mut line = Line::new(settings, self.kept.first_track(&camera.id));
        line.keep_tracks(log);
        if let Some(counts) = self.kept.counts(&camera.id) {
            line.restore_counts(counts);
        }
        if let Some(heat) = self.kept.heat(&camera.id) {
            line.restore_heat(&heat);
        }
        let key = CameraKey(self.next_key);
        self.next_key += 1;
        let recording = self.clips.as_ref().and_then(|clips| clips.record(&camera));
        let post = Post::new(camera, key, line, worker, recording, self.means.clone());
        write(&self.desks).insert(key, post.clone());
        self.posts.insert(post.id().clone(), post.clone());
        if let Err(error) = post.connect() {
            let error = error_chain(&error);
            tracing::error!(camera = %post.id(), error, "the camera cannot be used");
            post.told_unusable(error);
        }
    }

    fn line_settings(&self, camera: &config::Camera, running: Option<(&Engine, &Running)>) -> pipeline::Settings {
        let by_motion = camera.detects_motion();
        let labels = match running {
            Some((_, running)) => running.labels.clone(),
            None if by_motion => Labels::new([MOVING]),
            None => Labels::default(),
        };
        let detect = camera.detect.as_ref();
        pipeline::Settings {
            cadence: cadence::Settings {
                fps: detect.map_or(1.0, |d| d.fps),
                gate: detect.is_none_or(|d| d.motion_gate),
                idle_keyframes: camera.idle_keyframes,
            },
            scene: camera.scene_settings(),
            by_motion,
            track: running.map(|(_, running)| running.config.track_settings(&labels)).unwrap_or_default(),
            behaviour: camera.behaviour_settings(),
            heat: camera.heat,
            event: event::Settings::new(self.config.id.clone(), Some(camera.id.clone()), self.epoch),
            timezone: self.config.timezone.clone(),
            model: running.map(|(_, r)| r.facts.clone()),
            labels,
            evidence: self.evidence_of(camera),
            people: pipeline::people::Settings {
                known: self.known_settings(camera),
                familiar: self.familiar_settings(camera),
            },
            config_revision: self.config.revision.as_str().into(),
        }
    }

    fn withdraw(&mut self, cameras: &[Id]) {
        let posts: Vec<Arc<Post>> = cameras.iter().filter_map(|camera| self.posts.remove(camera)).collect();
        posts.iter().for_each(|post| drop(write(&self.desks).remove(&post.key)));
        // All at once: each may take as long as the limit when its network is gone.
        std::thread::scope(|scope| {
            posts.iter().for_each(|post| drop(scope.spawn(|| post.stop(STOP_LIMIT))));
        });
        for post in &posts {
            if let Some(counts) = post.tick() {
                self.kept.keep_counts(post.id(), &counts);
            }
            self.kept.next_track(post.id(), post.next_track());
            self.keep_heat(post);
        }
    }

    /// Takes from the broker what is retained there of cameras, zones and lines that are no longer configured.
    fn clear_orphans(&self) {
        for topic in self.kept.retain(&change::retained(&self.means.topics, &self.config)) {
            self.means.broker.set_retained(&topic, Vec::new());
        }
    }
}

fn write(desks: &Desks) -> std::sync::RwLockWriteGuard<'_, BTreeMap<CameraKey, Arc<Post>>> {
    desks.write().unwrap_or_else(PoisonError::into_inner)
}
