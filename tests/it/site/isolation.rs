//! A model and a camera in processes of their own under a whole agent: the processes are killed, and the agent goes on.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::agent::Agent;
use super::ear::{Ear, now, until};
use crate::support::mosquitto;
use crate::support::rtsp::{Offer, Server};

/// The process of the only model of the agent whose process is `agent`.
fn model_process(agent: u32) -> Option<Pid> {
    process("vedette-model", agent)
}

/// The only process of this name that the process `agent` has started.
fn process(name: &str, agent: u32) -> Option<Pid> {
    let is_its = |status: &str| {
        status.starts_with(&format!("Name:\t{name}\n")) && status.lines().any(|line| line == format!("PPid:\t{agent}"))
    };
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let mut those =
        numbers.filter(|number: &i32| fs::read_to_string(format!("/proc/{number}/status")).is_ok_and(|s| is_its(&s)));
    let only = those.next();
    assert!(those.next().is_none(), "one model and one camera have one process each");
    only.and_then(Pid::from_raw)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_or_camera_whose_process_is_killed_goes_on_and_nothing_else_notices() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    if std::env::var_os("VEDETTE_ORT").is_none_or(|path| !std::path::Path::new(&path).exists()) {
        println!("SKIPPED: VEDETTE_ORT names no library");
        return;
    }
    let server = Server::start(Offer::h264(320, 180, 10));
    let ear = Ear::at(&broker).await;
    let camera = "detect: { model: people, fps: 5, motion_gate: false }";
    let models = "runtime: { isolation: process }\nmodels:\n  people: { provider: cpu }\n";
    let sections = format!("{models}cameras:\n  - {{ id: door, url: \"{}\", {camera} }}\n", server.url());
    let mut agent = Agent::new(&broker.url(), &sections);
    let began = now();
    agent.start();
    let boot = ear.online(began).await;
    let model = |health: &Value, key: &str| health["models"]["people"][key].as_u64();
    let (_, health) = ear.hears("the first looks", began, "health", |h| model(h, "inferences") > Some(0)).await;
    assert_eq!(model(&health, "restarts"), Some(0), "{health:#}");

    let first = model_process(agent.pid()).unwrap();
    let killed = now();
    kill_process(first, Signal::KILL).unwrap();
    let (at, told) = ear.hears("the restart", killed, "health", |h| model(h, "restarts") == Some(1)).await;
    let looks = model(&told, "inferences");
    let (_, after) = ear.hears("further looks", at, "health", |h| model(h, "inferences") > looks).await;
    assert_eq!((model(&after, "restarts"), &after["boot"]), (Some(1), &boot.as_str().into()), "{after:#}");
    assert_ne!(model_process(agent.pid()), Some(first));
    let states = ear.said("camera/door/state");
    assert!(states.iter().filter(|(at, _)| *at > killed).all(|(_, state)| state["state"] == "streaming"), "{states:?}");

    let second = process("vedette-decode", agent.pid()).unwrap();
    let killed = now();
    kill_process(second, Signal::KILL).unwrap();
    let other = || process("vedette-decode", agent.pid()).filter(|other| *other != second);
    until("the camera to be decoded again", other).await;
    let frames = |health: &Value| health["cameras"]["door"]["decoded"].as_u64();
    let (at, told) = ear.hears("health after it", now(), "health", |h| frames(h).is_some()).await;
    let (_, after) = ear.hears("further pictures", at, "health", |h| frames(h) > frames(&told)).await;
    let camera = &after["cameras"]["door"];
    assert_eq!((&after["boot"], camera["decoder_restarts"].as_u64()), (&boot.as_str().into(), Some(1)), "{after:#}");
    let states = ear.said("camera/door/state");
    assert!(states.iter().filter(|(at, _)| *at > killed).all(|(_, state)| state["state"] == "streaming"), "{states:?}");

    let left = [model_process(agent.pid()), other()].map(|process| process.unwrap().as_raw_nonzero());
    agent.kill();
    let lives = |process: &std::num::NonZero<i32>| {
        fs::read_to_string(format!("/proc/{process}/status")).is_ok_and(|status| !status.contains("State:\tZ"))
    };
    until("both processes to end with the agent", || (!left.iter().any(lives)).then_some(())).await;
}
