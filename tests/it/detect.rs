//! Detectors on the real runtime: recognised, measured against Python, refused with a reason.

#![expect(clippy::unwrap_used, reason = "this whole file is tests; Clippy sees only the functions marked so")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use vedette::base::clock::{Clock, SystemClock};
use vedette::detect::{CameraKey, DetectError, Detector, Family, Provider, ProviderChoice, Settings, Worker};
use vedette::vocab::{Detection, Frame, Rect};

use crate::support::detectors::{json_lines, library, load, open, settings, vedette, written};
use crate::support::onnx::{Element, Model};

/// Cells of the grids of an input of 64 by 64: 8x8, 4x4 and 2x2.
const CELLS: usize = 84;

/// Centre and stride of each cell.
fn cells() -> Vec<(f32, f32, f32)> {
    let layer = |stride: usize| {
        let n = 64 / stride;
        (0..n * n).map(move |i| {
            (((i % n) as f32 + 0.5) * stride as f32, ((i / n) as f32 + 0.5) * stride as f32, stride as f32)
        })
    };
    [8, 16, 32].into_iter().flat_map(layer).collect()
}

/// A YOLOv8 of two classes that sees one dog at (8, 24)..(24, 40) of its input, whatever it is shown.
pub fn yolov8() -> Model {
    let mut channels = vec![[0f32; CELLS]; 6];
    for (i, (x, y, stride)) in cells().into_iter().enumerate() {
        [channels[0][i], channels[1][i], channels[2][i], channels[3][i]] = [x, y, stride, stride];
        [channels[4][i], channels[5][i]] = [0.02, 0.01];
    }
    // Cell (1, 3) of stride 8, and a less confident double beside it.
    let dog = 3 * 8 + 1;
    for (i, score) in [(dog, 0.9), (dog + 1, 0.6)] {
        [channels[0][i], channels[1][i], channels[2][i], channels[3][i]] = [16.0, 32.0, 16.0, 16.0];
        channels[5][i] = score;
    }
    let mut model = Model::new(&[1, 3, 64, 64], vec![("output0", vec![1, 6, CELLS as u64], channels.concat())]);
    model.metadata = vec![("task", "detect"), ("names", "{0: 'cat', 1: 'dog'}"), ("stride", "32")];
    model
}

/// A YOLOX of two classes with rows made by `row` from a cell.
fn yolox(row: impl Fn((f32, f32, f32)) -> [f32; 7]) -> Model {
    let rows: Vec<f32> = cells().into_iter().flat_map(row).collect();
    Model::new(&[1, 3, 64, 64], vec![("output", vec![1, CELLS as u64, 7], rows)])
}

fn named(path: &Path) -> Settings {
    let labels = vedette::detect::LabelSource::Names(vec!["cat".into(), "dog".into()]);
    Settings { labels: Some(labels), ..settings(path) }
}

fn grey(width: u32, height: u32) -> Frame {
    let (w, h) = (width as usize, height as usize);
    Frame::from_i420(width, height, vec![128; w * h + 2 * w.div_ceil(2) * h.div_ceil(2)]).unwrap()
}

fn assert_near(found: Rect, expected: [f32; 4]) {
    for (found, expected) in <[f32; 4]>::from(found).into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
    }
}

#[test]
fn a_yolov8_is_recognised_with_its_names_and_its_boxes_lie_over_the_picture() {
    if !load() {
        return;
    }
    let (_dir, path) = written(&yolov8());
    let mut detector = open(&settings(&path)).unwrap();
    assert_eq!(detector.family(), Family::Yolov8);
    assert_eq!(detector.labels().iter().collect::<Vec<_>>(), ["cat", "dog"]);
    let mut found = Vec::new();
    // A picture twice as wide as high lies in rows 16..48 of the input.
    detector.detect(&grey(256, 128), &mut found).unwrap();
    assert_eq!(found.len(), 1, "the double is suppressed: {found:?}");
    assert_eq!((found[0].class, found[0].score), (1, 0.9));
    assert_near(found[0].bbox, [0.125, 0.25, 0.375, 0.75]);
    detector.detect(&grey(64, 64), &mut found).unwrap();
    assert_near(found[0].bbox, [0.125, 0.375, 0.375, 0.625]);
}

#[test]
fn a_model_that_suppresses_by_itself_is_read_row_by_row() {
    if !load() {
        return;
    }
    let mut rows = vec![0f32; 300 * 6];
    rows[..6].copy_from_slice(&[8.0, 24.0, 24.0, 40.0, 0.8, 1.0]);
    let mut model = Model::new(&[1, 3, 64, 64], vec![("output0", vec![1, 300, 6], rows)]);
    let (_dir, nameless) = written(&model);
    assert!(matches!(open(&settings(&nameless)), Err(DetectError::NoLabels { classes: None })));
    model.metadata = vec![("task", "detect"), ("names", "{0: 'cat', 1: 'dog'}")];
    let (_dir, path) = written(&model);
    let mut detector = open(&settings(&path)).unwrap();
    assert_eq!(detector.family(), Family::EndToEnd);
    let mut found = Vec::new();
    detector.detect(&grey(64, 64), &mut found).unwrap();
    assert_eq!((found.len(), detector.labels().name(found[0].class)), (1, "dog"));
    assert_near(found[0].bbox, [0.125, 0.375, 0.375, 0.625]);
}

#[test]
fn yolox_with_and_without_its_grid_applied_are_told_apart_by_their_values() {
    if !load() {
        return;
    }
    let score = |x: f32, y: f32| if (x, y) == (20.0, 28.0) { 0.9 } else { 0.01 };
    let (_dir, raw) = written(&yolox(|(x, y, _)| [0.5, 0.5, 2f32.ln(), -0.1, score(x, y), 0.9, 0.1]));
    let (_dir, pixels) = written(&yolox(|(x, y, s)| [x, y, 2.0 * s, s, score(x, y), 0.9, 0.1]));
    for (path, family, height) in [(raw, Family::Yolox, (-0.1f32).exp()), (pixels, Family::YoloxDecoded, 1.0)] {
        let mut detector = open(&named(&path)).unwrap();
        assert_eq!(detector.family(), family);
        let mut found = Vec::new();
        detector.detect(&grey(64, 64), &mut found).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_near(
            found[0].bbox,
            [12.0 / 64.0, (28.0 - 4.0 * height) / 64.0, 28.0 / 64.0, (28.0 + 4.0 * height) / 64.0],
        );
    }
}

#[test]
fn a_model_that_takes_bytes_pixel_by_pixel_is_fed_so() {
    if !load() {
        return;
    }
    let mut model = yolov8();
    model.input = vec![0, 64, 64, 3];
    model.element = Element::U8;
    let (_dir, path) = written(&model);
    let mut detector = open(&settings(&path)).unwrap();
    let mut found = Vec::new();
    detector.detect(&grey(100, 50), &mut found).unwrap();
    assert_eq!(found.len(), 1);
}

#[test]
fn a_dead_or_impossible_model_fails_its_self_test() {
    if !load() {
        return;
    }
    let refusal = |model: &Model| {
        let (_dir, path) = written(model);
        match open(&named(&path)) {
            Err(DetectError::SelfTest { reason, .. }) => reason,
            other => panic!("expected a failed self-test, found {other:?}"),
        }
    };
    assert!(refusal(&yolox(|_| [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0])).contains("every score is exactly 0"));
    assert!(refusal(&yolox(|_| [0.5, 0.5, f32::NAN, 0.0, 0.1, 0.1, 0.1])).contains("NaN"));
    assert!(refusal(&yolox(|_| [0.5, 0.5, 0.0, 0.0, 7.5, 0.1, 0.1])).contains("7.5"));
}

#[test]
fn what_cannot_be_used_is_refused_with_what_was_found_and_what_to_do() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let strange = Model::new(&[1, 3, 64, 64], vec![("maps", vec![1, 7, 4, 4], vec![0.1; 112])]);
    let nameless = yolox(|_| [0.5, 0.5, 0.0, 0.0, 0.1, 0.1, 0.1]);
    let sound = Model::new(&[1, 128], vec![("output", vec![1, 4], vec![0.0; 4])]);
    let cases = [
        ("missing", dir.path().join("missing.onnx").display().to_string(), vec![]),
        ("text", write("text.onnx", b"not a model\n"), vec![]),
        ("lfs", write("lfs.onnx", b"version https://git-lfs.github.com/spec/v1\n"), vec![]),
        ("cut", write("cut.onnx", &yolov8().bytes()[..300]), vec![]),
        ("strange", write("strange.onnx", &strange.bytes()), vec![]),
        ("nameless", write("nameless.onnx", &nameless.bytes()), vec![]),
        ("sound", write("sound.onnx", &sound.bytes()), vec![]),
        ("family", write("v8.onnx", &yolov8().bytes()), vec!["--family", "yolox"]),
        ("provider", write("v8b.onnx", &yolov8().bytes()), vec!["--provider", "cann"]),
        ("threshold", write("v8c.onnx", &yolov8().bytes()), vec!["--threshold", "40"]),
    ];
    for (name, model, extra) in cases {
        let arguments = [&["detect", "--model", &model], extra.as_slice(), &["picture.jpg"]].concat();
        let output = vedette(&library, &arguments);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(output.stdout.is_empty());
        let text = String::from_utf8(output.stderr).unwrap().replace(&dir.path().display().to_string(), "[DIR]");
        // Log lines carry the time; what counts is the last word.
        let last_word = text.find("vedette: ").map_or("", |at| &text[at..]);
        insta::assert_snapshot!(format!("refused_{name}"), last_word);
    }
}

#[test]
fn a_provider_that_is_not_there_is_reported_and_not_hidden() {
    if !load() {
        return;
    }
    let (_dir, path) = written(&yolov8());
    let wanted = ProviderChoice::One(Provider::Cann);
    let tolerant = open(&Settings { provider: wanted, ..settings(&path) }).unwrap();
    let report = tolerant.provider();
    assert_eq!((report.asked, report.obtained), (wanted, Provider::Cpu));
    assert!(report.attempts[0].refusal.as_deref().unwrap().contains("built without"));
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(tolerant.facts().provider, "cpu");
    let strict = open(&Settings { provider: wanted, required: true, ..settings(&path) });
    assert!(matches!(strict, Err(DetectError::Provider { .. })), "{strict:?}");
}

#[test]
fn a_missing_runtime_says_where_it_was_looked_for() {
    let output = vedette(Path::new("/nowhere/libonnxruntime.so"), &["detect", "--model", "m.onnx", "p.jpg"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    insta::assert_snapshot!("missing_runtime", text);
}

#[test]
fn a_library_that_is_not_onnx_runtime_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("libonnxruntime.so");
    std::fs::write(&path, "not a library").unwrap();
    let output = vedette(&path, &["detect", "--model", "m.onnx", "p.jpg"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("cannot be loaded") && text.contains("named in VEDETTE_ORT"), "{text}");
}

#[test]
fn an_unreadable_picture_costs_the_others_nothing_but_is_told() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let (dir, model) = written(&yolov8());
    image::RgbImage::new(256, 128).save(dir.path().join("good.png")).unwrap();
    std::fs::write(dir.path().join("bad.jpg"), [0xff, 0xd8, 0xff, 0xe0, 1, 2, 3]).unwrap();
    let seen = dir.path().join("seen");
    let text = |path: &Path| path.display().to_string();
    let arguments = ["detect", "--model", &text(&model), "--annotate", &text(&seen), &text(dir.path())];
    let output = vedette(&library, &arguments);
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("bad.jpg") && log.contains("1 of 2 inputs"), "{log}");
    let [record] = &json_lines(&output)[..] else { panic!("one picture is readable") };
    let expected = serde_json::json!({
        "source": text(&dir.path().join("good.png")), "frame": 0, "pts_ms": 0, "width": 256, "height": 128,
        "detections": [{"label": "dog", "class": 1, "score": 0.9, "box": [32.0, 32.0, 96.0, 96.0]}],
    });
    assert_eq!(*record, expected);
    assert!(seen.join("good-000000.jpg").exists());
}

#[test]
fn a_worker_looks_at_every_camera_and_survives_a_panic() {
    if !load() {
        return;
    }
    let (_dir, path) = written(&yolov8());
    let clock = SystemClock::shared();
    let detector = Detector::open(&settings(&path), clock.clone()).unwrap();
    let (sender, results) = mpsc::channel();
    let callback = move |camera: CameraKey, frame: Frame, seen: &[Detection], _| {
        sender.send((camera, frame.seq, seen.len())).unwrap();
        assert!(frame.seq != 13, "unlucky");
    };
    let worker = Worker::start(0, detector, Box::new(callback)).unwrap();
    let submit = |camera: u32, seq: u64| {
        let mut frame = grey(128, 64);
        frame.seq = seq;
        worker.submit(CameraKey(camera), frame, clock.mono())
    };
    for (camera, seq) in [(1, 13), (2, 1), (1, 14)] {
        let replaced = submit(camera, seq);
        assert!(replaced.is_none());
        let seen = results.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(seen, (CameraKey(camera), seq, 1));
    }
    // The last result is out a moment before the look is counted.
    assert!(worker.is_alive());
    let (mut total, deadline) = (worker.take_report(), clock.mono() + Duration::from_secs(60));
    while total.looked + total.failed < 3 && clock.mono() < deadline {
        std::thread::yield_now();
        let more = worker.take_report();
        total.looked += more.looked;
        total.failed += more.failed;
    }
    assert_eq!((total.looked, total.failed), (2, 1));
    assert_eq!(total.last_failure.as_deref(), Some("panic: unlucky"));
    drop(worker);
    assert!(results.recv_timeout(Duration::ZERO).is_err());
}

/// A clock on which a detector's thread hangs, as in a driver that does not come back, while it is held.
#[derive(Default)]
struct Held {
    seconds: AtomicU64,
    /// How often the detector's thread has asked since it was held. The first time is before the inference.
    asked: Mutex<Option<u64>>,
    changed: Condvar,
}

impl Held {
    fn hold(&self, held: bool) {
        *self.asked.lock().unwrap() = held.then_some(0);
        self.changed.notify_all();
    }

    /// Waits until the detector's thread hangs.
    fn await_hang(&self) {
        let asked = self.asked.lock().unwrap();
        drop(self.changed.wait_while(asked, |asked| asked.is_some_and(|n| n < 2)).unwrap());
    }
}

impl Clock for Held {
    fn mono(&self) -> Duration {
        if std::thread::current().name().is_some_and(|name| name.starts_with("detect-")) {
            let mut asked = self.asked.lock().unwrap();
            if let Some(times) = asked.as_mut() {
                *times += 1;
                self.changed.notify_all();
            }
            drop(self.changed.wait_while(asked, |asked| asked.is_some_and(|n| n >= 2)).unwrap());
        }
        Duration::from_secs(self.seconds.load(Ordering::SeqCst))
    }

    fn unix_nanos(&self) -> i64 {
        0
    }

    fn is_synchronised(&self) -> bool {
        true
    }
}

#[test]
fn an_inference_that_does_not_come_back_is_noticed_and_holds_up_nobody_who_lets_go_of_it() {
    if !load() {
        return;
    }
    let (_dir, path) = written(&yolov8());
    let clock = Arc::new(Held::default());
    let detector = Detector::open(&settings(&path), clock.clone()).unwrap();
    let (sender, results) = mpsc::channel();
    let worker = Worker::start(0, detector, Box::new(move |_, frame, _, _| sender.send(frame.seq).unwrap())).unwrap();
    let overdue_at = |seconds| worker.overdue(Duration::from_secs(seconds));
    let submit = |worker: &Worker| assert!(worker.submit(CameraKey(1), grey(128, 64), Duration::ZERO).is_none());

    clock.hold(true);
    submit(&worker);
    clock.await_hang();
    assert_eq!((overdue_at(299), overdue_at(301)), (None, Some(Duration::from_secs(301))), "the first may compile");
    assert!(worker.is_alive(), "the thread itself is there, and says nothing");
    clock.hold(false);
    results.recv_timeout(Duration::from_secs(60)).unwrap();
    // The result is out a moment before the look is over.
    while worker.take_report().looked == 0 {
        std::thread::yield_now();
    }
    assert_eq!(overdue_at(301), None);

    clock.hold(true);
    submit(&worker);
    clock.await_hang();
    assert_eq!((overdue_at(29), overdue_at(31)), (None, Some(Duration::from_secs(31))));
    let began = SystemClock.mono();
    drop(worker);
    let took = SystemClock.mono() - began;
    assert!(took < Duration::from_secs(20), "letting go of it took {took:?}");
    clock.hold(false);
}
