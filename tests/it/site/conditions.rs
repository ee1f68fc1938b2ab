//! A camera that is knocked out of focus and set right again, through the whole agent: an event with a beginning and an end,
//! what is retained meanwhile, and what `health` says.

use serde_json::Value;
use vedette::decode::film;
use vedette::decode::street::Street;

use super::agent::Agent;
use super::ear::{Ear, now};
use crate::support::{clips, mosquitto};

/// Thirty seconds of the street, of which the middle ten are blurred.
fn clip(folder: &std::path::Path) -> std::path::PathBuf {
    let (street, path) = (folder.join("street.mp4"), folder.join("clip.mp4"));
    film(&Street::new(3, 640, 360, 10.0), 100, &street).unwrap();
    let part = |between: &str| {
        format!(
            "filesrc location={} ! decodebin ! videoconvert ! {between} videoscale ! \
                 video/x-raw,format=I420,width=640,height=360 ! c. ",
            street.display()
        )
    };
    let blurred = part("videoscale method=bilinear ! video/x-raw,width=80,height=45 !");
    clips::launch(&format!(
        "concat name=c ! x264enc key-int-max=10 bitrate=3000 ! mp4mux ! filesink location={} {}{}{}",
        path.display(),
        part(""),
        blurred,
        part("")
    ));
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_out_of_focus_is_told_from_beginning_to_end() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let ear = Ear::at(&broker).await;
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path());
    let sections = format!(
        "cameras:\n  - id: door\n    url: \"{}\"\n    \
         picture: {{ learn_seconds: 5, defocused_seconds: 2, degraded: false }}\n",
        clip.display()
    );
    let mut agent = Agent::new(&broker.url(), &sections);
    let began = now();
    agent.start();
    let of_phase = |phase: &'static str| move |event: &Value| event["data"]["phase"] == phase;
    let (_, start) = ear.hears("the start", began, "event/camera-condition", of_phase("start")).await;
    println!("{}", start["data"]["explanation"]);
    assert_eq!((&start["data"]["camera"], &start["data"]["condition"]), (&"door".into(), &"defocused".into()));
    assert!(start["data"]["evidence"]["snapshot"].is_string(), "it comes with a picture: {start:#}");
    let is_told = |state: &Value| state["conditions"][0]["condition"] == "defocused";
    let (_, state) = ear.hears("the state", began, "camera/door/state", is_told).await;
    assert_eq!((&state["state"], &state["mode"]), (&"streaming".into(), &"day".into()), "{state:#}");
    assert!(state["conditions"][0]["cause"].as_str().unwrap().contains("sharpness"), "{state:#}");
    let health = ear.command("status", "s1", serde_json::json!({})).await["result"].clone();
    assert_eq!(health["cameras"]["door"]["conditions"][0]["condition"], "defocused", "{health:#}");
    let (at, end) = ear.hears("the end", began, "event/camera-condition", of_phase("end")).await;
    assert_eq!(start["data"]["episode"], end["data"]["episode"]);
    let is_over = |state: &Value| state["state"] == "streaming" && state["conditions"].is_null();
    ear.hears("the state after it", at, "camera/door/state", is_over).await;
    ear.check_schemas();
    ear.assert_nothing_missing();
}
