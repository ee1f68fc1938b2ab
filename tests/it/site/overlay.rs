//! A configuration from the hub on a running agent: a real hub, broker, agent and cameras. What keeps the pictures stays and
//! disturbs no other camera; what is wrong, costs pictures or loses the hub goes by itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use vedette::wire::OverlayRef;

use super::ear::{Ear, now, until};
use super::switch::{Agent, run};
use crate::hub::rollouts::Hub;
use crate::support::detectors::library;
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::serve_process::ServerProcess;

/// A hub, and an agent with two cameras: `door`, at which a model looks, and `yard`, which is only watched over.
struct Ground {
    folder: tempfile::TempDir,
    library: PathBuf,
    hub: Hub,
    ear: Ear,
    agent: Agent,
    _cameras: [ServerProcess; 2],
}

fn configuration(folder: &Path, broker: &Mosquitto, hub: &Hub, cameras: &[ServerProcess; 2]) -> String {
    format!(
        "agent: {{ id: gate, state_dir: {state} }}\nmqtt: {{ url: \"{broker}\" }}\n\
         hub: {{ url: \"{hub}\", token_file: {token}, keys: [\"{key}\"] }}\n\
         models: {{ people: {{ file: \"bundled:vedette-nano\", provider: cpu }} }}\n\
         cameras:\n  - id: door\n    url: \"{door}\"\n    detect: {{ model: people, fps: 2, motion_gate: false }}\n    \
         zones: [ {{ id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] }} ]\n    \
         rules: [ {{ id: visit, kind: intrusion, zone: all }} ]\n  - id: yard\n    url: \"{yard}\"\n",
        state = folder.join("state").display(),
        broker = broker.url(),
        hub = hub.url,
        token = hub.folder.path().join("data/admin.token").display(),
        key = hub.key,
        door = cameras[0].url,
        yard = cameras[1].url,
    )
}

impl Ground {
    async fn prepare(broker: &Mosquitto) -> Option<Self> {
        let library = library("VEDETTE_ORT")?;
        let hub = Hub::start(broker, None).await?;
        let cameras = [ServerProcess::start("scene", 0), ServerProcess::start("scene", 0)];
        let folder = tempfile::tempdir().unwrap();
        let text = configuration(folder.path(), broker, &hub, &cameras);
        std::fs::write(folder.path().join("vedette.yaml"), text).unwrap();
        let ear = Ear::at(broker).await;
        let agent = run(folder.path(), &library).await;
        hub.admit(&["gate".to_owned()]).await;
        ear.hears("pictures of both cameras, and looks", Duration::ZERO, "health", |health| {
            let received = |camera: &str| health["cameras"][camera]["received"].as_u64().unwrap_or(0);
            let looks = health["models"]["people"]["inferences"].as_u64().unwrap_or(0);
            received("door") > 20 && received("yard") > 20 && looks > 2
        })
        .await;
        Some(Self { folder, library, hub, ear, agent, _cameras: cameras })
    }

    async fn order(&self, overlay: &str, trial: Value) -> String {
        let terms = json!({"groups": ["100%"], "soak_seconds": 0, "trial": trial});
        let order = json!({"overlay": overlay, "purpose": "a test", "agents": ["gate"], "terms": terms});
        self.hub.post("/api/v1/rollouts", order).await.fine()["id"].as_str().unwrap().to_owned()
    }

    async fn settled(&self, id: &str) -> Value {
        for _ in 0..900 {
            let rollout = self.hub.rollout(id).await;
            if rollout["settled"] == true {
                return rollout;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{:#}", self.hub.rollout(id).await);
    }

    /// The next word on the agent's health.
    async fn health(&self) -> Value {
        self.ear.hears("health", now(), "health", |_| true).await.1
    }

    /// What the agent keeps of its configuration.
    fn ledger(&self) -> Value {
        let text = std::fs::read(self.folder.path().join("state/rollout.json")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()["config"].clone()
    }
}

fn short(overlay: &str) -> String {
    OverlayRef::of(overlay).sha256[..12].to_owned()
}

/// What each report of a camera's frames since it was connected said, in order.
fn received(ear: &Ear, camera: &str) -> Vec<u64> {
    let told = ear.said("health").into_iter().map(|(_, health)| health["cameras"][camera]["received"].as_u64());
    told.flatten().collect()
}

const GOOD: &str = "cameras:\n  door:\n    rules:\n      visit: null\n      stroll: { kind: intrusion, zone: all }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_overlay_arrives_and_a_wrong_one_and_one_that_costs_pictures_go_by_themselves() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(ground) = Ground::prepare(&broker).await else { return };
    let own = ground.health().await["config_revision"].clone();
    let trial = json!({"trial_seconds": 6});

    let began = now();
    let id = ground.order(GOOD, trial.clone()).await;
    let rollout = ground.settled(&id).await;
    assert_eq!((&rollout["state"], &rollout["text"]), (&json!("finished"), &json!(GOOD)), "{rollout:#}");
    let rates = &rollout["nodes"][0]["evidence"]["cameras"];
    println!("the trial: {}", rollout["nodes"][0]["evidence"]);
    assert_eq!(rates.as_object().unwrap().keys().collect::<Vec<_>>(), ["door"]);
    let health = ground.health().await;
    assert_eq!(health["overlay"], short(GOOD));
    assert_ne!(health["config_revision"], own);
    let (_, alert) = ground.ear.hears("the new rule fires", began, "alert/door/stroll", |_| true).await;
    assert_eq!(alert["data"]["config_revision"], health["config_revision"], "{alert:#}");
    let yard = received(&ground.ear, "yard");
    assert!(yard.is_sorted(), "the other camera was connected anew: {yard:?}");
    let door = received(&ground.ear, "door");
    assert!(!door.is_sorted(), "a camera that is changed is connected anew: {door:?}");

    // Wrong: told with its place, and never in force.
    let id = ground.order("cameras:\n  door:\n    rules:\n      visit: { zone: gone }\n", trial.clone()).await;
    let rollout = ground.settled(&id).await;
    let why = rollout["why"].as_str().unwrap();
    assert_eq!(rollout["state"], "reverted", "{rollout:#}");
    assert!(why.contains("gate failed: overlay:4:22: cameras[0].rules[0].zone"), "{why}");
    assert_eq!(ground.health().await["overlay"], short(GOOD));

    // The camera sends H.264: nothing is decoded any more.
    let wrong = "cameras: { door: { decoder: avdec_h265 } }";
    let id = ground.order(wrong, trial).await;
    let rollout = ground.settled(&id).await;
    let why = rollout["why"].as_str().unwrap();
    assert_eq!((&rollout["state"], &rollout["nodes"][0]["stage"]), (&json!("reverted"), &json!("back")), "{rollout:#}");
    assert!(why.contains("gate rolled-back: ") && why.contains("the camera door"), "{why}");
    let health = ground.health().await;
    assert_eq!(health["overlay"], short(GOOD));
    ground.ear.camera("door", "streaming", now().saturating_sub(Duration::from_secs(5))).await;
    assert!(received(&ground.ear, "yard").is_sorted());
    assert_eq!(ground.ledger()["quarantined"], json!([OverlayRef::of(wrong).sha256]));

    // What was committed is in force after a restart; where the file no longer fits, the file counts more, until it does.
    let Ground { folder, library, ear, agent, hub, .. } = ground;
    agent.stop().await;
    let file = folder.path().join("vedette.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let again = now();
    let agent = run(folder.path(), &library).await;
    ear.hears("it is in force again", again, "health", |health| health["overlay"] == short(GOOD)).await;
    std::fs::write(&file, text.replace("id: door", "id: gate")).unwrap();
    let changed = now();
    assert_eq!(ear.command("reload", "reload-1", json!({})).await["code"], "ok");
    let (_, report) =
        ear.hears("the file counts more", changed, "reported", |report| !report["config"]["unfit"].is_null()).await;
    assert!(report["config"]["unfit"].as_str().unwrap().contains("must be a camera of this agent"), "{report:#}");
    assert_eq!(report["config"]["active"]["sha256"], OverlayRef::of(GOOD).sha256);
    std::fs::write(&file, text).unwrap();
    let changed = now();
    ear.command("reload", "reload-2", json!({})).await;
    ear.hears("it fits again", changed, "reported", |report| report["config"]["unfit"].is_null()).await;
    ear.hears("it is in force", changed, "health", |health| health["overlay"] == short(GOOD)).await;
    agent.stop().await;
    drop(hub);
    ear.check_schemas();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overlay_on_trial_when_the_broker_is_lost_goes_by_itself() {
    let Some(mut broker) = mosquitto::start(&[]) else { return };
    let Some(ground) = Ground::prepare(&broker).await else { return };
    let id = ground.order(GOOD, json!({"trial_seconds": 120, "link_seconds": 1})).await;
    ground.ear.hears("it is on trial", Duration::ZERO, "health", |health| health["overlay"] == short(GOOD)).await;
    broker.kill();
    // Nobody is there who could tell it to.
    until("it is taken away", || (ground.ledger()["stage"] == "rolled-back").then_some(())).await;
    assert_eq!(ground.ledger()["active"], Value::Null);
    broker.launch();
    let rollout = ground.settled(&id).await;
    let why = rollout["why"].as_str().unwrap();
    assert_eq!(rollout["state"], "reverted", "{rollout:#}");
    assert!(why.contains("the link to the hub is lost: the broker was away for more than 1 s on trial"), "{why}");
    let health = ground.health().await;
    assert_eq!(health["overlay"], Value::Null);
    assert_eq!(ground.ledger()["quarantined"], json!([]), "it may be tried again");
    ground.agent.stop().await;
}
