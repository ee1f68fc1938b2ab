//! Overlays over cameras that are made up: what keeps pictures and link stays, nothing else does, wherever the agent is killed.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::*;
use crate::agent::rollout::ledger::{InForce, Ledger};
use crate::agent::rollout::{Broken, CameraReading, Gone, Measures, Settings, Wishes};
use crate::base::clock::{Clock as _, SystemClock};
use crate::config;
use crate::model::keys::SecretKey;
use crate::vocab::Id;
use crate::wire::{
    DesiredConfig, DesiredMessage, PackageRef, ProofEvidence, ReportedConfig, ReportedMessage, Trial, to_json,
};

/// The cameras: `door`, which every overlay changes, and `yard`, which none does.
#[derive(Debug, Default)]
struct World {
    /// The text of the overlay in force; empty for the file alone.
    laid: String,
    /// Every text that was ever laid.
    history: Vec<String>,
    applied: u64,
    /// Since when, in milliseconds, the camera of now is connected.
    since_ms: u64,
    is_away: bool,
    unfit: Option<String>,
    reports: Vec<ReportedMessage>,
    /// Counts calls; the agent dies in the one with this number.
    calls: usize,
    dies_at: Option<usize>,
}

#[derive(Clone, Default)]
struct Cameras(Arc<Mutex<World>>);

fn now_ms() -> u64 {
    u64::try_from(SystemClock.mono().as_millis()).unwrap()
}

impl Cameras {
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

impl World {
    fn put(&mut self, text: &str) {
        (self.laid, self.since_ms) = (text.to_owned(), now_ms());
        self.history.push(text.to_owned());
        self.applied += 1;
    }
}

impl Ground for Cameras {
    fn fits(&mut self, overlay: Option<&Overlay>) -> Result<Result<(), String>, Gone> {
        drop(self.call());
        let is_strange = overlay.is_some_and(|overlay| overlay.text().contains("shed"));
        Ok(if is_strange { Err("overlay:1:1: cameras.shed: found `shed`".to_owned()) } else { Ok(()) })
    }

    fn lay(&mut self, overlay: Option<&Overlay>) -> Result<Result<(), String>, Gone> {
        self.call().put(overlay.map_or("", Overlay::text));
        Ok(Ok(()))
    }

    fn restore(&mut self, committed: Option<Result<Overlay, String>>) -> Result<(), Gone> {
        self.call().put(committed.map(Result::unwrap).as_ref().map_or("", Overlay::text));
        Ok(())
    }

    fn unfit(&mut self) -> Result<Option<String>, Gone> {
        Ok(self.lock().unfit.clone())
    }

    fn look(&mut self) -> Result<Reading, Gone> {
        let world = self.call();
        // 100 frames a second, or few where the overlay says so.
        let per_frame = if world.laid.contains("slow") { 100 } else { 10 };
        let camera = |post, frames| CameraReading { post, frames, has_pictures: true, unseen: None };
        let frames = (now_ms() - world.since_ms) / per_frame;
        let door = camera(u32::try_from(world.applied).unwrap(), frames);
        Ok(Reading {
            at: SystemClock.mono(),
            applied: world.applied,
            cameras: [(id("door"), door), (id("yard"), camera(900, now_ms() / 10))].into(),
            is_connected: !world.is_away,
            acknowledged: now_ms(),
        })
    }
}

/// Nothing is wished of models here.
impl Bed for Cameras {
    fn fallen(&mut self) -> Result<Vec<(Id, Option<PackageRef>, String)>, Gone> {
        Ok(Vec::new())
    }

    fn has(&mut self, _: &Id) -> Result<bool, Gone> {
        Ok(false)
    }

    fn open(&mut self, _: &Id, _: Option<&Path>) -> Result<Result<(), String>, Gone> {
        Ok(Err("no model".to_owned()))
    }

    fn begin_shadow(&mut self, _: &Id, _: u32) -> Result<(), Gone> {
        Ok(())
    }

    fn shadow(&mut self, _: &Id) -> Result<ProofEvidence, Gone> {
        Ok(ProofEvidence::default())
    }

    fn broken(&mut self, _: &Id) -> Result<Option<Broken>, Gone> {
        Ok(None)
    }

    fn measure(&mut self, _: &Id) -> Result<Measures, Gone> {
        Ok(Measures::default())
    }

    fn switch(&mut self, _: &Id, _: &str) -> Result<Result<(), String>, Gone> {
        Ok(Err("no model".to_owned()))
    }

    fn close(&mut self, _: &Id, _: InForce) -> Result<(), Gone> {
        Ok(())
    }

    fn report(&mut self, report: ReportedMessage) -> Result<(), Gone> {
        self.call().reports.push(report);
        Ok(())
    }
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

struct Play {
    folder: tempfile::TempDir,
    cameras: Cameras,
    wishes: Wishes,
    hub: SecretKey,
    revision: u64,
}

const GOOD: &str = "cameras: { door: {} } # good";
const BETTER: &str = "cameras: { door: {} } # better";
const SLOW: &str = "cameras: { door: {} } # slow";

fn quick() -> Option<Trial> {
    Some(Trial { trial_seconds: 1, link_seconds: 0, ..Trial::default() })
}

/// Long enough to do something meanwhile.
fn longer() -> Option<Trial> {
    quick().map(|trial| Trial { trial_seconds: 5, ..trial })
}

impl Play {
    fn new() -> Self {
        let hub = SecretKey::from_seed("hub", [3; 32]);
        let (folder, cameras) = (tempfile::tempdir().unwrap(), Cameras::default());
        Self { folder, cameras, wishes: Wishes::default(), hub, revision: 0 }
    }

    fn wish(&mut self, text: Option<&str>, trial: Option<Trial>) {
        let overlay = text.map(OverlayRef::of);
        self.wish_for(DesiredConfig { rollout: String::new(), overlay, text: text.map(str::to_owned), trial });
    }

    fn wish_for(&mut self, wish: DesiredConfig) {
        self.revision += 1;
        let config = Some(DesiredConfig { rollout: format!("config-{}", self.revision), ..wish });
        let models = std::collections::BTreeMap::new();
        let message = DesiredMessage { agent: id("gate"), revision: self.revision, models, config };
        self.wishes.put(to_json(&message.sign(&self.hub).unwrap()));
    }

    /// A run of the agent, which starts with what the ledger says is in force.
    fn start(&self) -> std::thread::JoinHandle<()> {
        let ledger = Ledger::open(self.folder.path()).unwrap();
        let overlay = ledger.overlay_in_force().map(|overlay| overlay.unwrap().text().to_owned());
        {
            let mut world = self.cameras.lock();
            (world.laid, world.since_ms) = (overlay.unwrap_or_default(), now_ms().saturating_sub(5000));
            world.applied += 1;
        }
        let hub = config::Hub {
            url: "http://127.0.0.1:9".into(),
            token_file: "none".into(),
            ca_file: None,
            keys: vec![self.hub.public()],
        };
        let settings = Settings { agent: id("gate"), boot: "b".into(), hub };
        let clock = SystemClock::shared();
        let rollout = Rollout::new(settings, ledger, self.cameras.clone(), self.wishes.clone(), clock);
        std::thread::spawn(move || rollout.run())
    }

    fn config(&self) -> Option<ReportedConfig> {
        self.cameras.lock().reports.last()?.config.clone()
    }

    fn until(&self, what: &str, is: impl Fn(&ReportedConfig) -> bool) -> ReportedConfig {
        for _ in 0..1000 {
            if let Some(config) = self.config().filter(&is) {
                return config;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        panic!("{what}: {:?}", self.config());
    }

    /// Waits until the wish of the newest revision has come to its end.
    fn settled(&self) -> ReportedConfig {
        self.until("settled", |config| config.revision == self.revision && config.stage.is_settled())
    }

    fn laid(&self) -> String {
        self.cameras.lock().laid.clone()
    }

    fn stop(&self, run: std::thread::JoinHandle<()>) {
        self.wishes.end();
        run.join().unwrap();
    }
}

#[test]
fn an_overlay_that_keeps_the_pictures_stays_and_is_taken_back_without_a_trial() {
    let mut play = Play::new();
    let run = play.start();
    play.wish(Some(GOOD), quick());
    let config = play.settled();
    assert_eq!((config.stage, config.active), (RolloutStage::Committed, Some(OverlayRef::of(GOOD))));
    let evidence = config.evidence.unwrap();
    assert_eq!(evidence.cameras.keys().map(Id::as_str).collect::<Vec<_>>(), ["door"]);
    assert!(evidence.cameras[&id("door")].before > 50.0, "{evidence:?}");
    let mut told: Vec<_> = play.cameras.lock().reports.iter().filter_map(|r| Some(r.config.as_ref()?.stage)).collect();
    told.dedup();
    assert_eq!(told, [RolloutStage::Verifying, RolloutStage::Trial, RolloutStage::Committed]);
    assert_eq!(play.laid(), GOOD);

    play.wish(Some(BETTER), quick());
    assert_eq!(play.settled().active, Some(OverlayRef::of(BETTER)));
    // As a hub takes back what it no longer has the text of.
    let back = DesiredConfig { rollout: String::new(), overlay: Some(OverlayRef::of(GOOD)), text: None, trial: None };
    play.wish_for(back);
    assert_eq!((play.settled().active, play.laid().as_str()), (Some(OverlayRef::of(GOOD)), GOOD));
    play.wish(None, None);
    assert_eq!((play.settled().active, play.laid().as_str()), (None, ""));
    play.stop(run);
}

#[test]
fn one_that_costs_pictures_goes_by_itself_and_is_not_tried_again() {
    let mut play = Play::new();
    let run = play.start();
    play.wish(Some(GOOD), None);
    assert_eq!(play.settled().stage, RolloutStage::Committed);
    play.wish(Some(SLOW), quick());
    let config = play.settled();
    assert_eq!((config.stage, config.active), (RolloutStage::RolledBack, Some(OverlayRef::of(GOOD))));
    assert!(config.reason.contains("the frame rate of the camera door fell"), "{}", config.reason);
    assert_eq!((play.laid().as_str(), config.quarantined), (GOOD, vec![OverlayRef::of(SLOW).sha256]));
    play.wish(Some(SLOW), quick());
    let again = play.settled();
    assert_eq!(
        (again.stage, again.reason.starts_with("quarantined")),
        (RolloutStage::Failed, true),
        "{}",
        again.reason
    );
    assert_eq!(play.cameras.lock().history.iter().filter(|text| *text == SLOW).count(), 1);
    play.stop(run);
}

#[test]
fn one_that_loses_the_link_goes_by_itself_and_may_be_tried_again() {
    let mut play = Play::new();
    let run = play.start();
    play.wish(Some(GOOD), longer());
    play.until("on trial", |config| config.stage == RolloutStage::Trial);
    play.cameras.lock().is_away = true;
    let config = play.settled();
    assert_eq!((config.stage, config.active), (RolloutStage::RolledBack, None));
    assert!(config.reason.starts_with("the link to the hub is lost: the broker"), "{}", config.reason);
    assert_eq!((play.laid().as_str(), config.quarantined), ("", Vec::new()));
    play.cameras.lock().is_away = false;
    play.wish(Some(GOOD), quick());
    assert_eq!(play.settled().stage, RolloutStage::Committed);
    play.stop(run);
}

#[test]
fn one_that_is_wrong_is_told_with_its_place_and_is_never_laid() {
    let mut play = Play::new();
    let run = play.start();
    for (text, told) in [
        ("cameras: { shed: {} }", "overlay:1:1: cameras.shed"),
        (
            "cameras: { door: { url: \"rtsp://thief/\" } }",
            "overlay:1:20: cameras.door.url: found a key that an overlay",
        ),
        ("cameras: [", "broken YAML"),
    ] {
        play.wish(Some(text), quick());
        let config = play.settled();
        assert_eq!((config.stage, config.active), (RolloutStage::Failed, None));
        assert!(config.reason.contains(told), "{}", config.reason);
    }
    let unknown =
        DesiredConfig { rollout: String::new(), overlay: Some(OverlayRef::of("{}")), text: None, trial: None };
    play.wish_for(unknown);
    assert!(play.settled().reason.contains("does not have the overlay's text"));
    assert!(play.cameras.lock().history.is_empty());
    play.stop(run);
}

#[test]
fn a_newer_wish_and_a_change_on_the_box_end_a_trial_at_once() {
    let mut play = Play::new();
    let run = play.start();
    play.wish(Some(GOOD), Some(Trial { trial_seconds: 3600, ..quick().unwrap() }));
    // The time before is measured for ten seconds at most.
    play.until("on trial", |config| config.stage == RolloutStage::Trial);
    play.wish(Some(BETTER), None);
    assert_eq!(play.settled().active, Some(OverlayRef::of(BETTER)));
    assert_eq!(play.cameras.lock().history, [GOOD, "", BETTER]);
    play.wish(Some(GOOD), longer());
    play.until("on trial again", |config| config.revision == 3 && config.stage == RolloutStage::Trial);
    let mut laid_at = None;
    loop {
        let mut world = play.cameras.lock();
        let calls = world.calls;
        // It has been looked at since it was laid.
        if world.laid == GOOD && calls >= *laid_at.get_or_insert(calls) + 2 {
            // Somebody's SIGHUP.
            world.applied += 1;
            break;
        }
        drop(world);
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(play.settled().stage, RolloutStage::Committed);
    assert_eq!(play.cameras.lock().history, [GOOD, "", BETTER, GOOD, BETTER, GOOD], "it began anew");
    play.stop(run);
}

#[test]
fn that_the_file_counts_more_is_told_when_it_happens() {
    let mut play = Play::new();
    let run = play.start();
    play.wish(Some(GOOD), None);
    play.settled();
    play.cameras.lock().unfit = Some("overlay:1:1: cameras.door: found `door`".into());
    play.wishes.tell_change();
    let config = play.until("it is told", |config| config.unfit.is_some());
    assert_eq!((config.stage, config.active), (RolloutStage::Committed, Some(OverlayRef::of(GOOD))));
    play.cameras.lock().unfit = None;
    play.wishes.tell_change();
    play.until("it is told to fit again", |config| config.unfit.is_none());
    play.stop(run);
}

/// Kills the agent in each of its dealings with the site, the whole attempt through.
#[test]
fn wherever_the_agent_is_killed_one_overlay_is_in_force_afterwards_and_it_has_proved_itself() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut ends = std::collections::BTreeSet::new();
    std::thread::scope(|scope| {
        let plays: Vec<_> = (1..=16).map(|dies_at| scope.spawn(move || killed_at(dies_at))).collect();
        ends.extend(plays.into_iter().map(|play| play.join().unwrap()));
    });
    drop(std::panic::take_hook());
    assert!(ends.contains(&1), "nobody died: {ends:?}");
}

fn killed_at(dies_at: usize) -> usize {
    let mut play = Play::new();
    play.wish(Some(GOOD), quick());
    play.cameras.lock().dies_at = Some(dies_at);
    let mut run = play.start();
    let mut deaths = 0;
    for _ in 0..2000 {
        std::thread::park_timeout(Duration::from_millis(10));
        if play.config().is_some_and(|config| config.stage.is_settled()) && !run.is_finished() {
            break;
        }
        if run.is_finished() {
            deaths += 1;
            assert!(std::mem::replace(&mut run, play.start()).join().is_err());
        }
    }
    let config = play.settled();
    assert_eq!((config.stage, config.active), (RolloutStage::Committed, Some(OverlayRef::of(GOOD))), "{dies_at}");
    assert_eq!(play.laid(), GOOD, "died at {dies_at}");
    play.stop(run);
    deaths
}

#[test]
fn an_agent_that_always_dies_on_trial_goes_back_by_itself() {
    let mut play = Play::new();
    play.wish(Some(GOOD), quick());
    let mut deaths = 0;
    let mut run = play.start();
    for _ in 0..20_000 {
        {
            // Whoever has it in force dies with the next call.
            let mut world = play.cameras.lock();
            if world.laid == GOOD && world.dies_at.is_none() {
                world.dies_at = Some(world.calls + 1);
            }
        }
        if run.is_finished() {
            deaths += 1;
            play.cameras.lock().dies_at = None;
            assert!(std::mem::replace(&mut run, play.start()).join().is_err());
            assert_eq!(play.laid(), "", "the file alone is in force after a restart");
        }
        if play.config().is_some_and(|config| config.stage.is_settled()) {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let config = play.settled();
    assert_eq!((deaths, config.stage, config.active), (3, RolloutStage::RolledBack, None));
    assert!(config.reason.starts_with("crashing") && config.quarantined == [OverlayRef::of(GOOD).sha256]);
    assert_eq!(play.laid(), "");
    play.stop(run);
}
