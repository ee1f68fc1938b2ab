//! What one look costs with a real model on one thread: processor time of the whole, wall time of its stages.
//!
//! Needs ONNX Runtime (`VEDETTE_ORT`) and the shared test data; says so and measures nothing without them.

#![expect(clippy::print_stderr, reason = "a bench has no log, and that it was skipped must be seen")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use support::CpuTime;
use vedette::base::clock::SystemClock;
use vedette::detect::{Detector, LibrarySearch, Provider, ProviderChoice, Settings, Timing, runtime};
use vedette::vocab::{Frame, Id};

const MODEL: &str = "models/detect/yolox_nano_416.onnx";

fn detector() -> Option<Detector> {
    let data = std::env::var_os("VEDETTE_TEST_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let model = Some(data.join(MODEL)).filter(|path| path.exists())?;
    let library = std::env::var_os("VEDETTE_ORT").map(PathBuf::from).filter(|path| path.exists())?;
    runtime::load(&LibrarySearch { from_env: Some(library), ..LibrarySearch::default() }).ok()?;
    let name = Id::new("yolox-nano").ok()?;
    let settings = Settings { provider: ProviderChoice::One(Provider::Cpu), ..Settings::new(name, model) };
    Detector::open(&settings, SystemClock::shared()).ok()
}

/// A picture with enough texture that the model sees something everywhere.
fn frame() -> Frame {
    let (w, h) = (768usize, 432usize);
    let bytes = (0..w * h * 3 / 2).map(|i| ((i / 7 % 97) * 2 + (i / (w * 9) % 31)) as u8).collect();
    Frame::from_i420(w as u32, h as u32, bytes).expect("the bytes were made for this size")
}

const STAGES: [&str; 3] =
    ["letterbox 768x432", "inference yolox_nano 416, one thread", "decode and suppress 3549 cells of 80 classes"];

/// In the order of [`STAGES`].
fn micros(timing: Timing) -> [u32; 3] {
    [timing.letterbox_us, timing.infer_us, timing.decode_us]
}

fn stages(c: &mut Criterion) {
    let Some(mut detector) = detector() else {
        eprintln!("SKIPPED: needs VEDETTE_ORT and {MODEL} in the shared test data");
        return;
    };
    let (frame, mut found) = (frame(), Vec::new());
    let mut group = c.benchmark_group("look");
    group.sample_size(20);
    for (at, stage) in STAGES.iter().enumerate() {
        group.bench_function(*stage, |b| {
            b.iter_custom(|times| {
                let mut look = || detector.detect(&frame, &mut found).expect("the frame is sound");
                (0..times).map(|_| Duration::from_micros(u64::from(micros(look())[at]))).sum()
            });
        });
    }
}

fn whole(c: &mut Criterion<CpuTime>) {
    let Some(mut detector) = detector() else { return };
    let (frame, mut found) = (frame(), Vec::new());
    c.bench_function("one look at 768x432, processor time", |b| {
        b.iter(|| detector.detect(&frame, &mut found).expect("the frame is sound"));
    });
}

criterion_group!(wall, stages);
criterion_group! {
    name = processor;
    config = Criterion::default().with_measurement(CpuTime).sample_size(20);
    targets = whole
}
criterion_main!(wall, processor);
