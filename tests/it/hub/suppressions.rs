//! False alerts that look alike, from verdicts to a configuration in force on their agent, on both databases.

use axum::http::Method;
use rumqttc::QoS;
use serde_json::{Value, json};
use vedette::model::keys::PublicKey;

use super::flock::EPOCH;
use super::running::{Running, start};
use super::site::alert;
use super::sites::{Manner, Site};
use super::visitor::{Visitor, api};
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::postgres;
use crate::support::session::eventually;
use crate::support::subscriber::Subscriber;

/// An agent with one camera, at whose door something moves in the wind.
struct Gate {
    voice: Subscriber,
    site: Site,
}

impl Gate {
    async fn start(hub: &Running, broker: &Mosquitto) -> Self {
        let key: PublicKey = api(hub, "/api/v1/hub-key").await["public"].as_str().unwrap().parse().unwrap();
        let site = Site::start(broker.port(), "gate", &[key], Manner::Commits, None);
        let voice = Subscriber::start(broker.port(), "gate-voice", "vedette/v1/gate/ack").await;
        eventually("the agent is known", async || {
            let agents = api(hub, "/api/v1/agents").await;
            agents.as_array().unwrap().iter().any(|agent| agent["condition"]["state"] == "online")
        })
        .await;
        hub.send("PUT", "/api/v1/agents/gate/admission", Some(&hub.admin), &json!({"admitted": true})).await.fine();
        Self { voice, site }
    }

    /// Raises one alert after the other, all at the same place.
    async fn raise(&self, hub: &Running, numbers: std::ops::RangeInclusive<u64>) {
        for seq in numbers.clone() {
            let mut event = alert(seq, &format!("door-{seq}"), "person");
            event["id"] = json!(format!("gate/alert/{EPOCH:016x}/{seq}"));
            let (topic, event) = ("vedette/v1/gate/alert/door/hang-around", event.to_string().into_bytes());
            self.voice.client.publish(topic, QoS::AtLeastOnce, false, event).await.unwrap();
        }
        let last = *numbers.end() as usize;
        eventually("they are stored", async || {
            api(hub, "/api/v1/events?limit=500").await["events"].as_array().unwrap().len() == last
        })
        .await;
    }
}

async fn judge(hub: &Running, number: u64, verdict: &str) {
    let path = format!("/api/v1/agents/gate/episodes/door-{number}/verdict");
    hub.send("PUT", &path, Some(&hub.admin), &json!({"verdict": verdict})).await.fine();
}

async fn proposed(hub: &Running) -> Vec<Value> {
    api(hub, "/api/v1/suppressions").await["proposed"].as_array().unwrap().clone()
}

async fn until_in_force(gate: &Gate, text: &str) {
    eventually("it is in force on the agent", async || {
        let active = gate.site.overlay();
        active.is_some_and(|active| {
            gate.site.taken().iter().any(|wish| {
                let config = wish.config.as_ref().filter(|config| config.overlay.as_ref() == Some(&active));
                config.and_then(|config| config.text.as_deref()).is_some_and(|there| there.contains(text))
            })
        })
    })
    .await;
}

async fn until_state(hub: &Running, rollout: &str, state: &str) {
    eventually("the rollout is there", async || {
        api(hub, &format!("/api/v1/rollouts/{rollout}")).await["state"] == state
    })
    .await;
}

async fn verdicts_become_a_suppression(hub: &Running, broker: &Mosquitto) {
    let gate = Gate::start(hub, broker).await;
    gate.raise(hub, 1..=4).await;
    // What is in force there stays in force.
    let before = json!({"overlay": "cameras: { \"*\": { detect: { fps: 4 } } }\n", "agents": ["gate"],
                        "terms": {"groups": ["100%"], "soak_seconds": 0}});
    let first = hub.send("POST", "/api/v1/rollouts", Some(&hub.admin), &before).await.fine();
    until_state(hub, first["id"].as_str().unwrap(), "finished").await;

    judge(hub, 1, "false").await;
    judge(hub, 2, "false").await;
    assert_eq!(proposed(hub).await, Vec::<Value>::new(), "two are too few");
    judge(hub, 3, "false").await;
    let all = proposed(hub).await;
    assert_eq!(all.len(), 1);
    assert_eq!(
        (&all[0]["camera"], &all[0]["rule"], &all[0]["labels"]),
        (&json!("door"), &json!("hang-around"), &json!(["person"]))
    );
    assert_eq!(all[0]["region"], json!([[0.18, 0.85], [0.22, 0.85], [0.22, 0.89], [0.18, 0.89]]));
    judge(hub, 4, "true").await;
    assert_eq!(proposed(hub).await, Vec::<Value>::new(), "somebody really was there");
    judge(hub, 4, "false").await;
    let id = all[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(proposed(hub).await[0]["id"], json!(id));

    let accept = format!("/api/v1/suppressions/gate/{id}/accept");
    let operator = hub.token("hands", "operator").await;
    hub.send("POST", &accept, Some(&operator), &Value::Null).await.refusal(403);
    for wrong in [json!({"until": "2020-01-01T00:00:00Z"}), json!({"until": "soon"}), json!({"reason": "a\nb"})] {
        hub.send("POST", &accept, Some(&hub.admin), &wrong).await.refusal(400);
    }
    hub.send("POST", "/api/v1/suppressions/gate/false-0/accept", Some(&hub.admin), &Value::Null).await.refusal(404);
    let engineer = hub.token("eve", "engineer").await;
    let order = hub.send("POST", &accept, Some(&engineer), &json!({"reason": "a bush"})).await.fine();
    let rollout = order["rollout"].as_str().unwrap();
    until_in_force(&gate, "a bush").await;
    until_state(hub, rollout, "finished").await;
    let text = api(hub, &format!("/api/v1/rollouts/{rollout}")).await["text"].as_str().unwrap().to_owned();
    let overlay: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(overlay["cameras"]["*"]["detect"]["fps"], 4, "{text}");
    let suppress = &overlay["cameras"]["door"]["suppress"][&id];
    assert_eq!((&suppress["rule"], &suppress["labels"]), (&json!("hang-around"), &json!(["person"])));
    let until: jiff::Timestamp = suppress["until"].as_str().unwrap().parse().unwrap();
    let days = (until.as_second() - jiff::Timestamp::now().as_second()) / 86_400;
    assert!((13..=14).contains(&days), "{until}");

    let listed = api(hub, "/api/v1/suppressions").await;
    assert_eq!(listed["proposed"], json!([]));
    assert_eq!((&listed["decided"][0]["decision"], &listed["decided"][0]["by"]), (&json!("accepted"), &json!("eve")));
    let audit = api(hub, "/api/v1/audit?action=suppression.").await;
    assert_eq!(
        (&audit[0]["action"], &audit[0]["object"]),
        (&json!("suppression.accept"), &json!(format!("gate/{id}")))
    );
    on_the_page(hub, &gate, &operator, &engineer).await;
}

/// More of them, elsewhere: dismissed by an operator on the page, without a script.
async fn on_the_page(hub: &Running, gate: &Gate, operator: &str, engineer: &str) {
    for seq in 5..=10 {
        let mut event = alert(seq, &format!("door-{seq}"), "car");
        let left = if seq <= 7 { 0.6 } else { 0.3 };
        event["data"]["subject"]["box"] = json!([left, 0.1, left + 0.1, 0.3]);
        let topic = "vedette/v1/gate/alert/door/hang-around";
        gate.voice.client.publish(topic, QoS::AtLeastOnce, false, event.to_string().into_bytes()).await.unwrap();
    }
    eventually("they are stored", async || {
        api(hub, "/api/v1/events?label=car").await["events"].as_array().unwrap().len() == 6
    })
    .await;
    for number in 5..=10 {
        judge(hub, number, "false").await;
    }
    let ids: Vec<String> = proposed(hub).await.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 2);
    let mut visitor = Visitor::signed_in(hub, operator).await;
    let page = visitor.page("/ui/suppressions").await;
    assert!(page.contains("3 false alerts of hang-around") && page.contains("Go on raising them"), "{page}");
    assert!(!page.contains("Raise nothing there"), "an operator accepts nothing");
    let path = format!("/ui/suppressions/gate/{}", ids[0]);
    assert_eq!(visitor.submit(&format!("{path}/accept"), &[("days", "7")]).await.status, 403);
    assert_eq!(visitor.submit(&format!("{path}/dismiss"), &[]).await.status, 303);
    assert_eq!(proposed(hub).await.len(), 1);

    let mut visitor = Visitor::signed_in(hub, engineer).await;
    assert!(visitor.page("/ui/suppressions").await.contains("Raise nothing there"));
    let path = format!("/ui/suppressions/gate/{}/accept", ids[1]);
    let fields = [("days", "7"), ("reason", "a flag")];
    assert_eq!(visitor.submit(&path, &[("days", "never")]).await.status, 400);
    let ordered = visitor.send(Method::GET, "/ui/suppressions", &[], &[]).await;
    assert_eq!(ordered.status, 200);
    let ordered = visitor.submit(&path, &fields).await;
    assert_eq!(ordered.status, 303);
    assert!(ordered.headers["location"].to_str().unwrap().starts_with("/ui/rollouts/config-"));
    until_in_force(gate, "a flag").await;
    until_in_force(gate, "a bush").await;
    assert!(visitor.page("/ui/suppressions").await.contains("Nothing looks alike"));
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_become_a_suppression_in_sqlite() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let lines = format!("serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\n", broker.url());
    let Some(hub) = start(&lines).await else { return };
    verdicts_become_a_suppression(&hub, &broker).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_become_a_suppression_in_postgresql() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let Some(broker) = mosquitto::start(&[]) else { return };
    let lines = format!(
        "serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\ndatabase: {{ url: '{}' }}\n",
        broker.url(),
        server.url()
    );
    let Some(hub) = start(&lines).await else { return };
    verdicts_become_a_suppression(&hub, &broker).await;
    hub.end().await;
}
