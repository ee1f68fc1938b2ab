//! What reading the outputs of each family costs on a crowded frame: processor time of decoding and suppression.
//!
//! The outputs come from small models that hold a crowd in the family's own way (the same that tests use): 100 people, each
//! seen by nine cells, among about 8400 candidates. The detector measures its stages with the clock that it is given, which
//! here is the thread's processor time, so that a busy machine does not spoil it. Needs ONNX Runtime (`VEDETTE_ORT`); says
//! so and measures nothing without it. The limit is 0.5 ms.

#![expect(clippy::print_stderr, reason = "a bench has no log, and that it was skipped must be seen")]

#[allow(clippy::unwrap_used, dead_code, reason = "written for tests, which use more of it")]
#[path = "../tests/it/support/heads.rs"]
mod heads;
#[allow(dead_code, reason = "written for tests, which use more of it")]
#[path = "../tests/it/support/onnx.rs"]
mod onnx;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use heads::{FastestForm, Object, Scene};
use onnx::Model;
use rustix::time::{ClockId, clock_gettime};
use vedette::base::clock::{Clock, SystemClock};
use vedette::detect::{
    COCO, Detector, Family, LabelSource, LibrarySearch, Provider, ProviderChoice, Settings, runtime,
};
use vedette::vocab::{Frame, Id};

/// Measures the processor time of this thread.
struct ThreadClock;

impl Clock for ThreadClock {
    fn mono(&self) -> Duration {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
    }

    fn unix_nanos(&self) -> i64 {
        SystemClock.unix_nanos()
    }

    fn is_synchronised(&self) -> bool {
        SystemClock.is_synchronised()
    }
}

/// 100 people in rows of ten over an input of this size, the nearer ones larger; each seen by the nine cells around its
/// middle, most confidently by that in the middle.
fn crowd(width: usize, height: usize) -> Vec<Object> {
    let (across, down) = (width as f32 / 640.0, height as f32 / 640.0);
    let mut objects = Vec::new();
    for person in 0..100 {
        let (column, row) = ((person % 10) as f32, (person / 10) as f32);
        let (w, h) = ((26.0 + 2.0 * row) * across, (52.0 + 4.0 * row) * down);
        let (x, y) = ((36.0 + 62.0 * column) * across, (40.0 + 60.0 * row) * down);
        for cell in 0..9 {
            let (dx, dy) = ((cell % 3) as f32 - 1.0, (cell / 3) as f32 - 1.0);
            let (cx, cy) = (x + 6.0 * across * dx, y + 6.0 * down * dy);
            let score = 0.85 - 0.3 * (dx.abs() + dy.abs()) - 0.001 * person as f32;
            objects.push(Object { class: 0, score, edges: [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0] });
        }
    }
    objects
}

/// A family's way of writing a scene.
type Head = fn(&Scene<'_>) -> Model;

/// Each family with the size of input at which it has about 8400 candidates, and its number of classes.
const FAMILIES: [(&str, usize, usize, usize, Head); 28] = [
    ("yolox", 640, 640, 80, |scene| heads::yolox(scene, false)),
    ("yolox-decoded", 640, 640, 80, |scene| heads::yolox(scene, true)),
    ("yolov5", 384, 352, 80, |scene| heads::yolov5(scene, false)),
    ("yolov5-lite", 384, 352, 80, heads::yolov5_lite),
    ("yolov5-grids", 384, 352, 80, |scene| heads::yolov5_grids(scene, &heads::V5_ANCHORS, true, true)),
    ("yolov7-grids", 384, 352, 80, |scene| heads::yolov5_grids(scene, &heads::V7_ANCHORS, false, true)),
    ("yolov8", 640, 640, 80, |scene| heads::yolov8(scene, 0)),
    ("yolo-pose", 640, 640, 1, |scene| heads::yolov8(scene, 51)),
    ("end-to-end", 640, 640, 80, |scene| heads::end_to_end(scene, 0)),
    ("rt-detr", 640, 640, 80, |scene| heads::rt_detr(&first(scene, 300))),
    ("rt-detr-raw", 640, 640, 80, |scene| heads::rt_detr_raw(&first(scene, 300))),
    ("rt-detr-rows", 640, 640, 80, heads::rt_detr_rows),
    ("rf-detr", 640, 640, 80, |scene| heads::rf_detr(&first(scene, 300))),
    ("nanodet", 640, 640, 80, heads::nanodet),
    ("nanodet-plus", 640, 640, 80, heads::nanodet_plus),
    ("picodet", 640, 640, 80, heads::picodet),
    ("picodet-rows", 640, 640, 80, heads::paddle_rows),
    ("ppyoloe-rows", 640, 640, 80, heads::paddle_rows),
    ("ssd-mobilenet", 640, 640, 80, |scene| heads::ssd_mobilenet(&first(scene, 100))),
    ("damo-yolo", 640, 640, 80, heads::damo_yolo),
    ("fastestdet", 736, 736, 80, |scene| heads::fastestdet(scene, 8)),
    ("yolo-fastest-v2", 768, 736, 80, |scene| heads::yolo_fastest(scene, FastestForm::Maps)),
    ("ultraface", 448, 320, 1, |scene| heads::ultraface(scene, false)),
    ("ultraface-raw", 448, 320, 1, |scene| heads::ultraface(scene, true)),
    ("yunet", 640, 640, 1, heads::yunet),
    ("scrfd", 448, 448, 1, |scene| heads::scrfd(scene, false, true)),
    ("centernet", 368, 368, 80, |scene| heads::centernet(scene, true)),
    ("centerface", 368, 368, 1, heads::centerface),
];

/// The first objects of a scene, for families whose outputs hold no more.
fn first<'a>(scene: &Scene<'a>, count: usize) -> Scene<'a> {
    Scene { objects: &scene.objects[..count], ..*scene }
}

/// Opens the model as the agent does, with the score below which nothing helps its tracker.
fn open(family: &str, model: &Model, size: (u32, u32)) -> Detector {
    let folder = tempfile::tempdir().expect("a folder for the model");
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, model.bytes()).expect("the model can be written");
    // Families that leave the names open get COCO's; where the model has one class it names it itself.
    let classless = ["end-to-end", "rt-detr", "picodet-rows", "ppyoloe-rows"].contains(&family);
    let settings = Settings {
        provider: ProviderChoice::One(Provider::Cpu),
        threshold: 0.1,
        family: Some(family.parse::<Family>().expect("the name of a family")),
        labels: classless.then(|| LabelSource::Names(COCO.map(String::from).to_vec())),
        input: Some(size),
        ..Settings::new(Id::new("bench").expect("an id"), path)
    };
    Detector::open(&settings, Arc::new(ThreadClock)).unwrap_or_else(|error| panic!("{family}: {error}"))
}

fn crowded(c: &mut Criterion) {
    let library = std::env::var_os("VEDETTE_ORT").map(PathBuf::from).filter(|path| path.exists());
    let Some(library) = library else {
        eprintln!("SKIPPED: needs VEDETTE_ORT");
        return;
    };
    runtime::load(&LibrarySearch { from_env: Some(library), ..LibrarySearch::default() }).expect("ONNX Runtime loads");
    let frame = Frame::from_i420(64, 64, vec![128; 64 * 64 * 3 / 2]).expect("the bytes were made for this size");
    let mut group = c.benchmark_group("decode and suppress a crowd");
    group.sample_size(20);
    for (family, width, height, classes, head) in FAMILIES {
        let objects = crowd(width, height);
        let model = head(&Scene { width, height, classes, objects: &objects });
        let mut detector = open(family, &model, (width as u32, height as u32));
        let mut found = Vec::new();
        detector.detect(&frame, &mut found).expect("the frame is sound");
        eprintln!("{family}: {} seen", found.len());
        group.bench_function(family, |b| {
            b.iter_custom(|times| {
                let mut look = || detector.detect(&frame, &mut found).expect("the frame is sound").decode_us;
                (0..times).map(|_| Duration::from_micros(u64::from(look()))).sum()
            });
        });
    }
}

criterion_group!(benches, crowded);
criterion_main!(benches);
