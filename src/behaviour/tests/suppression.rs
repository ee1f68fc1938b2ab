//! Where nothing is raised for a while, and what never moved.

use std::time::Duration;

use super::super::*;
use super::scene::*;
use crate::vocab::{Firing, FiringPhase, Measure, Point, Polygon, WallTime};

/// Where the hedge stands.
const HEDGE: [[f32; 2]; 4] = [[0.1, 0.4], [0.3, 0.4], [0.3, 0.6], [0.1, 0.6]];

fn hedge(seconds: u64) -> Suppression {
    Suppression {
        id: id("hedge"),
        rules: Vec::new(),
        labels: Vec::new(),
        region: Polygon::new(HEDGE.map(Point::from).to_vec()).unwrap(),
        until: WallTime::from_unix_nanos(NOON).plus(Duration::from_secs(seconds)),
        reason: "a hedge in the wind".to_owned(),
    }
}

fn yard(entry: Suppression) -> Scene {
    let scene = Scene::new(10.0).zone("yard", WHOLE).line("gate", [0.5, 0.0], [0.5, 1.0]);
    scene.rule(intrusion("in", "yard")).rule(loitering("hang", "yard", 2)).settings(|s| s.suppress.push(entry))
}

fn told(said: &[Firing]) -> Vec<String> {
    said.iter().filter(|f| f.phase != FiringPhase::Update).map(line).collect()
}

fn held_back(rules: &Rules) -> Vec<(String, u64)> {
    rules.suppressed().map(|entry| (entry.id.to_string(), entry.count)).collect()
}

#[test]
fn what_stands_in_the_region_is_not_raised_but_counted() {
    let (said, rules) = yard(hedge(600)).add(person(1).stands((0.2, 0.5), 10.0)).play_all();
    assert_eq!(told(&said), Vec::<String>::new());
    assert!(said.is_empty(), "no update of what was not raised");
    assert_eq!(held_back(&rules), [("hedge".to_owned(), 2)], "each rule's start");
    let last = rules.suppressed().next().unwrap().last.unwrap();
    assert_eq!(last.to_rfc3339(), "2026-11-23T12:00:02.000Z");
}

#[test]
fn whoever_walks_out_of_the_region_is_raised_then_and_ends_once() {
    let walker = person(1).stands((0.2, 0.5), 5.0).walks((0.8, 0.5), 3.0).stands((0.8, 0.5), 3.0);
    let (said, rules) = yard(hedge(600)).add(walker).play_all();
    let spans = spans(&said, "in");
    assert_eq!(spans.len(), 1);
    assert!((5.0..7.0).contains(&spans[0].1), "raised once he is out of it: {spans:?}");
    assert_eq!(told(&said).len(), 4, "{:?}", told(&said));
    assert_eq!(held_back(&rules), [("hedge".to_owned(), 2)]);
}

#[test]
fn an_entry_that_expires_lets_go_of_what_is_still_there() {
    let (said, _) = yard(hedge(20)).add(person(1).stands((0.2, 0.5), 30.0)).play_all();
    let spans = spans(&said, "in");
    assert_eq!(spans.len(), 1);
    assert!((20.0..22.0).contains(&spans[0].1), "{spans:?}");
    // And what is expired already holds nothing back.
    let (said, rules) = yard(hedge(0)).add(person(1).stands((0.2, 0.5), 5.0)).play_all();
    assert_eq!(told(&said)[0], "start in #1 @0.0");
    assert_eq!(held_back(&rules), [("hedge".to_owned(), 0)]);
}

#[test]
fn an_entry_is_about_its_rules_and_labels_only() {
    let entry = Suppression { rules: vec![id("hang")], labels: vec!["person".to_owned()], ..hedge(600) };
    let scene = yard(entry).add(person(1).stands((0.2, 0.5), 5.0)).add(car(2).stands((0.2, 0.5), 5.0));
    let (said, _) = scene.play_all();
    let starts: Vec<String> = told(&said).into_iter().filter(|said| said.starts_with("start")).collect();
    assert_eq!(starts, ["start in #1 @0.0", "start in #2 @0.0", "start hang #2 @2.0"]);
}

#[test]
fn the_point_that_counts_is_that_of_the_rules_place() {
    // The foot is below the hedge, the middle of the body before it.
    let stands = || person(1).stands((0.2, 0.65), 5.0);
    let (said, _) = yard(hedge(600)).add(stands()).play_all();
    assert_eq!(told(&said)[0], "start in #1 @0.0");
    let by_centre = Scene::new(10.0).zone_by("yard", WHOLE, Anchor::Centre).rule(intrusion("in", "yard"));
    let (said, _) = by_centre.settings(|s| s.suppress.push(hedge(600))).add(stands()).play_all();
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn a_crossing_in_the_region_is_held_back_and_the_count_of_a_zone_never() {
    let gate = Polygon::new([[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]].map(Point::from).to_vec()).unwrap();
    let scene = Scene::new(10.0).zone("yard", WHOLE).line("gate", [0.5, 0.0], [0.5, 1.0]);
    let scene = scene.rule(crossing("pass", "gate", Direction::Any)).rule(occupancy("visit", "yard", 1, 0));
    let scene = scene.settings(|s| s.suppress.push(Suppression { region: gate, ..hedge(600) }));
    let (said, rules) = scene.add(person(1).stands((0.3, 0.5), 1.0).walks((0.7, 0.5), 2.0)).play_all();
    assert!(told(&said).iter().all(|said| said.contains("visit")), "{:?}", told(&said));
    assert_eq!(held_back(&rules), [("hedge".to_owned(), 1)]);
    assert_eq!(rules.counts().nth(1).unwrap().right_to_left, 1, "it is counted all the same");
}

fn moved(min_travel: f32) -> Scene {
    let rule = Rule { min_travel, ..intrusion("in", "yard") };
    Scene::new(10.0).zone("yard", WHOLE).rule(rule)
}

#[test]
fn a_poster_is_never_told_and_neither_is_its_next_number() {
    let poster = person(1).jitter(0.04).stands((0.3, 0.5), 60.0).hides((0.3, 0.5), 5.0);
    let again = person(2).jitter(0.04).waits(80.0).stands((0.3, 0.5), 60.0);
    assert_eq!(moved(0.3).add(poster.clone()).add(again.clone()).play(), Vec::<String>::new());
    assert_eq!(moved(0.0).add(poster).add(again).play()[0], "start in #1 @0.0", "without the condition it is");
}

#[test]
fn a_poster_of_which_the_half_is_seen_for_a_while_has_not_moved() {
    let half = |actor: Actor| actor.turns((0.3, 0.45), (0.06, 0.1), 0.0).stands((0.3, 0.45), 2.0);
    let whole = |actor: Actor| actor.turns((0.3, 0.5), (0.06, 0.2), 0.0).stands((0.3, 0.5), 2.0);
    let poster = whole(half(whole(half(person(1).stands((0.3, 0.5), 5.0)))));
    assert_eq!(moved(0.3).add(poster).play(), Vec::<String>::new());
}

#[test]
fn whoever_walks_in_and_stands_still_is_told_with_how_far_he_has_come() {
    let walker = person(1).stands((0.1, 0.5), 0.1).walks((0.4, 0.5), 2.0).stands((0.4, 0.5), 60.0);
    let (said, _) = moved(0.3).add(walker).play_all();
    assert_eq!(told(&said).len(), 2);
    assert!((0.1..1.0).contains(&said[0].at.as_secs_f64()), "{:?}", told(&said));
    let travel = said[0].measures.iter().find(|m| m.name == Measure::TRAVEL).unwrap();
    assert!(travel.value >= 0.3 && travel.limit == Some(0.3), "{travel:?}");
}

#[test]
fn whoever_comes_straight_at_the_camera_has_moved() {
    // The head stays at the height of the horizon, the feet come down, and the box grows.
    let comes = person(1).size(0.04, 0.12).stands((0.5, 0.52), 0.1).turns((0.5, 0.8), (0.13, 0.4), 4.0);
    assert_eq!(moved(0.3).add(comes.stands((0.5, 0.8), 2.0)).play().len(), 2);
}
