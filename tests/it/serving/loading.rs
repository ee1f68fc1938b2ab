//! Loading, swapping and unloading while requests come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use vedette::hub::serving::{LoadAtStart, Settings, Tuning};

use super::graphs::{doubled, slow};
use super::http::{on_cpu, put, serve, settings};

fn zeros() -> String {
    json!({ "inputs": [{ "name": "x", "shape": [1, 4], "datatype": "FP32", "data": [0, 0, 0, 0] }] }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_replaced_under_load_without_a_failed_request() {
    let Some(server) = serve(&[("doubled", 1, doubled(1.0))], settings()).await else { return };
    let server = Arc::new(server);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (server, stop, answered) = (server.clone(), stop.clone(), answered.clone());
            tokio::spawn(async move {
                let mut last = 1.0;
                while !stop.load(SeqCst) {
                    let answer = server.post("/v2/models/doubled/infer", zeros()).await.fine();
                    let value = answer["outputs"][0]["data"][0].as_f64().unwrap();
                    assert!(value >= last, "version {value} answered after {last}");
                    assert_eq!(answer["model_version"], value.to_string());
                    last = value;
                    answered.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    for version in 2..12u64 {
        put(server.folder.path(), "doubled", version, &doubled(version as f32));
        let before = answered.load(SeqCst);
        server.post("/v2/repository/models/doubled/load", "").await.fine();
        while answered.load(SeqCst) < before + 8 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let stats = server.get("/v2/models/stats").await.fine();
    assert_eq!(
        (&stats["model_stats"][0]["version"], stats["model_stats"].as_array().unwrap().len()),
        (&json!("11"), 1)
    );
    assert_eq!(stats["model_stats"][0]["inference_stats"]["fail"]["count"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unloading_answers_those_that_wait() {
    let tuning = Tuning { max_batch: 1, ..on_cpu() };
    let Some(server) = serve(&[("slow", 1, slow(2000))], Settings { tuning, ..settings() }).await else { return };
    let server = Arc::new(server);
    let body = json!({ "inputs": [{ "name": "x", "shape": [1, 256], "datatype": "FP32", "data": vec![1; 256] }] });
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let (server, body) = (server.clone(), body.to_string());
            tokio::spawn(async move { server.post("/v2/models/slow/infer", body).await.fine() })
        })
        .collect();
    let pending = "nv_inference_pending_request_count{model=\"slow\",version=\"1\"} 3";
    while !String::from_utf8_lossy(&server.get("/metrics").await.body).contains(pending) {
        tokio::task::yield_now().await;
    }
    server.post("/v2/repository/models/slow/unload", r#"{"parameters":{"unload_dependents":false}}"#).await.fine();
    for answer in waiting {
        answer.await.unwrap();
    }
    assert_eq!(server.post("/v2/models/slow/infer", body.to_string()).await.status, 404);
    let index = server.post("/v2/repository/index", "").await.fine();
    let line = json!({ "name": "slow", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded" });
    assert_eq!(index, json!([line]));
    assert_eq!(server.post("/v2/repository/index", r#"{"ready":true}"#).await.fine(), json!([]));
    server.post("/v2/repository/models/slow/load", "").await.fine();
    assert_eq!(server.post("/v2/repository/index", "{}").await.fine()[0]["state"], "READY");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_be_loaded_leaves_the_old_one_in_place() {
    let Some(server) = serve(&[("doubled", 1, doubled(1.0)), ("bad", 1, b"text".to_vec())], settings()).await else {
        return;
    };
    put(server.folder.path(), "doubled", 2, &doubled(2.0)[..100]);
    let said = server.post("/v2/repository/models/doubled/load", "").await.refusal(400);
    assert!(said.starts_with("failed to load 'doubled' version 2: "), "{said}");
    let answer = server.post("/v2/models/doubled/infer", zeros()).await.fine();
    assert_eq!(answer["model_version"], "1");
    let index = server.post("/v2/repository/index", "").await.fine();
    let states: Vec<_> = index.as_array().unwrap().iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["UNAVAILABLE", "READY", "UNAVAILABLE"]);
    assert!(index[0]["reason"].as_str().unwrap().contains("not an ONNX model"), "{index}");
    assert!(server.post("/v2/repository/models/other/load", "").await.refusal(404).contains("'other'"));
    assert!(server.post("/v2/repository/models/..%2Fother/load", "").await.refusal(404).contains("unknown model"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_may_come_with_the_request_that_loads_it() {
    let Some(server) = serve(&[], settings()).await else { return };
    let parameters = json!({ "parameters": {
        "config": r#"{"max_batch_size":2,"instance_group":[{"count":2}]}"#,
        "file:7/model.onnx": STANDARD.encode(doubled(3.0)),
    } });
    server.post("/v2/repository/models/brought/load", parameters.to_string()).await.fine();
    let answer = server.post("/v2/models/brought/infer", zeros()).await.fine();
    assert_eq!((&answer["model_version"], &answer["outputs"][0]["data"][0]), (&json!("7"), &json!(3.0)));
    let config = server.get("/v2/models/brought/config").await.fine();
    assert_eq!((&config["max_batch_size"], &config["instance_group"][0]["count"]), (&json!(2), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_beyond_the_limit_of_memory_are_not_loaded() {
    let model = doubled(0.0);
    let settings = Settings {
        max_loaded_bytes: model.len() as u64 + 10,
        load: LoadAtStart::Only(vec!["a".to_owned()]),
        ..settings()
    };
    let Some(server) = serve(&[("a", 1, model.clone()), ("b", 1, model)], settings).await else { return };
    let said = server.post("/v2/repository/models/b/load", "").await.refusal(503);
    assert!(said.starts_with("cannot load model 'b': ") && said.contains("10 of"), "{said}");
    // Itself it may replace.
    server.post("/v2/repository/models/a/load", "").await.fine();
    server.post("/v2/repository/models/a/unload", "").await.fine();
    server.post("/v2/repository/models/b/load", "").await.fine();
}
