//! The Open Inference Protocol as clients of Triton speak it.

use std::io::{Read as _, Write as _};

use axum::http::Method;
use serde_json::{Value, json};
use vedette::hub::serving::ROUTES;

use super::graphs::{DATATYPES, doubled, echo, simple};
use super::http::{Server, packed, serve, settings};

const INFER: &str = "/v2/models/doubled/infer";

async fn doubler() -> Option<Server> {
    serve(&[("doubled", 1, doubled(0.0)), ("doubled", 2, doubled(1.0)), ("simple", 1, simple())], settings()).await
}

fn body(rows: &Value) -> String {
    let count = rows.as_array().unwrap().len();
    json!({ "id": "7", "inputs": [{ "name": "x", "shape": [count, 4], "datatype": "FP32", "data": rows }] }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_and_its_models_tell_what_they_are() {
    let Some(server) = doubler().await else { return };
    assert_eq!(server.get("/v2/health/live").await.fine(), json!({ "live": true }));
    assert_eq!(server.get("/v2/health/ready").await.fine(), json!({ "live": true, "ready": true }));
    let told = server.get("/v2").await.fine();
    assert_eq!(told["name"], "vedette");
    assert!(told["extensions"].as_array().unwrap().contains(&json!("binary_tensor_data")));
    assert_eq!(server.get("/v2/models").await.fine(), json!({ "models": ["doubled", "simple"] }));
    let expected = json!({
        "name": "doubled", "versions": ["2"], "platform": "onnx_onnxv1",
        "inputs": [{ "name": "x", "datatype": "FP32", "shape": [-1, 4] }],
        "outputs": [{ "name": "y", "datatype": "FP32", "shape": [-1, 4] }],
    });
    assert_eq!(server.get("/v2/models/doubled").await.fine(), expected);
    assert_eq!(server.get("/v2/models/doubled/versions/2").await.fine(), expected);
    assert_eq!(server.get("/v2/models/doubled/ready").await.fine(), json!({ "name": "doubled", "ready": true }));
    assert_eq!(server.get("/v2/models/other/ready").await.status, 400);
    let config = server.get("/v2/models/doubled/config").await.fine();
    assert_eq!((&config["max_batch_size"], &config["input"][0]["dims"]), (&json!(8), &json!([4])));
}

#[tokio::test(flavor = "multi_thread")]
async fn tensors_go_and_come_as_json_or_bytes() {
    let Some(server) = doubler().await else { return };
    let answer = server.post(INFER, body(&json!([[1, 2, 3, 4], [5, 6, 7, 8]]))).await.fine();
    let output = json!({ "name": "y", "datatype": "FP32", "shape": [2, 4], "data": [3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0, 17.0] });
    assert_eq!(answer, json!({ "model_name": "doubled", "model_version": "2", "id": "7", "outputs": [output] }));
    let flat = server.post(INFER, body(&json!([[1, 2, 3, 4]])).replace("[[1,2,3,4]]", "[1,2,3,4]")).await.fine();
    assert_eq!(flat["outputs"][0]["data"], json!([3.0, 5.0, 7.0, 9.0]));
    // As tritonclient sends it, at every alignment.
    for padding in 0..8 {
        let json = json!({ "id": "i".repeat(padding), "parameters": { "binary_data_output": true }, "inputs": [
            { "name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": { "binary_data_size": 16 } }] });
        let answer = server.post_binary(INFER, &json.to_string(), &packed(&[1.0, 2.0, 3.0, 4.0])).await;
        let (told, tensors) = answer.parts();
        assert_eq!(told["outputs"][0]["parameters"]["binary_data_size"], 16);
        assert_eq!(tensors, packed(&[3.0, 5.0, 7.0, 9.0]));
    }
    let raw = server.send(Method::POST, INFER, &[("Inference-Header-Content-Length", "0")], packed(&[0.5; 8])).await;
    let (told, tensors) = raw.parts();
    assert_eq!((&told["outputs"][0]["shape"], tensors.len()), (&json!([2, 4]), 32));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_datatype_passes_both_ways() {
    let models: Vec<_> = DATATYPES.iter().map(|(name, number)| (*name, 1, echo(*number))).collect();
    let Some(server) = serve(&models, settings()).await else { return };
    for (name, _) in DATATYPES {
        let path = format!("/v2/models/{name}/infer");
        let data = match name {
            "BYTES" => json!(["ä", ""]),
            "BOOL" => json!([true, false]),
            "FP16" | "FP32" | "FP64" | "BF16" => json!([1.5, -2.0]),
            _ => json!([1, 100]),
        };
        let ask = |binary: bool| {
            let outputs = json!([{ "name": "out", "parameters": { "binary_data": binary } }]);
            json!({ "inputs": [{ "name": "in", "shape": [1, 2], "datatype": name, "data": data }], "outputs": outputs })
        };
        let answer = server.post(&path, ask(false).to_string()).await.fine();
        assert_eq!((&answer["outputs"][0]["data"], &answer["outputs"][0]["datatype"]), (&data, &json!(name)));
        let binary = server.post(&path, ask(true).to_string()).await;
        let (_, tensor) = binary.parts();
        let json = json!({ "inputs": [{ "name": "in", "shape": [1, 2], "datatype": name,
            "parameters": { "binary_data_size": tensor.len() } }] });
        let back = server.post_binary(&path, &json.to_string(), tensor).await.fine();
        assert_eq!(back["outputs"][0]["data"], data, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_may_be_compressed_both_ways() {
    let Some(server) = doubler().await else { return };
    let plain = body(&json!([[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]]));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain.as_bytes()).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(plain.as_bytes()).unwrap();
    let expected = server.post(INFER, plain).await.fine();
    for (encoding, body) in [("gzip", gzip.finish().unwrap()), ("deflate", zlib.finish().unwrap())] {
        let headers = [("Content-Encoding", encoding), ("Accept-Encoding", encoding)];
        let answer = server.send(Method::POST, INFER, &headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.headers["content-encoding"].to_str().unwrap()), (200, encoding));
        let mut text = String::new();
        match encoding {
            "gzip" => flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap(),
            _ => flate2::read::ZlibDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap(),
        };
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_that_unpacks_to_a_large_one_is_refused() {
    let mut small = settings();
    small.max_request_bytes = 100_000;
    let Some(server) = serve(&[("doubled", 1, doubled(0.0))], small).await else { return };
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 50_000_000]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 100_000);
    let answer = server.send(Method::POST, INFER, &[("Content-Encoding", "gzip")], bomb).await;
    assert!(answer.refusal(413).contains("larger than 100000 bytes"));
    assert!(server.post(INFER, vec![b' '; 100_001]).await.refusal(413).contains("max_request_bytes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn classes_come_instead_of_scores() {
    let Some(server) = doubler().await else { return };
    let ask = json!({ "inputs": [{ "name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 4, 2, 3] }],
        "outputs": [{ "name": "y", "parameters": { "classification": 2 } }] });
    let answer = server.post(INFER, ask.to_string()).await.fine();
    let output = json!({ "name": "y", "datatype": "BYTES", "shape": [1, 2], "data": ["9.000000:1", "7.000000:3"] });
    assert_eq!(answer["outputs"], json!([output]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_the_status_that_clients_know() {
    let Some(server) = doubler().await else { return };
    let rows = body(&json!([[1, 2, 3, 4]]));
    let unknown = server.post("/v2/models/other/infer", rows.clone()).await.refusal(404);
    assert_eq!(unknown, "Request for unknown model: 'other' is not found");
    let version = server.post("/v2/models/doubled/versions/9/infer", rows.clone()).await.refusal(404);
    assert_eq!(version, "Request for unknown model: 'doubled' version 9 is not found");
    for (from, to, says) in [
        ("\"x\"", "\"z\"", "unexpected inference input 'z'"),
        ("FP32", "INT32", "data-type for 'x' is 'INT32', model 'doubled' expects 'FP32'"),
        ("[1,4]", "[1,3]", "data has 4 elements, its shape 3"),
        ("[1,4]", "[4,1]", "Expected [-1,4], got [4,1]"),
        ("[1,4]", "[-1,4]", "negative size"),
        ("[1,4]", "[4611686018427387904,4]", "beyond all memory"),
        ("\"inputs\"", "\"input\"", "missing field `inputs`"),
        ("{", "", "failed to parse the request JSON"),
    ] {
        let said = server.post(INFER, rows.replacen(from, to, 1)).await.refusal(400);
        assert!(said.contains(says), "{said}");
    }
    let ask = json!({ "inputs": [{ "name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4] }],
        "outputs": [{ "name": "q" }] });
    assert!(server.post(INFER, ask.to_string()).await.refusal(400).contains("unexpected inference output 'q'"));
    assert!(server.get(INFER).await.refusal(405).contains("GET is not served"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_list_is_served() {
    let Some(server) = doubler().await else { return };
    for route in ROUTES {
        let version = if route.path.starts_with("/v1") && route.method == "POST" { "2:predict" } else { "2" };
        let model = if route.path.ends_with("{model}") && version != "2" { "nobody:predict" } else { "nobody" };
        let path = route.path.replace("{model}", model).replace("{version}", version).replace("{label}", version);
        let answer = server.send(route.method.parse().unwrap(), &path, &[], Vec::new()).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert!(answer.status != 405 && !text.is_empty(), "{} {path}: {} {text}", route.method, answer.status);
    }
    let document = server.get("/openapi.json").await.fine();
    assert_eq!(document["openapi"], "3.1.0");
}
