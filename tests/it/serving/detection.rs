//! Pictures: `/v1/detect`, and JPEG as `BYTES` where a model takes a picture.

use std::io::Cursor;

use axum::http::Method;
use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};

use super::http::{Server, serve, settings};
use crate::detect::yolov8;
use crate::support::data;
use crate::support::detectors::{json_lines, library, vedette};

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([(x % 256) as u8, (y % 256) as u8, 90]));
    picture.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

async fn dogs() -> Option<Server> {
    serve(&[("dogs", 1, yolov8().bytes())], settings()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_answered_as_the_command_prints_it() {
    let Some(server) = dogs().await else { return };
    let picture = jpeg(128, 128);
    let seen = server.post("/v1/detect?model=dogs", picture.clone()).await.fine();
    assert_eq!((&seen["width"], &seen["detections"][0]["label"]), (&json!(128), &json!("dog")));
    assert_eq!(seen["detections"][0]["box"], json!([16.0, 48.0, 48.0, 80.0]));
    let file = server.folder.path().join("picture.jpg");
    std::fs::write(&file, &picture).unwrap();
    let model = server.folder.path().join("dogs/1/model.onnx");
    let Some(library) = library("VEDETTE_ORT") else { return };
    let output = vedette(&library, &["detect", "--model", model.to_str().unwrap(), file.to_str().unwrap()]);
    let printed = &json_lines(&output)[0];
    assert_eq!(seen["detections"], printed["detections"]);
    assert_eq!(keys(&seen), keys(printed));
    let none = server.post("/v1/detect?model=dogs&threshold=0.95", picture.clone()).await.fine();
    assert_eq!(none["detections"], json!([]));
    // The threshold was for that once.
    assert_eq!(server.post("/v1/detect?model=dogs", picture.clone()).await.fine(), seen);
    let form = [
        b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"yard.jpg\"\r\n\r\n",
        &picture[..],
        b"\r\n--b--\r\n",
    ];
    let headers = [("Content-Type", "multipart/form-data; boundary=b")];
    let answer = server.send(Method::POST, "/v1/detect?model=dogs", &headers, form.concat()).await.fine();
    assert_eq!((&answer["source"], &answer["detections"]), (&json!("yard.jpg"), &seen["detections"]));
}

fn keys(record: &Value) -> Vec<&String> {
    record.as_object().unwrap().keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_or_no_detector_is_refused() {
    let models = [("dogs", 1, yolov8().bytes()), ("doubled", 1, super::graphs::doubled(0.0))];
    let Some(server) = serve(&models, settings()).await else { return };
    let picture = jpeg(32, 32);
    assert!(server.post("/v1/detect", picture.clone()).await.refusal(400).contains("default_model"));
    assert!(server.post("/v1/detect?model=dogs", "text").await.refusal(400).contains("no JPEG"));
    assert!(server.post("/v1/detect?model=dogs", picture[..200].to_vec()).await.refusal(400).contains("cannot decode"));
    assert!(server.post("/v1/detect?model=dogs&threshold=2", picture.clone()).await.refusal(400).contains("0 to 1"));
    assert!(server.post("/v1/detect?model=doubled", picture.clone()).await.refusal(400).contains("cannot look at"));
    assert!(server.post("/v1/detect?model=other", picture).await.refusal(404).contains("'other'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_picture_stands_for_the_tensor_of_a_detector() {
    let Some(server) = dogs().await else { return };
    let picture = jpeg(128, 96);
    let size = picture.len() + 4;
    let json = json!({ "inputs": [{ "name": "images", "shape": [1], "datatype": "BYTES",
        "parameters": { "binary_data_size": size } }] });
    let tail = [&(picture.len() as u32).to_le_bytes()[..], &picture].concat();
    let answer = server.post_binary("/v2/models/dogs/infer", &json.to_string(), &tail).await.fine();
    assert_eq!(answer["outputs"][0]["shape"], json!([1, 6, 84]));
    let raw = server.send(
        Method::POST,
        "/v2/models/dogs/infer",
        &[("Inference-Header-Content-Length", "0")],
        picture.clone(),
    );
    assert_eq!(raw.await.status, 200);
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(&picture);
    let rows = json!({ "instances": [{ "b64": encoded }] }).to_string();
    let predicted = server.post("/v1/models/dogs:predict", rows).await.fine();
    assert_eq!(predicted["predictions"][0].as_array().unwrap().len(), 6);
    let text = json!({ "inputs": [{ "name": "images", "shape": [1], "datatype": "BYTES", "data": ["text"] }] });
    assert!(server.post("/v2/models/dogs/infer", text.to_string()).await.refusal(400).contains("no JPEG"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_detector_sees_the_same_as_the_command() {
    let (Some(model), Some(images)) = (data::find("models/detect/yolox_nano_416.onnx"), data::find("images")) else {
        return;
    };
    let Some(server) = serve(&[("yolox", 1, std::fs::read(&model).unwrap())], settings()).await else { return };
    let Some(image) = first_jpeg(&images) else { return };
    let seen = server.post("/v1/detect?model=yolox", std::fs::read(&image).unwrap()).await.fine();
    let Some(library) = library("VEDETTE_ORT") else { return };
    let arguments = ["detect", "--provider", "cpu", "--model", model.to_str().unwrap(), image.to_str().unwrap()];
    let printed = &json_lines(&vedette(&library, &arguments))[0];
    assert_eq!(seen["detections"], printed["detections"]);
}

fn first_jpeg(folder: &std::path::Path) -> Option<std::path::PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.iter().find_map(|path| match path.extension() {
        Some(extension) if extension == "jpg" => Some(path.clone()),
        _ if path.is_dir() => first_jpeg(path),
        _ => None,
    })
}
