//! People before the whole agent: who is in the gallery is named in events and told of, and others are not.

use std::path::Path;

use rustix::process::Signal;

use super::agent::Agent;
use super::ear::{Ear, now, until};
use crate::support::clips;
use crate::support::detectors::{library, vedette};
use crate::support::{data, mosquitto};

/// A clip of ten seconds in which a photograph stands still.
fn clip(photograph: &Path, folder: &Path) -> std::path::PathBuf {
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

fn sections(clip: &Path, models: [&Path; 3]) -> String {
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
    let mut agent = Agent::new(&broker.url(), &sections(&clip, [&people, &faces, &embedder]));
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
    let alert = until("the alert", || ear.said("alert/door/banned-person").into_iter().next()).await.1;
    println!("{}", alert["data"]["explanation"]);
    let identity = &alert["data"]["subject"]["identity"];
    assert_eq!((&alert["data"]["kind"], &identity["person"]), (&"identified".into(), &"bea".into()), "{alert:#}");
    assert_eq!((&identity["name"], &identity["gallery"]), (&"Bea B.".into(), &1.into()), "{alert:#}");
    assert!(identity["score"].as_f64() >= identity["threshold"].as_f64(), "{alert:#}");
    assert!(alert["data"]["evidence"]["snapshot"].is_string(), "{alert:#}");
    // The track ends with the agent, and its end says who it was.
    agent.signal(Signal::TERM);
    let end = |(_, event): (_, serde_json::Value)| (event["data"]["phase"] == "end").then_some(event);
    let ended = until("the end of the track", || ear.said("event/track").into_iter().find_map(end)).await;
    assert_eq!(ended["data"]["subject"]["identity"]["person"], "bea", "{ended:#}");
    assert!(ear.said("event/identified").is_empty(), "somebody who is known is no stranger");
}
