//! Real detectors, no family named: what they see equals what Python makes of the same files and pictures.

#![expect(clippy::unwrap_used, reason = "this whole file is tests; Clippy sees only the functions marked so")]

use std::path::Path;

use serde_json::Value;
use vedette::vocab::Rect;

use crate::support::data;
use crate::support::detectors::{json_lines, library, vedette};

/// The figures in `tests/reference/<name>.json`.
fn reference(name: &str) -> Value {
    let path = format!("{}/tests/reference/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs `eval detect` on the 64 COCO pictures and returns its report.
fn evaluate(library: &Path, model: &str, provider: &str) -> Option<Value> {
    let (model, pictures) = (data::find(&format!("models/detect/{model}.onnx"))?, data::find("images/coco_val64")?);
    let (images, labels) = (pictures.join("images"), pictures.join("labels"));
    let text = |path: &Path| path.display().to_string();
    let arguments =
        ["eval", "detect", "--model", &text(&model), "--images", &text(&images), "--labels", &text(&labels)];
    let output = vedette(library, &[&arguments[..], &["--provider", provider]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(log.contains(&format!("obtained=\"{provider}\"")), "{log}");
    json_lines(&output).pop()
}

fn assert_within(report: &Value, key: &str, expected: &Value, limit: f64) {
    let (found, expected) = (report[key].as_f64().unwrap(), expected.as_f64().unwrap());
    assert!((found - expected).abs() <= limit, "{key} is {found}, in Python {expected}");
}

#[test]
fn mean_average_precision_is_that_of_python() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    for model in ["fastestdet_352", "nanodet_m_416", "yolox_nano_416"] {
        let Some(report) = evaluate(&library, model, "cpu") else { return };
        let reference = reference(&format!("{model}_coco_val64"));
        // YOLOX's own way of undoing the scale is a little off; `exact` is what this program does.
        let expected = |key: &str| reference.get(format!("{key}_exact")).unwrap_or(&reference[key]);
        println!("{model}: AP {}, in Python {}", report["map"], expected("map"));
        assert_eq!(report["images"], reference["images"]);
        assert_within(&report, "map", &reference["map"], 0.005);
        assert_within(&report, "map", expected("map"), 0.002);
        assert_within(&report, "map50", expected("map50"), 0.005);
        let classes = expected("per_class").as_object().unwrap();
        assert_eq!(report["per_class"].as_object().unwrap().len(), classes.len());
        assert_within(&report["per_class"]["person"], "ap", &classes["person"]["ap"], 0.005);
    }
}

#[test]
fn mean_average_precision_through_openvino_is_that_of_python() {
    let Some(library) = library("VEDETTE_ORT_OPENVINO") else { return };
    let Some(report) = evaluate(&library, "yolox_nano_416", "openvino") else { return };
    assert_within(&report, "map", &reference("yolox_nano_416_coco_val64")["map"], 0.01);
}

/// Named `NNN_X` for one person X and `NNN_k` for k faces.
fn faces_in(picture: &str) -> usize {
    let last = picture.trim_end_matches(".jpg").chars().last().unwrap();
    last.to_digit(10).unwrap_or(1) as usize
}

/// Counts, scores and boxes of every picture equal those of Python, and the counts are right in at least 16 of 18.
fn assert_faces(model: &str, family: &str, threshold: &str) {
    let (Some(library), Some(pictures)) = (library("VEDETTE_ORT"), data::find("faces/compreface")) else { return };
    let Some(model) = data::find(&format!("models/face/{model}.onnx")) else { return };
    let arguments =
        ["detect", "--model", model.to_str().unwrap(), "--threshold", threshold, pictures.to_str().unwrap()];
    let output = vedette(&library, &arguments);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && log.contains(&format!("family={family}")), "{log}");
    let (records, reference) = (json_lines(&output), reference("faces_compreface"));
    assert_eq!(records.len(), 18);
    let mut right = 0;
    for record in &records {
        let name = Path::new(record["source"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
        let seen = record["detections"].as_array().unwrap();
        let expected = reference["models"][family][name].as_array().unwrap();
        assert_eq!(seen.len(), expected.len(), "{name}");
        right += usize::from(seen.len() == faces_in(name));
        for expected in expected {
            let values: Vec<f32> = expected.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
            let [score, x1, y1, x2, y2] = values[..] else { panic!("{expected}") };
            let is_same = |face: &&Value| {
                let bbox: [f32; 4] = serde_json::from_value(face["box"].clone()).unwrap();
                Rect::from(bbox).iou(&Rect::new(x1, y1, x2, y2)) > 0.9
            };
            let face = seen.iter().find(is_same).unwrap_or_else(|| panic!("{name}: {expected} is not among {seen:?}"));
            assert_eq!(face["label"], "face");
            let difference = face["score"].as_f64().unwrap() - f64::from(score);
            assert!(difference.abs() < 0.03, "{name}: {face}, in Python {expected}");
        }
    }
    println!("{family}: the count is right in {right} of 18 pictures");
    assert!(right >= 16, "right in {right} of 18");
}

#[test]
fn yunet_counts_faces_at_a_size_that_its_file_leaves_open() {
    assert_faces("face_detection_yunet_2026may", "yunet", "0.6");
}

#[test]
fn ultraface_counts_faces() {
    assert_faces("ultraface_version-RFB-320", "ultraface", "0.7");
}

#[test]
fn ultraface_without_its_post_processing_is_told_apart_and_counts_faces() {
    assert_faces("ultraface_version-RFB-320_without_postprocessing", "ultraface-raw", "0.7");
}

#[test]
fn a_network_that_describes_a_whole_picture_is_refused_as_no_detector() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    for model in ["face/mobilefacenet", "reid/osnet_x0_25_msmt17"] {
        let Some(path) = data::find(&format!("models/{model}.onnx")) else { return };
        let output = vedette(&library, &["detect", "--model", path.to_str().unwrap(), "picture.jpg"]);
        assert_eq!(output.status.code(), Some(2), "{model}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("describes a face or a person") && text.contains("a detector is needed"), "{text}");
    }
}
