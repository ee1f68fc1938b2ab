//! What one step of all kinds of rules costs, for each track, over 100,000 generated tracks, and how much memory the rules hold
//! after a tenth of them and after all: it must not grow with those that are gone.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use vedette::behaviour::{Direction, Distance, Ground, Line, Rule, RuleKind, Rules, Settings, Speed, Zone};
use vedette::vocab::{Id, Labels, MediaTime, Point, Polygon, Rect, Segment, Track, TrackState, WallTime};

const TRACKS: u64 = 100_000;
const FPS: f64 = 10.0;
/// How long each track is in the picture, in frames.
const LASTING: u64 = 100;

fn id(text: &str) -> Id {
    Id::new(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// One rule of every kind.
fn settings() -> Settings {
    let (zone, near, far) = (|| id("all"), || id("near"), || id("far"));
    let seconds = Duration::from_secs;
    let (within, over, any) = (Distance::Metres(1.5), Speed::Kmh(9.0), Direction::Any);
    let way = Segment { from: Point::new(0.0, 0.5), to: Point::new(1.0, 0.5) };
    let kinds = [
        RuleKind::Intrusion { zone: zone() },
        RuleKind::Loitering { zone: zone(), seconds: seconds(5) },
        RuleKind::LineCrossing { line: near(), direction: any },
        RuleKind::Occupancy { zone: zone(), at_least: 5, seconds: seconds(0) },
        RuleKind::WrongWay { zone: zone(), way, seconds: seconds(1) },
        RuleKind::Speed { zone: zone(), over_kmh: 30.0, seconds: seconds(1) },
        RuleKind::Running { zone: zone(), over, seconds: seconds(1) },
        RuleKind::Stopped { zone: zone(), seconds: seconds(5) },
        RuleKind::Crowding { zone: zone(), at_least: 10, density: 0.1, seconds: seconds(5) },
        RuleKind::Tailgating { line: near(), direction: any, seconds: seconds(2) },
        RuleKind::Fall { zone: zone(), seconds: seconds(1) },
        RuleKind::NearVehicle { zone: zone(), near: Vec::new(), within, seconds: seconds(3) },
        RuleKind::Queue { zone: zone(), at_least: 10, wait: seconds(60), seconds: seconds(5) },
        RuleKind::Journey { line: near(), direction: any, then: far(), then_direction: any, seconds: seconds(60) },
        RuleKind::Gathering { zone: zone(), at_least: 3, within, seconds: seconds(5) },
        RuleKind::Scattering { zone: zone(), at_least: 3, within, over, seconds: seconds(3) },
        RuleKind::RepeatedPassing { zone: zone(), at_least: 3, seconds: seconds(600) },
    ];
    let line = |name, x| Line::new(name, Segment { from: Point::new(x, 0.0), to: Point::new(x, 1.0) });
    let corners = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]].map(Point::from);
    let ground = Ground::new(corners, [[0.0, 0.0], [40.0, 0.0], [40.0, 40.0], [0.0, 40.0]]);
    Settings {
        zones: vec![Zone::new(zone(), Polygon::whole_picture())],
        lines: vec![line(near(), 0.3), line(far(), 0.7)],
        rules: kinds.into_iter().enumerate().map(|(i, kind)| Rule::new(id(&format!("rule-{i}")), kind)).collect(),
        ground: ground.ok(),
        ..Settings::default()
    }
}

/// The tracks of frame `frame`, `together` of them at a time, each of which walks through the picture and is replaced.
fn tracks(frame: u64, together: u64, now: MediaTime) -> Vec<Track> {
    let walker = |lane: u64| {
        let offset = lane * LASTING / together;
        let (turn, age) = ((frame + offset) / LASTING, (frame + offset) % LASTING);
        let number = (turn * together + lane) % TRACKS + 1;
        let mut chance = fastrand::Rng::with_seed(number ^ (frame << 32));
        let x = 0.05 + 0.9 * age as f32 / LASTING as f32 + 0.002 * (chance.f32() - 0.5);
        let foot = 0.2 + 0.8 * (lane as f32 + 0.5) / together as f32;
        let first_seen = now - Duration::from_secs_f64(age as f64 / FPS);
        Track {
            state: if chance.u8(..) < 16 { TrackState::Lost } else { TrackState::Confirmed },
            best_score: 0.9,
            velocity: (0.09, 0.0),
            last_seen: now,
            hits: age as u32 + 1,
            ..Track::new(
                number,
                u16::from(lane.is_multiple_of(5)),
                0.8,
                Rect::new(x - 0.02, foot - 0.15, x + 0.02, foot),
                first_seen,
            )
        }
    };
    (0..together).map(walker).collect()
}

fn step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rules");
    for together in [10u64, 50, 200] {
        let mut rules = Rules::new(settings(), Labels::new(["person", "car"]), TimeZone::UTC);
        rules.set_picture_size(1920, 1080);
        let mut frame = 0u64;
        group.throughput(Throughput::Elements(together));
        group.bench_function(format!("step of all kinds, {together} tracks"), |bencher| {
            bencher.iter_batched(
                || {
                    frame += 1;
                    let now = MediaTime::from_secs_f64(frame as f64 / FPS);
                    (now, tracks(frame, together, now))
                },
                |(now, tracks)| {
                    let wall = WallTime::default().plus(now.since(MediaTime::ZERO));
                    black_box(rules.step(now, wall, black_box(&tracks)).len())
                },
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Shows all tracks to the rules, 50 at a time, and says how much more is resident than before.
#[expect(clippy::print_stdout, reason = "the figure is what it is for")]
fn memory(_: &mut Criterion) {
    const TOGETHER: u64 = 50;
    let before = resident();
    let mut rules = Rules::new(settings(), Labels::new(["person", "car"]), TimeZone::UTC);
    rules.set_picture_size(1920, 1080);
    let (mut firings, mut shown) = (0, 0);
    for (share, name) in [(10, "a tenth"), (1, "all")] {
        let frames = TRACKS / share / TOGETHER * LASTING;
        for frame in shown..frames {
            let now = MediaTime::from_secs_f64(frame as f64 / FPS);
            let wall = WallTime::default().plus(now.since(MediaTime::ZERO));
            firings += rules.step(now, wall, &tracks(frame, TOGETHER, now)).len();
        }
        shown = frames;
        let more = resident().saturating_sub(before) / 1024;
        println!("rules of all kinds: {more} KiB resident after {name} of {TRACKS} tracks, {firings} firings");
    }
}

/// The bytes of this program that are in memory, as Linux says.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 4096
}

criterion_group!(benches, memory, step);
criterion_main!(benches);
