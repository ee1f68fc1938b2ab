//! People before the whole agent: who is in the gallery is named in events and told of, and others are not.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};
use vedette::detect::{Settings, photograph};

use super::agent::Agent;
use super::ear::{Ear, now, until};
use crate::support::clips;
use crate::support::detectors::{library, load, open, settings, vedette};
use crate::support::{data, mosquitto};

/// A clip of ten seconds in which a photograph stands still.
pub fn clip(photograph: &Path, folder: &Path) -> std::path::PathBuf {
    let (width, height) = (624u32, 624u32);
    let picture = image::open(photograph).unwrap().to_rgb8();
    // Grey beside it: people are upright, pictures wide.
    let mut wide = image::RgbImage::from_pixel(width, height, image::Rgb([90, 90, 90]));
    image::imageops::overlay(&mut wide, &picture, i64::from(width - picture.width()) / 2, 0);
    let raw = folder.join("still.rgb");
    std::fs::write(&raw, wide.as_raw().repeat(100)).unwrap();
    let clip = folder.join("still.mkv");
    clips::launch(&format!(
        "filesrc location={} ! rawvideoparse width={width} height={height} format=rgb framerate=10/1 ! videoconvert ! \
         x264enc key-int-max=10 bframes=0 ! h264parse ! matroskamux ! filesink location={}",
        raw.display(),
        clip.display()
    ));
    clip
}

pub fn sections(clip: &Path, models: [&Path; 3]) -> String {
    let [people, faces, embedder] = models;
    format!(
        "models:\n  people: {{ file: {people:?}, threshold: 0.3, provider: cpu }}\n\
         identify:\n\
         \x20 detector: {{ file: {faces:?}, provider: cpu }}\n\
         \x20 embedder: {{ file: {embedder:?}, family: mobilefacenet, provider: cpu }}\n\
         \x20 gallery: people.gallery\n\
         \x20 key_file: gallery.key\n\
         cameras:\n\
         \x20 - id: door\n\
         \x20   url: {clip:?}\n\
         \x20   detect: {{ model: people, fps: 5, motion_gate: false }}\n\
         \x20   identify:\n\
         \x20     tell:\n\
         \x20       - {{ id: banned-person, lists: [banned], severity: alert }}\n\
         \x20       - {{ id: stranger, unknown: true, severity: event }}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_in_the_gallery_is_named_and_who_is_on_a_list_is_told_of() {
    let find = |name: &str| data::find(name);
    let (Some(people), Some(faces), Some(embedder), Some(seen), Some(enrolled)) = (
        find("models/detect/yolox_nano_416.onnx"),
        find("models/face/face_detection_yunet_2026may.onnx"),
        find("models/face/mobilefacenet.onnx"),
        find("faces/compreface/007_B.jpg"),
        find("faces/compreface/008_B.jpg"),
    ) else {
        return;
    };
    let Some(runtime) = library("VEDETTE_ORT") else { return };
    let Some(broker) = mosquitto::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&seen, folder.path());
    // Whoever is on that list is no intruder for one rule, and the other is about her alone.
    let rules = "\x20   zones: [ { id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] } ]\n\
         \x20   rules:\n\
         \x20     - { id: others, kind: intrusion, zone: all, labels: [person], who: { except: [banned] } }\n\
         \x20     - { id: bea-is-here, kind: intrusion, zone: all, labels: [person], who: { only: [bea] } }\n";
    let sections = sections(&clip, [&people, &faces, &embedder]) + rules;
    let mut agent = Agent::new(&broker.url(), &sections);
    let at = |name: &str| agent.folder().join(name).to_str().unwrap().to_owned();
    let (gallery, key) = (at("people.gallery"), at("gallery.key"));
    assert!(vedette(&runtime, &["gallery", "keygen", &key]).status.success());
    let [faces, embedder, enrolled] = [&faces, &embedder, &enrolled].map(|path| path.to_str().unwrap());
    let models = ["--detector", faces, "--embedder", embedder];
    let who = ["--id", "bea", "--name", "Bea B.", "--list", "banned", enrolled];
    let made = vedette(&runtime, &[&["gallery", "enrol", &gallery, "--key", &key], &models[..], &who].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let ear = Ear::at(&broker).await;
    let began = now();
    agent.start();
    ear.online(began).await;
    let at_work = |health: &Value| health["faces"]["described"].as_u64() >= Some(1);
    let health = ear.hears("that a face was described", began, "health", at_work).await.1;
    let faces = &health["faces"];
    assert_eq!(
        (&faces["people"], &faces["gallery"], &faces["cause"]),
        (&1.into(), &1.into(), &Value::Null),
        "{faces:#}"
    );
    assert!(faces["space"].as_str().is_some_and(|space| space.starts_with("mobilefacenet-")), "{faces:#}");
    let alert = until("the alert", || ear.said("alert/door/banned-person").into_iter().next()).await.1;
    println!("{}", alert["data"]["explanation"]);
    let identity = &alert["data"]["subject"]["identity"];
    assert_eq!((&alert["data"]["kind"], &identity["person"]), (&"identified".into(), &"bea".into()), "{alert:#}");
    assert_eq!((&identity["name"], &identity["gallery"]), (&"Bea B.".into(), &1.into()), "{alert:#}");
    assert!(identity["score"].as_f64() >= identity["threshold"].as_f64(), "{alert:#}");
    assert!(alert["data"]["evidence"]["snapshot"].is_string(), "{alert:#}");
    let ends = |(_, event): (_, Value)| (event["data"]["phase"] == "end").then_some(event);
    let said = |rule: &str| ear.said(&format!("alert/door/{rule}"));
    // Whether her face or her body was believed first is a matter of pictures; it is over once she is known.
    if let Some((_, began)) = said("others").into_iter().next() {
        assert_eq!(began["data"]["subject"]["identity"], Value::Null, "{began:#}");
        let ended = until("the end for who she is", || said("others").into_iter().find_map(ends)).await;
        let text = ended["data"]["explanation"].as_str().unwrap().to_owned();
        assert!(text.contains("a face told who it is, recognised as Bea B. (bea, on banned): likeness"), "{text}");
        let starts = said("others").into_iter().filter(|(_, event)| event["data"]["phase"] == "start").count();
        assert_eq!(starts, 1, "nothing of her from then on");
    }
    let here = until("the rule about her", || said("bea-is-here").into_iter().next()).await.1;
    let text = here["data"]["explanation"].as_str().unwrap().to_owned();
    assert!(text.contains("recognised as Bea B. (bea, on banned): likeness"), "{text}");
    println!("{text}");
    // The track ends with the agent, and its end says who it was.
    agent.signal(Signal::TERM);
    let end = |(_, event): (_, serde_json::Value)| (event["data"]["phase"] == "end").then_some(event);
    let ended = until("the end of the track", || ear.said("event/track").into_iter().find_map(end)).await;
    assert_eq!(ended["data"]["subject"]["identity"]["person"], "bea", "{ended:#}");
    assert!(ear.said("event/identified").is_empty(), "somebody who is known is no stranger");
}

/// An agent whose pictures must not show faces, which `faces` is to find.
fn hiding(clip: &Path, people: &Path, faces: &Path) -> String {
    format!(
        "models:\n  people: {{ file: {people:?}, threshold: 0.3, provider: cpu }}\n\
         \x20 faces: {{ file: {faces:?}, provider: cpu }}\n\
         cameras:\n\
         \x20 - id: door\n\
         \x20   url: {clip:?}\n\
         \x20   detect: {{ model: people, fps: 5, motion_gate: false }}\n\
         \x20   privacy: {{ faces: faces }}\n\
         \x20   zones: [ {{ id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] }} ]\n\
         \x20   rules: [ {{ id: entered, kind: intrusion, zone: all }} ]\n"
    )
}

/// Every picture that the agent has kept or published.
fn pictures(agent: &Agent, ear: &Ear) -> Vec<Vec<u8>> {
    let begins = super::ear::topic("snapshot/");
    let published = ear.heard().into_iter().filter(|m| m.topic.starts_with(&begins)).map(|m| m.payload);
    let kept = std::fs::read_dir(agent.folder().join("state/evidence")).into_iter().flatten();
    let kept = kept.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "jpg"));
    published.map(|bytes| bytes.to_vec()).chain(kept.map(|path| std::fs::read(path).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_picture_shows_a_face_that_must_not_be_shown_and_none_is_there_where_that_cannot_be_seen_to() {
    let (Some(people), Some(faces), Some(seen)) = (
        data::find("models/detect/yolox_nano_416.onnx"),
        data::find("models/face/face_detection_yunet_2026may.onnx"),
        data::find("faces/compreface/007_B.jpg"),
    ) else {
        return;
    };
    if !load() {
        return;
    }
    let Some(broker) = mosquitto::start(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(&seen, folder.path());
    let mut looker = open(&Settings { threshold: 0.5, ..settings(&faces) }).unwrap();
    let mut faces_in = |jpeg: &[u8]| {
        let mut found = Vec::new();
        looker.detect_picture(&photograph(jpeg).unwrap(), &mut found).unwrap();
        found.len()
    };
    assert_eq!(faces_in(&std::fs::read(&seen).unwrap()), 1, "it is there to be seen");
    let mut agent = Agent::new(&broker.url(), &hiding(&clip, &people, &faces));
    let ear = Ear::at(&broker).await;
    let began = now();
    agent.start();
    ear.online(began).await;
    let alert = ear.hears("the alert", began, "alert/door/entered", |_| true).await.1;
    assert!(alert["data"]["evidence"]["snapshot"].is_string(), "{alert:#}");
    ear.command("snapshot", "ask-1", json!({ "camera": "door" })).await;
    let shown = until("the picture that was asked for", || {
        let shown = pictures(&agent, &ear);
        (shown.len() >= 4).then_some(shown)
    })
    .await;
    for jpeg in &shown {
        assert_eq!(faces_in(jpeg), 0, "one of {} pictures shows a face", shown.len());
    }
    let is_told = |health: &Value| health["redaction"]["faces"]["inferences"].as_u64() >= Some(2);
    ear.hears("health", began, "health", is_told).await;

    // What finds faces is gone: the alert is told, and there is no picture of it.
    agent.signal(Signal::TERM);
    agent.await_end();
    let before = pictures(&agent, &ear).len();
    agent.configure(&broker.url(), &hiding(&clip, &people, Path::new("nowhere.onnx")));
    let again = now();
    agent.start();
    ear.online(again).await;
    let alert = ear.hears("the second alert", again, "alert/door/entered", |_| true).await.1;
    let evidence = &alert["data"]["evidence"];
    assert_eq!((&evidence["snapshot"], &evidence["missing"]), (&Value::Null, &"faces-not-hidden".into()), "{alert:#}");
    let broken =
        |health: &Value| health["redaction"]["faces"]["cause"].as_str().is_some_and(|why| why.contains("nowhere"));
    ear.hears("why", again, "health", broken).await;
    agent.signal(Signal::TERM);
    agent.await_end();
    assert_eq!(pictures(&agent, &ear).len(), before);
}
