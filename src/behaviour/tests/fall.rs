//! Falls and what looks like one.

use std::time::Duration;

use super::super::*;
use super::scene::*;
use crate::vocab::{EndReason, Firing, FiringPhase, Measure};

fn hall(fps: f64, hold: f64) -> Scene {
    let fall = RuleKind::Fall { zone: id("all"), seconds: Duration::from_secs_f64(hold) };
    Scene::new(fps).zone("all", WHOLE).rule(rule("fall", fall))
}

const AT: (f32, f32) = (0.5, 0.9);

/// How many falls are told. Those whose end is not seen end after ten seconds, when these plays are over.
fn told(scene: Scene) -> usize {
    scene.play().iter().filter(|line| line.starts_with("start fall #1 ")).count()
}

/// Somebody who stands for three seconds, 0.2 wide and 0.6 high.
fn stands() -> Actor {
    person(1).size(0.2, 0.6).stands(AT, 3.0)
}

fn falls(actor: Actor) -> Actor {
    actor.turns((0.55, 0.9), (0.45, 0.2), 0.7)
}

#[test]
fn falls_and_what_is_none() {
    let table: Vec<(&str, Actor, usize)> = vec![
        ("falls and lies", falls(stands()).stands((0.55, 0.9), 6.0), 1),
        ("falls and lies, trembling", falls(stands().jitter(0.03)).stands((0.55, 0.9), 6.0), 1),
        ("falls and is not seen any more", falls(stands()), 1),
        (
            "falls while he walks",
            falls(person(1).size(0.2, 0.6).stands((0.2, 0.9), 0.0).walks(AT, 3.0)).stands((0.55, 0.9), 5.0),
            1,
        ),
        ("topples from a chair", person(1).size(0.25, 0.42).stands(AT, 3.0).turns((0.35, 0.9), (0.4, 0.3), 0.7), 1),
        ("falls, is lost and found again", falls(stands()).hides((0.55, 0.9), 1.0).stands((0.55, 0.9), 5.0), 1),
        ("sits down on a chair", stands().turns(AT, (0.26, 0.44), 1.0).stands(AT, 6.0), 0),
        ("lies down slowly", stands().turns((0.55, 0.9), (0.45, 0.2), 6.0).stands((0.55, 0.9), 6.0), 0),
        ("bends down and rises", stands().turns(AT, (0.35, 0.33), 0.5).turns(AT, (0.2, 0.6), 0.5).stands(AT, 3.0), 0),
        ("falls and gets up at once", falls(stands()).turns(AT, (0.2, 0.6), 0.6).stands(AT, 3.0), 0),
        ("walks away", stands().turns((0.5, 0.5), (0.07, 0.2), 8.0), 0),
        ("has lain there all the time", person(1).size(0.45, 0.2).stands(AT, 10.0), 0),
        ("only his legs are hidden", stands().turns((0.5, 0.6), (0.2, 0.3), 0.3).stands((0.5, 0.6), 5.0), 0),
        ("a car that turns", car(1).size(0.2, 0.6).stands(AT, 3.0).turns(AT, (0.45, 0.2), 0.7).stands(AT, 6.0), 0),
        ("leaves by the side, half hidden", stands().turns((0.95, 0.9), (0.1, 0.25), 1.0), 0),
    ];
    for (what, actor, falls) in table {
        for fps in [5.0, 10.0, 25.0] {
            assert_eq!(told(hall(fps, 0.7).add(actor.clone())), falls, "{what}, {fps} fps");
        }
    }
}

#[test]
fn it_is_told_a_second_after_the_fall_and_ends_when_he_gets_up() {
    let actor = falls(stands()).stands((0.55, 0.9), 6.0).turns(AT, (0.2, 0.6), 1.5).stands(AT, 3.0);
    for fps in [5.0, 10.0, 25.0] {
        let (firings, _) = hall(fps, 0.7).add(actor.clone()).play_all();
        let found = spans(&firings, "fall");
        assert_eq!(found.len(), 1, "{fps} fps: {found:?}");
        let (_, start, end, reason) = found[0];
        assert!((3.9..5.0).contains(&start), "{fps} fps: {found:?}");
        assert!((9.7..11.5).contains(&end) && reason == EndReason::Ceased, "{fps} fps: {found:?}");
        assert_eq!(firings[0].measures[0].name, "drop");
        assert!(Some(firings[0].measures[0].value) >= firings[0].measures[0].limit, "{:?}", firings[0].measures);
    }
}

#[test]
fn a_longer_wait_is_for_those_who_stay_down_longer() {
    let kneels = stands().turns(AT, (0.35, 0.3), 0.7).stands(AT, 2.0).turns(AT, (0.2, 0.6), 0.7).stands(AT, 2.0);
    assert_eq!(hall(10.0, 4.0).add(kneels).play(), [""; 0]);
    assert_eq!(told(hall(10.0, 4.0).add(falls(stands()).stands((0.55, 0.9), 8.0))), 1);
    let unseen = hall(10.0, 4.0).add(falls(stands())).at_times((0..300).map(|i| f64::from(i) / 10.0)).play();
    assert!(unseen.len() == 2 && unseen[1].ends_with(" unseen"), "{unseen:?}");
}

#[test]
fn the_schedule_and_the_cut_of_the_stream_hold_for_falls_too() {
    let lies = || falls(stands()).stands((0.55, 0.9), 8.0);
    let scene = hall(10.0, 0.7).settings(|s| s.rules[0].schedule = Some(Schedule::parse("22:00-06:00").unwrap()));
    assert_eq!(scene.add(lies()).play(), [""; 0]);
    let said = hall(10.0, 0.7).cut(6.0).add(lies()).play();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].ends_with("discontinuity"), "{said:?}");
}

/// Somebody whose trunk is upright until he falls at 3 s, and lies at 3.7 s.
fn topples(actor: Actor) -> Actor {
    falls(actor).leans(0.0, 4.0, 0.2).leans(3.0, 4.0, 0.2).leans(3.7, 88.0, 0.2)
}

/// Somebody whose box does not change, whatever he does.
fn boxed() -> Actor {
    person(1).size(0.3, 0.5).stands(AT, 10.0)
}

#[test]
fn falls_by_the_trunk_and_what_is_none() {
    let sits = stands().turns(AT, (0.26, 0.3), 0.7).stands(AT, 6.0);
    let lies = ((0.55, 0.9), 6.0);
    let table: Vec<(&str, Actor, usize)> = vec![
        ("falls and lies", topples(stands()).stands(lies.0, lies.1), 1),
        ("falls, and his keypoints are lost where he lies", topples(stands()).stands(lies.0, lies.1).blurs(4.2), 1),
        ("falls and is not seen any more", topples(stands()).hides(lies.0, 1.0), 1),
        ("falls towards the camera, with a box as before", boxed().leans(3.0, 0.0, 0.2).leans(3.6, 160.0, 0.1), 1),
        (
            "slides down in a box that a desk cuts",
            boxed().leans(0.0, 8.0, 0.2).leans(3.0, 8.0, 0.2).leans(4.0, 75.0, 0.2),
            1,
        ),
        (
            "falls away from the camera, so that his trunk still points up and is shorter",
            falls(stands()).stands(lies.0, lies.1).leans(3.0, 4.0, 0.2).leans(3.7, 10.0, 0.1),
            1,
        ),
        (
            "falls while no keypoints are seen",
            falls(stands()).stands(lies.0, lies.1).leans(0.0, 4.0, 0.2).blurs(2.5),
            1,
        ),
        ("sits down on the floor, as the box sees it", sits.clone(), 1),
        (
            "sits down on the floor, upright",
            sits.clone().leans(0.0, 5.0, 0.2).leans(3.0, 5.0, 0.2).leans(3.7, 15.0, 0.2),
            0,
        ),
        ("crouches, bent forward", sits.leans(0.0, 5.0, 0.2).leans(3.0, 5.0, 0.2).leans(3.7, 40.0, 0.17), 0),
        (
            "his lower half is hidden",
            stands().turns((0.5, 0.55), (0.2, 0.25), 0.3).stands((0.5, 0.55), 5.0).leans(0.0, 3.0, 0.2),
            0,
        ),
        (
            "bends to tie a shoe",
            boxed()
                .leans(0.0, 3.0, 0.2)
                .leans(3.0, 3.0, 0.2)
                .leans(3.4, 75.0, 0.15)
                .leans(3.7, 75.0, 0.15)
                .leans(4.0, 3.0, 0.2),
            0,
        ),
        ("lies down slowly", boxed().leans(0.0, 3.0, 0.2).leans(3.0, 3.0, 0.2).leans(7.0, 88.0, 0.2), 0),
        ("has lain there all the time", boxed().leans(0.0, 88.0, 0.2), 0),
        (
            "has keypoints that jump while he goes",
            boxed().leans(0.0, 3.0, 0.2).leans(3.0, 3.0, 0.2).leans(3.05, 120.0, 0.2).leans(3.1, 3.0, 0.2),
            0,
        ),
    ];
    for (what, actor, falls) in table {
        for fps in [5.0, 10.0, 25.0] {
            assert_eq!(told(hall(fps, 0.7).add(actor.clone())), falls, "{what}, {fps} fps");
        }
    }
}

fn measure(firing: &Firing, name: &str) -> Option<(f64, Option<f64>)> {
    firing.measures.iter().find(|m| m.name == name).map(|m| (m.value, m.limit))
}

#[test]
fn a_fall_by_the_trunk_says_how_far_it_turned_and_ends_when_he_sits_up() {
    let actor = boxed().leans(0.0, 4.0, 0.2).leans(3.0, 4.0, 0.2).leans(3.7, 88.0, 0.2);
    let actor = actor.leans(8.0, 88.0, 0.2).leans(8.6, 20.0, 0.2);
    for fps in [5.0, 10.0, 25.0] {
        let (firings, _) = hall(fps, 0.7).add(actor.clone()).play_all();
        let found = spans(&firings, "fall");
        let [(_, start, end, EndReason::Ceased)] = found[..] else { panic!("{fps} fps: {found:?}") };
        assert!((3.9..5.0).contains(&start) && (8.3..9.5).contains(&end), "{fps} fps: {found:?}");
        let (degrees, limit) = measure(&firings[0], Measure::INCLINATION).unwrap();
        assert!(
            firings[0].measures[0].name == Measure::INCLINATION && limit == Some(60.0),
            "{:?}",
            firings[0].measures
        );
        assert!((60.0..=88.0).contains(&degrees), "{degrees}");
        assert_eq!(measure(&firings[0], Measure::DROP), None, "what was not compared is not told");
    }
}

#[test]
fn a_fall_by_the_box_tells_the_trunk_beside_it_and_one_upright_sighting_ends_nothing() {
    let away = falls(stands()).stands((0.55, 0.9), 6.0).leans(0.0, 4.0, 0.2).leans(3.0, 4.0, 0.2).leans(3.7, 10.0, 0.1);
    let (firings, _) = hall(10.0, 0.7).add(away).play_all();
    assert!(measure(&firings[0], Measure::DROP).unwrap().1.is_some(), "{:?}", firings[0].measures);
    assert!(measure(&firings[0], Measure::INCLINATION).unwrap().1.is_none(), "{:?}", firings[0].measures);

    let (firings, _) = hall(10.0, 0.7).add(topples(stands()).stands((0.55, 0.9), 3.0)).play_all();
    assert!(measure(&firings[0], Measure::DROP).is_some(), "the box dropped before the trunk lay");
    let (degrees, limit) = measure(&firings[0], Measure::INCLINATION).unwrap();
    assert!(degrees > 60.0 && limit.is_none(), "{:?}", firings[0].measures);

    let jumps = topples(stands()).stands((0.55, 0.9), 6.0);
    let jumps = jumps.leans(6.0, 88.0, 0.2).leans(6.05, 0.0, 0.2).leans(6.14, 0.0, 0.2).leans(6.15, 88.0, 0.2);
    let (firings, _) = hall(10.0, 0.7).add(jumps).play_all();
    let ends = spans(&firings, "fall");
    assert!(ends.iter().all(|(_, _, end, _)| *end > 8.0), "{ends:?}");
}

proptest::proptest! {
    /// Whatever keypoints do, happenings pair up; and without them nothing is told that was not told before.
    #[test]
    fn whatever_keypoints_do_starts_and_ends_pair_up(
        moments in proptest::collection::vec((0.0f64..12.0, proptest::option::of((0.0f32..180.0, 0.01f32..0.4))), 0..40),
    ) {
        let mut moments = moments;
        moments.sort_by(|a, b| a.0.total_cmp(&b.0));
        let base = falls(stands()).stands((0.55, 0.9), 4.0).turns(AT, (0.2, 0.6), 1.0).stands(AT, 2.0);
        let actor = moments.iter().fold(base, |actor, (at, lean)| match lean {
            Some((degrees, length)) => actor.leans(*at, *degrees, *length),
            None => actor.blurs(*at),
        });
        let (mut firings, mut rules) = hall(10.0, 0.7).add(actor).play_all();
        firings.extend_from_slice(rules.stop(crate::vocab::MediaTime::from_secs_f64(60.0)));
        let count = |phase| firings.iter().filter(|f| f.phase == phase).count();
        proptest::prop_assert_eq!(count(FiringPhase::Start), count(FiringPhase::End));
        proptest::prop_assert_eq!(spans(&firings, "fall").len(), count(FiringPhase::End));
    }
}
