//! `/v2` handed on to another server.

use serde_json::json;
use vedette::hub::serving::{LoadAtStart, Settings};

use super::graphs::doubled;
use super::http::{packed, serve, settings};

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_handed_on_with_their_bodies_and_answers() {
    let Some(behind) = serve(&[("doubled", 3, doubled(0.0))], settings()).await else { return };
    let before = Settings { upstream: Some(behind.url.clone()), load: LoadAtStart::None, ..settings() };
    let Some(server) = serve(&[], before).await else { return };
    assert_eq!(server.get("/v2/models/doubled").await.fine()["versions"], json!(["3"]));
    let rows = 20_000;
    let json = json!({ "parameters": { "binary_data_output": true }, "inputs": [
        { "name": "x", "shape": [rows, 4], "datatype": "FP32", "parameters": { "binary_data_size": rows * 16 } }] });
    let tensors = packed(&vec![1.5; rows * 4]);
    let answer = server.post_binary("/v2/models/doubled/infer", &json.to_string(), &tensors).await;
    let (told, tensor) = answer.parts();
    assert_eq!((&told["model_version"], tensor), (&json!("3"), packed(&vec![3.0; rows * 4]).as_slice()));
    assert!(server.get("/v2/models/other").await.refusal(404).contains("'other'"));
    // What is no part of the protocol stays here.
    assert_eq!(server.get("/v1/models").await.fine(), json!({ "models": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_named() {
    let nobody = Settings { upstream: Some("http://127.0.0.1:1".to_owned()), ..settings() };
    let Some(server) = serve(&[], nobody).await else { return };
    let said = server.get("/v2/models").await.refusal(503);
    assert!(said.starts_with("the inference server http://127.0.0.1:1 does not answer: "), "{said}");
}
