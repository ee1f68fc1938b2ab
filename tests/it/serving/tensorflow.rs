//! TensorFlow Serving's protocol.

use serde_json::json;
use vedette::hub::serving::{Settings, Tuning, VersionPolicy};

use super::graphs::{doubled, simple};
use super::http::{Server, on_cpu, serve};

async fn served() -> Option<Server> {
    let tuning = Tuning { versions: VersionPolicy::All, ..on_cpu() };
    let settings = Settings { default_model: Some("doubled".to_owned()), tuning, ..Settings::default() };
    let models = [("doubled", 1, doubled(0.0)), ("doubled", 2, doubled(1.0)), ("simple", 1, simple())];
    let server = serve(&models, settings).await?;
    std::fs::write(server.folder.path().join("doubled/aliases.json"), r#"{"champion":1,"canary":2}"#).unwrap();
    server.serving.follow("doubled").unwrap();
    Some(server)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_columns_are_predicted() {
    let Some(server) = served().await else { return };
    let rows = json!({ "instances": [[1, 2, 3, 4], [5, 6, 7, 8]] }).to_string();
    let answer = server.post("/v1/models/doubled:predict", rows.clone()).await.fine();
    assert_eq!(answer, json!({ "predictions": [[2.0, 4.0, 6.0, 8.0], [10.0, 12.0, 14.0, 16.0]] }));
    assert_eq!(server.post("/predict", rows.clone()).await.fine(), answer);
    let columns = json!({ "inputs": [[1, 2, 3, 4]] }).to_string();
    let answer = server.post("/v1/models/doubled/versions/2:predict", columns).await.fine();
    assert_eq!(answer, json!({ "outputs": [[3.0, 5.0, 7.0, 9.0]] }));
    let row = |value: i32| vec![value; 16];
    let two = json!({ "instances": [{ "INPUT0": row(5), "INPUT1": row(2) }] }).to_string();
    let answer = server.post("/v1/models/simple:predict", two).await.fine();
    assert_eq!(answer, json!({ "predictions": [{ "OUTPUT0": row(7), "OUTPUT1": row(3) }] }));
    assert!(server.post("/v1/models/other:predict", rows.clone()).await.refusal(404).contains("'other'"));
    assert!(server.post("/v1/models/doubled:classify", rows.clone()).await.refusal(501).contains(":classify"));
    assert!(server.post("/v1/models/doubled", rows).await.refusal(400).contains(":predict"));
    let ragged = json!({ "inputs": [[1, 2], [3]] }).to_string();
    assert!(server.post("/predict", ragged).await.refusal(400).contains("differ in length"));
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_and_aliases_name_versions() {
    let Some(server) = served().await else { return };
    let rows = json!({ "instances": [[0, 0, 0, 0]] }).to_string();
    let predicted = async |path: &str| server.post(path, rows.clone()).await.fine()["predictions"][0][0].clone();
    // The champion is what a request without a version gets.
    assert_eq!(predicted("/v1/models/doubled:predict").await, 0.0);
    assert_eq!(predicted("/v1/models/doubled/labels/canary:predict").await, 1.0);
    assert_eq!(predicted("/v1/models/doubled/versions/1:predict").await, 0.0);
    let version = server.get("/v2/models/doubled@canary").await.fine();
    assert_eq!(version["versions"], json!(["1", "2"]));
    let ask = json!({ "inputs": [{ "name": "x", "shape": [1, 4], "datatype": "FP32", "data": [0, 0, 0, 0] }] });
    for (path, version) in [("doubled", "1"), ("doubled@canary", "2"), ("doubled@2", "2"), ("doubled/versions/2", "2")]
    {
        let answer = server.post(&format!("/v2/models/{path}/infer"), ask.to_string()).await.fine();
        assert_eq!(answer["model_version"], version, "{path}");
    }
    let unknown = server.post("/v1/models/doubled/labels/none:predict", rows.clone()).await.refusal(404);
    assert!(unknown.contains("version none"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_tell_their_state_and_signature() {
    let Some(server) = served().await else { return };
    let fine = |version: &str| json!({ "version": version, "state": "AVAILABLE", "status": { "error_code": "OK", "error_message": "" } });
    let status = server.get("/v1/models/doubled").await.fine();
    assert_eq!(status, json!({ "name": "doubled", "ready": true, "model_version_status": [fine("2"), fine("1")] }));
    let status = server.get("/v1/models/doubled/labels/champion").await.fine();
    assert_eq!(status, json!({ "name": "doubled", "ready": true, "model_version_status": [fine("1")] }));
    let metadata = server.get("/v1/models/doubled/metadata").await.fine();
    let signature = &metadata["metadata"]["signature_def"]["signature_def"]["serving_default"];
    assert_eq!(signature["inputs"]["x"]["dtype"], "DT_FLOAT");
    assert_eq!(signature["inputs"]["x"]["tensor_shape"]["dim"][0]["size"], "-1");
    assert_eq!(server.get("/v1/models").await.fine(), json!({ "models": ["doubled", "simple"] }));
    assert!(server.get("/v1/models/other").await.refusal(404).contains("'other'"));
}
