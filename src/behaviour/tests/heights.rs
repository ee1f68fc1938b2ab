//! Rules that ask how high somebody is in metres.

use super::scene::*;
use crate::behaviour::{Fault, Ground, Rule, Settings};
use crate::vocab::{Measure, Point};

/// Four metres up, looking 0.4 rad down, with a focal length of 1.2 heights of the picture. Where a place on the ground, and
/// so many metres above it, is seen.
fn seen([x, y]: [f64; 2], up: f64) -> (f32, f32) {
    let (sin, cos) = 0.4f64.sin_cos();
    let below = 4.0 - up;
    let (down, depth) = (below * cos - y * sin, y * cos + below * sin);
    ((0.5 + 1.2 * x / depth / (16.0 / 9.0)) as f32, (0.5 + 1.2 * down / depth) as f32)
}

fn yard(rule: Rule) -> Scene {
    let metres = [[-2.0, 7.0], [2.0, 7.0], [2.0, 14.0], [-2.0, 14.0]];
    let points = metres.map(|place| seen(place, 0.0)).map(|(x, y)| Point::new(x, y));
    let ground = Ground::new(points, metres).unwrap();
    Scene::new(10.0).picture(1920, 1080).zone("yard", WHOLE).rule(rule).settings(|s| s.ground = Some(ground))
}

/// Somebody so high who stands at a place for a while.
fn stands(track: u64, place: [f64; 2], height: f64) -> Actor {
    let (foot, head) = (seen(place, 0.0), seen(place, height));
    person(track).size(0.04, foot.1 - head.1).stands(foot, 3.0)
}

fn told_of(rule: Rule) -> Vec<String> {
    let near_child = stands(1, [-1.0, 7.2], 1.2);
    let far_adult = stands(2, [1.0, 13.8], 1.7);
    yard(rule).add(near_child).add(far_adult).play().into_iter().filter(|line| line.starts_with("start")).collect()
}

#[test]
fn a_child_near_by_is_smaller_than_an_adult_far_away_although_it_looks_larger() {
    let high = |place, height| seen(place, 0.0).1 - seen(place, height).1;
    assert!(high([-1.0, 7.2], 1.2) > high([1.0, 13.8], 1.7), "in the picture");
    let adults = told_of(Rule { min_height_m: 1.4, ..intrusion("in", "yard") });
    assert!(adults.len() == 1 && adults[0].contains("#2"), "{adults:?}");
    let children = told_of(Rule { max_height_m: Some(1.4), ..intrusion("in", "yard") });
    assert!(children.len() == 1 && children[0].contains("#1"), "{children:?}");
    assert_eq!(told_of(intrusion("in", "yard")).len(), 2);
}

#[test]
fn the_event_says_how_high() {
    let rule = Rule { min_height_m: 1.4, ..intrusion("in", "yard") };
    let (firings, _) = yard(rule).add(stands(1, [0.0, 9.0], 1.8)).play_all();
    let height = firings[0].measures.iter().find(|m| m.name == Measure::HEIGHT_M).unwrap();
    assert!((height.value - 1.8).abs() < 0.05 && height.limit == Some(1.4), "{height:?}");
}

#[test]
fn whose_height_cannot_be_told_is_not_held_back() {
    let rule = Rule { min_height_m: 1.4, ..intrusion("in", "yard") };
    let cut_off = person(1).size(0.1, 0.3).stands((0.5, 1.0), 3.0);
    assert_eq!(yard(rule.clone()).add(cut_off).play()[0], "start in #1 @0.0");
    let settings = Settings { rules: vec![rule], ..Settings::default() };
    assert!(settings.faults(&labels()).iter().any(|fault| matches!(fault, Fault::NoGround { .. })));
}
