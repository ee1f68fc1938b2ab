//! How long it takes to look at a picture as a whole, to draw the street, and to make a snapshot.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use vedette::decode::street::Street;
use vedette::evidence::{Mark, Settings, Shot, Snapshots};
use vedette::scene::{Background, BackgroundSettings, Scene};
use vedette::vocab::{Frame, MediaTime, Rect};

const SIZES: [(u32, u32); 3] = [(640, 360), (768, 432), (1920, 1080)];
const BOX: Rect = Rect::new(0.4, 0.2, 0.6, 0.9);

/// Eight successive pictures of the street.
fn pictures(width: u32, height: u32) -> Vec<Frame> {
    let street = Street::new(7, width, height, 10.0);
    let draw = |index| {
        let mut bytes = Vec::new();
        street.draw(index, &mut bytes);
        Frame::from_i420(width, height, bytes).expect("the street draws whole pictures")
    };
    (160..168).map(draw).collect()
}

fn look(c: &mut Criterion) {
    let mut group = c.benchmark_group("scene");
    for (width, height) in SIZES {
        let mut pictures = pictures(width, height);
        let (mut scene, mut number) = (Scene::new(vedette::scene::Settings::default()), 0);
        group.bench_function(format!("step {width}x{height}"), |b| {
            b.iter(|| {
                number += 1;
                let frame = &mut pictures[number % 8];
                frame.pts = MediaTime::from_millis(number as u64 * 100);
                scene.step(frame)
            });
        });
        let (mut background, mut number) = (Background::new(BackgroundSettings::default()), 0);
        group.bench_function(format!("background {width}x{height}"), |b| {
            b.iter(|| {
                number += 1;
                let frame = &mut pictures[number % 8];
                frame.pts = MediaTime::from_millis(number as u64 * 100);
                background.step(frame);
            });
        });
    }
}

fn draw(c: &mut Criterion) {
    let mut group = c.benchmark_group("street");
    for (width, height) in SIZES {
        let street = Street::new(7, width, height, 10.0);
        let (mut bytes, mut index) = (Vec::new(), 0);
        group.bench_function(format!("draw {width}x{height}"), |b| {
            b.iter(|| {
                index += 7;
                street.draw(index, &mut bytes);
            });
        });
    }
}

fn snapshot(c: &mut Criterion) {
    let mut group = c.benchmark_group("evidence");
    let settings = Settings::default();
    let frame = &pictures(1920, 1080)[0];
    group.bench_function("keep a copy of 1920x1080", |b| {
        b.iter_batched_ref(
            || Snapshots::new(&settings),
            |shots| shots.consider("episode", (frame, &[]), "person", 0.8, BOX),
            BatchSize::SmallInput,
        );
    });
    let mark = Mark { label: "person".to_owned(), score: 0.8, bbox: BOX };
    let shot = Shot::of(frame, Some(mark), &[], &settings);
    group.bench_function("draw and code a JPEG", |b| b.iter(|| shot.to_jpeg(&settings)));
    group.finish();
}

criterion_group!(benches, look, draw, snapshot);
criterion_main!(benches);
