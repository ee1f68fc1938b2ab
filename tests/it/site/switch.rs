//! A model takes the place of another while the camera goes on: a real agent, camera, broker, and a hub's registry.

use std::path::Path;
use std::time::Duration;

use rumqttc::QoS;
use serde_json::{Value, json};
use vedette::agent::run::{self, Options};
use vedette::base::clock::SystemClock;
use vedette::base::shutdown::Shutdown;
use vedette::client::Client;
use vedette::config::{self, Folders};
use vedette::detect::LibrarySearch;
use vedette::model::keys::SecretKey;
use vedette::vocab::{Id, Secret};
use vedette::wire::{DesiredMessage, DesiredModel, PackageRef, Proof, to_json};

use super::ear::{Ear, now};
use crate::hub::running::{Running, start};
use crate::support::detectors::library;
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::serve_process::ServerProcess;
use crate::support::subscriber::Subscriber;

const FLOAT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/vedette-nano/vedette-nano-float.vedette");
/// How often health is told, and so how finely a gap is seen.
const HEALTH: Duration = Duration::from_millis(600);

/// A hub that wishes: its registry is a real one, its wishes are made here.
struct Wisher<'a> {
    hub: &'a Running,
    key: SecretKey,
    voice: Subscriber,
    revision: u64,
}

impl Wisher<'_> {
    async fn package(&self) -> PackageRef {
        let (url, token) = (self.hub.url.clone(), self.hub.admin.clone());
        let pushed = tokio::task::spawn_blocking(move || {
            let client = Client::new(&url, Secret::new(token), None).unwrap();
            client.push(Path::new(FLOAT), "", None, &mut |_, _| {}).unwrap()
        });
        let pushed = pushed.await.unwrap();
        PackageRef {
            model: Id::new(pushed["model"].as_str().unwrap()).unwrap(),
            version: pushed["version"].as_i64().unwrap(),
            sha256: pushed["sha256"].as_str().unwrap().to_owned(),
            size: pushed["size"].as_u64().unwrap(),
        }
    }

    async fn wish(&mut self, package: Option<PackageRef>, proof: Option<Proof>) {
        self.revision += 1;
        let id = |text: &str| Id::new(text).unwrap();
        let model = DesiredModel { rollout: format!("nano-{}", self.revision), package, proof };
        let models = [(id("people"), model)].into();
        let wish = DesiredMessage { agent: id("gate"), revision: self.revision, models, config: None };
        let wish = wish.sign(&self.key).unwrap();
        let topic = "vedette/v1/gate/desired";
        self.voice.client.publish(topic, QoS::AtLeastOnce, true, to_json(&wish)).await.unwrap();
    }
}

/// The agent in this process, so that it can tell its health more often than once in 10 s.
pub struct Agent {
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<()>,
    _reload: tokio::sync::mpsc::Sender<()>,
}

pub async fn run(folder: &Path, library: &Path) -> Agent {
    let file = folder.join("vedette.yaml");
    let folders = Folders { config: folder.to_owned(), credentials: None };
    let loaded = config::load_file(&file, &folders).unwrap();
    let search = LibrarySearch { from_env: Some(library.to_owned()), ..LibrarySearch::default() };
    let options = Options { file, folders, search, health_interval: HEALTH };
    let (shutdown, stopping) = Shutdown::new();
    let (reload, asked) = tokio::sync::mpsc::channel(1);
    let clock = SystemClock::shared();
    let task = tokio::spawn(async move { run::run(loaded.config, options, clock, asked, stopping).await.unwrap() });
    Agent { shutdown, task, _reload: reload }
}

impl Agent {
    pub async fn stop(self) {
        drop(self.shutdown);
        self.task.await.unwrap();
    }
}

fn configuration(folder: &Path, broker: &Mosquitto, camera: &str, hub: &Running, key: &SecretKey) -> String {
    std::fs::write(folder.join("token"), format!("{}\n", hub.admin)).unwrap();
    format!(
        "agent: {{ id: gate, state_dir: {state} }}\nmqtt: {{ url: \"{broker}\" }}\n\
         hub: {{ url: \"{hub}\", token_file: token, keys: [\"{key}\"] }}\n\
         models: {{ people: {{ file: \"bundled:vedette-nano\", provider: cpu }} }}\n\
         cameras:\n  - id: door\n    url: \"{camera}\"\n    detect: {{ model: people, fps: 5, motion_gate: false }}\n    \
         zones: [ {{ id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] }} ]\n    \
         rules: [ {{ id: visit, kind: intrusion, zone: all, labels: [person] }} ]\n",
        state = folder.join("state").display(),
        broker = broker.url(),
        hub = hub.url,
        key = key.public(),
    )
}

async fn settled(ear: &Ear, revision: u64) -> Value {
    let is = |report: &Value| {
        let model = &report["models"]["people"];
        let stage = model["stage"].as_str().unwrap_or_default();
        model["revision"] == revision && ["committed", "rolled-back", "failed"].contains(&stage)
    };
    ear.hears("the wish is settled", Duration::ZERO, "reported", is).await.1["models"]["people"].clone()
}

/// How many looks were told of, report by report, between two moments.
fn looks(ear: &Ear, from: Duration, to: Duration) -> Vec<u64> {
    let told = ear.said("health").into_iter().filter(|(at, _)| (from..to).contains(at));
    told.map(|(_, health)| health["models"]["people"]["inferences"].as_u64().unwrap()).collect()
}

/// The numbers of all events without a hole, by class and epoch.
fn assert_nothing_is_lost(ear: &Ear) {
    let mut numbers = std::collections::BTreeMap::<String, std::collections::BTreeSet<u64>>::new();
    for (_, event) in ear.said("alert").into_iter().chain(ear.said("event")) {
        let id = event["id"].as_str().unwrap();
        let (stream, seq) = id.rsplit_once('/').unwrap();
        numbers.entry(stream.to_owned()).or_default().insert(seq.parse().unwrap());
    }
    assert!(!numbers.is_empty());
    for (stream, seqs) in numbers {
        let (first, last) = (*seqs.first().unwrap(), *seqs.last().unwrap());
        assert_eq!(last - first + 1, seqs.len() as u64, "{stream}: {seqs:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_from_the_hub_takes_over_while_the_camera_goes_on_and_goes_back_the_same_way() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(hub) = start("").await else { return };
    let camera = ServerProcess::start("scene", 0);
    let (folder, key) = (tempfile::tempdir().unwrap(), SecretKey::from_seed("hub", [9; 32]));
    let text = configuration(folder.path(), &broker, &camera.url, &hub, &key);
    std::fs::write(folder.path().join("vedette.yaml"), text).unwrap();
    let ear = Ear::at(&broker).await;
    let voice = Subscriber::start(broker.port(), "hub", "nothing").await;
    let mut wisher = Wisher { hub: &hub, key, voice, revision: 0 };
    let float = wisher.package().await;
    let agent = run(folder.path(), &library).await;
    ear.hears("pictures are looked at", Duration::ZERO, "health", |health| {
        health["models"]["people"]["inferences"].as_u64().is_some_and(|looks| looks > 5)
    })
    .await;
    let own = ear.latest("health").unwrap()["models"]["people"]["sha256"].clone();

    // The float model is slower than the 8-bit one, which is no matter here.
    let proof =
        Proof { shadow_looks: 20, shadow_seconds: 60, trial_seconds: 4, latency_ratio: 50.0, ..Proof::default() };
    let began = now();
    wisher.wish(Some(float.clone()), Some(proof)).await;
    let model = settled(&ear, 1).await;
    println!("the proof: {}", model["evidence"]);
    assert_eq!((&model["stage"], &model["active"]["sha256"]), (&json!("committed"), &json!(float.sha256)), "{model:#}");
    assert_eq!(model["evidence"]["looks"], 20);
    let (_, health) = ear.hears("the other model runs", now(), "health", |_| true).await;
    assert_ne!(health["models"]["people"]["sha256"], own);
    wisher.wish(None, None).await;
    assert_eq!(settled(&ear, 2).await["stage"], "committed");
    let ended = now();
    let (_, health) = ear.hears("the first model runs again", ended, "health", |_| true).await;
    assert_eq!(health["models"]["people"]["sha256"], own);

    // Two looks in each report, a fifth of a second apart at least: then none is 1 s after the one before, wherever in two
    // reports of 0.6 s they lie.
    let told = looks(&ear, began, ended);
    assert!(told.len() > 5, "{told:?}");
    assert!(told.windows(2).all(|two| two[1] >= two[0] + 2), "somewhere nobody looked for nearly 1 s: {told:?}");
    let disturbed = ["discontinuity", "gap"].iter().flat_map(|kind| ear.said(&format!("event/{kind}")));
    assert_eq!(disturbed.filter(|(at, _)| *at > began).count(), 0, "the camera was disturbed");
    let replaced: Vec<Value> = ear.said("event/model-change").into_iter().map(|(_, event)| event).collect();
    println!("model changes: {:?}", replaced.iter().map(|e| e["data"]["explanation"].clone()).collect::<Vec<_>>());
    agent.stop().await;
    assert_nothing_is_lost(&ear);
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_is_in_force_after_a_restart_and_a_damaged_one_is_not() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(hub) = start("").await else { return };
    let camera = ServerProcess::start("scene", 0);
    let (folder, key) = (tempfile::tempdir().unwrap(), SecretKey::from_seed("hub", [9; 32]));
    let text = configuration(folder.path(), &broker, &camera.url, &hub, &key);
    std::fs::write(folder.path().join("vedette.yaml"), text).unwrap();
    let ear = Ear::at(&broker).await;
    let voice = Subscriber::start(broker.port(), "hub", "nothing").await;
    let mut wisher = Wisher { hub: &hub, key, voice, revision: 0 };
    let float = wisher.package().await;
    let agent = run(folder.path(), &library).await;
    wisher.wish(Some(float.clone()), None).await;
    assert_eq!(settled(&ear, 1).await["stage"], "committed");
    let sha256 = async |since| {
        let (_, health) =
            ear.hears("health", since, "health", |health| health["models"]["people"]["obtained"] == "cpu").await;
        health["models"]["people"]["sha256"].clone()
    };
    let with_float = sha256(now()).await;
    agent.stop().await;

    let again = now();
    let agent = run(folder.path(), &library).await;
    assert_eq!(sha256(again).await, with_float);
    agent.stop().await;

    let file = folder.path().join(format!("state/packages/{}.vedette", float.sha256));
    std::fs::write(&file, "not a package").unwrap();
    let again = now();
    let agent = run(folder.path(), &library).await;
    assert_ne!(sha256(again).await, with_float);
    let (_, report) = ear.hears("the fall is told", again, "reported", |_| true).await;
    let model = &report["models"]["people"];
    assert_eq!((&model["stage"], &model["active"]), (&json!("rolled-back"), &Value::Null), "{model:#}");
    agent.stop().await;
    hub.end().await;
}
