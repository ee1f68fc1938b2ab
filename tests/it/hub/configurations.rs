//! Configurations from an order to the last agent, through a real broker, on both databases.

use serde_json::{Value, json};
use vedette::wire::OverlayRef;

use super::rollouts::{Hub, stages};
use super::sites::{Manner, Site};
use crate::support::detectors::json_lines;
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::postgres;

const FIRST: &str = "cameras: { \"*\": { detect: { fps: 4 } } }\n";
const SECOND: &str = "cameras: { \"*\": { detect: { fps: 3 } } }\n";

fn names() -> Vec<String> {
    (1..=3).map(|number| format!("gate-{number}")).collect()
}

async fn sites(hub: &Hub, broker: &Mosquitto) -> Vec<Site> {
    let start = |name: &String| Site::start(broker.port(), name, &[hub.key], Manner::Commits, None);
    let sites = names().iter().map(start).collect();
    hub.admit(&names()).await;
    sites
}

fn order(overlay: &str) -> Value {
    let terms = json!({"groups": [1, "100%"], "soak_seconds": 1, "node_timeout_seconds": 30});
    json!({"overlay": overlay, "purpose": "fewer alerts", "agents": names(), "terms": terms})
}

async fn a_good_one_reaches_everybody_and_a_bad_one_goes_back_to_what_each_had(hub: &Hub, broker: &Mosquitto) {
    let sites = sites(hub, broker).await;
    let first = hub.post("/api/v1/rollouts", order(FIRST)).await.fine();
    assert_eq!((&first["id"], &first["purpose"]), (&json!("config-1"), &json!("fewer alerts")));
    let busy = hub.post("/api/v1/rollouts", order(SECOND)).await.refusal(409);
    assert!(busy.contains("config-1") && busy.contains("the configuration of gate-1"), "{busy}");
    // A model is another matter.
    let model = json!({"slot": "people", "model": "vedette-nano", "version": 1, "agents": ["gate-3"],
                       "terms": {"groups": ["100%"], "soak_seconds": 0}});
    let model = hub.post("/api/v1/rollouts", model).await.fine()["id"].as_str().unwrap().to_owned();
    let rollout = hub.until_state("config-1", "finished").await;
    assert_eq!((stages(&rollout), &rollout["text"]), (vec!["committed"; 3], &json!(FIRST)));
    assert_eq!(rollout["terms"]["trial"]["trial_seconds"], 600, "the terms are told as they are");
    hub.until_state(&model, "finished").await;
    assert!(sites.iter().all(|site| site.overlay() == Some(OverlayRef::of(FIRST))));
    assert_eq!(sites[2].active().unwrap().version, 1, "both are wished of the same agent");

    sites[1].behave(Manner::RollsBack);
    sites[2].behave(Manner::Hangs);
    let second = hub.post("/api/v1/rollouts", order(SECOND)).await.fine()["id"].as_str().unwrap().to_owned();
    assert_eq!(second, "config-2");
    let rollout = hub.until_state(&second, "reverted").await;
    assert!(rollout["why"].as_str().unwrap().contains("gate-2 rolled-back: the frame rate of the camera door fell"));
    assert_eq!(stages(&rollout), ["back"; 3]);
    for (site, node) in sites.iter().zip(rollout["nodes"].as_array().unwrap()) {
        assert_eq!(site.overlay(), Some(OverlayRef::of(FIRST)));
        assert_eq!(node["previous"], json!(OverlayRef::of(FIRST)));
        let back = site.taken().last().unwrap().config.clone().unwrap();
        assert_eq!((back.text.as_deref(), back.trial), (Some(FIRST), None), "with its text, and without a trial");
    }
    let listed = hub.get("/api/v1/rollouts").await;
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|rollout| rollout["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["config-2", "people-1-1", "config-1"]);
    assert!(listed[0]["text"].is_null(), "texts are for whoever asks for one rollout");
    let agent = hub.get("/api/v1/agents/gate-1").await;
    assert_eq!(agent["reported"]["config"]["active"]["sha256"], OverlayRef::of(FIRST).sha256);
}

async fn what_cannot_be_rolled_out_is_refused(hub: &Hub, broker: &Mosquitto) {
    let _sites = sites(hub, broker).await;
    let long = format!("# {}", "x".repeat(30_000));
    let escaped = format!("cameras: {{}}\n{}", "#\n".repeat(11_000));
    for (change, status, told) in [
        (json!({"overlay": "cameras: { door: { url: x } }"}), 422, "overlay:1:20: cameras.door.url"),
        (json!({"overlay": "mqtt: {}"}), 422, "cut the box off"),
        (json!({"overlay": long}), 422, "at most 24576"),
        (json!({"overlay": escaped}), 422, "what gate-1 is to have takes"),
        (json!({"slot": "people"}), 400, "in one way"),
        (json!({"purpose": "two\nlines"}), 400, "one line"),
        (json!({"terms": {"proof": {}}}), 400, "proof is for a model"),
        (json!({"terms": {"trial": {"trial_seconds": 0}}}), 400, "trial: trial_seconds"),
        (json!({"agents": ["nobody"]}), 422, "never been heard of"),
    ] {
        let mut wrong = order(FIRST);
        wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = hub.post("/api/v1/rollouts", wrong).await.refusal(status);
        assert!(refused.contains(told), "{change:.80}: {refused}");
    }
    let trial = json!({"slot": "people", "model": "vedette-nano", "version": 1, "all": true, "terms": {"trial": {}}});
    assert!(hub.post("/api/v1/rollouts", trial).await.refusal(400).contains("trial is for a configuration"));
    assert_eq!(hub.get("/api/v1/rollouts").await, json!([]));

    let file = hub.folder.path().join("overlay.yaml");
    std::fs::write(&file, FIRST).unwrap();
    let start = ["rollout", "start", "--config", file.to_str().unwrap(), "--purpose", "fewer alerts", "--all"];
    let started = hub.fleet(&[&start[..], &["--group", "100%", "--soak", "0"]].concat()).await;
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    assert_eq!(json_lines(&started)[0]["id"], "config-1");
    let watched = hub.fleet(&["rollout", "show", "config-1", "--watch"]).await;
    assert_eq!(json_lines(&watched).last().unwrap()["state"], "finished");
    std::fs::write(&file, "hub: null\n").unwrap();
    let refused = hub.fleet(&start).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!((refused.status.code(), told.contains("overlay.yaml:1:1: hub: ")), (Some(2), true), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_reaches_everybody_and_a_bad_one_goes_back_in_sqlite() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(hub) = Hub::start(&broker, None).await else { return };
    a_good_one_reaches_everybody_and_a_bad_one_goes_back_to_what_each_had(&hub, &broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_reaches_everybody_and_a_bad_one_goes_back_in_postgresql() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let Some(hub) = Hub::start(&broker, Some(&server.url())).await else { return };
    a_good_one_reaches_everybody_and_a_bad_one_goes_back_to_what_each_had(&hub, &broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_is_refused_and_the_command_line_orders_one() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(hub) = Hub::start(&broker, None).await else { return };
    what_cannot_be_rolled_out_is_refused(&hub, &broker).await;
}
