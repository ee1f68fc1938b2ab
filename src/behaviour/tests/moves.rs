//! Rules about how one object moves: against the way, too fast, running, standing still, close to a vehicle.

use std::time::Duration;

use super::super::*;
use super::scene::*;
use crate::vocab::{EndReason, FiringPhase, Segment};

const RATES: [f64; 6] = [2.0, 3.0, 5.0, 10.0, 15.0, 25.0];

fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

fn wrong_way(hold: f64) -> Rule {
    let way = Segment { from: [0.1, 0.5].into(), to: [0.9, 0.5].into() };
    rule("way", RuleKind::WrongWay { zone: id("all"), way, seconds: seconds(hold) })
}

fn speed(over_kmh: f32) -> Rule {
    rule("fast", RuleKind::Speed { zone: id("all"), over_kmh, seconds: seconds(0.5) })
}

fn running(over: Speed) -> Rule {
    rule("run", RuleKind::Running { zone: id("all"), over, seconds: seconds(1.0) })
}

fn near_vehicle(within: Distance, hold: f64) -> Rule {
    rule("near", RuleKind::NearVehicle { zone: id("all"), near: Vec::new(), within, seconds: seconds(hold) })
}

fn all(fps: f64, rule: Rule) -> Scene {
    Scene::new(fps).zone("all", WHOLE).rule(rule)
}

/// From `from` to `to` in so many seconds.
fn goes(actor: Actor, from: (f32, f32), to: (f32, f32), seconds: f64) -> Actor {
    actor.stands(from, 0.0).walks(to, seconds)
}

#[test]
fn against_the_way_is_against_the_way() {
    let (left, right) = ((0.1, 0.5), (0.9, 0.5));
    let table: Vec<(&str, Actor, bool)> = vec![
        ("with the way", goes(person(1), left, right, 8.0), false),
        ("against it", goes(person(1), right, left, 8.0), true),
        ("against it, trembling", goes(person(1).jitter(0.04), right, left, 8.0), true),
        ("a car against it", goes(car(1), right, left, 8.0), true),
        ("across", goes(person(1), (0.5, 0.3), (0.5, 0.9), 6.0), false),
        ("slightly back while crossing", goes(person(1), (0.6, 0.3), (0.4, 0.9), 6.0), false),
        ("aslant against it", goes(person(1), (0.9, 0.4), (0.3, 0.7), 6.0), true),
        ("stands and trembles", person(1).jitter(0.05).stands(left, 10.0), false),
        ("hardly moves", goes(person(1), right, (0.8, 0.5), 10.0), false),
        ("a step back", goes(person(1), left, right, 6.0).walks((0.85, 0.5), 0.5).stands((0.85, 0.5), 3.0), false),
        ("is lost for a moment", goes(person(1), right, (0.6, 0.5), 3.0).hides((0.6, 0.5), 0.5).walks(left, 5.0), true),
        (
            "gets a new number",
            goes(person(1), right, (0.6, 0.5), 3.0).hides((0.6, 0.5), 0.2).renumbered(2).walks(left, 5.0),
            true,
        ),
    ];
    for (what, actor, fires) in table {
        let said = all(10.0, wrong_way(1.0)).add(actor).play();
        assert_eq!(said.len(), if fires { 2 } else { 0 }, "{what}: {said:?}");
    }
}

#[test]
fn who_turns_round_begins_then_and_who_turns_back_ends() {
    let actor = goes(person(1), (0.1, 0.5), (0.7, 0.5), 6.0).walks((0.3, 0.5), 4.0).walks((0.9, 0.5), 6.0);
    let (firings, _) = all(10.0, wrong_way(1.0)).add(actor).play_all();
    let found = spans(&firings, "way");
    assert_eq!(found.len(), 1, "{found:?}");
    let (_, start, end, reason) = found[0];
    assert!((7.0..8.2).contains(&start) && (9.9..11.2).contains(&end), "{found:?}");
    assert_eq!(reason, EndReason::Ceased);
}

#[test]
fn a_label_that_is_not_meant_and_a_closed_schedule_are_no_alerts() {
    let back = || goes(person(1), (0.9, 0.5), (0.1, 0.5), 8.0);
    let mut cars = wrong_way(1.0);
    cars.labels = vec!["vehicle".into()];
    assert_eq!(all(10.0, cars).add(back()).play(), [""; 0]);
    let mut night = wrong_way(1.0);
    night.schedule = Some(Schedule::parse("22:00-06:00").unwrap());
    assert_eq!(all(10.0, night.clone()).add(back()).play(), [""; 0]);
    let said = all(10.0, night).starts("2026-11-23T21:59:56", "UTC").add(back()).play();
    assert_eq!(said[0], "start way #1 @4.0", "it has gone against the way already when the schedule opens");
}

#[test]
fn a_speed_is_that_on_the_ground_at_every_frame_rate() {
    // 40 m in 4 s are 36 km/h.
    let drive = || goes(car(1).jitter(0.02), (0.1, 0.5), (0.9, 0.5), 4.0);
    for fps in RATES {
        for (limit, fires) in [(33.0, true), (39.0, false)] {
            let (firings, _) = all(fps, speed(limit)).ground(50.0, 50.0).add(drive()).play_all();
            let found = spans(&firings, "fast");
            assert_eq!(found.len(), usize::from(fires), "{fps} fps, limit {limit}: {found:?}");
        }
    }
    let (firings, _) =
        all(10.0, speed(30.0)).ground(50.0, 50.0).add(goes(car(1), (0.1, 0.5), (0.9, 0.5), 4.0)).play_all();
    let end = firings.iter().find(|f| f.phase == FiringPhase::End).unwrap();
    assert_eq!((end.measures[0].name.as_str(), end.measures[0].limit), ("speed_kmh", Some(30.0)));
    assert!((end.measures[0].value - 36.0).abs() < 0.1, "{end:?}");
}

#[test]
fn people_are_not_what_a_speed_is_about_unless_it_says_so() {
    let sprint = || goes(person(1), (0.1, 0.5), (0.9, 0.5), 4.0);
    assert_eq!(all(10.0, speed(20.0)).ground(50.0, 50.0).add(sprint()).play(), [""; 0]);
    let mut everybody = speed(20.0);
    everybody.labels = vec!["person".into()];
    assert_eq!(all(10.0, everybody).ground(50.0, 50.0).add(sprint()).play().len(), 2);
}

#[test]
fn a_box_that_leaps_for_one_frame_has_no_speed() {
    let leaps = car(1).stands((0.2, 0.5), 2.0).stands((0.6, 0.5), 0.1).stands((0.2, 0.5), 2.0);
    assert_eq!(all(10.0, speed(5.0)).ground(50.0, 50.0).add(leaps).play(), [""; 0]);
}

#[test]
fn running_is_running_with_and_without_a_ground() {
    // Heights of 0.2: 0.32 a second are 1.6 heights. The picture is a square, and 8 m wide: 2.56 m/s are 9.2 km/h.
    for fps in RATES {
        for jitter in [0.0, 0.03] {
            let runs = goes(person(1).jitter(jitter), (0.05, 0.5), (0.95, 0.5), 2.8);
            let walks = goes(person(1).jitter(jitter), (0.05, 0.5), (0.95, 0.5), 5.0);
            let flat = |actor: Actor| all(fps, running(Speed::Heights(1.3))).add(actor).play().len();
            assert_eq!((flat(runs.clone()), flat(walks.clone())), (2, 0), "{fps} fps, jitter {jitter}");
            let plan = |actor: Actor| all(fps, running(Speed::Kmh(8.0))).ground(8.0, 8.0).add(actor).play().len();
            assert_eq!((plan(runs), plan(walks)), (2, 0), "{fps} fps, jitter {jitter}, on the ground");
        }
    }
}

#[test]
fn a_wide_picture_is_not_slower() {
    // The same way in metres: 16 by 9 pictures show it shorter by their width, and heights are heights.
    let runs = goes(person(1), (0.2, 0.5), (0.7, 0.5), 2.8);
    let scene =
        |width, height| all(10.0, running(Speed::Heights(1.3))).picture(width, height).add(runs.clone()).play().len();
    assert_eq!(scene(1000, 1000), 0, "0.89 heights a second");
    assert_eq!(scene(1920, 1080), 2, "1.58 heights a second");
    assert_eq!(scene(640, 360), 2, "whatever its size");
}

#[test]
fn who_loses_his_track_while_running_runs_on() {
    let runs = || goes(person(1), (0.05, 0.5), (0.5, 0.5), 1.4).hides((0.55, 0.5), 0.2);
    let same = runs().walks((0.95, 0.5), 1.4);
    assert_eq!(all(10.0, running(Speed::Heights(1.3))).add(same).play().len(), 2);
}

fn stopped(limit: f64) -> Rule {
    rule("stop", RuleKind::Stopped { zone: id("all"), seconds: seconds(limit) })
}

#[test]
fn a_vehicle_that_stops_is_told_once_and_ends_when_it_moves_off() {
    let at = (0.5, 0.5);
    let table: Vec<(&str, Actor, &[&str])> = vec![
        (
            "stops",
            goes(car(1), (0.1, 0.5), at, 2.0).stands(at, 40.0).walks((0.9, 0.5), 2.0),
            &["start stop", "end stop"],
        ),
        ("trembles", goes(car(1).jitter(0.05), (0.1, 0.5), at, 2.0).stands(at, 40.0), &["start stop", "end stop"]),
        ("not for long enough", goes(car(1), (0.1, 0.5), at, 2.0).stands(at, 28.0).walks((0.9, 0.5), 2.0), &[]),
        ("creeps", goes(car(1), (0.1, 0.5), (0.9, 0.5), 60.0), &[]),
        ("somebody stands there", person(1).stands(at, 60.0), &[]),
        (
            "is lost and found under a new number",
            car(1).stands(at, 40.0).waits(5.0).renumbered(2).stands(at, 60.0),
            &["start stop", "end stop"],
        ),
    ];
    for (what, actor, expected) in table {
        let said = all(5.0, stopped(30.0)).add(actor).play();
        let short: Vec<&str> = said.iter().map(|line| line.split(" #").next().unwrap()).collect();
        assert_eq!(short, expected, "{what}: {said:?}");
    }
    let actor = car(1).stands(at, 40.0).walks((0.95, 0.5), 3.0);
    let (firings, _) = all(5.0, stopped(30.0)).add(actor).play_all();
    let found = spans(&firings, "stop");
    assert_eq!((found[0].1, found[0].3), (30.0, EndReason::Ceased), "{found:?}");
    assert!((40.0..42.0).contains(&found[0].2), "{found:?}");
}

#[test]
fn near_a_vehicle_is_by_body_heights_or_metres() {
    let parked = || car(9).stands((0.5, 0.6), 20.0);
    // The car's box is 0.38..0.62 wide; a body is 0.2 high.
    let table: [(&str, (f32, f32), Distance, bool); 6] = [
        ("at its side", (0.70, 0.6), Distance::Heights(0.8), true),
        ("a little too far", (0.80, 0.6), Distance::Heights(0.8), false),
        ("right before it", (0.5, 0.65), Distance::Heights(0.8), true),
        ("a metre away", (0.72, 0.6), Distance::Metres(1.5), true),
        ("two metres away", (0.82, 0.6), Distance::Metres(1.5), false),
        ("behind it, as a ground tells", (0.5, 0.4), Distance::Metres(1.5), false),
    ];
    for (what, at, within, fires) in table {
        let scene = all(5.0, near_vehicle(within, 3.0)).ground(10.0, 10.0).add(parked());
        let said = scene.add(person(1).jitter(0.01).stands(at, 10.0)).play();
        assert_eq!(said.len(), if fires { 2 } else { 0 }, "{what}: {said:?}");
    }
}

#[test]
fn who_only_passes_a_vehicle_is_not_near_it_and_without_one_nobody_is() {
    let passes = || goes(person(1), (0.05, 0.62), (0.95, 0.62), 4.0);
    let rule = near_vehicle(Distance::Heights(0.3), 3.0);
    assert_eq!(all(10.0, rule.clone()).add(car(9).stands((0.5, 0.6), 20.0)).add(passes()).play(), [""; 0]);
    let stands = person(1).stands((0.5, 0.62), 10.0);
    assert_eq!(all(10.0, rule.clone()).add(person(9).stands((0.5, 0.6), 20.0)).add(stands.clone()).play(), [""; 0]);
    // A vehicle that is hidden for a moment is still there; one that is only predicted begins nothing.
    let hidden = car(9).stands((0.5, 0.6), 5.0).hides((0.5, 0.6), 1.5).stands((0.5, 0.6), 10.0);
    assert_eq!(all(10.0, rule.clone()).add(hidden).add(stands.clone()).play().len(), 2);
    let lost = car(9).stands((0.9, 0.1), 1.0).hides((0.5, 0.6), 20.0);
    assert_eq!(all(10.0, rule).add(lost).add(stands).play(), [""; 0]);
}
