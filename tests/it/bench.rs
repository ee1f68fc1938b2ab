//! `model bench`: small generated detectors against each other.

use std::path::Path;

use serde_json::Value;

use crate::detect::yolov8;
use crate::support::detectors::{library, vedette};

/// A folder with a detector that sees a dog in every picture, one that never sees anything, and a grey photograph.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("dog.onnx"), yolov8().bytes()).unwrap();
    let mut blind = yolov8();
    for (_, _, values) in &mut blind.outputs {
        // Scores stand behind the boxes, and boxes are larger than any score.
        values.iter_mut().filter(|value| (0.5..1.0).contains(*value)).for_each(|score| *score = 0.1);
    }
    std::fs::write(path("blind.onnx"), blind.bytes()).unwrap();
    std::fs::create_dir(path("yard")).unwrap();
    image::RgbImage::from_pixel(128, 64, image::Rgb([128; 3])).save(path("yard/grey.png")).unwrap();
    folder
}

fn bench(library: &Path, folder: &Path, more: &[&str]) -> (Option<i32>, Value, String) {
    let text = |name: &str| folder.join(name).display().to_string();
    let (dog, blind, yard) = (text("dog.onnx"), text("blind.onnx"), text("yard"));
    let arguments = ["model", "bench", &dog, &blind, "--provider", "cpu", "--pictures", &yard, "--seconds", "0.2"];
    let output = vedette(library, &[&arguments, more].concat());
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), log)
}

#[test]
fn a_detector_that_sees_too_little_does_not_win() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let folder = folder();
    let (status, report, log) = bench(&library, folder.path(), &["--threads", "1,2", "--json"]);
    assert_eq!(status, Some(0), "{log}");
    assert_eq!((&report["pictures"], &report["reference_objects"]), (&1.into(), &1.into()));
    let all = report["configurations"].as_array().unwrap();
    assert_eq!(all.len(), 4);
    let winners: Vec<_> = all.iter().filter(|it| it["verdict"]["verdict"] == "winner").collect();
    assert_eq!(winners.len(), 1, "{report}");
    assert!(winners[0]["file"].as_str().unwrap().ends_with("dog.onnx"), "{report}");
    for it in all {
        let measured = &it["measured"];
        let figure = |key: &str| measured[key].as_f64().unwrap();
        assert!(figure("looks") >= 1.0 && figure("p95_ms") >= figure("p50_ms") && figure("looks_per_second") > 0.0);
        let is_blind = it["file"].as_str().unwrap().ends_with("blind.onnx");
        assert_eq!(it["verdict"]["verdict"] == "sees-too-little", is_blind, "{it}");
    }
}

#[test]
fn a_provider_that_is_not_there_is_told_and_no_winner_is_a_failure() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let folder = folder();
    let (status, report, _) = bench(&library, folder.path(), &["--provider", "acl", "--json"]);
    assert_eq!(status, Some(0));
    let all = report["configurations"].as_array().unwrap();
    let refused = all.iter().find(|it| it["provider"] == "acl").unwrap();
    assert_eq!(refused["verdict"]["verdict"], "does-not-run");
    assert!(refused["verdict"]["reason"].as_str().unwrap().contains("built without it"), "{refused}");
    let blind = folder.path().join("blind.onnx");
    let arguments = ["model", "bench", blind.to_str().unwrap(), "--provider", "acl", "--seconds", "0.1"];
    let output = vedette(&library, &arguments);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("does not run") && text.contains("the reference sees nothing"), "{text}");
    let output = vedette(&library, &["model", "bench", "/nowhere/model.onnx"]);
    assert_eq!(output.status.code(), Some(2));
}
