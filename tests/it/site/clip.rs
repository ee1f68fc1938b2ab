//! The shared clip through the whole agent: a person comes and goes, and whoever listens is told, with a picture.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::agent::Agent;
use super::disk::SmallDisk;
use super::ear::{Ear, now, until};
use crate::support::serve_process::ServerProcess;
use crate::support::{data, mosquitto};

const SNAPSHOT_KIB: usize = 48;

/// All but who the agent is.
fn sections(url: &str, model: &str) -> String {
    format!(
        "models:\n  people: {{ file: \"{model}\", threshold: 0.4, provider: cpu }}\n\
         evidence: {{ snapshot_kib: {SNAPSHOT_KIB} }}\n\
         cameras:\n\
         \x20 - id: door\n\
         \x20   url: \"{url}\"\n\
         \x20   detect: {{ model: people, fps: 5 }}\n\
         \x20   zones: [ {{ id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] }} ]\n\
         \x20   rules: [ {{ id: visit, kind: intrusion, zone: all, labels: [person] }} ]\n"
    )
}

/// The visits that were told of: the episodes of the starts and of the ends.
fn episodes(ear: &Ear, phase: &str) -> Vec<String> {
    let said = ear.said("alert/door/visit");
    let these = said.iter().filter(|(_, alert)| alert["data"]["phase"] == phase);
    these.map(|(_, alert)| alert["data"]["episode"].as_str().unwrap().to_owned()).collect()
}

async fn alert(ear: &Ear, phase: &str, number: usize) -> Value {
    let what = format!("{phase} number {number}");
    let of_phase = |alert: &Value| alert["data"]["phase"] == phase;
    let alerts = || ear.said("alert/door/visit").into_iter().map(|(_, a)| a).filter(of_phase).nth(number - 1);
    until(&what, alerts).await
}

/// An alert says all that a person needs to trust it.
fn assert_explained(alert: &Value) {
    let data = &alert["data"];
    println!("{}: {}", data["phase"], data["explanation"]);
    assert!(!data["explanation"].as_str().unwrap().is_empty());
    assert_eq!((&data["camera"], &data["rule"]), (&"door".into(), &"visit".into()), "{alert:#}");
    assert_eq!(data["place"]["zone"], "all", "{alert:#}");
    assert_eq!(data["subject"]["label"], "person", "{alert:#}");
    assert_eq!((&data["model"]["name"], &data["model"]["provider"]), (&"people".into(), &"cpu".into()), "{alert:#}");
    assert_eq!(data["model"]["sha256"].as_str().unwrap().len(), 64, "{alert:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_is_told_of_each_visit_with_a_picture() {
    let clip = data::find("video/one-by-one-person-detection.mp4");
    let (Some(clip), Some(model)) = (clip, data::find("models/detect/yolox_nano_416.onnx")) else { return };
    let Some(broker) = mosquitto::start(&[]) else { return };
    let ear = Ear::at(&broker).await;
    let server = ServerProcess::start(clip.to_str().unwrap(), 0);
    let mut agent = Agent::new(&broker.url(), &sections(&server.url, model.to_str().unwrap()));
    let began = now();
    agent.start();
    ear.online(began).await;
    ear.camera("door", "streaming", began).await;
    println!("streaming {:?} after the start", now() - began);

    // The first visit, whole.
    let start = alert(&ear, "start", 1).await;
    assert_explained(&start);
    let end = alert(&ear, "end", 1).await;
    assert_explained(&end);
    assert_eq!(start["data"]["episode"], end["data"]["episode"]);
    for alert in [&start, &end] {
        let file = alert["data"]["evidence"]["snapshot"].as_str().unwrap_or_else(|| panic!("no picture: {alert:#}"));
        let bytes = std::fs::read(agent.folder().join("state/evidence").join(file)).unwrap();
        image::load_from_memory_with_format(&bytes, image::ImageFormat::Jpeg).unwrap();
    }
    let picture = format!("snapshot/door/{}", start["data"]["episode"].as_str().unwrap());
    let is_picture = |topic: &str| topic.ends_with(&picture);
    let picture = until("the picture", || ear.heard().into_iter().find(|m| is_picture(&m.topic))).await;
    let decoded = image::load_from_memory_with_format(&picture.payload, image::ImageFormat::Jpeg).unwrap();
    println!("a picture of {}x{} in {} bytes", decoded.width(), decoded.height(), picture.payload.len());
    assert!(picture.payload.len() <= SNAPSHOT_KIB * 1024);

    // The second is going on when the agent is stopped: it ends, and that is told.
    let second = alert(&ear, "start", 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let health = ear.latest("health").unwrap();
    println!("{health:#}");
    let camera = &health["cameras"]["door"];
    assert_eq!(camera["state"], "streaming");
    let rate = |name: &str| camera[name].as_f64().unwrap();
    assert!(rate("received_fps") > 9.0 && rate("received_fps") < 11.0, "the clip has ten pictures a second");
    assert!(rate("decoded_fps") > 2.0 && rate("inferred_fps") > 0.3);
    let model = &health["models"]["people"];
    assert_eq!((&model["asked"], &model["obtained"]), (&"cpu".into(), &"cpu".into()));
    assert!(model["inferences"].as_u64().unwrap() > 8 && health["stages"]["people/infer"]["count"].is_u64());
    let count = ear.latest("count/door/all").unwrap();
    agent.signal(Signal::TERM);
    let (status, took) = agent.await_end();
    println!("stopped in {took:?} during a visit; the count was {count}");
    assert!(status.success() && took <= Duration::from_secs(5), "{status} after {took:?}");
    ear.hears("offline", began, "status", |s| s["status"] == "offline").await;
    let last = alert(&ear, "end", 2).await;
    assert_eq!(second["data"]["episode"], last["data"]["episode"]);
    assert_explained(&last);

    let visits = episodes(&ear, "start");
    assert_eq!(visits, episodes(&ear, "end"), "each visit begins once and ends once");
    assert_eq!(visits.len(), 2, "{visits:?}");
    let counts = ear.check_schemas();
    println!("{counts:?}");
    assert!(counts["count"] > 0 && counts["snapshot"] >= 2 && counts["health"] >= 2);
    ear.assert_nothing_missing();
    // Retained: whoever comes now is told too.
    let late = crate::support::subscriber::Subscriber::start(broker.port(), "late", &super::ear::topic("#")).await;
    for rest in ["status", "health", "camera/door/state", "count/door/all"] {
        let topic = super::ear::topic(rest);
        until(rest, || late.messages().into_iter().find(|m| m.topic == topic && m.retained)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_the_detector_looks_on_and_an_alert_says_that_its_picture_is_missing() {
    let clip = data::find("video/one-by-one-person-detection.mp4");
    let (Some(clip), Some(model)) = (clip, data::find("models/detect/yolox_nano_416.onnx")) else { return };
    let Some(broker) = mosquitto::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path().join("small"), 8192) else { return };
    disk.fill();
    let ear = Ear::at(&broker).await;
    let server = ServerProcess::start(clip.to_str().unwrap(), 0);
    let line = sections(&server.url, model.to_str().unwrap());
    let mut agent = Agent::new(&broker.url(), &(disk.agent_section() + &line));
    let began = now();
    agent.start();
    let start = alert(&ear, "start", 1).await;
    assert_explained(&start);
    println!("{:?} after the start: {}", now() - began, start["data"]["evidence"]);
    assert_eq!(start["data"]["evidence"]["missing"], "disk-full", "{start:#}");
    let picture = format!("snapshot/door/{}", start["data"]["episode"].as_str().unwrap());
    until("the picture", || ear.heard().into_iter().find(|m| m.topic.ends_with(&picture))).await;
    let health = ear.command("status", "full-1", serde_json::json!({})).await["result"].clone();
    assert!(health["spool"]["degraded"].as_str().unwrap().contains("space"), "{health:#}");
    println!("degraded: {}", health["spool"]["degraded"]);
    ear.check_schemas();
}
