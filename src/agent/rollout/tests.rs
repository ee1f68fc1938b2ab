//! Rollouts over a bed that plays the site: what proves itself stays, nothing else does, wherever the agent is killed.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::*;
use crate::base::clock::{SharedClock, SystemClock};
use crate::config::{self, Overlay};
use crate::model::keys::SecretKey;
use crate::model::sha256_hex;
use crate::vocab::Id;
use crate::wire::{
    DesiredMessage, DesiredModel, PackageRef, Proof, ProofEvidence, ReportedMessage, ReportedModel, RolloutStage,
    to_json,
};

/// What the bed does with a model, by the content of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    Slow,
    Failing,
    Hanging,
    Damaged,
}

#[derive(Debug, Default)]
struct World {
    /// What decides and what is beside it, by their files' content; the configuration's own is `own`.
    decides: String,
    beside: Option<String>,
    looks: u64,
    frames: u64,
    reports: Vec<ReportedMessage>,
    /// Counts calls; the agent dies in the one with this number.
    calls: usize,
    dies_at: Option<usize>,
    switches: Vec<String>,
    fallen: Vec<(Id, Option<PackageRef>, String)>,
}

#[derive(Clone, Default)]
struct Stage(Arc<Mutex<World>>);

impl Stage {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call: perhaps the last thing that this run of the agent does.
    fn call(&self) -> MutexGuard<'_, World> {
        let mut world = self.lock();
        world.calls += 1;
        let dies = world.dies_at == Some(world.calls);
        assert!(!dies, "killed");
        world
    }
}

fn kind(content: &str) -> Kind {
    match content.split('-').next().unwrap() {
        "slow" => Kind::Slow,
        "failing" => Kind::Failing,
        "hanging" => Kind::Hanging,
        "damaged" => Kind::Damaged,
        _ => Kind::Good,
    }
}

impl Bed for Stage {
    fn fallen(&mut self) -> Result<Vec<(Id, Option<PackageRef>, String)>, Gone> {
        Ok(std::mem::take(&mut self.call().fallen))
    }

    fn has(&mut self, slot: &Id) -> Result<bool, Gone> {
        drop(self.call());
        Ok(slot.as_str() == "people")
    }

    fn open(&mut self, _: &Id, file: Option<&Path>) -> Result<Result<(), String>, Gone> {
        let content = file.map_or("own".to_owned(), |file| std::fs::read_to_string(file).unwrap());
        let mut world = self.call();
        if kind(&content) == Kind::Damaged {
            return Ok(Err("a golden picture was not recognised".into()));
        }
        world.beside = Some(content);
        Ok(Ok(()))
    }

    fn begin_shadow(&mut self, _: &Id, looks: u32) -> Result<(), Gone> {
        self.call().looks = looks.into();
        Ok(())
    }

    fn shadow(&mut self, _: &Id) -> Result<ProofEvidence, Gone> {
        let world = self.call();
        let slow = world.beside.as_deref().map(kind) == Some(Kind::Slow);
        let look_ms = if slow { 40.0 } else { 10.0 };
        let seen =
            ProofEvidence { looks: world.looks, objects: 50, objects_before: 50, same: 50, ..ProofEvidence::default() };
        Ok(ProofEvidence { look_before_ms: 10.0, look_ms, ..seen })
    }

    fn broken(&mut self, _: &Id) -> Result<Option<Broken>, Gone> {
        let world = self.call();
        let hangs = kind(&world.decides) == Kind::Hanging;
        Ok(hangs.then(|| Broken::Model("it hangs".into())))
    }

    fn measure(&mut self, _: &Id) -> Result<Measures, Gone> {
        let mut world = self.call();
        let now = SystemClock::shared().mono();
        world.frames += 1;
        let failed = if kind(&world.decides) == Kind::Failing { world.frames } else { 0 };
        let frames = u64::try_from(now.as_millis() / 40).unwrap();
        Ok(Measures { at: now, frames, failed, memory: 100, ..Measures::default() })
    }

    fn switch(&mut self, _: &Id, why: &str) -> Result<Result<(), String>, Gone> {
        let mut world = self.call();
        let beside = world.beside.take().unwrap();
        let before = std::mem::replace(&mut world.decides, beside);
        world.beside = Some(before);
        world.switches.push(why.to_owned());
        Ok(Ok(()))
    }

    fn close(&mut self, _: &Id, _: InForce) -> Result<(), Gone> {
        self.call().beside = None;
        Ok(())
    }

    fn report(&mut self, report: ReportedMessage) -> Result<(), Gone> {
        self.call().reports.push(report);
        Ok(())
    }
}

/// Nothing is wished of the configuration here.
impl Ground for Stage {
    fn fits(&mut self, _: Option<&Overlay>) -> Result<Result<(), String>, Gone> {
        Ok(Err("not asked for".to_owned()))
    }

    fn lay(&mut self, _: Option<&Overlay>) -> Result<Result<(), String>, Gone> {
        Ok(Err("not asked for".to_owned()))
    }

    fn restore(&mut self, _: Option<Result<Overlay, String>>) -> Result<(), Gone> {
        Ok(())
    }

    fn unfit(&mut self) -> Result<Option<String>, Gone> {
        Ok(None)
    }

    fn look(&mut self) -> Result<Reading, Gone> {
        Ok(Reading::default())
    }
}

struct Play {
    folder: tempfile::TempDir,
    stage: Stage,
    wishes: Wishes,
    hub: SecretKey,
    revision: u64,
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn quick() -> Proof {
    Proof { shadow_looks: 5, shadow_seconds: 1, trial_seconds: 1, frame_rate: 0.5, ..Proof::default() }
}

impl Play {
    fn new() -> Self {
        let stage = Stage::default();
        stage.lock().decides = "own".to_owned();
        let hub = SecretKey::from_seed("hub", [3; 32]);
        Self { folder: tempfile::tempdir().unwrap(), stage, wishes: Wishes::default(), hub, revision: 0 }
    }

    /// A package that has been fetched already.
    fn package(&self, content: &str) -> PackageRef {
        let sha256 = sha256_hex(content.as_bytes());
        let package = PackageRef { model: id("people"), version: 1, sha256, size: content.len() as u64 };
        let ledger = Ledger::open(self.folder.path()).unwrap();
        std::fs::create_dir_all(ledger.packages()).unwrap();
        std::fs::write(ledger.file_of(&package), content).unwrap();
        package
    }

    fn wish(&mut self, package: Option<PackageRef>, proof: Option<Proof>) {
        self.revision += 1;
        let model = DesiredModel { rollout: format!("r-{}", self.revision), package, proof };
        let wish = DesiredMessage {
            agent: id("gate"),
            revision: self.revision,
            models: [(id("people"), model)].into(),
            config: None,
        };
        self.wishes.put(to_json(&wish.sign(&self.hub).unwrap()));
    }

    /// A run of the agent, which starts with what the ledger says is in force.
    fn start(&self) -> std::thread::JoinHandle<()> {
        let ledger = Ledger::open(self.folder.path()).unwrap();
        let in_force = ledger.in_force().remove(&id("people")).unwrap_or_default().active;
        let content = in_force.map(|package| std::fs::read_to_string(ledger.file_of(&package)).unwrap());
        {
            let mut world = self.stage.lock();
            (world.decides, world.beside) = (content.unwrap_or_else(|| "own".to_owned()), None);
        }
        let hub = config::Hub {
            url: "http://127.0.0.1:9".into(),
            token_file: "none".into(),
            ca_file: None,
            keys: vec![self.hub.public()],
        };
        let settings = Settings { agent: id("gate"), boot: "b".into(), hub };
        let clock: SharedClock = SystemClock::shared();
        let rollout = Rollout::new(settings, ledger, self.stage.clone(), self.wishes.clone(), clock);
        std::thread::spawn(move || rollout.run())
    }

    /// What decides and what is beside it.
    fn decides(&self) -> (String, Option<String>) {
        let world = self.stage.lock();
        (world.decides.clone(), world.beside.clone())
    }

    fn model(&self) -> Option<ReportedModel> {
        self.stage.lock().reports.last()?.models.get(&id("people")).cloned()
    }

    /// Waits until the wish of the newest revision has come to its end.
    fn settled(&self) -> ReportedModel {
        for _ in 0..1000 {
            if let Some(model) = self.model().filter(|m| m.revision == self.revision && m.stage.is_settled()) {
                return model;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        panic!("the wish is not settled: {:?}", self.model());
    }

    fn stop(&self, run: std::thread::JoinHandle<()>) {
        self.wishes.end();
        run.join().unwrap();
    }
}

#[test]
fn a_model_that_proves_itself_stays_and_a_reversal_needs_no_proof() {
    let mut play = Play::new();
    let good = play.package("good-1");
    let run = play.start();
    play.wish(Some(good.clone()), Some(quick()));
    let model = play.settled();
    assert_eq!((model.stage, model.active.as_ref(), model.previous), (RolloutStage::Committed, Some(&good), None));
    assert_eq!(model.evidence.unwrap().looks, 5);
    assert_eq!(play.stage.lock().decides, "good-1");
    let stages: Vec<_> =
        play.stage.lock().reports.iter().filter_map(|r| Some(r.models.get(&id("people"))?.stage)).collect();
    let mut told = stages.clone();
    told.dedup();
    use RolloutStage::{Committed, Downloading, Shadow, Trial, Verifying};
    assert_eq!(told, [Downloading, Verifying, Shadow, Trial, Committed]);

    let better = play.package("good-2");
    play.wish(Some(better.clone()), Some(quick()));
    assert_eq!(play.settled().previous, Some(good.clone()));
    play.wish(Some(good.clone()), None);
    let model = play.settled();
    assert_eq!((model.stage, model.active, model.previous), (Committed, Some(good), None));
    play.wish(None, None);
    assert_eq!(play.settled().active, None);
    assert_eq!(play.decides(), ("own".to_owned(), None));
    play.stop(run);
}

#[test]
fn what_does_not_prove_itself_goes_and_is_not_tried_again() {
    for (content, stage, told) in [
        ("slow-1", RolloutStage::RolledBack, "too slow"),
        ("failing-1", RolloutStage::RolledBack, "failed on trial"),
        ("hanging-1", RolloutStage::RolledBack, "hangs"),
        ("damaged-1", RolloutStage::Failed, "golden picture"),
    ] {
        let mut play = Play::new();
        let package = play.package(content);
        let run = play.start();
        play.wish(Some(package.clone()), Some(quick()));
        let model = play.settled();
        assert_eq!((model.stage, model.active), (stage, None), "{content}");
        assert!(model.reason.contains(told), "{content}: {}", model.reason);
        assert_eq!(model.quarantined, std::slice::from_ref(&package.sha256));
        assert_eq!(play.decides(), ("own".to_owned(), None), "{content}");
        play.wish(Some(package), Some(quick()));
        let again = play.settled();
        assert_eq!(again.stage, RolloutStage::Failed);
        assert!(again.reason.contains("quarantined"), "{content}: {}", again.reason);
        play.stop(run);
    }
}

#[test]
fn a_newer_wish_ends_a_trial_at_once() {
    let mut play = Play::new();
    let (first, second) = (play.package("good-1"), play.package("good-2"));
    let run = play.start();
    play.wish(Some(first), Some(Proof { trial_seconds: 3600, ..quick() }));
    for _ in 0..1000 {
        if play.model().is_some_and(|model| model.stage == RolloutStage::Trial) {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(play.stage.lock().decides, "good-1");
    play.wish(Some(second.clone()), None);
    assert_eq!(play.settled().active, Some(second));
    assert_eq!(play.stage.lock().switches, ["rollout r-1", "rollout r-1: back", "rollout r-2"]);
    play.stop(run);
}

#[test]
fn a_wish_that_nobody_trusted_signed_is_told_of_and_changes_nothing() {
    let mut play = Play::new();
    let good = play.package("good-1");
    let run = play.start();
    let hub = std::mem::replace(&mut play.hub, SecretKey::from_seed("thief", [4; 32]));
    play.wish(Some(good.clone()), None);
    for _ in 0..500 {
        if play.stage.lock().reports.last().is_some_and(|report| report.refused.is_some()) {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let report = play.stage.lock().reports.last().unwrap().clone();
    assert!(report.refused.unwrap().contains("signed"));
    assert_eq!((report.revision, report.models.len(), play.decides().0.as_str()), (0, 0, "own"));
    play.hub = hub;
    play.wish(Some(good), None);
    assert_eq!(play.settled().stage, RolloutStage::Committed);
    assert!(play.stage.lock().reports.last().unwrap().refused.is_none());
    play.stop(run);
}

#[test]
fn an_agent_without_such_a_model_says_so_and_a_package_that_fell_at_the_start_is_told() {
    let mut play = Play::new();
    let good = play.package("good-1");
    let run = play.start();
    play.revision += 1;
    let model = DesiredModel { rollout: "r".into(), package: Some(good.clone()), proof: None };
    let wish = DesiredMessage { agent: id("gate"), revision: 1, models: [(id("cars"), model)].into(), config: None };
    play.wishes.put(to_json(&wish.sign(&play.hub).unwrap()));
    for _ in 0..500 {
        let failed = |m: &ReportedModel| m.stage == RolloutStage::Failed && m.reason.contains("no model called cars");
        if play.stage.lock().reports.last().is_some_and(|r| r.models.get(&id("cars")).is_some_and(failed)) {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    // What nobody wished of this model was swept away.
    let good = play.package("good-1");
    play.wish(Some(good.clone()), None);
    assert_eq!(play.settled().active, Some(good.clone()));
    play.stop(run);

    play.wishes = Wishes::default();
    play.stage.lock().fallen = vec![(id("people"), None, "the file is damaged".into())];
    let run = play.start();
    for _ in 0..500 {
        if play.model().is_some_and(|model| model.active.is_none()) {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let model = play.model().unwrap();
    assert_eq!((model.stage, model.active), (RolloutStage::RolledBack, None));
    assert!(model.reason.contains("damaged") && model.quarantined.contains(&good.sha256));
    play.stop(run);
}

/// Kills the agent in each of its dealings with the site, the whole attempt through.
#[test]
fn wherever_the_agent_is_killed_one_model_is_in_force_afterwards_and_it_has_proved_itself() {
    std::panic::set_hook(Box::new(|_| {}));
    let proof = Proof { shadow_looks: 1, ..quick() };
    let mut ends = std::collections::BTreeSet::new();
    std::thread::scope(|scope| {
        let plays: Vec<_> = (1..=24)
            .map(|dies_at| {
                scope.spawn({
                    let proof = proof.clone();
                    move || {
                        let mut play = Play::new();
                        let good = play.package("good-1");
                        play.wish(Some(good.clone()), Some(proof));
                        play.stage.lock().dies_at = Some(dies_at);
                        let mut run = play.start();
                        let mut deaths = 0;
                        for _ in 0..2000 {
                            std::thread::park_timeout(Duration::from_millis(10));
                            if play.model().is_some_and(|model| model.stage.is_settled()) && !run.is_finished() {
                                break;
                            }
                            if run.is_finished() {
                                deaths += 1;
                                let newest = std::mem::replace(&mut run, play.start());
                                assert!(newest.join().is_err());
                            }
                        }
                        let model = play.settled();
                        assert_eq!(
                            (model.stage, model.active),
                            (RolloutStage::Committed, Some(good)),
                            "died at {dies_at}"
                        );
                        let decides = play.stage.lock().decides.clone();
                        assert_eq!(decides, "good-1", "died at {dies_at}");
                        play.stop(run);
                        deaths
                    }
                })
            })
            .collect();
        ends.extend(plays.into_iter().map(|play| play.join().unwrap()));
    });
    drop(std::panic::take_hook());
    assert!(ends.contains(&1), "nobody died: {ends:?}");
}

#[test]
fn an_agent_that_always_dies_on_trial_goes_back_by_itself() {
    let mut play = Play::new();
    let good = play.package("good-1");
    play.wish(Some(good.clone()), Some(quick()));
    // Whoever opens it dies with the next call: a model that takes the process with it.
    let mut deaths = 0;
    let mut run = play.start();
    for _ in 0..20_000 {
        {
            let mut world = play.stage.lock();
            if world.beside.is_some() && world.dies_at.is_none() {
                world.dies_at = Some(world.calls + 1);
            }
        }
        if run.is_finished() {
            deaths += 1;
            play.stage.lock().dies_at = None;
            assert!(std::mem::replace(&mut run, play.start()).join().is_err());
        }
        if play.model().is_some_and(|model| model.stage.is_settled()) {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let model = play.settled();
    assert_eq!((deaths, model.stage, model.active), (3, RolloutStage::RolledBack, None));
    assert!(model.reason.starts_with("crashing") && model.quarantined == [good.sha256]);
    play.stop(run);
}
