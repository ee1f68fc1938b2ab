//! Thirty agents with the real code of rollouts, over cameras that are made up: a good model reaches all of them though some are
//! killed on the way, and each kind of bad one is stopped at the first agent and taken back, without anybody's doing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumqttc::{AsyncClient, QoS};
use serde_json::{Value, json};
use vedette::agent::rollout::{self, Bed, Broken, Gone, InForce, Ledger, Measures, Reading, Rollout, Settings, Wishes};
use vedette::base::clock::{Clock, SystemClock};
use vedette::config::{self, Overlay};
use vedette::model::package::{Blob, Envelope, write};
use vedette::vocab::Id;
use vedette::wire::{PackageRef, ProofEvidence, ReportedMessage, RolloutStage, Topics, to_json};

use super::rollouts::Hub;
use crate::support::detectors::{open, settings};
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::subscriber::{Message, Subscriber};

const AGENTS: usize = 30;

/// How a package does before the cameras; what is not named does well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Slow,
    Blind,
    Noisy,
    Crashing,
}

type Manners = Arc<Mutex<BTreeMap<String, Manner>>>;

/// What one agent's cameras and models are, over all its runs.
#[derive(Debug, Default)]
struct World {
    /// SHA-256 of the package that decides, and of the one beside it; empty for the agent's own file.
    decides: String,
    beside: Option<String>,
    looks: u64,
    /// The stage in which the agent is killed, once.
    dies_in: Option<RolloutStage>,
    deaths: u32,
    /// Every package that has ever decided.
    decided: Vec<String>,
}

#[derive(Clone)]
struct Cameras {
    world: Arc<Mutex<World>>,
    manners: Manners,
    topic: String,
    client: AsyncClient,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cameras {
    fn manner(&self, sha256: &str) -> Option<Manner> {
        lock(&self.manners).get(sha256).copied()
    }

    /// The process ends as it would by `kill -9`, or because a model takes it with it.
    fn die(&self) -> ! {
        lock(&self.world).deaths += 1;
        std::panic::resume_unwind(Box::new("killed"));
    }
}

impl Bed for Cameras {
    fn fallen(&mut self) -> Result<Vec<(Id, Option<PackageRef>, String)>, Gone> {
        Ok(Vec::new())
    }

    fn has(&mut self, slot: &Id) -> Result<bool, Gone> {
        Ok(slot.as_str() == "people")
    }

    /// Opened in earnest, golden pictures and all.
    fn open(&mut self, _: &Id, file: Option<&Path>) -> Result<Result<(), String>, Gone> {
        let sha256 = file.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).unwrap_or_default();
        if let Some(file) = file
            && let Err(error) = open(&settings(file))
        {
            let causes = std::iter::successors(std::error::Error::source(&error), |e| e.source());
            return Ok(Err(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))));
        }
        lock(&self.world).beside = Some(sha256);
        Ok(Ok(()))
    }

    fn begin_shadow(&mut self, _: &Id, looks: u32) -> Result<(), Gone> {
        lock(&self.world).looks = looks.into();
        Ok(())
    }

    fn shadow(&mut self, _: &Id) -> Result<ProofEvidence, Gone> {
        let (looks, beside) = {
            let world = lock(&self.world);
            (world.looks, world.beside.clone().unwrap_or_default())
        };
        let (objects, look_ms) = match self.manner(&beside) {
            Some(Manner::Slow) => (100, 31.0),
            Some(Manner::Blind) => (4, 10.0),
            Some(Manner::Noisy) => (400, 10.0),
            Some(Manner::Crashing) => self.die(),
            None => (98, 11.0),
        };
        let same = objects.min(90);
        Ok(ProofEvidence {
            looks,
            objects_before: 100,
            objects,
            same,
            look_before_ms: 10.0,
            look_ms,
            ..ProofEvidence::default()
        })
    }

    fn broken(&mut self, _: &Id) -> Result<Option<Broken>, Gone> {
        Ok(None)
    }

    fn measure(&mut self, _: &Id) -> Result<Measures, Gone> {
        let at = SystemClock.mono();
        let frames = u64::try_from(at.as_millis() / 40).unwrap();
        Ok(Measures { at, frames, looked: frames / 5, memory: 100 << 20, ..Measures::default() })
    }

    fn switch(&mut self, _: &Id, _: &str) -> Result<Result<(), String>, Gone> {
        let mut world = lock(&self.world);
        let next = world.beside.take().unwrap();
        world.decided.push(next.clone());
        let before = std::mem::replace(&mut world.decides, next);
        world.beside = Some(before);
        Ok(Ok(()))
    }

    fn close(&mut self, _: &Id, _: InForce) -> Result<(), Gone> {
        lock(&self.world).beside = None;
        Ok(())
    }

    fn report(&mut self, report: ReportedMessage) -> Result<(), Gone> {
        let stage = report.models.values().next().map(|model| model.stage);
        let sent = self.client.try_publish(&self.topic, QoS::AtLeastOnce, true, to_json(&report));
        assert!(sent.is_ok(), "the client takes what is reported");
        let dies = {
            let mut world = lock(&self.world);
            let dies = world.dies_in.is_some() && world.dies_in == stage;
            if dies {
                world.dies_in = None;
            }
            dies
        };
        if dies {
            self.die();
        }
        Ok(())
    }
}

/// Nothing is wished of the configuration here.
impl rollout::Ground for Cameras {
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

/// An agent that is started again whenever it dies.
struct Agent {
    world: Arc<Mutex<World>>,
    wishes: Arc<Mutex<Wishes>>,
    ends: Arc<AtomicBool>,
    supervisor: Option<std::thread::JoinHandle<()>>,
    heart: tokio::task::JoinHandle<()>,
    _voice: Subscriber,
    _folder: tempfile::TempDir,
}

struct Ground<'a> {
    hub: &'a Hub,
    broker: &'a Mosquitto,
    manners: Manners,
    token: std::path::PathBuf,
}

impl Agent {
    async fn start(ground: &Ground<'_>, name: &str, dies_in: Option<RolloutStage>) -> Self {
        let (id, folder) = (Id::new(name).unwrap(), tempfile::tempdir().unwrap());
        let topics = Topics::new(&id);
        let wishes = Arc::new(Mutex::new(Wishes::default()));
        let newest = Arc::new(Mutex::new(None::<Vec<u8>>));
        let hear = {
            let (wishes, newest) = (wishes.clone(), newest.clone());
            move |_: &AsyncClient, message: &Message| {
                *lock(&newest) = Some(message.payload.clone());
                lock(&wishes).put(message.payload.clone());
            }
        };
        let voice = Subscriber::with(ground.broker.port(), name, &topics.desired(), hear).await;
        let client = voice.client.clone();
        let heart = tokio::spawn({
            let client = client.clone();
            let status = json!({"status": "online", "boot": "b", "version": "0.1.0"}).to_string();
            let health = json!({"boot": "b", "time": "2026-11-23T14:00:00Z"}).to_string();
            async move {
                loop {
                    for (topic, text) in [(topics.status(), &status), (topics.health(), &health)] {
                        client.publish(topic, QoS::AtLeastOnce, true, text.clone().into_bytes()).await.unwrap();
                    }
                    tokio::time::sleep(Duration::from_secs(3)).await;
                }
            }
        });
        let world = Arc::new(Mutex::new(World { dies_in, ..World::default() }));
        let ends = Arc::new(AtomicBool::new(false));
        let cameras = Cameras {
            world: world.clone(),
            manners: ground.manners.clone(),
            topic: Topics::new(&id).reported(),
            client,
        };
        let hub = config::Hub {
            url: ground.hub.url.clone(),
            token_file: ground.token.clone(),
            ca_file: None,
            keys: vec![ground.hub.key],
        };
        let supervisor = std::thread::spawn({
            let (path, ends, wishes) = (folder.path().to_owned(), ends.clone(), wishes.clone());
            move || supervise(&path, &id, &hub, &cameras, &ends, &wishes, &newest)
        });
        Self { world, wishes, ends, supervisor: Some(supervisor), heart, _voice: voice, _folder: folder }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }
}

/// Starts the agent's part in rollouts as often as it ends, with what the ledger says is in force, as the agent does.
fn supervise(
    folder: &Path,
    id: &Id,
    hub: &config::Hub,
    cameras: &Cameras,
    ends: &AtomicBool,
    wishes: &Mutex<Wishes>,
    newest: &Mutex<Option<Vec<u8>>>,
) {
    let mut runs = 0;
    while !ends.load(Ordering::Acquire) {
        runs += 1;
        let ledger = Ledger::open(folder).unwrap();
        let in_force = ledger.in_force().remove(&Id::new("people").unwrap()).unwrap_or_default();
        {
            let mut world = lock(&cameras.world);
            world.decides = in_force.active.map(|package| package.sha256).unwrap_or_default();
            world.beside = None;
        }
        let inbox = Wishes::default();
        // As the broker does with what is retained.
        if let Some(wish) = lock(newest).clone() {
            inbox.put(wish);
        }
        *lock(wishes) = inbox.clone();
        if ends.load(Ordering::Acquire) {
            inbox.end();
        }
        let settings = Settings { agent: id.clone(), boot: format!("b{runs}"), hub: hub.clone() };
        let rollout = Rollout::new(settings, ledger, cameras.clone(), inbox, SystemClock::shared());
        let run = std::thread::spawn(move || rollout.run());
        drop(run.join());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        lock(&self.wishes).end();
        if let Some(supervisor) = self.supervisor.take() {
            drop(supervisor.join());
        }
        self.heart.abort();
    }
}

/// The bundled package under another name of its maker's, and perhaps for other machines.
fn package(semver: &str, architecture: Option<&str>) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/vedette-nano/vedette-nano-int8.vedette");
    let bytes = std::fs::read(path).unwrap();
    let package = Envelope::parse(&bytes).unwrap().open().unwrap();
    let blob = |name: &String| Blob { name: name.clone(), content: package.blob(name).unwrap().to_vec() };
    let blobs: Vec<Blob> = package.manifest.files.iter().map(|file| blob(&file.name)).collect();
    let mut manifest = package.manifest.clone();
    manifest.version = semver.parse().unwrap();
    manifest.compatible.architectures.extend(architecture.map(str::to_owned));
    write(manifest, &blobs, &[]).unwrap()
}

fn terms() -> Value {
    json!({
        "groups": [1, "25%", "100%"], "soak_seconds": 1, "node_timeout_seconds": 120,
        "proof": {"shadow_looks": 20, "shadow_seconds": 10, "trial_seconds": 1, "frame_rate": 0.5}
    })
}

async fn order(hub: &Hub, version: i64) -> String {
    let order = json!({"slot": "people", "model": "vedette-nano", "version": version, "all": true, "terms": terms()});
    hub.post("/api/v1/rollouts", order).await.fine()["id"].as_str().unwrap().to_owned()
}

async fn settled(hub: &Hub, id: &str) -> Value {
    for _ in 0..1500 {
        let rollout = hub.rollout(id).await;
        if rollout["settled"] == true {
            return rollout;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:#}", hub.rollout(id).await);
}

fn stages(rollout: &Value) -> BTreeMap<String, usize> {
    let mut stages = BTreeMap::new();
    for node in rollout["nodes"].as_array().unwrap() {
        *stages.entry(node["stage"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    stages
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_model_reaches_thirty_agents_and_each_kind_of_bad_one_is_taken_back_from_the_first() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(hub) = Hub::start(&broker, None).await else { return };
    assert!(crate::support::detectors::load());
    let token = hub.folder.path().join("data/admin.token");
    let ground = Ground { hub: &hub, broker: &broker, manners: Manners::default(), token };
    let names: Vec<String> = (1..=AGENTS).map(|number| format!("gate-{number}")).collect();
    // One of each group and stage is killed in the first rollout, and comes back.
    let dies = [
        (2, RolloutStage::Downloading),
        (3, RolloutStage::Verifying),
        (9, RolloutStage::Shadow),
        (10, RolloutStage::Trial),
        (11, RolloutStage::Committed),
    ];
    let mut agents = Vec::new();
    for (number, name) in (1..).zip(&names) {
        let dies_in = dies.iter().find(|(which, _)| *which == number).map(|(_, stage)| *stage);
        agents.push(Agent::start(&ground, name, dies_in).await);
    }
    hub.admit(&names).await;
    let (good, good_sha256) = hub.push(&package("1.1.0", None)).await;
    let rollout = settled(&hub, &order(&hub, good).await).await;
    assert_eq!(
        (rollout["state"].as_str(), stages(&rollout)),
        (Some("finished"), [("committed".to_owned(), AGENTS)].into()),
        "{rollout:#}"
    );
    for (number, agent) in (1..).zip(&agents) {
        let world = agent.world();
        assert_eq!((&world.decides, &world.beside), (&good_sha256, &None), "agent {number}");
        assert_eq!(world.deaths, u32::from(dies.iter().any(|(which, _)| *which == number)), "agent {number}");
    }

    let before: Vec<usize> = agents.iter().map(|agent| agent.world().decided.len()).collect();
    let bad = [
        ("slow", Some(Manner::Slow), "1.2.0", "too slow"),
        ("blind", Some(Manner::Blind), "1.2.1", "blind"),
        ("noisy", Some(Manner::Noisy), "1.2.2", "noisy"),
        ("crashing", Some(Manner::Crashing), "1.2.3", "crashing"),
        ("tampered", None, "1.2.4", "tampered"),
        ("elsewhere", None, "1.2.5", "aarch64"),
    ];
    for (kind, manner, semver, told) in bad {
        let bytes = package(semver, (kind == "elsewhere").then_some("aarch64"));
        let (version, sha256) = hub.push(&bytes).await;
        lock(&ground.manners).extend(manner.map(|manner| (sha256.clone(), manner)));
        if kind == "tampered" {
            tamper(&hub, &sha256);
        }
        let rollout = settled(&hub, &order(&hub, version).await).await;
        let why = rollout["why"].as_str().unwrap();
        println!("{kind}: {why}");
        assert_eq!(rollout["state"], "reverted", "{kind}: {rollout:#}");
        assert!(why.contains(told), "{kind}: {why}");
        let expected = [("back".to_owned(), 1), ("waiting".to_owned(), AGENTS - 1)];
        assert_eq!(stages(&rollout), expected.into(), "{kind}: {rollout:#}");
        for agent in &agents {
            let world = agent.world();
            assert_eq!((&world.decides, &world.beside), (&good_sha256, &None), "{kind}");
            assert!(!world.decided.contains(&sha256), "{kind}: it must not have decided anywhere");
        }
    }
    let after: Vec<usize> = agents.iter().map(|agent| agent.world().decided.len()).collect();
    assert_eq!(before[1..], after[1..], "nobody beyond the first agent was touched");
    tokio::task::spawn_blocking(move || drop(agents)).await.unwrap();
}

/// Changes a byte of a package where the hub keeps it.
fn tamper(hub: &Hub, sha256: &str) {
    let mut folders = vec![hub.folder.path().join("data/blobs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().replace('/', "").contains(sha256) {
                let mut bytes = std::fs::read(&path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                let mut permissions = path.metadata().unwrap().permissions();
                #[expect(clippy::permissions_set_readonly_false, reason = "a test's own file")]
                permissions.set_readonly(false);
                std::fs::set_permissions(&path, permissions).unwrap();
                std::fs::write(&path, bytes).unwrap();
                return;
            }
        }
    }
    panic!("the hub has no file of {sha256}");
}
