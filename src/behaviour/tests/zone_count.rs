//! Occupancy rules: visits, crowds, and detections that drop out.

use std::time::Duration;

use super::super::*;
use super::scene::*;
use crate::vocab::{FiringPhase, Measure};

fn all(fps: f64, at_least: u32, seconds: u64) -> Scene {
    Scene::new(fps).zone("all", WHOLE).rule(occupancy("visit", "all", at_least, seconds))
}

/// Presence of the six people in `one-by-one-person-detection.mp4`, in seconds.
const VISITS: [(f64, f64); 6] = [(6.5, 19.5), (23.0, 45.0), (50.5, 70.0), (74.5, 87.0), (92.5, 120.0), (123.5, 136.0)];

/// Walks across with detections dropping out: seen for 2.3 s, unseen for 0.4 to 1.7 s, and so on; every second gap the
/// tracker finds them under a new number.
fn patchy(number: u64, (from, to): (f64, f64)) -> Actor {
    let mut actor = person(number).waits(from);
    let (mut t, mut n) = (from, 0u32);
    let x = |t: f64| (0.1 + 0.8 * (t - from) / (to - from)) as f32;
    while t < to {
        let seen = 2.3f64.min(to - t);
        actor = actor.stands((x(t), 0.8), 0.0).walks((x(t + seen), 0.8), seen);
        t += seen;
        n += 1;
        let gap = [0.4f64, 1.7, 1.1][n as usize % 3].min(to - t - 0.5);
        if gap > 0.0 {
            actor = actor.hides((0.99, 0.8), gap);
            t += gap;
            if n % 2 == 0 {
                actor = actor.renumbered(number + u64::from(n));
            }
        }
    }
    actor
}

#[test]
fn six_visitors_one_at_a_time_are_six_visits_whatever_the_frame_rate() {
    for (fps, tells_tentative) in [(5.0, true), (10.0, true), (25.0, true), (10.0, false), (25.0, false)] {
        let mut rule = occupancy("visit", "all", 1, 0);
        rule.labels = vec!["person".into()];
        let scene = Scene::new(fps).zone("all", WHOLE).rule(rule).confirm_after(3);
        let scene = if tells_tentative { scene.tells_tentative() } else { scene };
        let scene = VISITS.iter().enumerate().fold(scene, |s, (i, visit)| s.add(patchy(100 * (i as u64 + 1), *visit)));
        let (firings, _) = scene.play_all();
        let found = spans(&firings, "visit");
        assert_eq!(found.len(), 6, "{fps} fps: {found:?}");
        for ((_, start, end, _), (from, to)) in found.iter().zip(VISITS) {
            assert!((start - from).abs() <= 1.0 && (end - to).abs() <= 1.0, "{fps} fps: {start}-{end} for {from}-{to}");
        }
    }
}

/// What, at least, seconds, who, and what is said.
type Row = (&'static str, u32, u64, Vec<Actor>, &'static [&'static str]);

#[test]
fn occupancies() {
    let at = |x: f32| (x, 0.5);
    #[rustfmt::skip]
    let table: Vec<Row> = vec![
        ("one too few", 2, 0,
            vec![person(1).stands(at(0.2), 5.0)],
            &[]),
        ("two together for a while", 2, 0,
            vec![person(1).stands(at(0.2), 10.0), person(2).waits(3.0).stands(at(0.8), 4.0)],
            &["start visit #0 @3.0", "end visit #0 @6.9 unseen"]),
        ("one relieves the other within the grace: there were never fewer, by what is known", 2, 0,
            vec![person(1).stands(at(0.2), 20.0), person(2).stands(at(0.8), 5.0), person(3).waits(6.0).stands(at(0.5), 5.0)],
            &["start visit #0 @0.0", "end visit #0 @10.9 unseen"]),
        ("somebody whose number changes is not counted twice", 2, 0,
            vec![person(1).stands(at(0.2), 5.0).hides(at(0.2), 0.5).renumbered(2).stands(at(0.2), 5.0)],
            &[]),
        ("not for long enough", 1, 5,
            vec![person(1).stands(at(0.2), 4.0)],
            &[]),
        ("for long enough", 1, 5,
            vec![person(1).stands(at(0.2), 8.0)],
            &["start visit #0 @5.0", "end visit #0 @7.9 unseen"]),
        ("the hold begins anew", 1, 5,
            vec![person(1).stands(at(0.2), 4.0).waits(4.0).stands(at(0.2), 4.0)],
            &[]),
    ];
    for (what, at_least, seconds, actors, expected) in table {
        let scene = actors.into_iter().fold(all(10.0, at_least, seconds), Scene::add);
        assert_eq!(scene.play(), expected, "{what}");
    }
}

#[test]
fn the_schedule_opens_and_closes_it() {
    let mut rule = occupancy("visit", "all", 1, 0);
    rule.schedule = Some(Schedule::parse("22:00-22:01").unwrap());
    let scene = Scene::new(2.0).zone("all", WHOLE).rule(rule).starts("2026-11-23T21:59:30", "UTC");
    let said = scene.add(person(1).stands((0.5, 0.5), 120.0)).play();
    assert_eq!(said, ["start visit #0 @30.0", "end visit #0 @90.0 schedule"]);
}

#[test]
fn a_cooldown_is_the_zones() {
    let mut rule = occupancy("visit", "all", 1, 0);
    rule.cooldown = Some(Duration::from_secs(20));
    let visits = |rule: Rule| {
        let scene = Scene::new(10.0).zone("all", WHOLE).rule(rule);
        let actor = person(1).stands((0.5, 0.5), 3.0).waits(5.0).renumbered(2).stands((0.5, 0.5), 3.0);
        scene.add(actor).play().len() / 2
    };
    assert_eq!(visits(rule), 1);
    assert_eq!(visits(occupancy("visit", "all", 1, 0)), 2);
}

#[test]
fn it_tells_how_many_of_what_and_the_most_there_were() {
    let scene = all(10.0, 2, 0)
        .add(person(1).stands((0.2, 0.5), 10.0))
        .add(person(2).stands((0.4, 0.5), 10.0))
        .add(car(3).waits(3.0).stands((0.8, 0.5), 3.0));
    let (firings, _) = scene.play_all();
    let told: Vec<(FiringPhase, Vec<Measure>)> = firings.into_iter().map(|f| (f.phase, f.measures)).collect();
    let count = |n| Measure::against("count", n, 2.0);
    let people = |n| Measure::plain("count.person", n);
    assert_eq!(told[0], (FiringPhase::Start, vec![count(2.0), people(2.0)]));
    assert_eq!(told[1], (FiringPhase::Update, vec![count(3.0), people(2.0), Measure::plain("count.car", 1.0)]));
    assert_eq!(told[2], (FiringPhase::Update, vec![count(2.0), people(2.0)]));
    assert_eq!(told[3].1[1], Measure::plain("peak", 3.0));
}

#[test]
fn a_small_or_unsure_object_does_not_count() {
    let mut rule = occupancy("visit", "all", 1, 0);
    (rule.min_height, rule.min_score) = (0.15, 0.5);
    let play = |actor: Actor| Scene::new(10.0).zone("all", WHOLE).rule(rule.clone()).add(actor).play().len();
    assert_eq!(play(person(1).size(0.03, 0.1).stands((0.5, 0.5), 3.0)), 0);
    assert_eq!(play(person(1).score(0.4).stands((0.5, 0.5), 3.0)), 0);
    assert_eq!(play(person(1).stands((0.5, 0.5), 3.0)), 2);
}
