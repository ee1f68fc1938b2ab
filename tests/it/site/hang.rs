//! An inference that never comes back: told by everybody whom it concerns, and systemd is left to start the agent anew.

use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::agent::Agent;
use super::ear::{Ear, now};
use crate::detect::yolov8;
use crate::support::mosquitto;
use crate::support::rtsp::{Offer, Server};

/// How often systemd wants to hear that the agent lives.
const WATCHDOG: Duration = Duration::from_secs(2);

fn plain(pattern: &str) -> Offer {
    let launch = Offer::h264(64, 64, 10).launch;
    Offer::of(&launch.replace("pattern=ball", &format!("pattern={pattern}")))
}

/// When the agent said that it lives. All that it says is read at once: it would wait for a systemd that does not listen.
fn signs_of_life(systemd: UnixDatagram) -> Arc<Mutex<Vec<Duration>>> {
    let signs = Arc::<Mutex<Vec<Duration>>>::default();
    let heard = signs.clone();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length) = systemd.recv(&mut bytes) {
            if String::from_utf8_lossy(&bytes[..length]).contains("WATCHDOG=1") {
                heard.lock().unwrap().push(now());
            }
        }
    });
    signs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inference_that_hangs_is_told_and_the_watchdog_is_no_longer_fed() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    if std::env::var_os("VEDETTE_ORT").is_none_or(|path| !std::path::Path::new(&path).exists()) {
        println!("SKIPPED: VEDETTE_ORT names no library");
        return;
    }
    let mut server = Server::start(plain("black"));
    let ear = Ear::at(&broker).await;
    let camera = "detect: { model: pets, fps: 5, motion_gate: false }";
    let models = "models:\n  pets: { file: pets.onnx, provider: cpu }\n";
    let sections = format!("{models}cameras:\n  - {{ id: door, url: \"{}\", {camera} }}\n", server.url());
    let mut agent = Agent::new(&broker.url(), &sections);
    let model = crate::support::onnx::Model { hangs_on_white: true, ..yolov8() };
    std::fs::write(agent.folder().join("pets.onnx"), model.bytes()).unwrap();
    let signs = signs_of_life(agent.with_systemd(WATCHDOG));
    let signs_since = |since: Duration| signs.lock().unwrap().iter().filter(|at| **at >= since).count();
    let began = now();
    agent.start();
    let inferences = |health: &Value| health["models"]["pets"]["inferences"].as_u64().unwrap_or_default();
    ear.hears("the first looks", began, "health", |health| inferences(health) > 0).await;
    assert!(signs_since(began) >= 3, "the watchdog is fed while inferences come back");

    let server = tokio::task::spawn_blocking(move || {
        server.kill();
        server.revive(Some(plain("white")));
        server
    });
    let _server = server.await.unwrap();
    let white = now();
    let hangs = |event: &Value| event["data"]["explanation"].as_str().unwrap().contains("hangs");
    let (at, event) = ear.hears("the hang", white, "event/model-change", hangs).await;
    println!("{} {:?} after the first white picture", event["data"]["explanation"], at - white);
    let names_it = |value: &Value| value["cause"].as_str().is_some_and(|cause| cause.contains("model pets hangs"));
    ear.hears("the camera to say so", white, "camera/door/state", names_it).await;
    let (_, health) = ear.hears("health to say so", at, "health", |h| names_it(&h["cameras"]["door"])).await;
    let cause = health["models"]["pets"]["cause"].as_str().unwrap();
    assert!(cause.contains("an inference has not come back for"), "{cause}");
    tokio::time::sleep(3 * WATCHDOG).await;
    // Half a second for what was on its way when the hang was told.
    assert_eq!(signs_since(at + WATCHDOG / 4), 0, "systemd must hear nothing of it");

    agent.signal(Signal::TERM);
    let (status, took) = agent.await_end();
    println!("stopped in {took:?} all the same");
    assert!(status.success() && took <= Duration::from_secs(5), "{status} after {took:?}");
    ear.check_schemas();
}
