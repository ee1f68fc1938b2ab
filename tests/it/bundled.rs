//! The detector that the program brings: it sees without any file of the user's, and as well as its manifest says.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::data;
use crate::support::detectors::{json_lines, library, vedette};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/vedette-nano");

fn labels(line: &Value) -> Vec<&str> {
    line["detections"].as_array().unwrap().iter().map(|seen| seen["label"].as_str().unwrap()).collect()
}

#[test]
fn without_a_model_the_program_sees_with_its_own() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let output = vedette(&library, &["detect", &format!("{FOLDER}/golden")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = json_lines(&output);
    let people: Vec<usize> =
        lines.iter().map(|line| labels(line).into_iter().filter(|label| *label == "person").count()).collect();
    assert_eq!(people, [1, 3]);
    assert!(lines.iter().all(|line| labels(line).contains(&"vehicle")));
}

#[test]
fn both_packages_pass_their_own_verification() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    for package in ["int8", "float"] {
        let file = format!("{FOLDER}/vedette-nano-{package}.vedette");
        let output = vedette(&library, &["model", "verify", &file]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(std::fs::metadata(&file).unwrap().len() < 8 << 20, "{file} is too large for a repository");
    }
}

/// Average precision at IoU .50 of `label` by `eval detect`.
fn ap50(library: &Path, package: &str, pictures: &Path, map: &str, label: &str) -> f64 {
    let file = format!("{FOLDER}/vedette-nano-{package}.vedette");
    let (images, labels) = (pictures.join("images"), pictures.join("labels"));
    let (images, labels) = (images.display().to_string(), labels.display().to_string());
    let arguments = ["eval", "detect", "--model", &file, "--images", &images, "--labels", &labels, "--map", map];
    let output = vedette(library, &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    json_lines(&output)[0]["per_class"][label]["ap50"].as_f64().unwrap()
}

#[test]
fn what_the_manifests_say_of_its_accuracy_is_what_is_measured() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let sets = [
        ("images/coco_val64", "coco_val64", "0=person", "person"),
        ("train/voc07/valid", "voc07_valid", "0=person", "person"),
        ("train/atl_traffic/test", "atl_traffic_test", "1=vehicle", "vehicle"),
    ];
    for package in ["int8", "float"] {
        let manifest = std::fs::read_to_string(format!("{FOLDER}/{package}.yaml")).unwrap();
        for (folder, name, map, label) in sets {
            let Some(pictures) = data::find(folder) else { return };
            let key = format!("{name}.{label}.ap50: ");
            let told = manifest.lines().find_map(|line| line.trim().strip_prefix(&key)).unwrap();
            let (told, found): (f64, f64) = (told.parse().unwrap(), ap50(&library, package, &pictures, map, label));
            println!("{package}, {name}: {label} AP50 {found:.4}");
            assert!((found - told).abs() <= 0.005, "{package}: {name} is {found}, the manifest says {told}");
        }
    }
}

#[test]
fn the_runtime_tells_its_maker_nothing() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
    command.args(["detect", &format!("{FOLDER}/golden")]).env("VEDETTE_ORT", library).env("HOME", home.path());
    // By these it is told, or guesses, that it is to be silent.
    for variable in
        ["ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME", "CI", "GITHUB_ACTIONS", "TF_BUILD"]
    {
        command.env_remove(variable);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What it would send waits there, beside a number that identifies the machine.
    assert!(!home.path().join(".cache/Microsoft").exists(), "the runtime keeps a report");
}
