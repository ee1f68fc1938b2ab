//! `vedette replay` on the shared clip: six visits, told when they are, twice in the same bytes, and rarely looked for.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::data;

/// When the six people are in the picture, seconds: the shared data's own list, at ten frames a second.
const VISITS: [(f64, f64); 6] = [(6.5, 19.5), (23.0, 45.0), (50.5, 70.0), (74.5, 87.0), (92.5, 120.0), (123.5, 136.0)];
const TOLERANCE: f64 = 1.5;

fn configuration(model: &Path, gate: bool) -> String {
    format!(
        "agent: {{ id: replayed }}\nmqtt: {{ url: \"mqtt://127.0.0.1:1883\" }}\n\
         models: {{ people: {{ file: {model:?}, provider: cpu }} }}\n\
         cameras:\n  - id: door\n    url: \"rtsp://127.0.0.1/none\"\n    \
         detect: {{ model: people, fps: 5, motion_gate: {gate} }}\n    \
         zones: [{{ id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] }}]\n    \
         rules: [{{ id: visits, kind: occupancy, zone: all, labels: [person] }}]\n"
    )
}

/// What is told, and of how many looks the log speaks.
fn replay(clip: &Path, model: &Path, gate: bool) -> (Vec<u8>, u32) {
    replay_by(clip, &configuration(model, gate), None)
}

fn replay_by(clip: &Path, configuration: &str, tracks: Option<&Path>) -> (Vec<u8>, u32) {
    let tracks: Vec<&OsStr> = tracks.into_iter().flat_map(|folder| ["--tracks".as_ref(), folder.as_os_str()]).collect();
    replay_with(clip, configuration, &tracks)
}

fn replay_with(clip: &Path, configuration: &str, arguments: &[&OsStr]) -> (Vec<u8>, u32) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vedette.yaml");
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
    command.args(["replay", "--camera", "door", "-c"]).arg(&file).arg("--input").arg(clip).args(arguments);
    if let Some(library) = std::env::var_os("VEDETTE_ORT") {
        command.env("VEDETTE_ORT", std::path::absolute(library).unwrap());
    }
    let output = command.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let looks = log.split_once(" looks=").and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
    (output.stdout, looks.unwrap_or_else(|| panic!("the log does not speak of looks: {log}")))
}

/// The `data` of each event of this kind.
fn events_of(told: &[u8], kind: &str) -> Vec<Value> {
    told.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice::<Value>(line).unwrap()["data"].take())
        .filter(|data| data["kind"] == kind)
        .collect()
}

/// Start and end of each visit, seconds.
fn visits(told: &[u8]) -> Vec<(f64, f64)> {
    let events = events_of(told, "occupancy");
    let times = |phase: &str| -> Vec<f64> {
        let of_phase = events.iter().filter(|data| data["phase"] == phase);
        of_phase.map(|data| data["capture"]["pts_ms"].as_f64().unwrap() / 1000.0).collect()
    };
    let (starts, ends) = (times("start"), times("end"));
    assert_eq!(starts.len(), ends.len(), "every visit ends");
    starts.into_iter().zip(ends).collect()
}

fn assert_visits(told: &[u8]) {
    let found = visits(told);
    assert_eq!(found.len(), VISITS.len(), "{found:?}");
    for (found, expected) in found.iter().zip(VISITS) {
        let (early, late) = ((found.0 - expected.0).abs(), (found.1 - expected.1).abs());
        assert!(early <= TOLERANCE && late <= TOLERANCE, "{found:?} for {expected:?}");
    }
}

#[test]
fn six_visits_are_told_when_they_are_and_twice_in_the_same_bytes() {
    let clip = data::find("video/one-by-one-person-detection.mp4");
    let (Some(clip), Some(model)) = (clip, data::find("models/detect/yolox_nano_416.onnx")) else { return };
    let (told, looks) = replay(&clip, &model, true);
    assert_visits(&told);
    // 697 pictures are due, and there are people in 536 of them: most of those looks would tell nothing new.
    assert!(looks <= 440, "{looks} looks");
    assert_eq!(replay(&clip, &model, true).0, told);
}

#[test]
fn with_every_due_picture_looked_at_the_visits_start_hardly_earlier() {
    let clip = data::find("video/one-by-one-person-detection.mp4");
    let (Some(clip), Some(model)) = (clip, data::find("models/detect/yolox_nano_416.onnx")) else { return };
    let (told, looks) = replay(&clip, &model, false);
    assert!(looks >= 690, "{looks} looks");
    assert_visits(&told);
    for (gated, every) in visits(&replay(&clip, &model, true).0).iter().zip(visits(&told)) {
        // While nothing moves a picture is wanted every 400 ms, or 800 ms after the last where a keyframe is near.
        assert!(gated.0 - every.0 <= 0.8, "{gated:?} against {every:?}: later than the next picture that was wanted");
    }
}

#[test]
fn the_bundled_detector_tells_the_same_six_visits() {
    let Some(clip) = data::find("video/one-by-one-person-detection.mp4") else { return };
    assert_visits(&replay(&clip, Path::new("bundled:vedette-nano"), true).0);
}

#[test]
fn the_drawn_street_is_replayed_as_a_recording_is_for_so_many_seconds() {
    let street = || {
        let configuration = configuration(Path::new("bundled:vedette-nano"), false);
        replay_with("scene://street".as_ref(), &configuration, &["--seconds".as_ref(), "25".as_ref()])
    };
    let (told, looks) = street();
    assert_eq!(looks, 125, "five a second");
    assert!(
        visits(&told).iter().any(|(start, end)| *start > 0.0 && *end < 25.0),
        "somebody passes: {:?}",
        visits(&told)
    );
    assert_eq!(street().0, told, "the same street, the same bytes");
}

/// A room in which somebody may fall, with every due picture looked at, fifteen a second: a fall takes less than one.
fn room(model: &Path) -> String {
    configuration(model, false)
        .replace("fps: 5", "fps: 15")
        .replace("{ id: visits, kind: occupancy, zone: all, labels: [person] }", "{ id: fall, kind: fall, zone: all }")
}

/// The falls that are told in a clip of the shared data, in seconds; nothing without the data.
fn falls(clip: &str, model: &Path) -> Option<Vec<f64>> {
    let (told, _) = replay_by(&data::find(clip)?, &room(model), None);
    let starts = events_of(&told, "fall").into_iter().filter(|data| data["phase"] == "start");
    Some(starts.map(|data| data["capture"]["pts_ms"].as_f64().unwrap() / 1000.0).collect())
}

#[test]
fn falls_are_told_within_two_seconds_and_daily_life_is_none() {
    if let Some(model) = data::find("models/detect/yolox_nano_416.onnx") {
        assert_falls(&model, 2.0);
    }
    // The smaller one finds them too, the last of them at the very end of these two seconds.
    assert_falls(Path::new("bundled:vedette-nano"), 2.5);
}

fn assert_falls(model: &Path, within: f64) {
    // The second at which the shared data's own labels have the fall begin.
    let labelled = [("s1_fall_13", 0.4), ("s1_fall_14", 0.3), ("s1_fall_15", 1.8), ("s2_fall_13", 2.5)];
    for (clip, from) in labelled {
        let Some(found) = falls(&format!("fall/{clip}.mp4"), model) else { return };
        assert_eq!(found.len(), 1, "{clip}, {model:?}: {found:?}");
        assert!((from..=from + within).contains(&found[0]), "{clip}, {model:?}: {found:?}, labelled {from}");
    }
    assert_eq!(falls("fall/s2_adl_23.mp4", model), Some(Vec::new()), "somebody sits and eats");
}

/// `vedette rules test` over the tracks in `tracks`, as JSON.
fn rehearse(folder: &Path, tracks: &Path, present: &str, changed: &str) -> Value {
    let file = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
    command.args(["rules", "test", "--json", "-c"]).arg(file("changed.yaml", changed));
    command.arg("--against").arg(file("present.yaml", present)).arg("--tracks").arg(tracks);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn rules_tried_on_the_tracks_of_a_recording_say_what_its_replay_said() {
    let Some(clip) = data::find("video/one-by-one-person-detection.mp4") else { return };
    let folder = tempfile::tempdir().unwrap();
    let tracks = folder.path().join("tracks");
    let present = configuration(Path::new("bundled:vedette-nano"), true);
    let (told, _) = replay_by(&clip, &present, Some(&tracks));
    let size: u64 =
        std::fs::read_dir(tracks.join("door")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    println!("{size} bytes for 139 s with somebody in sight for 110 of them");
    let same = rehearse(folder.path(), &tracks, &present, &present);
    assert_eq!((&same["appear"], &same["vanish"]), (&serde_json::json!([]), &serde_json::json!([])));
    let starts = |happenings: &[Value]| -> Vec<(u64, String)> {
        happenings.iter().map(|h| (h["start_pts_ms"].as_u64().unwrap(), h["explanation"].to_string())).collect()
    };
    let live: Vec<(u64, String)> = events_of(&told, "occupancy")
        .iter()
        .filter(|data| data["phase"] == "start")
        .map(|data| (data["capture"]["pts_ms"].as_u64().unwrap(), data["explanation"].to_string()))
        .collect();
    assert_eq!((starts(same["stay"].as_array().unwrap()), live.len()), (live, 6));

    // The rule asks for more than one at a time, and nobody comes with somebody.
    let changed = present.replace("labels: [person]", "labels: [person], at_least: 2");
    let fewer = rehearse(folder.path(), &tracks, &present, &changed);
    assert_eq!(fewer["rules"]["door/visits"], serde_json::json!({"appear": 0, "vanish": 6, "stay": 0}));
    assert_eq!(fewer["days"]["2000-01-01"]["vanish"], 6);
}

#[test]
fn rules_test_tells_people_what_would_change_and_refuses_what_it_cannot_try() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("present.yaml"), configuration(Path::new("bundled:vedette-nano"), true)).unwrap();
    std::fs::write(path("faulty.yaml"), "agent: { id: replayed }\n").unwrap();
    let test = |config: &str, tracks: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
        command.args(["rules", "test", "-c"]).arg(path(config)).arg("--against").arg(path("present.yaml"));
        let output = command.arg("--tracks").arg(path(tracks)).output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), text)
    };
    let (status, [_, log]) = test("present.yaml", "nowhere");
    assert_eq!(status, Some(2), "{log}");
    assert!(log.contains("cannot use the folder of tracks"), "{log}");
    let (status, [_, log]) = test("faulty.yaml", "nowhere");
    assert_eq!(status, Some(2), "{log}");
    assert!(log.contains("faulty.yaml:") && log.contains("mqtt"), "{log}");
    std::fs::create_dir(path("empty")).unwrap();
    let (status, [_, log]) = test("present.yaml", "empty");
    assert_eq!(status, Some(2), "{log}");
    assert!(log.contains("there are no tracks"), "{log}");

    let Some(clip) = data::find("video/one-by-one-person-detection.mp4") else { return };
    let present = configuration(Path::new("bundled:vedette-nano"), true);
    replay_by(&clip, &present, Some(&path("tracks")));
    std::fs::write(path("two.yaml"), present.replace("labels: [person]", "labels: [person], at_least: 2")).unwrap();
    let (status, [text, log]) = test("two.yaml", "tracks");
    assert_eq!(status, Some(0), "{log}");
    assert!(text.contains("nothing would appear\n\n6 alerts would vanish\n- 2000-01-01 "), "{text}");
    assert!(text.contains(" door visits in zone all, "), "{text}");
    assert!(text.contains("door/visits       0       6       0"), "{text}");
}

/// A car park from straight above, where no model sees cars: what moves before the background is counted.
fn car_park(fps: f64) -> String {
    format!(
        "agent: {{ id: replayed }}\nmqtt: {{ url: \"mqtt://127.0.0.1:1883\" }}\n\
         cameras:\n  - id: door\n    url: \"rtsp://127.0.0.1/none\"\n    \
         detect: {{ from: background, fps: {fps} }}\n    \
         lines: [{{ id: middle, from: [0, 0.5], to: [1, 0.5], anchor: centre }}]\n    \
         rules: [{{ id: cars, kind: line-crossing, line: middle, labels: [moving] }}]\n"
    )
}

#[test]
fn cars_from_straight_above_are_two_up_and_two_down_without_a_model() {
    let Some(clip) = data::find("video/car-detection.mp4") else { return };
    let counts: Vec<_> = [12.5, 8.0, 6.0].map(|fps| (fps, up_and_down(&clip, fps))).to_vec();
    assert!(counts.iter().all(|(_, ways)| *ways == (2, 2)), "{counts:?}");
}

/// How many crossed the middle line in the car park, up and down, at so many looks a second.
fn up_and_down(clip: &Path, fps: f64) -> (usize, usize) {
    let (told, _) = replay_by(clip, &car_park(fps), None);
    let direction = |data: &Value| {
        let measures = data["measures"].as_array().unwrap();
        measures.iter().find(|m| m["name"] == "direction").unwrap()["value"].as_f64().unwrap()
    };
    let crossed = events_of(&told, "line-crossing");
    let (down, up): (Vec<f64>, Vec<f64>) = crossed.iter().map(direction).partition(|way| *way > 0.0);
    (up.len(), down.len())
}

#[test]
fn a_bag_that_is_left_in_the_street_is_told_and_its_end_too_with_the_bundled_detector() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("street.mkv");
    let street = vedette::decode::street::Street::new(7, 768, 432, 10.0);
    vedette::decode::film(&street, 600, &clip).unwrap();
    let rule = "{ id: bag, kind: object-left, zone: all, seconds: 10 }";
    let rules = configuration(Path::new("bundled:vedette-nano"), true)
        .replace("{ id: visits, kind: occupancy, zone: all, labels: [person] }", rule);
    let (told, _) = replay_by(&clip, &rules, None);
    let told: Vec<(String, f64)> = events_of(&told, "object-left")
        .iter()
        .map(|data| (data["phase"].as_str().unwrap().to_owned(), data["capture"]["pts_ms"].as_f64().unwrap() / 1000.0))
        .collect();
    // It stands alone from 32.6 s to 52.6 s.
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].0 == "start" && (42.4..=44.6).contains(&told[0].1), "{told:?}");
    assert!(told[1].0 == "end" && (52.4..=58.0).contains(&told[1].1), "{told:?}");
}
