//! Clips through the whole agent: announced with the alert, told of when they are on the disk, cut and brought on command,
//! and accounted for after a crash.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vedette::base::clock::{Clock, SystemClock};
use vedette::decode::{Clip, Pace, Settings, Source};
use vedette::model::keys::SecretKey;
use vedette::vocab::WallTime;

use super::agent::Agent;
use super::ear::{Ear, now, until};
use crate::support::clip_hub::{ClipHub, Fate};
use crate::support::rtsp::{Offer, Server};
use crate::support::serve_process::ServerProcess;
use crate::support::{data, mosquitto};

const CLIPS: &str = "evidence: { clips: { keep: alerts, before_seconds: 2, after_seconds: 1, longest_seconds: 40, ring_seconds: 20 } }\n";

/// A camera before which people come and go.
fn visits(url: &str, model: &str) -> String {
    format!(
        "models:\n  people: {{ file: \"{model}\", threshold: 0.4, provider: cpu }}\n\
         {CLIPS}\
         cameras:\n\
         \x20 - id: door\n\
         \x20   url: \"{url}\"\n\
         \x20   detect: {{ model: people, fps: 5 }}\n\
         \x20   zones: [ {{ id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] }} ]\n\
         \x20   rules: [ {{ id: visit, kind: intrusion, zone: all, labels: [person] }} ]\n"
    )
}

/// A camera that nobody looks at, and a hub.
fn watched(agent: &Agent, camera: &Server, hub: &ClipHub) -> String {
    fs::write(agent.folder().join("token"), "vedette_canary\n").unwrap();
    let key = SecretKey::from_seed("hub", [9; 32]).public();
    format!(
        "{CLIPS}hub: {{ url: \"{}\", token_file: token, keys: [\"{key}\"] }}\n\
         cameras: [ {{ id: door, url: \"{}\" }} ]\n",
        hub.url(),
        camera.url()
    )
}

fn clip_of(agent: &Agent, event: &Value) -> (PathBuf, Vec<u8>) {
    let name = event["data"]["evidence"]["clip"].as_str().unwrap_or_else(|| panic!("no clip: {event:#}"));
    let path = agent.folder().join("state/evidence").join(name);
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn wall(seconds_from_now: i64) -> String {
    WallTime::from_unix_nanos(SystemClock.unix_nanos() + seconds_from_now * 1_000_000_000).to_rfc3339()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_names_its_clip_and_an_event_says_when_it_is_there_and_what_it_is() {
    let film = data::find("video/one-by-one-person-detection.mp4");
    let (Some(film), Some(model)) = (film, data::find("models/detect/yolox_nano_416.onnx")) else { return };
    let Some(broker) = mosquitto::start(&[]) else { return };
    let ear = Ear::at(&broker).await;
    let server = ServerProcess::start(film.to_str().unwrap(), 0);
    let mut agent = Agent::new(&broker.url(), &visits(&server.url, model.to_str().unwrap()));
    let began = now();
    agent.start();
    let (_, start) = ear.hears("an alert", began, "alert/door/visit", |a| a["data"]["phase"] == "start").await;
    let name = start["data"]["evidence"]["clip"].clone();
    let episode = start["data"]["episode"].clone();
    assert_eq!(name, format!("{}.mp4", episode.as_str().unwrap()), "{start:#}");
    let is_it = |event: &Value| event["data"]["evidence"]["clip"] == name;
    let (_, told) = ear.hears("that the clip is there", began, "event/clip", is_it).await;
    println!("{}: {:#}", told["data"]["explanation"], told["data"]["evidence"]["clip_file"]);
    let file = &told["data"]["evidence"]["clip_file"];
    let (path, bytes) = clip_of(&agent, &told);
    assert_eq!((&file["sha256"], &file["bytes"]), (&sha256(&bytes).into(), &bytes.len().into()), "{told:#}");
    assert!(file["episodes"].as_array().unwrap().contains(&episode), "{told:#}");
    // The asked time is two seconds before the alert; the film has a keyframe every few seconds.
    let asked = start["data"]["capture"]["pts_ms"].as_u64().unwrap().saturating_sub(2000);
    let begins = file["begins_pts_ms"].as_u64().unwrap();
    println!("it begins {} ms before the asked time", asked.saturating_sub(begins));
    assert!(
        begins <= asked || told["data"]["explanation"].as_str().unwrap().contains("no longer in memory"),
        "{told:#}"
    );
    let mut film = Clip::open(&Source::file(&path), &Settings::default(), Pace::Max).unwrap();
    assert!(film.next().unwrap().unwrap().keyframe);
    assert!(film.all(|frame| frame.is_ok()));
    // The end of the visit names it too.
    let is_end = |alert: &Value| alert["data"]["phase"] == "end" && alert["data"]["episode"] == episode;
    let (_, end) = ear.hears("the end", began, "alert/door/visit", is_end).await;
    assert_eq!(end["data"]["evidence"]["clip"], name);

    // Killed while the next one is being written: the next run says that it is missing.
    let later = |a: &Value| a["data"]["phase"] == "start" && a["data"]["evidence"]["clip"] != name;
    let (_, second) = ear.hears("another alert", began, "alert/door/visit", later).await;
    agent.kill();
    let lost = second["data"]["evidence"]["clip"].clone();
    let since = now();
    agent.start();
    let (_, told) = ear.hears("the loss", since, "event/clip", |e| e["data"]["evidence"]["clip"] == lost).await;
    println!("{}", told["data"]["explanation"]);
    assert_eq!(told["data"]["evidence"]["clip_missing"], "agent-stopped", "{told:#}");
    // Stopped in good order, what is under way is ended with what there is.
    let (_, third) = ear.hears("another alert", since, "alert/door/visit", |a| a["data"]["phase"] == "start").await;
    let cut_short = third["data"]["evidence"]["clip"].clone();
    tokio::time::sleep(Duration::from_secs(2)).await;
    agent.signal(Signal::TERM);
    let (status, took) = agent.await_end();
    assert!(status.success() && took <= Duration::from_secs(5), "{status} after {took:?}");
    let is_it = |e: &Value| e["data"]["evidence"]["clip"] == cut_short;
    let (_, told) = ear.hears("the last clip", since, "event/clip", is_it).await;
    println!("{}", told["data"]["explanation"]);
    let (_, bytes) = clip_of(&agent, &told);
    assert_eq!(told["data"]["evidence"]["clip_file"]["sha256"], sha256(&bytes), "{told:#}");
    ear.check_schemas();
    ear.assert_nothing_missing();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clip_is_cut_on_command_and_brought_to_the_hub_over_a_cut_connection() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let camera = Server::start(Offer::h264(640, 360, 10));
    let hub = ClipHub::start(&[Fate::Cut, Fate::Refused(503)]);
    let ear = Ear::at(&broker).await;
    let mut agent = Agent::new(&broker.url(), "");
    agent.configure(&broker.url(), &watched(&agent, &camera, &hub));
    let began = now();
    agent.start();
    ear.camera("door", "streaming", began).await;

    let too_early = json!({"camera": "door", "from": wall(-7200), "to": wall(-7195)});
    let reply = ear.command("clip", "early", too_early).await;
    assert_eq!(reply["code"], "not-found", "{reply:#}");
    let cases = [
        (json!({"episode": "gate-door-1-1"}), "not-found", "no clip shows"),
        (json!({"camera": "cellar", "from": wall(-5), "to": wall(0)}), "not-found", "cellar"),
        (json!({"camera": "door", "from": wall(0), "to": wall(-5)}), "refused", "behind args.from"),
        (json!({"camera": "door", "from": wall(-5), "to": wall(500)}), "refused", "at most 40 s"),
        (json!({"camera": "door", "from": "noon", "to": wall(0)}), "malformed", "args.from must be a time"),
        (json!({"episode": "e", "camera": "door"}), "malformed", "unknown argument"),
    ];
    for (number, (args, code, reason)) in cases.into_iter().enumerate() {
        let reply = ear.command("clip", &format!("refused-{number}"), args).await;
        assert_eq!(reply["code"], code, "{reply:#}");
        assert!(reply["reason"].as_str().unwrap().contains(reason), "{reply:#}");
    }

    // The last second of it is still to come.
    let args = json!({"camera": "door", "from": wall(-1), "to": wall(2)});
    let reply = ear.command("clip", "wanted-1", args).await;
    assert_eq!((&reply["code"], &reply["result"]["upload"]), (&"ok".into(), &"queued".into()), "{reply:#}");
    assert_eq!(reply["result"]["state"], "being-written");
    let name = reply["result"]["clip"].clone();
    let is_it = |event: &Value| event["data"]["evidence"]["clip"] == name;
    let (_, told) = ear.hears("that the clip is there", began, "event/clip", is_it).await;
    println!("{}", told["data"]["explanation"]);
    let (_, bytes) = clip_of(&agent, &told);
    let done = |reply: &Value| reply["result"]["upload"] == "done";
    let (_, reply) = ear.hears("that it is at the hub", began, "reply/wanted-1", done).await;
    assert_eq!(reply["result"]["sha256"], told["data"]["evidence"]["clip_file"]["sha256"], "{reply:#}");
    hub.look(|book| {
        assert!(book.complete && book.bytes == bytes);
        println!("{} bytes in pieces from {:?}", bytes.len(), book.offsets);
        assert!(
            book.offsets.len() >= 3 && book.offsets.iter().any(|offset| *offset > 0),
            "it went on where it was cut"
        );
        assert!(book.queries[0].contains("camera=door"));
        assert!(book.tokens.iter().all(|token| token == "Bearer vedette_canary"));
    });
    assert!(!agent.log_text().contains("vedette_canary"));
    ear.check_schemas();
    ear.assert_nothing_missing();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_the_hub_was_not_there_for_is_done_by_the_next_run() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let camera = Server::start(Offer::h264(320, 180, 10));
    let away = ClipHub::start(&[Fate::Refused(503); 2000]);
    let ear = Ear::at(&broker).await;
    let mut agent = Agent::new(&broker.url(), "");
    agent.configure(&broker.url(), &watched(&agent, &camera, &away));
    let began = now();
    agent.start();
    ear.camera("door", "streaming", began).await;
    let reply = ear.command("clip", "wanted-2", json!({"camera": "door", "from": wall(0), "to": wall(1)})).await;
    assert_eq!(reply["code"], "ok", "{reply:#}");
    until("an attempt", || away.look(|book| (!book.offsets.is_empty()).then_some(()))).await;
    agent.kill();
    let hub = ClipHub::start(&[]);
    agent.configure(&broker.url(), &watched(&agent, &camera, &hub));
    let since = now();
    agent.start();
    let done = |reply: &Value| reply["result"]["upload"] == "done";
    ear.hears("that it is at the hub", since, "reply/wanted-2", done).await;
    assert!(hub.look(|book| book.complete));
}
