//! Line crossings: what counts, what does not, which way, and how often.

use super::super::*;
use super::scene::*;

/// From the top of the picture to the bottom in the middle, between heights 0.2 and 0.8. Who walks along it goes down, so
/// the right hand is to the west: smaller x.
fn gate(fps: f64) -> Scene {
    Scene::new(fps).line("gate", [0.5, 0.2], [0.5, 0.8]).rule(crossing("pass", "gate", Direction::Any))
}

#[test]
fn crossings() {
    let (west, east, on) = ((0.3, 0.5), (0.7, 0.5), (0.5, 0.5));
    #[rustfmt::skip]
    let table: Vec<(&str, Actor, &[&str])> = vec![
        ("from east to west",
            person(1).stands(east, 1.0).walks(west, 2.0),
            &["crossed pass #1 @2.1 right"]),
        ("from west to east",
            person(1).stands(west, 1.0).walks(east, 2.0),
            &["crossed pass #1 @2.1 left"]),
        ("there and back",
            person(1).stands(west, 1.0).walks(east, 2.0).walks(west, 2.0),
            &["crossed pass #1 @2.1 left", "crossed pass #1 @4.1 right"]),
        ("comes up to the line and turns back",
            person(1).stands(west, 1.0).walks((0.499, 0.5), 2.0).walks(west, 2.0),
            &[]),
        ("a step over the line, less than the margin, and back",
            person(1).stands(west, 1.0).walks((0.507, 0.5), 2.0).walks(west, 2.0),
            &[]),
        ("stands on the line and jitters",
            person(1).stands(west, 1.0).walks(on, 1.0).stands((0.505, 0.5), 0.3).stands((0.495, 0.5), 0.3)
                .stands((0.505, 0.5), 0.3).stands((0.495, 0.5), 0.3).walks(west, 1.0),
            &[]),
        ("stands on the line, jitters and goes on",
            person(1).stands(west, 1.0).walks(on, 1.0).stands((0.505, 0.5), 0.3).stands((0.495, 0.5), 0.3).walks(east, 1.0),
            &["crossed pass #1 @2.7 left"]),
        ("begins on the line",
            person(1).stands((0.498, 0.5), 1.0).walks(east, 1.0),
            &[]),
        ("walks around the end of the line",
            person(1).stands(west, 1.0).walks((0.3, 0.95), 1.0).walks((0.7, 0.95), 1.0).walks(east, 1.0),
            &[]),
        ("jumps over it between two frames",
            person(1).stands(west, 1.0).stands(east, 1.0),
            &["crossed pass #1 @1.0 left"]),
        ("is predicted to cross, and turns back unseen",
            person(1).stands(west, 1.0).hides(east, 1.0).stands(west, 1.0),
            &[]),
        ("crosses unseen and is seen again beyond",
            person(1).stands(west, 1.0).hides((0.4, 0.5), 1.0).stands(east, 1.0),
            &["crossed pass #1 @2.0 left"]),
        ("is predicted to cross and never seen again",
            person(1).stands(west, 1.0).hides(east, 3.0),
            &[]),
        ("goes back and forth within the cooldown: once each way",
            person(1).stands(west, 0.5).walks(east, 1.0).walks(west, 1.0).walks(east, 1.0).walks(west, 1.0),
            &["crossed pass #1 @1.1 left", "crossed pass #1 @2.1 right"]),
    ];
    for (what, actor, expected) in table {
        assert_eq!(gate(10.0).add(actor).play(), expected, "{what}");
    }
}

#[test]
fn a_crossing_is_seen_at_every_frame_rate() {
    for fps in [1.0, 5.0, 10.0, 25.0] {
        let (firings, rules) =
            gate(fps).add(person(1).stands((0.2, 0.5), 2.0).walks((0.8, 0.5), 3.0).stands((0.8, 0.5), 2.0)).play_all();
        assert_eq!(firings.len(), 1, "{fps} fps: {firings:?}");
        // The line is passed at 3.5 s.
        let at = firings[0].at.as_secs_f64();
        assert!((3.5..=3.5 + 1.0 / fps).contains(&at), "{fps} fps: {at}");
        assert_eq!(rules.counts().next().unwrap().right_to_left, 1);
    }
}

#[test]
fn a_rule_tells_of_its_direction_only_and_the_count_of_both() {
    for (direction, expected) in [
        (Direction::LeftToRight, vec!["crossed pass #1 @4.1 right"]),
        (Direction::RightToLeft, vec!["crossed pass #1 @2.1 left"]),
    ] {
        let scene = Scene::new(10.0).line("gate", [0.5, 0.2], [0.5, 0.8]).rule(crossing("pass", "gate", direction));
        let actor = person(1).stands((0.3, 0.5), 1.0).walks((0.7, 0.5), 2.0).walks((0.3, 0.5), 2.0);
        let (firings, rules) = scene.add(actor).play_all();
        assert_eq!(firings.iter().map(line).collect::<Vec<_>>(), expected);
        let count = rules.counts().next().unwrap();
        assert_eq!((count.left_to_right, count.right_to_left), (1, 1));
    }
}

#[test]
fn a_rule_that_sleeps_or_is_about_others_tells_nothing() {
    let actor = || person(1).stands((0.3, 0.5), 1.0).walks((0.7, 0.5), 2.0);
    let play = |change: fn(&mut Rule)| {
        let mut rule = crossing("pass", "gate", Direction::Any);
        change(&mut rule);
        Scene::new(10.0).line("gate", [0.5, 0.2], [0.5, 0.8]).rule(rule).add(actor()).play()
    };
    assert_eq!(play(|r| r.schedule = Some(Schedule::parse("13:00-14:00").unwrap())), [""; 0]);
    assert_eq!(play(|r| r.schedule = Some(Schedule::parse("11:00-14:00").unwrap())).len(), 1);
    assert_eq!(play(|r| r.labels = vec!["vehicle".into()]), [""; 0]);
    assert_eq!(play(|r| (r.min_score, r.score_of) = (0.9, ScoreOf::Mean)), [""; 0]);
    assert_eq!(play(|r| r.min_height = 0.5), [""; 0]);
}

#[test]
fn a_cut_of_the_stream_is_no_crossing() {
    let scene = gate(10.0).cut(2.0).add(person(1).stands((0.3, 0.5), 2.0).stands((0.7, 0.5), 2.0));
    assert_eq!(scene.play(), [""; 0]);
}
