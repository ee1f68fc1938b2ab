//! People who come again before the whole agent: who was seen by one camera is known again by another, and after a pause.

use rustix::process::Signal;
use serde_json::Value;

use super::agent::Agent;
use super::ear::{Ear, now, until};
use crate::support::detectors::load;
use crate::support::{data, mosquitto};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_before_another_camera_or_comes_back_is_told_of_and_his_track_says_so() {
    let (Some(people), Some(osnet), Some(clip)) = (
        data::find("models/detect/yolox_nano_416.onnx"),
        data::find("models/reid/osnet_x0_25_msmt17.onnx"),
        data::find("fall/s1_fall_14.mp4"),
    ) else {
        return;
    };
    if !load() {
        return;
    }
    let Some(broker) = mosquitto::start(&[]) else { return };
    let camera = |id: &str, from: &str, rule: &str| {
        format!(
            "\x20 - id: {id}\n\
             \x20   url: {clip:?}\n\
             \x20   detect: {{ model: people, fps: 10, motion_gate: false }}\n\
             \x20   reidentify: {{ tell: [ {{ id: {rule}, {from} }} ] }}\n"
        )
    };
    // One recording before both: they see one man at the same time. Whichever looks at him second has him come again.
    let sections = format!(
        "models:\n  people: {{ file: {people:?}, threshold: 0.3, provider: cpu }}\n\
         reidentify: {{ embedder: {{ file: {osnet:?}, provider: cpu }} }}\n\
         cameras:\n{}{}",
        camera("door", "severity: alert", "from-elsewhere"),
        camera("yard", "from: [yard, door], severity: alert", "again"),
    );
    let mut agent = Agent::new(&broker.url(), &sections);
    let ear = Ear::at(&broker).await;
    let began = now();
    agent.start();
    ear.online(began).await;
    let said = |rule: &str| ear.said(&format!("alert/{rule}")).into_iter().next();
    let alert = until("that he comes again", || said("yard/again").or_else(|| said("door/from-elsewhere"))).await.1;
    println!("{}", alert["data"]["explanation"]);
    let appearance = &alert["data"]["subject"]["appearance"];
    assert_eq!((&alert["data"]["kind"], &alert["data"]["phase"]), (&"reappeared".into(), &"start".into()), "{alert:#}");
    let before = &appearance["before"];
    assert!(before["score"].as_f64() >= before["threshold"].as_f64(), "{alert:#}");
    assert!(["door", "yard"].iter().any(|camera| before["camera"] == *camera), "{alert:#}");
    assert!(alert["data"]["evidence"]["snapshot"].is_string(), "{alert:#}");
    let text = alert.to_string();
    assert!(!text.contains("vector") && appearance["id"].as_str().is_some_and(|id| id.starts_with("p-")), "{text}");
    let at_work = |health: &Value| health["reidentify"]["again"].as_u64() >= Some(1);
    let health = ear.hears("health", began, "health", at_work).await.1;
    let looks = &health["reidentify"];
    assert!(looks["space"].as_str().is_some_and(|space| space.starts_with("osnet-")), "{looks:#}");
    assert_eq!((&looks["failed"], &looks["cause"]), (&0.into(), &Value::Null), "{looks:#}");
    // The track's own end says who it was, and for both cameras it is the same.
    agent.signal(Signal::TERM);
    agent.await_end();
    let of = |camera: &str| {
        let events = ear.said("event/track").into_iter().map(|(_, event)| event);
        let events = events.filter(|event| event["data"]["camera"] == camera && event["data"]["phase"] == "end");
        events
            .filter_map(|event| event["data"]["subject"]["appearance"]["id"].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let (door, yard) = (of("door"), of("yard"));
    println!("door {door:?}, yard {yard:?}, {looks:#}");
    let told = if alert["data"]["camera"] == "door" { &door } else { &yard };
    assert!(told.contains(&appearance["id"].as_str().unwrap().to_owned()), "{told:?}");
    ear.check_schemas();
}
