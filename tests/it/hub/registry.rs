//! A model from `vedette registry push` to its service, and back by `pull`.

use std::path::{Path, PathBuf};
use std::process::Output;

use axum::http::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::running::{Running, start};
use crate::support::detectors::{json_lines, library, vedette};
use crate::support::{postgres, s3};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/vedette-nano");

fn package(kind: &str) -> PathBuf {
    PathBuf::from(format!("{FOLDER}/vedette-nano-{kind}.vedette"))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `vedette registry …` as the admin.
async fn registry(hub: &Running, arguments: &[&str]) -> Output {
    let library = library("VEDETTE_ORT").unwrap();
    let token = hub.folder.path().join("token");
    std::fs::write(&token, &hub.admin).unwrap();
    let token = token.display().to_string();
    let arguments: Vec<String> = [&["registry", "--hub", &hub.url, "--token-file", &token], arguments]
        .concat()
        .iter()
        .map(|s| s.to_string())
        .collect();
    let run = move || vedette(&library, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn answered(hub: &Running, arguments: &[&str]) -> Value {
    let output = registry(hub, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    json_lines(&output).remove(0)
}

async fn refused(hub: &Running, arguments: &[&str]) -> String {
    let output = registry(hub, arguments).await;
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stderr).unwrap()
}

/// Waits until the model answers with this version when nobody asks for one.
async fn until_served(hub: &Running, version: &str) {
    let picture = std::fs::read(std::fs::read_dir(format!("{FOLDER}/golden")).unwrap().next().unwrap().unwrap().path());
    let bearer = format!("Bearer {}", hub.admin);
    for _ in 0..200 {
        let ready = hub.send("GET", "/v2/models/vedette-nano/config", Some(&hub.admin), &Value::Null).await;
        let stats = hub.send("GET", "/v1/models/vedette-nano", Some(&hub.admin), &Value::Null).await;
        let told = String::from_utf8_lossy(&stats.body).into_owned();
        if ready.status == 200 && told.contains(&format!("\"version\":\"{version}\"")) {
            let headers = [("authorization", bearer.as_str())];
            let url = format!("{}/v1/detect?model=vedette-nano", hub.url);
            let seen = hub.http.send(Method::POST, &url, &headers, picture.unwrap()).await.fine();
            assert!(seen["detections"].as_array().is_some_and(|found| !found.is_empty()), "{seen}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("version {version} is not served after 10 s");
}

async fn a_model_is_pushed_served_swapped_and_pulled(hub: &Running) {
    let (int8, float) = (package("int8").display().to_string(), package("float").display().to_string());
    let first = answered(hub, &["push", &int8, "--note", "the first"]).await;
    assert_eq!(
        (&first["model"], &first["version"], &first["note"]),
        (&json!("vedette-nano"), &json!(1), &json!("the first"))
    );
    assert_eq!(first["report"]["profiles"][0]["run"]["golden"], 2, "the golden pictures were looked at: {first}");
    assert_eq!(answered(hub, &["push", &int8]).await["version"], 1, "the same package is the same version");
    until_served(hub, "1").await;
    assert_eq!(answered(hub, &["push", &float, "--parent", "1"]).await["version"], 2);
    answered(hub, &["alias", "vedette-nano", "champion", "1"]).await;
    let list = answered(hub, &["list"]).await;
    assert_eq!(list, json!({"name": "vedette-nano", "versions": [1, 2], "aliases": {"champion": 1}}));
    assert!(refused(hub, &["delete", "vedette-nano", "1"]).await.contains("champion"));
    assert!(refused(hub, &["alias", "vedette-nano", "champion", "7"]).await.contains("no version 7"));
    answered(hub, &["alias", "vedette-nano", "champion", "2"]).await;
    until_served(hub, "2").await;
    answered(hub, &["delete", "vedette-nano", "1"]).await;
    assert!(refused(hub, &["show", "vedette-nano:1"]).await.contains("no version 1"));
    assert_eq!(answered(hub, &["push", &int8]).await["version"], 3, "a number is never used again");
    let pulled = hub.folder.path().join("pulled.vedette");
    answered(hub, &["pull", "vedette-nano@champion", "-o", &pulled.display().to_string()]).await;
    assert_eq!(std::fs::read(&pulled).unwrap(), std::fs::read(package("float")).unwrap());
    let audit = hub.send("GET", "/api/v1/audit", Some(&hub.admin), &Value::Null).await.fine();
    let actions: Vec<_> = audit.as_array().unwrap().iter().map(|record| record["action"].as_str().unwrap()).collect();
    let changes: Vec<_> = actions.into_iter().filter(|action| action.starts_with("registry.")).collect();
    let expected = ["push", "delete", "alias", "alias", "push", "push"].map(|action| format!("registry.{action}"));
    assert_eq!(changes, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_goes_from_push_to_service_with_sqlite() {
    let Some(hub) = start("serving: { tuning: { provider: cpu } }\n").await else { return };
    a_model_is_pushed_served_swapped_and_pulled(&hub).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_goes_from_push_to_service_with_postgresql() {
    let Some(server) = tokio::task::spawn_blocking(postgres::start).await.unwrap() else { return };
    let lines = format!("serving: {{ tuning: {{ provider: cpu }} }}\ndatabase: {{ url: '{}' }}\n", server.url());
    let Some(hub) = start(&lines).await else { return };
    a_model_is_pushed_served_swapped_and_pulled(&hub).await;
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_goes_from_push_to_service_with_a_bucket() {
    let Some(server) = tokio::task::spawn_blocking(s3::start).await.unwrap() else { return };
    let lines = format!("serving: {{ tuning: {{ provider: cpu }} }}\n{}", server.lines("north", server.port));
    let Some(hub) = start(&lines).await else { return };
    a_model_is_pushed_served_swapped_and_pulled(&hub).await;
    hub.end().await;
}

async fn put(hub: &Running, name: &str, headers: &[(&str, &str)], body: &[u8]) -> crate::support::http::Answer {
    let bearer = format!("Bearer {}", hub.admin);
    let headers = [&[("authorization", bearer.as_str())], headers].concat();
    hub.http.send(Method::PUT, &format!("{}/api/v1/uploads/{name}", hub.url), &headers, body.to_vec()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_where_it_broke_off_and_a_download_starts_in_the_middle() {
    let Some(hub) = start("serving: { load: none }\n").await else { return };
    let bytes = std::fs::read(package("int8")).unwrap();
    let name = sha256(&bytes);
    let half = bytes.len() / 2;
    let first = put(&hub, &name, &[("upload-complete", "?0")], &bytes[..half]).await.fine();
    assert_eq!(first, json!({"received": half, "complete": false}));
    assert!(put(&hub, &name, &[], &bytes).await.refusal(409).contains(&half.to_string()));
    let push = hub.send("POST", "/api/v1/models", Some(&hub.admin), &json!({"sha256": name})).await;
    assert!(push.refusal(409).contains("/api/v1/uploads/"), "half a package is none");
    let rest = put(&hub, &name, &[("upload-offset", &half.to_string())], &bytes[half..]).await.fine();
    assert_eq!(rest, json!({"received": bytes.len(), "complete": true}));
    let bearer = format!("Bearer {}", hub.admin);
    let url = format!("{}/api/v1/blobs/{name}", hub.url);
    let middle =
        hub.http.send(Method::GET, &url, &[("authorization", &bearer), ("range", "bytes=100-199")], Vec::new()).await;
    assert_eq!((middle.status.as_u16(), &middle.body[..]), (206, &bytes[100..200]));
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_tampered_or_no_package_never_becomes_a_version() {
    let Some(hub) = start("serving: { load: none }\nregistry: { max_package_mib: 3 }\n").await else { return };
    let whole = std::fs::read(package("int8")).unwrap();
    let mut tampered = whole.clone();
    *tampered.last_mut().unwrap() ^= 1;
    assert!(put(&hub, &sha256(&whole), &[], &tampered).await.refusal(422).contains("SHA-256"));
    for (bytes, reason) in
        [(tampered, "changed-content"), (whole[..5000].to_vec(), "truncated"), (b"no".to_vec(), "not-a-package")]
    {
        let name = sha256(&bytes);
        put(&hub, &name, &[], &bytes).await.fine();
        let push = hub.send("POST", "/api/v1/models", Some(&hub.admin), &json!({"sha256": name})).await;
        let told = push.refusal(422);
        assert!(told.contains(reason), "{told}");
    }
    let large = std::fs::read(package("float")).unwrap();
    assert!(put(&hub, &sha256(&large), &[], &large).await.refusal(413).contains("bytes"));
    let models = hub.send("GET", "/api/v1/models", Some(&hub.admin), &Value::Null).await.fine();
    assert_eq!(models, json!([]));
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_asks_for_signatures_takes_no_package_without() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("release.key").display().to_string();
    assert!(vedette(&library, &["keys", "new", &key]).status.success());
    let public = vedette(&library, &["keys", "public", &key]);
    let trust = Path::new(&key).with_extension("pub");
    std::fs::write(&trust, public.stdout).unwrap();
    let lines = format!("serving: {{ load: none }}\nregistry: {{ trust: '{}' }}\n", trust.display());
    let Some(hub) = start(&lines).await else { return };
    let told = refused(&hub, &["push", &package("int8").display().to_string()]).await;
    assert!(told.contains("unsigned"), "{told}");
    hub.end().await;
}
