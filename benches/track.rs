//! What one step of the tracker costs, with ten objects, with a crowd, and at its limits.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use vedette::track::{Settings, Tracker};
use vedette::vocab::{Detection, MediaTime, Rect};

/// Frames of `objects` that walk to and fro on lanes of their own, ten seconds at 25 a second.
fn frames(objects: usize) -> Vec<Vec<Detection>> {
    let mut chance = fastrand::Rng::with_seed(1);
    let mut frame = |t: f32| -> Vec<Detection> {
        let mut walker = |i: usize| {
            let phase = i as f32 * 0.7;
            let (x, y) = (0.5 + 0.45 * (0.6 * t + phase).sin(), (i as f32 + 0.5) / objects as f32);
            let jitter = 0.002 * (chance.f32() - 0.5);
            let score = 0.5 + 0.5 * chance.f32();
            Detection::new(0, score, Rect::from_centre(x + jitter, y + jitter, 0.04, 0.15))
        };
        (0..objects).map(&mut walker).collect()
    };
    (0..250).map(|i| frame(i as f32 / 25.0)).collect()
}

fn step(criterion: &mut Criterion) {
    for objects in [10, 50, 200] {
        let frames = frames(objects);
        let mut tracker = Tracker::new(Settings::default());
        let mut count = 0u64;
        criterion.bench_function(&format!("track/step of {objects} objects"), |bencher| {
            bencher.iter(|| {
                // To and fro through the recording, so that it never jumps.
                let place = (count % 498) as usize;
                let frame = &frames[if place < 250 { place } else { 498 - place }];
                count += 1;
                black_box(tracker.step(MediaTime::from_millis(40 * count), black_box(frame)).len())
            });
        });
    }
}

criterion_group!(benches, step);
criterion_main!(benches);
