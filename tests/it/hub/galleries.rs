//! Galleries at the hub: published, refused, replaced and withdrawn, and which agents have them, on both databases.

use std::path::{Path, PathBuf};
use std::process::Output;

use rumqttc::QoS;
use serde_json::{Value, json};
use vedette::identify::gallery::audit::Action;
use vedette::identify::gallery::{Change, Key, Store, StoreError};
use vedette::vocab::WallTime;

use super::running::{Running, start};
use super::visitor::{Visitor, api};
use crate::support::detectors::{library, vedette};
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::postgres;
use crate::support::session::eventually;
use crate::support::subscriber::Subscriber;

/// Makes the next revision of a gallery in a folder; a copy of it.
fn next(folder: &Path) -> (u64, PathBuf) {
    let store = Store::new(&folder.join("people.gallery"), Key::from_bytes([1; 32]));
    let at = WallTime::from_unix_nanos(1_800_000_000_000_000_000);
    let change = Change { who: "eve".to_owned(), at, action: Action::Enrol, person: None, detail: String::new() };
    let revision = store.change::<StoreError>("s", change, |_| Ok(())).unwrap().revision;
    let copy = folder.join(format!("people-{revision}.gallery"));
    std::fs::copy(folder.join("people.gallery"), &copy).unwrap();
    (revision, copy)
}

/// `vedette gallery …` with this token.
async fn gallery(hub: &Running, token: &str, arguments: &[&str]) -> Output {
    let library = library("VEDETTE_ORT").unwrap();
    let file = hub.folder.path().join("token");
    std::fs::write(&file, token).unwrap();
    let file = file.display().to_string();
    let arguments: Vec<String> = [&["gallery"], arguments, &["--hub", &hub.url, "--token-file", &file]]
        .concat()
        .iter()
        .map(ToString::to_string)
        .collect();
    let run = move || vedette(&library, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn publish(hub: &Running, token: &str, file: &Path) -> Result<Value, String> {
    let output = gallery(hub, token, &["publish", file.to_str().unwrap(), "--name", "people"]).await;
    match output.status.code() {
        Some(0) => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        Some(2) => Err(String::from_utf8(output.stderr).unwrap()),
        other => panic!("{other:?}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn kept(hub: &Running) -> usize {
    let folders = std::fs::read_dir(hub.folder.path().join("data/blobs")).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.filter(|path| path.is_dir()).flat_map(|path| std::fs::read_dir(path).unwrap());
    files.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().len() == 64)).count()
}

async fn galleries_come_and_go(hub: &Running, broker: &Mosquitto) {
    let folder = tempfile::tempdir().unwrap();
    let engineer = hub.token("eve", "engineer").await;
    let operator = hub.token("hands", "operator").await;
    let (_, first) = next(folder.path());
    assert!(publish(hub, &operator, &first).await.unwrap_err().contains("403"));
    let published = publish(hub, &engineer, &first).await.unwrap();
    assert_eq!((&published["revision"], &published["published_by"]), (&json!(1), &json!("eve")), "{published}");
    assert_eq!((&published["space"], &published["name"]), (&json!("s"), &json!("people")));
    assert_eq!(publish(hub, &engineer, &first).await.unwrap(), published, "the same again is the same");
    let (_, second) = next(folder.path());
    assert_eq!(publish(hub, &engineer, &second).await.unwrap()["revision"], 2);
    assert_eq!(kept(hub), 1, "the older file, with whoever was removed, is gone");
    let refused = publish(hub, &engineer, &first).await.unwrap_err();
    assert!(refused.contains("revision 1") && refused.contains("revision 2 of people is here"), "{refused}");
    let other = folder.path().join("other");
    std::fs::write(&other, b"an invoice").unwrap();
    assert!(publish(hub, &engineer, &other).await.unwrap_err().contains("it is no gallery"));

    // Past the command, which would not have sent them.
    let put = async |sha256: &str| {
        let body = json!({ "sha256": sha256 });
        hub.send("PUT", "/api/v1/galleries/people", Some(&engineer), &body).await
    };
    for (content, told) in [(&b"an invoice"[..], "no gallery"), (b"VEDGALRY\x01\x00\xff\xff{", "breaks off")] {
        let sha256 = vedette::model::sha256_hex(content);
        let url = format!("{}/api/v1/uploads/{sha256}", hub.url);
        let headers = [("authorization", format!("Bearer {engineer}"))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        hub.http.send(axum::http::Method::PUT, &url, &headers, content.to_vec()).await.fine();
        assert!(put(&sha256).await.refusal(422).contains(told));
    }
    put(&"0".repeat(64)).await.refusal(409);
    put("../people").await.refusal(400);

    who_has_what_is_seen(hub, broker, &operator).await;
    let audit = api(hub, "/api/v1/audit?action=gallery.").await;
    assert_eq!((&audit[0]["action"], &audit[0]["who"]), (&json!("gallery.publish"), &json!("eve")), "{audit}");
    assert_eq!(audit.as_array().unwrap().len(), 2);

    assert_eq!(gallery(hub, &operator, &["withdraw", "people"]).await.status.code(), Some(2));
    assert!(gallery(hub, &engineer, &["withdraw", "people"]).await.status.success());
    hub.send("GET", "/api/v1/galleries/people", Some(&operator), &Value::Null).await.refusal(404);
    let audit = api(hub, "/api/v1/audit?action=gallery.withdraw").await;
    assert_eq!(audit[0]["object"], "people");
    let listed = api(hub, "/api/v1/galleries").await;
    assert_eq!((&listed["galleries"], listed["strays"].as_array().unwrap().len()), (&json!([]), 2), "{listed}");
}

async fn who_has_what_is_seen(hub: &Running, broker: &Mosquitto, token: &str) {
    for (agent, has, cause) in [("gate", 2, Value::Null), ("north", 1, json!("the key <b>does not</b> open it"))] {
        let voice =
            Subscriber::start(broker.port(), &format!("{agent}-voice"), &format!("vedette/v1/{agent}/ack")).await;
        let from_hub =
            json!({"gallery": "people", "has": has, "offered": 2, "cause": cause, "asked": "2026-11-27T03:00:00Z"});
        let said = json!({"boot": "b", "time": "2026-11-27T03:00:00Z", "faces": {"people": 1, "from_hub": from_hub}});
        for (topic, said) in
            [("status", json!({"status": "online", "boot": "b", "version": "0.1.0"})), ("health", said)]
        {
            let topic = format!("vedette/v1/{agent}/{topic}");
            let bytes = said.to_string().into_bytes();
            voice.client.publish(topic, QoS::AtLeastOnce, true, bytes).await.unwrap();
        }
        eventually("the hub has heard", async || {
            let listed = api(hub, "/api/v1/galleries").await;
            let agents = listed["galleries"][0]["agents"].as_array().unwrap().clone();
            agents.iter().any(|standing| standing["agent"] == agent)
        })
        .await;
    }
    let agents = api(hub, "/api/v1/galleries").await["galleries"][0]["agents"].clone();
    let told: Vec<_> = agents.as_array().unwrap().iter().map(|a| (&a["agent"], &a["is_current"], &a["has"])).collect();
    assert_eq!(told, [(&json!("gate"), &json!(true), &json!(2)), (&json!("north"), &json!(false), &json!(1))]);
    let page = Visitor::signed_in(hub, token).await.page("/ui/galleries").await;
    assert!(page.contains("people, revision 2") && page.contains("1 of 2 agents do not have this revision"), "{page}");
    assert!(!page.contains("<b>does not"), "what agents say is text");
}

#[tokio::test(flavor = "multi_thread")]
async fn galleries_come_and_go_in_sqlite() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let lines = format!("serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\n", broker.url());
    let Some(hub) = start(&lines).await else { return };
    galleries_come_and_go(&hub, &broker).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn galleries_come_and_go_in_postgresql() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let Some(broker) = mosquitto::start(&[]) else { return };
    let lines = format!(
        "serving: {{ load: none }}\nmqtt: {{ url: '{}' }}\ndatabase: {{ url: '{}' }}\n",
        broker.url(),
        server.url()
    );
    let Some(hub) = start(&lines).await else { return };
    galleries_come_and_go(&hub, &broker).await;
    hub.end().await;
}
