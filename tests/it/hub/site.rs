//! What the pages show: an agent as a real one speaks, through a real broker, and a registered model.

use axum::http::Method;
use rumqttc::QoS;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::flock::EPOCH;
use super::running::Running;
use super::visitor::api;
use crate::support::mosquitto::Mosquitto;
use crate::support::session::eventually;
use crate::support::subscriber::Subscriber;

/// An agent named `gate` with a camera named `door`.
pub struct Site {
    client: Subscriber,
}

/// An alert that has just begun.
pub fn alert(seq: u64, episode: &str, label: &str) -> Value {
    let now = jiff::Timestamp::now().to_string();
    json!({
        "specversion": "1.0", "id": format!("gate/alert/{EPOCH:016x}/{seq}"), "source": "/vedette/plant-3/gate",
        "type": "vedette.alert.loitering.v1", "time": now, "datacontenttype": "application/json",
        "data": {
            "kind": "loitering", "severity": "alert", "phase": "start", "episode": episode, "camera": "door",
            "rule": "hang-around", "place": {"zone": "yard"},
            "subject": {"track": 17, "label": label, "box": [0.1, 0.2, 0.3, 0.87], "score": 0.87, "best_score": 0.93,
                        "age_ms": 63_200},
            "explanation": format!("{label} stayed 61 s in zone yard (limit 60 s)"),
            "measures": [{"name": "dwell_s", "value": 61.2, "limit": 60.0}],
            "capture": {"time": now, "clock": "synced", "pts_ms": 75_400, "boot": "b2"},
            "model": {"name": "people", "version": "1.2.0", "sha256": "2c26b46b68ffc68ff99b453c1d304134",
                      "provider": "CPUExecutionProvider", "threshold": 0.4},
            "config_revision": "0123456789ab", "evidence": {"snapshot": format!("{episode}.jpg")},
        },
    })
}

fn health() -> Value {
    json!({
        "time": jiff::Timestamp::now().to_string(), "clock": "synced", "version": "0.1.0", "boot": "b2", "uptime_s": 3600,
        "config_revision": "0123456789ab",
        "cameras": {"door": {"state": "streaming", "since": "2026-11-23T14:27:53Z", "decoded": 90_000, "received_fps": 25.0,
                             "decoded_fps": 23.5, "inferred_fps": 4.9, "size": [1920, 1080], "decoder": "avdec_h264",
                             "reconnects": 1, "drops": {"rate": 1200}}},
        "models": {"people": {"version": "1.2.0", "sha256": "2c26", "asked": "auto", "obtained": "CPUExecutionProvider",
                              "inferences": 5000}},
        "stages": {"detect": {"p50_ms": 21.5, "p95_ms": 30.25, "p99_ms": 41.1, "count": 50}},
        "spool": {"alert": {"records": 2, "bytes": 1600, "oldest_s": 3, "lost": 0},
                  "event": {"records": 5, "bytes": 9000, "oldest_s": 8, "lost": 0}},
        "mqtt": {"reconnects": 0}, "resources": {"cpu_cores": 0.41, "rss_bytes": 123_000_000_u64, "disk_free_bytes": 9_000_000_000_u64},
    })
}

/// A picture with something in it.
pub fn picture() -> Vec<u8> {
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
    let shade = |x: u32, y: u32| {
        image::Rgb([60 + (x / 8) as u8, 70 + (y / 4) as u8, if (200..280).contains(&x) { 200 } else { 90 }])
    };
    image::RgbImage::from_fn(640, 360, shade).write_with_encoder(encoder).unwrap();
    jpeg
}

impl Site {
    /// Starts to speak once the hub listens: it is there, with its health and its camera.
    pub async fn start(hub: &Running, broker: &Mosquitto) -> Self {
        let client = Subscriber::start(broker.port(), "gate", "vedette/v1/gate/ack").await;
        let site = Self { client };
        eventually("the hub listens", async || !api(hub, "/api/v1/intake").await["connected_since_ns"].is_null()).await;
        site.say("status", true, &json!({"status": "online", "boot": "b2", "version": "0.1.0"})).await;
        site.say("health", true, &health()).await;
        let state = json!({"camera": "door", "state": "streaming", "since": "2026-11-23T14:27:53Z"});
        site.say("camera/door/state", true, &state).await;
        eventually("the agent is known", async || {
            let agents = api(hub, "/api/v1/agents").await;
            agents.as_array().unwrap().iter().any(|agent| agent["condition"]["state"] == "online")
        })
        .await;
        site
    }

    /// Publishes JSON under the agent's topics.
    pub async fn say(&self, topic: &str, retain: bool, payload: &Value) {
        self.publish(topic, retain, payload.to_string().into_bytes()).await;
    }

    async fn publish(&self, topic: &str, retain: bool, payload: Vec<u8>) {
        let topic = format!("vedette/v1/gate/{topic}");
        self.client.client.publish(topic, QoS::AtLeastOnce, retain, payload).await.unwrap();
    }

    /// Publishes an alert with its picture, as an agent does: the picture first.
    pub async fn alert(&self, seq: u64, episode: &str, label: &str) {
        self.publish(&format!("snapshot/door/{episode}"), false, picture()).await;
        self.say("alert/door/hang-around", false, &alert(seq, episode, label)).await;
    }

    /// Says of the camera what its state was at some time.
    pub async fn was(&self, seq: u64, state: &str) {
        let mut event = alert(seq, &format!("state-{seq}"), "nobody");
        event["id"] = json!(format!("gate/event/{EPOCH:016x}/{seq}"));
        event["type"] = json!("vedette.event.camera-state.v1");
        event["data"] = json!({"kind": "camera-state", "severity": "event", "phase": "start", "camera": "door",
                               "episode": format!("state-{seq}"), "explanation": format!("camera door is {state}")});
        self.say("event/camera-state", false, &event).await;
    }

    /// Waits until the hub has stored so many events.
    pub async fn stored(&self, hub: &Running, wanted: usize) {
        eventually("the hub has stored it", async || {
            api(hub, "/api/v1/events?limit=500").await["events"].as_array().unwrap().len() >= wanted
        })
        .await;
    }
}

/// Registers the bundled 8-bit detector with a note, and calls it champion.
pub async fn push_model(hub: &Running, note: &str) {
    let package = concat!(env!("CARGO_MANIFEST_DIR"), "/models/vedette-nano/vedette-nano-int8.vedette");
    let bytes = std::fs::read(package).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let bearer = format!("Bearer {}", hub.admin);
    let url = format!("{}/api/v1/uploads/{sha256}", hub.url);
    hub.http.send(Method::PUT, &url, &[("authorization", bearer.as_str())], bytes).await.fine();
    let push = json!({"sha256": sha256, "note": note});
    hub.send("POST", "/api/v1/models", Some(&hub.admin), &push).await.fine();
    let alias = "/api/v1/models/vedette-nano/aliases/champion";
    hub.send("PUT", alias, Some(&hub.admin), &json!({"version": 1})).await.fine();
}
