//! `model inspect`: small generated files in full, real ones by the figures that are known of them.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::detect::yolov8;
use crate::support::data;
use crate::support::detectors::{library, vedette};
use crate::support::onnx::Model;

/// Writes a file and inspects it in its folder.
fn inspect(library: &Path, bytes: &[u8], more: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, bytes).unwrap();
    let output = vedette(library, &[&["model", "inspect", path.to_str().unwrap()], more].concat());
    let text = [&output.stdout[..], &output.stderr[..]].map(|text| String::from_utf8_lossy(text).into_owned());
    let [stdout, stderr] = text.map(|text| text.replace(&folder.path().display().to_string(), "[DIR]"));
    let last_word = stderr.find("vedette: ").map_or("", |at| &stderr[at..]);
    (output, stdout + last_word)
}

#[test]
fn a_generated_detector_is_described_in_full() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let (output, text) = inspect(&library, &yolov8().bytes(), &[]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    // Other builds of ONNX Runtime have other providers.
    let others = |line: &&str| !line.contains("does not run it") && !line.contains("stay on the CPU");
    insta::assert_snapshot!("inspect_dog", text.lines().filter(others).collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_programs_read_says_the_same() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let (output, text) = inspect(&library, &yolov8().bytes(), &["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"));
    let network = &report["models"][0];
    assert_eq!((&report["kind"], &report["detector"]["family"]), (&"onnx".into(), &"yolov8".into()));
    assert_eq!((&network["static_checks"], &network["sha256"]), (&"passed".into(), &report["sha256"]));
    let cpu = network["providers"].as_array().unwrap().iter().find(|trial| trial["provider"] == "cpu").unwrap();
    assert_eq!(cpu["runs"], true);
    assert_eq!(network["cost"]["multiply_adds"], 0, "it computes nothing but constants");
}

#[test]
fn what_is_no_model_or_no_detector_or_must_not_run_is_told_apart() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let (output, text) = inspect(&library, b"not a model\n", &[]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("inspect_text", text);
    let strange = Model::new(&[1, 3, 64, 64], vec![("maps", vec![1, 7, 4, 4], vec![0.1; 112])]);
    let (output, text) = inspect(&library, &strange.bytes(), &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("none           no family of detectors matches") && text.contains("runs it"), "{text}");
    let mut foreign = strange.bytes();
    let at = foreign.windows(4).position(|word| word == b"Cast").unwrap();
    foreign[at..at + 4].copy_from_slice(b"Cost");
    let (output, text) = inspect(&library, &foreign, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("would not be run") && text.contains("\"Cost\""), "{text}");
    assert!(text.contains("providers      not tried"), "{text}");
}

#[test]
fn without_onnx_runtime_everything_else_is_told() {
    let (output, text) = inspect(Path::new("/nowhere/libonnxruntime.so"), &yolov8().bytes(), &[]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("none           that takes ONNX Runtime") && text.contains("static checks  passed"),
        "{text}"
    );
}

#[test]
fn real_files_cost_what_their_layers_add_up_to() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    // Multiply-additions of the sizes that onnx.shape_inference finds (onnx 1.23), layers, and depthwise ones of them.
    let known = [
        ("detect/yolox_nano_416", "yolox", 522_553_408u64, 113, 30),
        ("detect/fastestdet_352", "fastestdet", 121_491_744, 70, 28),
    ];
    for (name, family, multiply_adds, layers, depthwise) in known {
        let Some(path) = data::find(&format!("models/{name}.onnx")) else { return };
        let output = vedette(&library, &["model", "inspect", path.to_str().unwrap(), "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let (cost, detector) = (&report["models"][0]["cost"], &report["detector"]);
        assert_eq!((&detector["family"], &cost["unknown_layers"]), (&family.into(), &0.into()), "{name}");
        assert_eq!(cost["multiply_adds"].as_u64().unwrap(), multiply_adds, "{name}");
        let kinds = cost["kinds"].as_array().unwrap();
        let count = |kind: &Value| kind["layers"].as_u64().unwrap();
        assert_eq!(kinds.iter().map(count).sum::<u64>(), layers, "{name}");
        let found = kinds.iter().find(|kind| kind["kind"] == "depthwise convolution").map_or(0, count);
        assert_eq!(found, depthwise, "{name}");
    }
}
