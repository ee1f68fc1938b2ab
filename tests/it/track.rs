//! The tracker and its scores from the command line: on a real sequence, against TrackEval, and on rendered crowds.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use vedette::toolchain::eval::track::{Scores, score};
use vedette::toolchain::mot::parse;
use vedette::toolchain::track::{Recording, follow};

use crate::support::crowd::{Camera, Detector, Scene};
use crate::support::data;

fn vedette(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vedette")).args(arguments).output().unwrap()
}

fn eval_track(truth: &Path, detections: &Path) -> Value {
    let [truth, detections] = [truth, detections].map(|path| path.to_str().unwrap());
    let output = vedette(&["eval", "track", "--truth", truth, "--detections", detections]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn at_least(scores: &Value, floors: &[(&str, f64)]) {
    for (name, floor) in floors {
        let found = scores[name].as_f64().unwrap();
        assert!(found >= *floor, "{name} is {found}, expected at least {floor}: {scores}");
    }
}

#[test]
fn the_truth_of_tud_campus_scores_one() {
    let Some(truth) = data::find("mot/TUD-Campus/gt/gt.txt") else { return };
    let scores = eval_track(&truth, &truth);
    for name in ["hota", "mota", "idf1"] {
        assert_eq!(scores[name], 1.0, "{scores}");
    }
}

#[test]
fn the_sample_output_of_tud_campus_scores_what_py_motmetrics_published() {
    let Some(truth) = data::find("mot/TUD-Campus/gt/gt.txt") else { return };
    let Some(sample) = data::find("mot/TUD-Campus/sample_tracker_output.txt") else { return };
    let scores = eval_track(&truth, &sample);
    let thousandths = |name: &str| (scores[name].as_f64().unwrap() * 1000.0).round();
    assert_eq!((thousandths("mota"), thousandths("idf1")), (526.0, 558.0), "{scores}");
    assert_eq!(scores["id_switches"], 7);
}

#[test]
fn the_tracker_with_its_defaults_is_good_on_tud_campus_from_5_to_25_frames_a_second() {
    let Some(truth) = data::find("mot/TUD-Campus/gt/gt.txt") else { return };
    let Some(detections) = data::find("mot/TUD-Campus/det/det.txt") else { return };
    let folder = tempfile::tempdir().unwrap();
    for (every, floors) in [
        (1, [("hota", 0.53), ("mota", 0.62), ("idf1", 0.74)]),
        (2, [("hota", 0.52), ("mota", 0.62), ("idf1", 0.72)]),
        (5, [("hota", 0.50), ("mota", 0.60), ("idf1", 0.68)]),
    ] {
        let thinned = |from: &Path, name: &str| {
            let to = folder.path().join(name);
            fs::write(&to, every_nth_frame(&fs::read_to_string(from).unwrap(), every)).unwrap();
            to
        };
        let (truth, detections) = (thinned(&truth, "gt.txt"), thinned(&detections, "det.txt"));
        let fps = (25.0 / f64::from(every)).to_string();
        let output = vedette(&["track", "--detections", detections.to_str().unwrap(), "--fps", &fps]);
        assert!(output.status.success(), "{output:?}");
        let tracks = folder.path().join("tracks.txt");
        fs::write(&tracks, &output.stdout).unwrap();
        at_least(&eval_track(&truth, &tracks), &floors);
    }
}

fn every_nth_frame(text: &str, n: u32) -> String {
    let thinned = text.lines().filter_map(|line| {
        let (frame, rest) = line.split_once(',')?;
        let frame: u32 = frame.parse().ok()?;
        (frame - 1).is_multiple_of(n).then(|| format!("{},{rest}\n", (frame - 1) / n + 1))
    });
    thinned.collect()
}

#[test]
fn scores_are_those_of_trackeval() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference/track_eval.json");
    let reference: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let cases = reference["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let rows = |key: &str| {
            let lines: Vec<&str> = case[key].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
            parse(&lines.join("\n")).unwrap()
        };
        let found = serde_json::to_value(score(&rows("truth"), &rows("output")).unwrap()).unwrap();
        for (name, expected) in case["scores"].as_object().unwrap() {
            let (found, expected) = (found[name].as_f64().unwrap(), expected.as_f64().unwrap());
            assert!((found - expected).abs() < 2e-9, "{} {name}: {found}, TrackEval has {expected}", case["name"]);
        }
    }
}

#[test]
fn what_is_not_a_mot_file_is_refused_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("det.txt");
    for (text, fault) in [
        ("1,-1,10,20,30,40,0.9\n1,-1,10,20\n", "line 2: found 4 columns"),
        ("1,-1,10,20,30,tall,0.9\n", "line 1: height is \"tall\""),
        ("one,-1,10,20,30,40,0.9\n", "line 1: frame is \"one\""),
    ] {
        fs::write(&file, text).unwrap();
        let output = vedette(&["track", "--detections", file.to_str().unwrap(), "--fps", "25"]);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(fault) && said.contains("det.txt"), "{said}");
        assert!(output.stdout.is_empty());
    }
    let missing = folder.path().join("missing.txt");
    let output = vedette(&["track", "--detections", missing.to_str().unwrap(), "--fps", "25"]);
    assert_eq!(output.status.code(), Some(1));
    for fps in ["0", "-5", "NaN", "fast"] {
        let output = vedette(&["track", "--detections", file.to_str().unwrap(), &format!("--fps={fps}")]);
        assert_eq!(output.status.code(), Some(2), "{fps}");
    }
}

#[test]
fn an_object_twice_in_a_frame_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("twice.txt");
    fs::write(&file, "3,7,0,0,10,10\n3,7,50,0,10,10\n").unwrap();
    let file = file.to_str().unwrap();
    let output = vedette(&["eval", "track", "--truth", file, "--detections", file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("frame 3 has object 7 twice"));
}

/// Mean scores over four seeds.
fn mean(scene: Scene) -> (f64, f64, f64) {
    let scored = |seed: u64| -> Scores {
        let rendered = Scene { seed, ..scene }.render();
        score(&rendered.truth, &follow(&rendered.detections, &Recording::at(scene.fps))).unwrap()
    };
    let all: Vec<Scores> = (1..=4).map(scored).collect();
    let of = |value: fn(&Scores) -> f64| all.iter().map(value).sum::<f64>() / all.len() as f64;
    (of(|s| s.hota), of(|s| s.mota), of(|s| s.idf1))
}

#[test]
fn the_crowd_is_followed_at_every_frame_rate() {
    let street = Scene::default();
    let usual = mean(street);
    for fps in [30.0, 10.0, 5.0, 2.0] {
        let found = mean(Scene { fps, ..street });
        assert!(found.0 > 0.85 * usual.0 && found.1 > 0.85 * usual.1, "{fps} fps: {found:?}, at 25: {usual:?}");
    }
    assert!(usual.0 > 0.70 && usual.1 > 0.85 && usual.2 > 0.85, "{usual:?}");
}

#[test]
fn people_who_run_and_cameras_that_pan_shake_and_walk_are_followed() {
    let street = Scene::default();
    let handheld = Camera { height: 1.5, ahead: 1.2, pan: 0.05, shake: 0.004 };
    let panning = Camera { height: 1.7, ahead: 0.0, pan: 0.12, shake: 0.004 };
    for (name, scene) in [
        ("running at 5 fps", Scene { speed: 3.5, fps: 5.0, ..street }),
        ("walking camera", Scene { camera: handheld, depth: (3.0, 20.0), fps: 14.0, ..street }),
        ("panning camera", Scene { camera: panning, fps: 14.0, ..street }),
        (
            "driving camera",
            Scene { camera: Camera { ahead: 6.0, ..handheld }, depth: (3.0, 40.0), fps: 10.0, ..street },
        ),
    ] {
        let found = mean(scene);
        assert!(found.0 > 0.60 && found.1 > 0.75 && found.2 > 0.75, "{name}: {found:?}");
    }
}

#[test]
fn a_poor_detector_does_not_ruin_everything() {
    let poor = Detector { recall: 0.75, clutter: 2.0, error: 0.09, doubles: 0.05 };
    for fps in [25.0, 5.0] {
        let found = mean(Scene { detector: poor, fps, ..Scene::default() });
        assert!(found.0 > 0.45 && found.1 > 0.60 && found.2 > 0.62, "{fps} fps: {found:?}");
    }
}
