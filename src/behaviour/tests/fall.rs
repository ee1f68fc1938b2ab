//! Falls and what looks like one.

use std::time::Duration;

use super::super::*;
use super::scene::*;
use crate::vocab::EndReason;

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
