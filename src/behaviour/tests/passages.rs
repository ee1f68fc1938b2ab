//! Rules about lines and visits: tailgating, journeys, and the same one coming again and again.

use std::time::Duration;

use super::super::*;
use super::scene::*;

fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

/// A door in the middle, which is crossed from left to right by whoever walks to the right.
fn door(fps: f64, direction: Direction) -> Scene {
    let kind = RuleKind::Tailgating { line: id("door"), direction, seconds: seconds(2.0) };
    Scene::new(fps).line("door", [0.5, 1.0], [0.5, 0.0]).rule(rule("tail", kind))
}

/// Walks past the door, coming to it at `at`.
fn passes(number: u64, at: f64, from: (f32, f32), to: (f32, f32)) -> Actor {
    person(number).waits(at - 2.0).stands(from, 0.0).walks(to, 4.0)
}

fn left_to_right(number: u64, at: f64) -> Actor {
    passes(number, at, (0.1, 0.6), (0.9, 0.6))
}

#[test]
fn whoever_follows_too_soon_tailgates() {
    let back = |number, at| passes(number, at, (0.9, 0.6), (0.1, 0.6));
    let table: Vec<(&str, Vec<Actor>, usize)> = vec![
        ("alone", vec![left_to_right(1, 3.0)], 0),
        ("right behind", vec![left_to_right(1, 3.0), left_to_right(2, 4.5)], 1),
        ("side by side", vec![left_to_right(1, 3.0), left_to_right(2, 3.0)], 1),
        ("in time", vec![left_to_right(1, 3.0), left_to_right(2, 5.3)], 0),
        ("three in a row", vec![left_to_right(1, 3.0), left_to_right(2, 4.5), left_to_right(3, 6.0)], 2),
        ("one comes, one goes", vec![left_to_right(1, 3.0), back(2, 4.0)], 0),
        ("with a trolley", vec![left_to_right(1, 3.0), left_to_right(2, 4.0).label(1)], 0),
    ];
    for (what, actors, expected) in table {
        for fps in [3.0, 5.0, 10.0, 25.0] {
            let said = actors.iter().cloned().fold(door(fps, Direction::Any), Scene::add).play();
            assert_eq!(said.len(), expected, "{what}, {fps} fps: {said:?}");
        }
    }
}

#[test]
fn the_one_behind_is_told_with_the_gap_and_only_in_its_direction() {
    let scene = || door(10.0, Direction::LeftToRight).add(left_to_right(1, 3.0)).add(left_to_right(2, 4.0));
    let (firings, _) = scene().play_all();
    assert_eq!(firings[0].track.as_ref().unwrap().id, 2);
    assert!((firings[0].measures[0].value - 1.0).abs() < 0.11 && firings[0].measures[0].limit == Some(2.0));
    let other = door(10.0, Direction::RightToLeft).add(left_to_right(1, 3.0)).add(left_to_right(2, 4.0));
    assert_eq!(other.play(), [""; 0]);
    let mut scene = scene();
    scene = scene.settings(|s| s.rules[0].schedule = Some(Schedule::parse("22:00-06:00").unwrap()));
    assert_eq!(scene.play(), [""; 0]);
}

#[test]
fn nobody_follows_himself() {
    let to_the_door = || person(1).stands((0.1, 0.6), 0.0).walks((0.53, 0.6), 2.0);
    let table = [
        // Lost right behind the line, found before it, and over it again.
        (
            "a new number",
            to_the_door().hides((0.53, 0.6), 0.3).renumbered(2).stands((0.47, 0.6), 0.3).walks((0.9, 0.6), 2.0),
        ),
        ("to and fro", to_the_door().walks((0.4, 0.6), 0.7).walks((0.9, 0.6), 2.0)),
        ("jitter at the line", to_the_door().jitter(0.1).stands((0.5, 0.6), 5.0)),
    ];
    for (what, actor) in table {
        assert_eq!(door(10.0, Direction::Any).add(actor).play(), [""; 0], "{what}");
    }
}

fn street(fps: f64) -> Scene {
    let kind = RuleKind::Journey {
        line: id("in"),
        direction: Direction::Any,
        then: id("out"),
        then_direction: Direction::Any,
        seconds: seconds(10.0),
    };
    Scene::new(fps).line("in", [0.3, 1.0], [0.3, 0.0]).line("out", [0.7, 1.0], [0.7, 0.0]).rule(rule("tour", kind))
}

#[test]
fn a_journey_is_from_the_first_line_to_the_second_in_time() {
    let (start, end) = ((0.1, 0.6), (0.9, 0.6));
    let walks = |lasting| person(1).stands(start, 0.0).walks(end, lasting);
    let table: Vec<(&str, Actor, usize)> = vec![
        ("in time", walks(16.0), 1),
        ("too slow", walks(22.0), 0),
        ("the other way", person(1).stands(end, 0.0).walks(start, 10.0), 0),
        ("only the first", person(1).stands(start, 0.0).walks((0.6, 0.6), 8.0), 0),
        (
            "with a pause",
            person(1).stands(start, 0.0).walks((0.5, 0.6), 4.0).stands((0.5, 0.6), 4.0).walks(end, 4.0),
            1,
        ),
        (
            "under a new number",
            person(1).stands(start, 0.0).walks((0.5, 0.6), 4.0).hides((0.5, 0.6), 0.3).renumbered(2).walks(end, 4.0),
            1,
        ),
        (
            "somebody else",
            person(1).stands(start, 0.0).walks((0.5, 0.6), 4.0).waits(4.0).renumbered(2).walks(end, 4.0),
            0,
        ),
    ];
    for (what, actor, expected) in table {
        for fps in [5.0, 10.0, 25.0] {
            let said = street(fps).add(actor.clone()).play();
            assert_eq!(said.len(), expected, "{what}, {fps} fps: {said:?}");
        }
    }
    let (firings, _) = street(10.0).add(walks(16.0)).play_all();
    assert!((firings[0].measures[0].value - 8.0).abs() < 0.3 && firings[0].measures[0].limit == Some(10.0));
}

#[test]
fn both_directions_of_a_journey_count() {
    let scene = |first, second| {
        street(10.0).settings(|s| {
            if let RuleKind::Journey { direction, then_direction, .. } = &mut s.rules[0].kind {
                (*direction, *then_direction) = (first, second);
            }
        })
    };
    let walks = person(1).stands((0.1, 0.6), 0.0).walks((0.9, 0.6), 8.0);
    use Direction::{LeftToRight, RightToLeft};
    assert_eq!(scene(LeftToRight, LeftToRight).add(walks.clone()).play().len(), 1);
    assert_eq!(scene(RightToLeft, LeftToRight).add(walks.clone()).play().len(), 0);
    assert_eq!(scene(LeftToRight, RightToLeft).add(walks).play().len(), 0);
}

fn left_zone(times: u32) -> Scene {
    let kind = RuleKind::RepeatedPassing { zone: id("left"), at_least: times, seconds: seconds(30.0) };
    Scene::new(10.0).zone("left", LEFT_HALF).rule(rule("again", kind))
}

/// In and out so many times, so many seconds for each.
fn comes(times: u32, each: f64) -> Actor {
    (0..times).fold(person(1), |actor, _| actor.stands((0.8, 0.6), each / 2.0).stands((0.2, 0.6), each / 2.0))
}

#[test]
fn who_comes_again_and_again_in_time_is_told() {
    assert_eq!(left_zone(3).add(comes(3, 6.0)).play().len(), 1);
    assert_eq!(left_zone(3).add(comes(2, 6.0)).play(), [""; 0], "once too few");
    assert_eq!(left_zone(3).add(comes(3, 16.0)).play(), [""; 0], "too seldom");
    assert_eq!(left_zone(3).add(person(1).jitter(0.02).stands((0.5, 0.6), 20.0)).play(), [""; 0], "at the border");
    let moments = comes(2, 6.0).hides((0.2, 0.6), 1.0).stands((0.2, 0.6), 2.0);
    assert_eq!(left_zone(3).add(moments).play(), [""; 0], "unseen for a moment is no new visit");
    let said = left_zone(2).settings(|s| s.rules[0].cooldown = Some(Duration::ZERO)).add(comes(4, 6.0)).play();
    assert_eq!(said.len(), 2, "each two are told once: {said:?}");
    let others = (0..3u64).fold(left_zone(3), |scene, i| {
        scene.add(person(i + 1).waits(i as f64 * 6.0).stands((0.2, 0.6), 3.0).stands((0.8, 0.6), 3.0))
    });
    assert_eq!(others.play(), [""; 0], "three people once each");
}

/// Three come once each, six seconds apart, and stay for three.
fn three() -> Scene {
    (0..3u64).fold(left_zone(3), |scene, i| {
        scene.add(person(i + 1).waits(i as f64 * 6.0).stands((0.2, 0.6), 3.0).stands((0.8, 0.6), 1.0))
    })
}

#[test]
fn who_is_known_again_by_how_he_looks_comes_again_and_again() {
    let known = || three().sees_again(0.5, 1, "p").sees_again(6.5, 2, "p");
    assert_eq!(known().play(), [""; 0], "twice, and somebody else");
    let (firings, _) = known().sees_again(13.0, 3, "p").play_all();
    let told: Vec<String> = firings.iter().map(line).collect();
    assert_eq!(told, ["at once again #3 @13.0"], "found out while he is there");
    assert_eq!((firings[0].measures[0].value, firings[0].measures[0].limit), (3.0, Some(3.0)));
    assert_eq!((firings[0].measures[1].value, firings[0].measures[1].limit), (12.0, Some(30.0)));
    assert_eq!(known().sees_again(15.5, 3, "p").play(), [""; 0], "found out after he had left");
    assert_eq!(known().sees_again(13.0, 3, "q").play(), [""; 0], "another person");
    assert_eq!(known().cut(9.0).sees_again(13.0, 3, "p").play(), [""; 0], "nothing is known from before a cut");
}

#[test]
fn two_who_turn_out_to_be_one_are_one_with_all_that_either_did() {
    // The second is somebody new until a better look says that he is the first.
    let known =
        three().sees_again(0.5, 1, "p").sees_again(6.5, 2, "q").sees_again(12.5, 3, "q").sees_again(13.5, 2, "p");
    assert_eq!(known.play(), ["at once again #3 @13.5"]);
}

#[test]
fn a_journey_goes_on_for_who_is_known_again() {
    let away = || {
        let first = person(1).stands((0.1, 0.6), 0.0).walks((0.5, 0.6), 4.0);
        street(10.0).add(first.waits(3.0).renumbered(2).stands((0.5, 0.6), 1.0).walks((0.9, 0.6), 4.0))
    };
    assert_eq!(away().play(), [""; 0]);
    let known = away().sees_again(1.0, 1, "p").sees_again(7.5, 2, "p");
    assert_eq!(known.play().len(), 1);
    assert_eq!(away().sees_again(1.0, 1, "p").sees_again(11.0, 2, "p").play(), [""; 0], "found out too late");
    assert_eq!(away().sees_again(1.0, 1, "p").sees_again(7.5, 2, "q").play(), [""; 0], "another person");
}
