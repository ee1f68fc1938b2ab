//! Parked objects do not alert again, and what is not parked does.

use std::time::Duration;

use super::super::*;
use super::scene::*;

fn yard() -> Scene {
    Scene::new(5.0).zone("yard", LEFT_HALF).rule(intrusion("in", "yard"))
}

const BAY: (f32, f32) = (0.25, 0.6);
const STREET: (f32, f32) = (0.9, 0.6);

/// A car that is found under a new number every `seen + lost` seconds.
fn flickering(rounds: u64, seen: f64, lost: f64) -> Actor {
    let first = car(1).stands(STREET, 1.0).walks(BAY, 3.0).stands(BAY, seen);
    (0..rounds).fold(first, |car, i| car.waits(lost).renumbered(i + 2).stands(BAY, seen))
}

#[test]
fn a_car_that_flickers_all_night_alerts_once() {
    for (seen, lost) in [(30.0, 20.0), (30.0, 200.0), (12.0, 60.0)] {
        let said = yard().add(flickering(20, seen, lost)).play();
        let starts = said.iter().filter(|s| s.starts_with("start")).count();
        assert_eq!(starts, 1, "seen for {seen} s, lost for {lost} s: {said:?}");
    }
}

#[test]
fn short_glimpses_of_a_car_add_up() {
    let said = yard().add(flickering(30, 2.0, 20.0)).play();
    assert_eq!(said.iter().filter(|s| s.starts_with("start")).count(), 1, "{said:?}");
}

#[test]
fn parked() {
    let enters = || car(1).stands(STREET, 1.0).walks(BAY, 3.0).stands(BAY, 20.0);
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<Actor>, &[&str])> = vec![
        ("the same car, renamed a truck",
            vec![enters(), car(2).label(2).waits(40.0).stands(BAY, 20.0)],
            &["start in #1 @3.0", "end in #1 @23.8 unseen"]),
        ("the same car, hidden behind a lorry under its own number",
            vec![enters().hides(BAY, 15.0).stands(BAY, 20.0)],
            &["start in #1 @3.0", "end in #1 @23.8 unseen"]),
        ("drives off under its new number: it was told of when it came",
            vec![enters(), car(2).waits(40.0).stands(BAY, 20.0).walks(STREET, 3.0)],
            &["start in #1 @3.0", "end in #1 @23.8 unseen"]),
        ("a person where the car was",
            vec![enters(), person(2).size(0.24, 0.12).waits(40.0).stands(BAY, 5.0)],
            &["start in #1 @3.0", "end in #1 @23.8 unseen", "start in #2 @40.0", "end in #2 @44.8 unseen"]),
        ("another car drives to the same place, seen coming",
            vec![enters(), car(2).waits(40.0).stands(STREET, 2.0).walks(BAY, 3.0).stands(BAY, 5.0)],
            &["start in #1 @3.0", "end in #1 @23.8 unseen", "start in #2 @44.0", "end in #2 @49.8 unseen"]),
        ("a car in the next bay",
            vec![enters(), car(2).waits(40.0).stands((BAY.0, BAY.1 + 0.2), 5.0)],
            &["start in #1 @3.0", "end in #1 @23.8 unseen", "start in #2 @40.0", "end in #2 @44.8 unseen"]),
        ("after five minutes it is forgotten",
            vec![enters(), car(2).waits(330.0).stands(BAY, 5.0)],
            &["start in #1 @3.0", "end in #1 @23.8 unseen", "start in #2 @330.0", "end in #2 @334.8 unseen"]),
        ("seen driving off, the place is free",
            vec![enters().walks(STREET, 3.0), car(2).waits(60.0).stands(BAY, 5.0)],
            &["start in #1 @3.0", "end in #1 @25.0 left", "start in #2 @60.0", "end in #2 @64.8 unseen"]),
    ];
    for (what, actors, expected) in table {
        let scene = actors.into_iter().fold(yard(), Scene::add);
        assert_eq!(scene.play(), expected, "{what}");
    }
}

#[test]
fn somebody_new_in_a_doorway_is_told_of_as_soon_as_they_leave_it() {
    let door = (0.2, 0.6);
    let scene = yard()
        .add(person(1).stands(door, 3.0))
        .add(person(2).waits(30.0).stands(door, 2.0).walks((0.4, 0.9), 2.0).stands((0.4, 0.9), 2.0));
    let said = scene.play();
    assert_eq!(said[..2], ["start in #1 @0.0", "end in #1 @2.8 unseen"]);
    assert!(said[2].starts_with("start in #2 @32."), "{said:?}");
}

#[test]
fn a_cut_of_the_stream_does_not_make_a_parked_car_new() {
    let scene = yard().cut(60.0).add(car(1).stands(BAY, 60.0).renumbered(2).stands(BAY, 60.0));
    assert_eq!(scene.play(), ["start in #1 @0.0", "end in #1 @59.8 discontinuity"]);
}

#[test]
fn a_car_that_alerted_last_night_and_never_moved_does_not_alert_tonight() {
    let mut rule = intrusion("in", "yard");
    rule.schedule = Some(Schedule::parse("22:00-06:00").unwrap());
    let scene = Scene::new(0.2).zone("yard", LEFT_HALF).rule(rule).starts("2026-11-23T21:00", "Europe/Berlin");
    let scene = scene.settings(|s| s.presence.grace = Duration::from_secs(20));
    let said = scene.add(car(1).stands(BAY, 30.0 * 3600.0)).play();
    assert_eq!(said, ["start in #1 @3600.0", "end in #1 @32400.0 schedule"]);
}

#[test]
fn a_hidden_loiterer_does_not_loiter_anew_in_the_same_place() {
    let bench = (0.3, 0.5);
    let scene = Scene::new(5.0).zone("yard", LEFT_HALF).rule(loitering("hang", "yard", 10));
    let said = scene.add(person(1).stands(bench, 30.0).waits(20.0).renumbered(2).stands(bench, 30.0)).play();
    assert_eq!(said, ["start hang #1 @10.0", "end hang #1 @29.8 unseen"]);
}

#[test]
fn the_memory_can_be_switched_off() {
    let scene = yard().settings(|s| s.parked.keep = Duration::ZERO);
    let said = scene.add(car(1).stands(BAY, 30.0).waits(20.0).renumbered(2).stands(BAY, 10.0)).play();
    assert_eq!(said.iter().filter(|s| s.starts_with("start")).count(), 2, "{said:?}");
}

#[test]
fn an_hour_in_which_nothing_moved_and_nobody_looked_is_no_time_for_a_parked_car() {
    let scene = Scene::new(1.0).zone("yard", LEFT_HALF).rule(intrusion("in", "yard")).blind(60.0, 3660.0);
    let said = scene.add(car(1).stands(BAY, 60.0).waits(3600.0).renumbered(2).stands(BAY, 60.0)).play();
    assert_eq!(said, ["start in #1 @0.0", "end in #1 @59.0 unseen"]);
}
