//! Rules about people together: crowds, queues, gatherings, and groups that run apart.

use std::time::Duration;

use super::super::*;
use super::scene::*;
use crate::vocab::{EndReason, Firing, FiringPhase};

fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

fn all(fps: f64, kind: RuleKind) -> Scene {
    Scene::new(fps).zone("all", WHOLE).rule(rule("r", kind))
}

fn crowding(at_least: u32, density: f32) -> RuleKind {
    RuleKind::Crowding { zone: id("all"), at_least, density, seconds: seconds(5.0) }
}

/// So many people side by side, from 0.1 on, for so long.
fn people(scene: Scene, count: u64, apart: f32, lasting: f64) -> Scene {
    (0..count).fold(scene, |scene, i| scene.add(person(i + 1).stands((0.1 + apart * i as f32, 0.5), lasting)))
}

fn measure(firing: &Firing, name: &str) -> (f64, Option<f64>) {
    firing.measures.iter().find(|m| m.name == name).map(|m| (m.value, m.limit)).unwrap_or_else(|| panic!("{firing:?}"))
}

#[test]
fn a_crowd_is_a_number_or_a_density_for_a_while() {
    let says = |kind, count, lasting| people(all(5.0, kind).ground(4.0, 4.0), count, 0.1, lasting).play().len();
    assert_eq!(says(crowding(5, 0.0), 5, 8.0), 2);
    assert_eq!(says(crowding(5, 0.0), 4, 8.0), 0, "one too few");
    assert_eq!(says(crowding(5, 0.0), 5, 4.0), 0, "not for long enough");
    // Sixteen square metres.
    assert_eq!(says(crowding(0, 0.5), 8, 8.0), 2);
    assert_eq!(says(crowding(0, 0.5), 7, 8.0), 0, "not thick enough");
    assert_eq!(says(crowding(6, 0.5), 6, 8.0), 2, "either will do");
    let without_ground = |count| people(all(5.0, crowding(0, 4.0)), count, 0.1, 8.0).play().len();
    assert_eq!((without_ground(4), without_ground(3)), (2, 0));
}

#[test]
fn a_crowd_says_how_thick_it_is_and_does_not_end_when_one_leaves() {
    let scene = people(all(5.0, crowding(0, 0.5)).ground(4.0, 4.0), 7, 0.1, 20.0);
    let scene = scene.add(person(8).stands((0.9, 0.5), 8.0).waits(4.0).renumbered(9).stands((0.9, 0.5), 8.0));
    let (firings, _) = scene.play_all();
    assert_eq!(measure(&firings[0], "density_m2"), (0.5, Some(0.5)));
    assert_eq!(measure(&firings[0], "count"), (8.0, Some(8.0)));
    assert_eq!(measure(&firings[0], "held_s").1, Some(5.0));
    assert_eq!(spans(&firings, "r").len(), 1, "{firings:?}");
    let cars =
        (0..6).fold(all(5.0, crowding(5, 0.0)), |s, i| s.add(car(i + 1).stands((0.1 + 0.1 * i as f32, 0.5), 9.0)));
    assert_eq!(cars.play(), [""; 0], "cars are no crowd");
}

fn queue(at_least: u32, wait: f64) -> RuleKind {
    RuleKind::Queue { zone: id("all"), at_least, wait: seconds(wait), seconds: seconds(2.0) }
}

#[test]
fn a_queue_is_long_or_slow() {
    let says = |kind, count, lasting| people(all(5.0, kind), count, 0.15, lasting).play().len();
    assert_eq!(says(queue(4, 0.0), 4, 10.0), 2);
    assert_eq!(says(queue(4, 0.0), 3, 10.0), 0, "one too few");
    assert_eq!(says(queue(0, 20.0), 1, 30.0), 2, "one who waits for too long");
    assert_eq!(says(queue(0, 20.0), 3, 19.0), 0, "nobody waits for that long");
    // Those who only walk through do not queue.
    let walkers = (0..12).fold(all(5.0, queue(3, 0.0)), |scene, i| {
        scene.add(person(i + 1).waits(i as f64 * 0.7).stands((0.0, 0.5), 0.0).walks((1.0, 0.5), 2.5))
    });
    assert_eq!(walkers.play(), [""; 0]);
}

#[test]
fn a_queue_tells_its_length_its_wait_and_how_long_others_waited() {
    let scene = all(5.0, queue(2, 15.0))
        .add(person(1).stands((0.2, 0.5), 10.0))
        .add(person(2).stands((0.4, 0.5), 30.0))
        .add(person(3).stands((0.6, 0.5), 30.0));
    let (firings, _) = scene.play_all();
    let start = &firings[0];
    assert_eq!((measure(start, "count"), measure(start, "wait_s").1), ((3.0, Some(2.0)), Some(15.0)));
    let update = firings.iter().rfind(|f| f.phase == FiringPhase::Update).unwrap();
    assert_eq!(measure(update, "count").0, 2.0);
    assert!((measure(update, "served_s").0 - 9.8).abs() < 0.3, "{update:?}");
    let found = spans(&firings, "r");
    assert_eq!((found.len(), found[0].3), (1, EndReason::Ceased), "{found:?}");
}

fn gathering(at_least: u32, within: Distance) -> RuleKind {
    RuleKind::Gathering { zone: id("all"), at_least, within, seconds: seconds(5.0) }
}

#[test]
fn a_gathering_stands_close_for_a_while() {
    // A body is 0.2 high; a picture is 10 m wide.
    let heights = Distance::Heights(0.8);
    let says = |within, count, apart, lasting| {
        people(all(5.0, gathering(4, within)).ground(10.0, 10.0), count, apart, lasting).play().len()
    };
    assert_eq!(says(heights, 4, 0.15, 9.0), 2);
    assert_eq!(says(heights, 3, 0.15, 9.0), 0, "one too few");
    assert_eq!(says(heights, 4, 0.17, 9.0), 0, "not close enough");
    assert_eq!(says(heights, 4, 0.15, 4.0), 0, "not for long enough");
    assert_eq!(says(Distance::Metres(1.5), 4, 0.14, 9.0), 2);
    assert_eq!(says(Distance::Metres(1.5), 4, 0.16, 9.0), 0);
    // Two pairs are no four.
    let pairs = [0.1, 0.2, 0.7, 0.8]
        .into_iter()
        .enumerate()
        .fold(all(5.0, gathering(4, heights)), |scene, (i, x)| scene.add(person(i as u64 + 1).stands((x, 0.5), 9.0)));
    assert_eq!(pairs.play(), [""; 0]);
}

#[test]
fn a_gathering_bridges_gaps_and_ends_when_it_dissolves() {
    let scene = (0..3u64).fold(all(5.0, gathering(3, Distance::Heights(0.8))), |scene, i| {
        let at = (0.4 + 0.1 * i as f32, 0.5);
        let away = (0.1 + 0.4 * i as f32, 0.5);
        scene.add(
            person(i + 1)
                .jitter(0.02)
                .stands(at, 4.0)
                .hides(at, 1.0)
                .stands(at, 7.0)
                .walks(away, 4.0)
                .stands(away, 4.0),
        )
    });
    let (firings, _) = scene.play_all();
    let found = spans(&firings, "r");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!((5.0..6.5).contains(&found[0].1) && (12.0..14.5).contains(&found[0].2), "{found:?}");
    assert_eq!(found[0].3, EndReason::Ceased);
}

fn scattering(at_least: u32) -> RuleKind {
    RuleKind::Scattering {
        zone: id("all"),
        at_least,
        within: Distance::Heights(0.8),
        over: Speed::Heights(1.3),
        seconds: seconds(3.0),
    }
}

/// Four people stand together for five seconds; then `runs` of them go so fast, in heights a second, and so long.
fn flock(fps: f64, runs: u64, speed: f32, together: bool) -> Scene {
    let ways = [(-1.0f32, 0.0f32), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)];
    (0..4u64).fold(all(fps, scattering(3)), |scene, i| {
        let (dx, dy) = if together { ways[1] } else { ways[i as usize] };
        let at = (0.5 + 0.04 * ways[i as usize].0, 0.5 + 0.04 * ways[i as usize].1);
        let far = 2.0 * speed * 0.2 * if i < runs { 1.0 } else { 0.0 };
        scene.add(person(i + 1).jitter(0.01).stands(at, 5.0).walks((at.0 + dx * far, at.1 + dy * far), 2.0))
    })
}

#[test]
fn a_group_that_runs_apart_scatters() {
    for fps in [3.0, 5.0, 10.0, 25.0] {
        let said = flock(fps, 4, 2.0, false).play();
        assert_eq!(said.len(), 1, "{fps} fps: {said:?}");
        assert!(said[0].starts_with("at once r #0 @"), "{said:?}");
        assert_eq!(flock(fps, 3, 2.0, false).play().len(), 1, "{fps} fps: three of them are enough");
        assert_eq!(flock(fps, 2, 2.0, false).play(), [""; 0], "{fps} fps: two of them");
        assert_eq!(flock(fps, 4, 0.8, false).play(), [""; 0], "{fps} fps: they walk");
    }
    // All the same way: those in front run from the middle, those behind towards it.
    assert_eq!(flock(10.0, 1, 2.0, true).play(), [""; 0], "one runs away");
    // People who never stood together.
    let strangers = (0..4u64).fold(all(10.0, scattering(3)), |scene, i| {
        let y = 0.25 + 0.25 * i as f32;
        scene.add(person(i + 1).stands((0.1, y), 0.0).walks((0.9, y), 2.0))
    });
    assert_eq!(strangers.play(), [""; 0]);
}
