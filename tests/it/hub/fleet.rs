//! Agents that appear by themselves, and their events as they are asked for, on both databases.

use rumqttc::QoS;
use serde_json::{Value, json};

use super::flock::{EPOCH, event};
use super::running::{Running, start};
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::postgres;
use crate::support::session::eventually;
use crate::support::subscriber::Subscriber;

async fn get(hub: &Running, path: &str) -> Value {
    hub.send("GET", path, Some(&hub.admin), &Value::Null).await.fine()
}

struct Agent<'a> {
    hub: &'a Running,
    client: Subscriber,
}

impl Agent<'_> {
    async fn say(&self, topic: &str, retain: bool, payload: Value) {
        let topic = format!("vedette/v1/gate/{topic}");
        self.client.client.publish(topic, QoS::AtLeastOnce, retain, payload.to_string().into_bytes()).await.unwrap();
    }

    async fn presence(&self, status: &str, boot: &str) {
        self.say("status", true, json!({"status": status, "boot": boot, "version": "0.1.0"})).await;
    }

    /// Waits until the hub has stored everything that was said up to now.
    async fn heard(&self, seq: u64) {
        self.say("event/track", false, event("gate", "event", seq)).await;
        eventually("the hub has heard", async || {
            let spools = get(self.hub, "/api/v1/agents/gate/spools").await;
            spools.as_array().unwrap().iter().any(|spool| spool["highest"].as_u64().unwrap() >= seq)
        })
        .await;
    }

    async fn state(&self) -> Value {
        get(self.hub, "/api/v1/agents/gate").await["condition"]["state"].clone()
    }
}

async fn an_agent_appears_and_is_told_of_truthfully(hub: &Running, broker: &Mosquitto) {
    let agent = Agent { hub, client: Subscriber::start(broker.port(), "gate", "vedette/v1/gate/ack").await };
    eventually("the hub listens", async || !get(hub, "/api/v1/intake").await["connected_since_ns"].is_null()).await;
    agent.presence("online", "b2").await;
    agent.say("health", true, json!({"boot": "b2", "time": "2026-11-23T14:00:00Z", "uptime_s": 7})).await;
    agent.say("camera/door/state", true, json!({"camera": "door", "state": "streaming", "since": "x"})).await;
    agent.heard(1).await;
    let facts = get(hub, "/api/v1/agents/gate").await;
    assert_eq!(facts["condition"]["state"], "online");
    assert_eq!((&facts["admitted"], &facts["health"]["uptime_s"]), (&json!(false), &json!(7)));
    assert_eq!(
        (&facts["cameras"][0]["camera"], &facts["cameras"][0]["state"]["state"]),
        (&json!("door"), &json!("streaming"))
    );

    agent.presence("offline", "b1").await;
    agent.heard(2).await;
    assert_eq!(agent.state().await, "online", "the late will of an earlier run");
    agent.presence("offline", "b2").await;
    agent.heard(3).await;
    assert_eq!(agent.state().await, "offline");

    what_it_has_is_the_newest_it_said(hub, &agent).await;

    let path = "/api/v1/agents/gate/labels";
    hub.send("PUT", path, Some(&hub.admin), &json!({"region": "north"})).await.fine();
    hub.send("PUT", path, Some(&hub.admin), &json!({"No Id": "x"})).await.refusal(400);
    let nobody = "/api/v1/agents/nobody/admission";
    hub.send("PUT", nobody, Some(&hub.admin), &json!({"admitted": true})).await.refusal(404);
    let admission = "/api/v1/agents/gate/admission";
    let facts = hub.send("PUT", admission, Some(&hub.admin), &json!({"admitted": true})).await.fine();
    assert_eq!((&facts["admitted_by"], &facts["labels"]), (&json!("admin"), &json!({"region": "north"})));
    let audit = get(hub, "/api/v1/audit?limit=2").await;
    assert_eq!((&audit[0]["action"], &audit[1]["action"]), (&json!("fleet.admit"), &json!("fleet.label")));
    let all = get(hub, "/api/v1/agents").await;
    assert_eq!(all.as_array().unwrap().len(), 1);
    events_are_found(hub, &agent).await;
}

async fn what_it_has_is_the_newest_it_said(hub: &Running, agent: &Agent<'_>) {
    let facts = get(hub, "/api/v1/agents/gate").await;
    assert_eq!((&facts["reported"], &facts["desired_revision"]), (&Value::Null, &Value::Null));
    let report = |boot: &str, sequence: u64| json!({"boot": boot, "sequence": sequence, "revision": 0, "models": {}});
    // The number rises over restarts, and what lay at the broker may be older than what is known. The last one has lost its
    // memory, and says of itself that it is there.
    for (boot, sequence, expected) in
        [("b2", 5, ("b2", 5)), ("b2", 4, ("b2", 5)), ("b1", 3, ("b2", 5)), ("b3", 6, ("b3", 6)), ("b4", 1, ("b4", 1))]
    {
        if boot == "b4" {
            agent.presence("online", "b4").await;
        }
        agent.say("reported", true, report(boot, sequence)).await;
        let mark = format!("{boot}-{sequence}");
        agent.say("camera/door/state", true, json!({"camera": "door", "state": "streaming", "since": mark})).await;
        eventually("what was said after it is known", async || {
            get(hub, "/api/v1/agents/gate").await["cameras"][0]["state"]["since"] == mark.as_str()
        })
        .await;
        assert_eq!(get(hub, "/api/v1/agents/gate").await["reported"], report(expected.0, expected.1), "after {mark}");
    }
    agent.presence("offline", "b4").await;
}

/// Numbers of the events on a page.
fn numbers(page: &Value) -> Vec<String> {
    let id = |event: &Value| event["event"]["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    page["events"].as_array().unwrap().iter().map(id).collect()
}

async fn events_are_found(hub: &Running, agent: &Agent<'_>) {
    for seq in [5, 6, 8] {
        agent.heard(seq).await;
    }
    let spools = get(hub, "/api/v1/agents/gate/spools").await;
    let expected = json!([{"class": "event", "epoch": format!("{EPOCH:016x}"), "upto": 3, "highest": 8,
                           "missing": [[4, 4], [7, 7]], "given_up": []}]);
    assert_eq!(spools, expected);
    let first = get(hub, "/api/v1/events?limit=2").await;
    assert_eq!(
        (numbers(&first), &first["events"][0]["admitted"]),
        (vec!["8".to_owned(), "6".to_owned()], &json!(true))
    );
    // Newer ones and older ones arrive between two pages.
    agent.heard(9).await;
    agent.say("event/track", false, event("gate", "event", 7)).await;
    agent.heard(10).await;
    let second = get(hub, &format!("/api/v1/events?limit=2&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!(numbers(&second), ["5", "3"]);
    for (query, expected) in [
        ("label=car&limit=2", vec!["9", "7"]),
        ("episode=door-4", vec!["9", "8"]),
        ("agent=gate&camera=door&rule=yard&kind=track&severity=event&until=2026-11-23T14:00:02Z", vec!["1"]),
        ("since=2026-11-23T14:00:09Z", vec!["10", "9"]),
        ("severity=alert", vec![]),
        ("camera=' OR 1=1 --", vec![]),
    ] {
        let query = query.replace(' ', "%20");
        assert_eq!(numbers(&get(hub, &format!("/api/v1/events?{query}")).await), expected, "{query}");
    }
    for (query, told) in [("since=yesterday", "since"), ("cursor=x", "cursor"), ("camra=door", "camra")] {
        let answer = hub.send("GET", &format!("/api/v1/events?{query}"), Some(&hub.admin), &Value::Null).await;
        assert!(answer.refusal(400).contains(told), "{query}");
    }
    let verdict = "/api/v1/agents/gate/episodes/door-4/verdict";
    hub.send("GET", verdict, Some(&hub.admin), &Value::Null).await.refusal(404);
    hub.send("PUT", verdict, Some(&hub.admin), &json!({"verdict": "true"})).await.fine();
    let wrong = json!({"verdict": "wrong-class", "label": "dog", "note": "a small one"});
    hub.send("PUT", verdict, Some(&hub.admin), &wrong).await.fine();
    let given = get(hub, verdict).await;
    assert_eq!(
        (&given["verdict"], &given["label"], &given["by"]),
        (&json!("wrong-class"), &json!("dog"), &json!("admin"))
    );
    hub.send("PUT", verdict, Some(&hub.admin), &json!({"verdict": "maybe"})).await.refusal(400);
    let unknown = "/api/v1/agents/gate/episodes/door-99/verdict";
    hub.send("PUT", unknown, Some(&hub.admin), &json!({"verdict": "false"})).await.refusal(404);
    let audit = get(hub, "/api/v1/audit?limit=1").await;
    assert_eq!((&audit[0]["action"], &audit[0]["object"]), (&json!("event.verdict"), &json!("gate/door-4")));
    let metrics = hub.send("GET", "/metrics", Some(&hub.admin), &Value::Null).await;
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(text.contains("\nvedette_intake_stored_total 9\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_appears_by_itself_in_sqlite() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let lines = format!("serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\n", broker.url());
    let Some(hub) = start(&lines).await else { return };
    an_agent_appears_and_is_told_of_truthfully(&hub, &broker).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_appears_by_itself_in_postgresql() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let lines = format!(
        "serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\ndatabase: {{ url: '{}' }}\n",
        broker.url(),
        server.url()
    );
    let Some(hub) = start(&lines).await else { return };
    an_agent_appears_and_is_told_of_truthfully(&hub, &broker).await;
    hub.end().await;
}
