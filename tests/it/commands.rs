//! The program as it is used: exit statuses, what stands on stdout and stderr, and the help of every command.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::detect::yolov8;
use crate::support::onnx::Model;
use crate::support::rtsp::{self, Offer, Server};
use crate::support::{clips, mosquitto};

/// A folder with models and clips of every kind of fault, and the program run in it.
struct Bench {
    folder: tempfile::TempDir,
}

/// A model that sees a dog in every picture, one with outputs of no known family, and two that are no models. `None`
/// without ONNX Runtime, after saying so.
fn bench() -> Option<Bench> {
    if !std::env::var_os("VEDETTE_ORT").is_some_and(|path| Path::new(&path).exists()) {
        println!("SKIPPED {}: VEDETTE_ORT names no library", std::thread::current().name().unwrap_or("test"));
        return None;
    }
    let bench = Bench { folder: tempfile::tempdir().unwrap() };
    let strange = Model::new(&[1, 3, 64, 64], vec![("maps", vec![1, 7, 4, 4], vec![0.1; 112])]);
    bench.write("dog.onnx", &yolov8().bytes());
    bench.write("strange.onnx", &strange.bytes());
    bench.write("text.onnx", b"not a model\n");
    bench.write("broken.mp4", b"not a clip either, whatever its name says\n");
    Some(bench)
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Two seconds of H.264 at 25 pictures a second.
    fn clip(&self) -> PathBuf {
        let caps = "format=I420,width=128,height=64,framerate=25/1";
        clips::make(
            self.folder.path(),
            "clip.mkv",
            50,
            caps,
            "x264enc key-int-max=25 bframes=0 ! h264parse ! matroskamux",
        )
    }

    /// Runs the program in the folder.
    fn vedette(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
        command.args(arguments).current_dir(self.folder.path()).env_remove("CREDENTIALS_DIRECTORY").output().unwrap()
    }

    /// The last word on stderr: what follows the log.
    fn last_word(&self, output: &Output) -> String {
        let text = String::from_utf8(output.stderr.clone()).unwrap();
        let text = text.replace(&self.folder.path().display().to_string(), "[DIR]");
        text.find("vedette: ").map_or_else(String::new, |at| text[at..].to_owned())
    }

    /// Writes a configuration of one camera that looks for dogs.
    fn configure(&self, name: &str, broker: &str, camera: &str, model: &str, label: &str) {
        let text = format!(
            "agent: {{ id: test, state_dir: {} }}\nmqtt: {{ url: \"{broker}\" }}\n\
             models: {{ dogs: {{ file: {model}, provider: cpu, required: true }} }}\n\
             cameras:\n  - id: door\n    url: \"{camera}\"\n    detect: {{ model: dogs, motion_gate: false }}\n    \
             zones: [{{ id: all, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] }}]\n    \
             rules: [{{ id: any, kind: intrusion, zone: all, labels: [{label}] }}]\n",
            self.path("state").display()
        );
        self.write(name, text.as_bytes());
    }
}

fn json_lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(records: &[Value], key: &str) -> Vec<u64> {
    records.iter().map(|record| record[key].as_u64().unwrap()).collect()
}

#[test]
fn every_command_has_a_help_with_an_example() {
    let help = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
        let output = command.args(words).arg("--help").env_remove("COLUMNS").output().unwrap();
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let commands = |text: &str| -> Vec<String> {
        let listed = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        // Further lines of a description are indented deeper.
        let named = listed.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
        named.filter_map(|line| line.split_whitespace().next()).filter(|n| *n != "help").map(str::to_owned).collect()
    };
    let all = help(&[]);
    insta::assert_snapshot!("help", all);
    let mut seen = 0;
    for command in commands(&all) {
        let text = help(&[&command]);
        let inner = commands(&text);
        let pages = inner.iter().map(|inner| (format!("{command}_{inner}"), help(&[&command, inner])));
        for (name, page) in [(command.clone(), text)].into_iter().chain(pages) {
            assert!(page.contains("Example"), "the help of {name} has no example");
            insta::assert_snapshot!(format!("help_{name}"), page);
            seen += 1;
        }
    }
    assert!(seen >= 11, "found the help of only {seen} commands");
}

#[test]
fn a_clip_gives_a_line_for_every_picture_or_for_those_that_were_asked_for() {
    let Some(bench) = bench() else { return };
    let clip = bench.clip();
    let clip = clip.to_str().unwrap();
    let detect = |extra: &[&str]| {
        let output = bench.vedette(&[&["detect", "--model", "dog.onnx", clip], extra].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        json_lines(&output)
    };
    let all = detect(&[]);
    assert_eq!(numbers(&all, "frame"), (0..50).collect::<Vec<_>>());
    assert_eq!(numbers(&all, "pts_ms"), (0..50).map(|n| n * 40).collect::<Vec<_>>());
    let expected = serde_json::json!({
        "source": clip, "frame": 3, "pts_ms": 120, "width": 128, "height": 64,
        "detections": [{"label": "dog", "class": 1, "score": 0.9, "box": [16.0, 16.0, 48.0, 48.0]}],
    });
    assert_eq!(all[3], expected);
    assert_eq!(numbers(&detect(&["--frames", "7"]), "frame").last(), Some(&6));
    assert_eq!(numbers(&detect(&["--seconds", "1"]), "pts_ms").last(), Some(&960));
    let sampled = detect(&["--fps", "5", "--annotate", bench.path("seen").to_str().unwrap()]);
    assert_eq!((sampled.len(), &numbers(&sampled, "pts_ms")[..3]), (10, &[0, 200, 400][..]));
    assert!(bench.path("seen/clip-000009.jpg").exists() && !bench.path("seen/clip-000010.jpg").exists());
}

#[test]
fn a_stream_is_watched_for_as_long_as_was_asked_for() {
    let Some(bench) = bench() else { return };
    let server = Server::start(Offer::h264(128, 64, 10));
    for source in [server.url().as_str(), "scene://street?seed=1&width=128&height=64&fps=25"] {
        let output = bench.vedette(&["detect", "--model", "dog.onnx", "--frames", "3", source]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let records = json_lines(&output);
        assert_eq!(numbers(&records, "frame"), [0, 1, 2]);
        assert_eq!(records[0]["source"], *source);
        let pts = numbers(&records, "pts_ms");
        assert!(pts.is_sorted_by(|a, b| a < b), "{pts:?}");
    }
    let nobody = format!("rtsp://viewer:canary@127.0.0.1:{}/live", rtsp::free_port());
    let output = bench.vedette(&["detect", "--model", "dog.onnx", &nobody]);
    assert_eq!(output.status.code(), Some(1));
    let word = bench.last_word(&output);
    assert!(word.contains("cannot be reached") && !word.contains("canary"), "{word}");
}

#[test]
fn what_cannot_be_read_is_named_with_its_cause_after_everything_else_was_looked_at() {
    let Some(bench) = bench() else { return };
    let clip = bench.clip();
    let caps = "format=I420,width=128,height=64,framerate=25/1";
    let long = clips::make(bench.folder.path(), "long.mkv", 250, caps, "x264enc ! h264parse ! matroskamux");
    let cut = clips::truncated(&long, 0.6);
    let [clip, cut] = [&clip, &cut].map(|path| path.to_str().unwrap());
    let output = bench.vedette(&["detect", "--model", "dog.onnx", "broken.mp4", "missing.mp4", clip]);
    assert_eq!((output.status.code(), json_lines(&output).len()), (Some(1), 50));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("broken.mp4 is damaged") && log.contains("missing.mp4 does not exist"), "{log}");
    insta::assert_snapshot!("detect_two_of_three", bench.last_word(&output));
    for name in ["broken.mp4", "missing.mp4"] {
        let output = bench.vedette(&["detect", "--model", "dog.onnx", name]);
        assert_eq!(output.status.code(), Some(1));
        insta::assert_snapshot!(format!("detect_{name}"), bench.last_word(&output));
    }
    let output = bench.vedette(&["detect", "--model", "dog.onnx", cut]);
    let records = json_lines(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!((50..250).contains(&records.len()), "{} pictures before the cut", records.len());
    assert!(bench.last_word(&output).contains("it ends after"), "{}", bench.last_word(&output));
    let output = bench.vedette(&["detect", "--model", "dog.onnx", "http://camera/clip.mp4"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("detect_http", bench.last_word(&output));
}

#[test]
fn damaged_pictures_are_left_out_counted_and_told() {
    let Some(bench) = bench() else { return };
    let caps = "format=I420,width=640,height=360,framerate=25/1";
    let sound = clips::make(
        bench.folder.path(),
        "sound.mkv",
        100,
        caps,
        "x264enc threads=1 key-int-max=25 ! h264parse ! matroskamux",
    );
    let flipped = clips::bit_flipped(&sound, 6000, 1500);
    let output = bench.vedette(&["detect", "--model", "dog.onnx", flipped.to_str().unwrap()]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("damaged pictures were left out"), "{:?} {log}", output.status);
    assert!((1..=100).contains(&json_lines(&output).len()), "{}", json_lines(&output).len());
}

#[test]
fn a_model_that_cannot_be_used_is_refused_by_every_command() {
    let Some(bench) = bench() else { return };
    let clip = bench.clip();
    let clip = clip.to_str().unwrap();
    for model in ["text", "strange"] {
        let file = format!("{model}.onnx");
        bench.configure("c.yaml", "mqtt://127.0.0.1:1", "scene://street", &file, "dog");
        let runs: [(&str, &[&str]); 3] = [
            ("detect", &["detect", "--model", &file, clip]),
            ("replay", &["replay", "-c", "c.yaml", "--camera", "door", "--input", clip]),
            ("run", &["run", "-c", "c.yaml"]),
        ];
        for (command, arguments) in runs {
            let output = bench.vedette(arguments);
            assert_eq!(output.status.code(), Some(2), "{command} {model}: {}", bench.last_word(&output));
            assert!(output.stdout.is_empty());
            insta::assert_snapshot!(format!("{command}_{model}"), bench.last_word(&output));
        }
    }
}

#[test]
fn a_replay_names_the_recording_that_it_cannot_play_and_the_cameras_that_there_are() {
    let Some(bench) = bench() else { return };
    bench.configure("c.yaml", "mqtt://127.0.0.1:1", "scene://street", "dog.onnx", "dog");
    let replay = |camera: &str, input: &str| {
        let output = bench.vedette(&["replay", "-c", "c.yaml", "--camera", camera, "--input", input]);
        (output.status.code(), bench.last_word(&output))
    };
    let (broken, missing, camera) = (replay("door", "broken.mp4"), replay("door", "no.mp4"), replay("gate", "no.mp4"));
    assert_eq!((broken.0, missing.0, camera.0), (Some(1), Some(1), Some(2)));
    insta::assert_snapshot!("replay_refusals", [broken.1, missing.1, camera.1].concat());
    let clip = bench.clip();
    let (good, _) = replay("door", clip.to_str().unwrap());
    assert_eq!(good, Some(0));
}

/// The outcomes of `check --probe`, by kind.
fn probes(bench: &Bench, status: i32) -> Vec<(String, bool, String)> {
    let output = bench.vedette(&["check", "-c", "c.yaml", "--probe", "--probe-limit", "30", "--json"]);
    assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
    let result = &json_lines(&output)[0];
    assert_eq!(result["ok"], status == 0);
    let text = |outcome: &Value, key: &str| outcome[key].as_str().unwrap().to_owned();
    let outcomes = result["probes"].as_array().unwrap().iter();
    let mut found: Vec<_> = outcomes.map(|o| (text(o, "kind"), o["ok"].as_bool().unwrap(), text(o, "text"))).collect();
    found.sort();
    found
}

#[test]
fn a_probe_tries_camera_model_and_broker() {
    let Some(bench) = bench() else { return };
    let Some(broker) = mosquitto::start(&[]) else { return };
    let server = Server::start(Offer::h264(128, 64, 10));
    bench.configure("c.yaml", &broker.url(), &server.url(), "dog.onnx", "dog");
    let found = probes(&bench, 0);
    let expected = [
        ("broker", "connected, logged in and subscribed"),
        ("camera", "h264 by avdec_h264, 128x64"),
        ("model", "yolov8, cpu asked for, cpu runs it"),
    ];
    let found: Vec<_> = found.iter().map(|(kind, _, text)| (kind.as_str(), text.as_str())).collect();
    // Another machine may decode in hardware.
    assert_eq!((found[0], found[2], found[1].0), (expected[0], expected[2], expected[1].0));
    assert!(found[1].1.starts_with("h264 by ") && found[1].1.ends_with(", 128x64"), "{found:?}");
    let output = bench.vedette(&["check", "-c", "c.yaml", "--probe"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("ok: 1 camera") && text.contains("\nmodel dogs: ok: yolov8"), "{text}");
}

#[test]
fn a_probe_says_what_is_wrong_with_each() {
    let Some(bench) = bench() else { return };
    let (camera, broker) = (rtsp::free_port(), rtsp::free_port());
    let (camera, broker) = (format!("rtsp://127.0.0.1:{camera}/x"), format!("mqtt://127.0.0.1:{broker}"));
    bench.configure("c.yaml", &broker, &camera, "dog.onnx", "unicorn");
    let found = probes(&bench, 1);
    assert!(found.iter().all(|(_, ok, _)| !ok), "{found:?}");
    let causes = ["the broker cannot be reached", "cannot be reached", "rule any: the model has no label \"unicorn\""];
    for ((kind, _, text), cause) in found.iter().zip(causes) {
        assert!(text.contains(cause), "{kind}: {text}");
    }
    bench.configure("c.yaml", &broker, &camera, "text.onnx", "dog");
    assert!(probes(&bench, 1)[2].2.contains("not an ONNX model"));
    bench.write("c.yaml", b"agent: {}\n");
    let output = bench.vedette(&["check", "-c", "c.yaml", "--probe"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_doctor_measures_how_many_cameras_fit() {
    let Some(bench) = bench() else { return };
    let clip = bench.clip();
    let report = |extra: &[&str]| -> Value {
        let state = bench.path("state");
        let arguments = ["doctor", "--model", "dog.onnx", "--state-dir", state.to_str().unwrap(), "--json"];
        let output = bench.vedette(&[&arguments, extra].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let filmed = report(&[]);
    let capacity = &filmed["capacity"];
    assert!(capacity["cameras"].as_u64().unwrap() >= 1, "{filmed}");
    assert_eq!((&capacity["decode"]["size"], &capacity["decode"]["frames"]), (&[1280, 720].into(), &100.into()));
    assert!(capacity["decode"]["cpu_ms"].as_f64().unwrap() > 0.0 && capacity["look"]["looks"].as_u64().unwrap() >= 3);
    assert_eq!(filmed["model"]["obtained"], "cpu");
    assert!(filmed["codecs"].as_array().unwrap().iter().any(|c| c["codec"] == "h264" && c["over_rtp"] == true));
    assert!(filmed["machine"]["disk_free_bytes"].as_u64().unwrap() > 0);
    let given = report(&["--clip", clip.to_str().unwrap(), "--detect-fps", "1"]);
    let capacity = &given["capacity"];
    assert_eq!((&capacity["decode"]["frames"], &capacity["stream_fps"]), (&50.into(), &25.0.into()));
    assert_eq!(capacity["detect_fps"], 1.0);
}

#[test]
fn the_doctor_names_what_is_missing_with_its_remedy() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
    let output = command.arg("doctor").env("VEDETTE_ORT", "/nowhere/libonnxruntime.so").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    let missing = &text[text.find("MISSING").unwrap()..];
    assert!(missing.contains("/nowhere/libonnxruntime.so") && missing.contains("remedy: Install it"), "{text}");
    let Some(bench) = bench() else { return };
    let output = bench.vedette(&["doctor", "--model", "text.onnx"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("MISSING: the model does not run: cannot use the model text.onnx"), "{text}");
}
