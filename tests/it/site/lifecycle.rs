//! Starting and stopping: what systemd hears, what the broker hears, and how long it takes.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::agent::{Agent, bare_camera};
use super::ear::{Ear, now, topic, until};
use crate::support::mosquitto;
use crate::support::proxy::Proxy;
use crate::support::rtsp::{Offer, Server};
use crate::support::subscriber::Subscriber;

/// A stop is graceful and takes no longer than this.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The next word to systemd that contains `wanted`; passes over others.
fn await_word(socket: &UnixDatagram, wanted: &str) {
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut bytes = [0; 4096];
    loop {
        let length = socket.recv(&mut bytes).unwrap_or_else(|e| panic!("no {wanted} within a minute: {e}"));
        if String::from_utf8_lossy(&bytes[..length]).contains(wanted) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_hears_when_it_is_ready_alive_and_stopping() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let ear = Ear::at(&broker).await;
    // Nobody answers there: a camera that is away is no reason not to be ready or alive.
    let mut agent = Agent::new(&broker.url(), &format!("cameras:\n{}", bare_camera("door", "rtsp://127.0.0.1:9/live")));
    let systemd = agent.with_systemd(Duration::from_secs(2));
    let began = now();
    agent.start();
    let words = tokio::task::spawn_blocking(move || {
        await_word(&systemd, "READY=1");
        let ready = now();
        await_word(&systemd, "WATCHDOG=1");
        await_word(&systemd, "WATCHDOG=1");
        (systemd, ready)
    });
    let (systemd, ready) = words.await.unwrap();
    println!("ready after {:?}, alive twice within {:?}", ready - began, now() - ready);
    ear.camera("door", "backoff", began).await;
    agent.signal(Signal::TERM);
    tokio::task::spawn_blocking(move || await_word(&systemd, "STOPPING=1")).await.unwrap();
    let (status, took) = agent.await_end();
    println!("a camera that is away: stopped in {took:?}");
    assert!(status.success() && took <= STOP_LIMIT, "{status} after {took:?}");
    ear.check_schemas();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_allocator_is_as_the_program_wants_it_unless_somebody_has_said_otherwise() {
    const NAME: &str = "GLIBC_TUNABLES";
    let Some(broker) = mosquitto::start(&[]) else { return };
    let ear = Ear::at(&broker).await;
    let mut agent = Agent::new(&broker.url(), &format!("cameras:\n{}", bare_camera("door", "rtsp://127.0.0.1:9/live")));
    for (said, expected) in [
        (None, "glibc.malloc.arena_max=1 glibc.malloc.hugetlb=1"),
        (Some("glibc.malloc.check=0"), "glibc.malloc.check=0"),
    ] {
        said.into_iter().for_each(|value| agent.set(NAME, value));
        let began = now();
        agent.start();
        ear.camera("door", "backoff", began).await;
        let environment = std::fs::read_to_string(format!("/proc/{}/environ", agent.pid())).unwrap();
        // glibc before 2.38 cuts the list into its parts where it lies.
        let environment = environment.replace(['\0', ':'], " ");
        assert!(environment.contains(&format!("{NAME}={expected} ")), "{environment}");
        agent.signal(Signal::TERM);
        agent.await_end();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_told_and_ends_with_success() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let server = Server::start(Offer::h264(320, 180, 10));
    let ear = Ear::at(&broker).await;
    let mut agent = Agent::new(&broker.url(), &format!("cameras:\n{}", bare_camera("door", &server.url())));
    for signal in [Signal::TERM, Signal::INT] {
        let began = now();
        agent.start();
        let boot = ear.online(began).await;
        ear.camera("door", "streaming", began).await;
        let asked = now();
        agent.signal(signal);
        let (status, took) = agent.await_end();
        println!("{signal:?}: stopped in {took:?}");
        assert!(status.success(), "{signal:?}: {status}");
        assert!(took <= STOP_LIMIT, "{signal:?}: {took:?}");
        let (_, said) = ear.hears("offline", asked, "status", |s| s["status"] == "offline").await;
        assert_eq!(said["boot"], boot.as_str());
        // Whoever comes now must not read that it streams.
        let state = ear.latest("camera/door/state").unwrap();
        assert_eq!((&state["state"], &state["cause"]), (&json!("disabled"), &json!("the agent has stopped")));
    }
    ear.check_schemas();
    ear.assert_nothing_missing();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_camera_or_a_broker_that_has_gone_silent() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let (paused, cut) = (Server::start(Offer::h264(320, 180, 10)), Server::start(Offer::h264(320, 180, 10)));
    let proxy = Proxy::start(cut.port);
    let ear = Ear::at(&broker).await;
    let cameras = [bare_camera("paused", &paused.url()), bare_camera("cut", &proxy.url())].concat();
    let mut agent = Agent::new(&broker.url(), &format!("cameras:\n{cameras}"));
    let began = now();
    agent.start();
    for camera in ["paused", "cut"] {
        ear.camera(camera, "streaming", began).await;
    }
    paused.pause();
    proxy.black_hole(true, false);
    broker.freeze();
    agent.signal(Signal::TERM);
    let (status, took) = agent.await_end();
    println!("silent cameras and broker: stopped in {took:?}");
    assert!(status.success() && took <= STOP_LIMIT, "{status} after {took:?}");
    let thawed = now();
    broker.thaw();
    paused.resume();
    // By its own word, which lay in the broker's buffer, or by its Last Will.
    ear.hears("offline", Duration::ZERO, "status", |s| s["status"] == "offline").await;
    println!("offline {:?} after the broker was back", now() - thawed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_runs_without_a_broker_and_delivers_when_there_is_one() {
    let Some(mut broker) = mosquitto::start(&[]) else { return };
    broker.kill();
    let server = Server::start(Offer::h264(320, 180, 10));
    let mut agent = Agent::new(&broker.url(), &format!("cameras:\n{}", bare_camera("door", &server.url())));
    agent.start();
    until("the camera to stream", || agent.log_text().contains("pictures arrive").then_some(())).await;
    broker.launch();
    // Whoever comes first may hear it all; this one is sure to be there before the agent, which waits a while.
    let ear = Ear::at(&broker).await;
    let (_, event) = ear.hears("the camera's event", Duration::ZERO, "event/camera-state", |_| true).await;
    assert!(event["data"]["explanation"].as_str().unwrap().contains("connecting"), "{event:#}");
    ear.camera("door", "streaming", Duration::ZERO).await;
    ear.check_schemas();

    // A broker that forgot everything is told again what is retained.
    broker.kill();
    broker.launch();
    let late = Subscriber::start(broker.port(), "late", &topic("#")).await;
    for rest in ["status", "health", "camera/door/state"] {
        let topic = topic(rest);
        until(rest, || late.messages().into_iter().find(|m| m.topic == topic)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_does_not_run_is_told_and_refused_only_where_it_is_required() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let server = Server::start(Offer::h264(320, 180, 10));
    let ear = Ear::at(&broker).await;
    let camera = format!("  - {{ id: door, url: \"{}\", detect: {{ model: people }} }}\n", server.url());
    let sections =
        |required: bool| format!("models:\n  people: {{ file: junk.onnx, required: {required} }}\ncameras:\n{camera}");
    let mut agent = Agent::new(&broker.url(), &sections(false));
    std::fs::write(agent.folder().join("junk.onnx"), "this is no model").unwrap();
    let began = now();
    agent.start();
    ear.camera("door", "streaming", began).await;
    let (_, event) = ear.hears("the failure", began, "event/model-change", |_| true).await;
    println!("{}", event["data"]["explanation"]);
    let (_, health) = ear.hears("health", began, "health", |_| true).await;
    let model = &health["models"]["people"];
    assert!(model["obtained"].is_null() && model["cause"].as_str().unwrap().contains("junk.onnx"), "{model:#}");
    ear.check_schemas();
    agent.kill();

    agent.configure(&broker.url(), &sections(true));
    agent.start();
    let (status, _) = agent.await_end();
    let log = agent.log_text();
    println!("{}", log.lines().last().unwrap_or_default());
    assert_eq!(status.code(), Some(2), "{log}");
}
