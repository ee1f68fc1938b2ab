//! Intrusion and loitering: when they start, when they end, and what does not disturb them.

use std::time::Duration;

use super::super::*;
use super::scene::*;
use crate::vocab::{EndReason, FiringPhase, MediaTime, Rect, Track, TrackState, WallTime};

const RATES: [f64; 4] = [1.0, 5.0, 10.0, 25.0];

fn yard(fps: f64) -> Scene {
    Scene::new(fps).zone("yard", LEFT_HALF).rule(intrusion("in", "yard"))
}

fn loiter(fps: f64) -> Scene {
    Scene::new(fps).zone("yard", LEFT_HALF).rule(loitering("hang", "yard", 10))
}

/// Feet in the left half: 0.5 is the border.
#[test]
fn intrusions() {
    let (inside, outside) = ((0.2, 0.6), (0.8, 0.6));
    #[rustfmt::skip]
    let table: Vec<(&str, Actor, &[&str])> = vec![
        ("comes and goes",
            person(1).stands(outside, 1.0).walks(inside, 2.0).walks(outside, 2.0),
            &["start in #1 @2.0", "end in #1 @4.0 left"]),
        ("is there from the start and vanishes",
            person(1).stands(inside, 5.0),
            &["start in #1 @0.0", "end in #1 @4.9 unseen"]),
        ("stays outside",
            person(1).stands(outside, 5.0),
            &[]),
        ("is inside for one sighting",
            person(1).stands(outside, 1.0).stands(inside, 0.1).stands(outside, 1.0),
            &[]),
        ("is seen outside for less than half a second",
            person(1).stands(inside, 2.0).stands(outside, 0.4).stands(inside, 2.0),
            &["start in #1 @0.0", "end in #1 @4.3 unseen"]),
        ("is hidden for less than the grace",
            person(1).stands(inside, 2.0).hides(inside, 1.8).stands(inside, 2.0),
            &["start in #1 @0.0", "end in #1 @5.7 unseen"]),
        ("is hidden for longer than the grace",
            person(1).stands(inside, 2.0).hides(inside, 3.0).stands(inside, 2.0),
            &["start in #1 @0.0", "end in #1 @1.9 unseen"]),
        ("is predicted to be inside",
            person(1).stands(outside, 1.0).hides(inside, 3.0).stands(outside, 1.0),
            &[]),
        ("is predicted to have left, and has not",
            person(1).stands(inside, 2.0).hides(outside, 1.5).stands(inside, 2.0),
            &["start in #1 @0.0", "end in #1 @5.4 unseen"]),
        ("goes out and out of sight at once",
            person(1).stands(inside, 2.0).stands(outside, 0.1),
            &["start in #1 @0.0", "end in #1 @1.9 left"]),
        ("changes its number while walking in view",
            person(1).stands(inside, 2.0).hides(inside, 0.5).renumbered(2).stands(inside, 2.0).walks(outside, 3.0),
            &["start in #1 @0.0", "end in #1 @6.0 left"]),
        ("is back within the cooldown",
            person(1).stands(inside, 2.0).stands(outside, 2.0).stands(inside, 3.0),
            &["start in #1 @0.0", "end in #1 @1.9 left"]),
        ("is back, and the cooldown of 10 s ends while it is inside",
            person(1).stands(inside, 2.0).stands(outside, 2.0).stands(inside, 12.0),
            &["start in #1 @0.0", "end in #1 @1.9 left", "start in #1 @12.5", "end in #1 @15.9 unseen"]),
        ("is back after the cooldown",
            person(1).stands(inside, 2.0).stands(outside, 11.0).stands(inside, 2.0),
            &["start in #1 @0.0", "end in #1 @1.9 left", "start in #1 @13.0", "end in #1 @14.9 unseen"]),
    ];
    for (what, actor, expected) in table {
        assert_eq!(yard(10.0).add(actor).play(), expected, "{what}");
    }
}

#[test]
fn an_intrusion_is_told_right_at_every_frame_rate() {
    for fps in RATES {
        let actor =
            person(1).stands((0.9, 0.6), 3.0).walks((0.1, 0.6), 4.0).stands((0.1, 0.6), 6.0).walks((0.9, 0.6), 4.0);
        let (firings, _) = yard(fps).add(actor).play_all();
        let spans = spans(&firings, "in");
        let &[(1, start, end, EndReason::Left)] = &spans[..] else { panic!("{fps} fps: {spans:?}") };
        // The border is passed at 5 s and 15 s; a sighting falls within one frame of that.
        assert!((5.0..=5.0 + 1.0 / fps).contains(&start), "{fps} fps: {start}");
        assert!((15.0 - 1.0 / fps..=15.0).contains(&end), "{fps} fps: {end}");
    }
}

#[test]
fn an_intrusion_is_told_right_at_irregular_times() {
    // Bursts and gaps of up to 1.7 s, as a busy detector or a camera with a variable rate delivers them.
    let mut t = 0.0;
    let steps = [0.04, 0.04, 0.9, 0.03, 1.7, 0.2, 0.01, 0.5];
    let times: Vec<f64> = (0..80)
        .map(|i| {
            t += steps[i % steps.len()];
            t
        })
        .collect();
    let actor = person(1).stands((0.9, 0.6), 5.0).stands((0.2, 0.6), 10.0).stands((0.9, 0.6), 5.0);
    let (firings, _) = yard(1.0).at_times(times).add(actor).play_all();
    let spans = spans(&firings, "in");
    let &[(1, start, end, EndReason::Left)] = &spans[..] else { panic!("{spans:?}") };
    assert!((5.0..6.7).contains(&start) && (13.3..15.0).contains(&end), "{start} {end}");
}

#[test]
fn a_start_is_said_within_half_a_second_and_bears_the_time_of_the_first_sighting() {
    for (fps, tells_tentative) in [5.0, 10.0, 25.0].into_iter().flat_map(|fps| [(fps, false), (fps, true)]) {
        let scene = yard(fps).confirm_after(3).add(person(1).stands((0.2, 0.6), 5.0));
        let (firings, _) = if tells_tentative { scene.tells_tentative().play_all() } else { scene.play_all() };
        assert_eq!(firings[0].at.as_secs_f64(), 0.0, "{fps} fps");
        let said_at = firings[0].track.as_ref().unwrap().last_seen.as_secs_f64();
        assert!(said_at <= 0.5, "{fps} fps: said at {said_at}");
    }
}

#[test]
fn a_track_that_is_never_confirmed_starts_nothing() {
    let scene = yard(10.0).confirm_after(100).tells_tentative().add(person(1).stands((0.2, 0.6), 5.0));
    assert_eq!(scene.play(), [""; 0]);
}

/// When the motion gate is shut, the tracker holds its tracks and reports them as they were.
#[test]
fn a_track_that_is_held_while_nothing_moves_goes_on_dwelling() {
    let held = |t: u64| Track {
        state: TrackState::Confirmed,
        last_seen: MediaTime::from_millis(t.min(2_000)),
        hits: 5,
        ..Track::new(1, 0, 0.8, Rect::new(0.1, 0.4, 0.2, 0.6), MediaTime::ZERO)
    };
    let (_, mut rules) = loiter(10.0).at_times([0.0]).play_all();
    let mut said = Vec::new();
    for t in (0..15_000).step_by(500) {
        let firings = rules.step(MediaTime::from_millis(t), WallTime::default(), &[held(t)]);
        said.extend(firings.iter().filter(|f| f.phase == FiringPhase::Start).map(line));
    }
    assert_eq!(said, ["start hang #1 @10.0"]);
}

#[test]
fn each_of_several_intruders_is_a_happening_of_its_own() {
    let scene = yard(10.0)
        .add(person(1).stands((0.1, 0.6), 5.0))
        .add(person(2).waits(1.0).stands((0.3, 0.6), 2.0))
        .add(person(3).waits(2.0).stands((0.9, 0.6), 2.0));
    let expected = ["start in #1 @0.0", "start in #2 @1.0", "end in #2 @2.9 unseen", "end in #1 @4.9 unseen"];
    assert_eq!(scene.play(), expected);
}

/// What, the change to the rule, who, and whether it fires.
type Filter = (&'static str, fn(&mut Rule), Actor, bool);

#[test]
fn filters() {
    let inside = (0.2, 0.6);
    let table: [Filter; 10] = [
        ("another label", |r| r.labels = vec!["car".into()], person(1), false),
        ("one of its labels", |r| r.labels = vec!["car".into(), "person".into()], person(1), true),
        ("a group of labels", |r| r.labels = vec!["vehicle".into()], car(1), true),
        ("not of the group", |r| r.labels = vec!["vehicle".into()], person(1), false),
        ("score too low", |r| r.min_score = 0.81, person(1), false),
        ("score just right", |r| r.min_score = 0.8, person(1), true),
        ("too low", |r| r.min_height = 0.25, person(1), false),
        ("high enough", |r| r.min_height = 0.15, person(1), true),
        ("too narrow", |r| r.min_width = 0.1, person(1), false),
        ("too small", |r| r.min_area = 0.02, person(1), false),
    ];
    for (what, change, actor, fires) in table {
        let mut rule = intrusion("in", "yard");
        change(&mut rule);
        let said = Scene::new(10.0).zone("yard", LEFT_HALF).rule(rule).add(actor.stands(inside, 3.0)).play();
        assert_eq!(!said.is_empty(), fires, "{what}: {said:?}");
    }
}

#[test]
fn an_anchor_in_the_middle_of_the_box_asks_for_more_than_the_feet() {
    let lower = [[0.0, 0.7], [1.0, 0.7], [1.0, 1.0], [0.0, 1.0]];
    for (anchor, fires) in [(Anchor::Foot, true), (Anchor::Centre, false)] {
        let scene = Scene::new(10.0).zone_by("strip", lower, anchor).rule(intrusion("in", "strip"));
        // Feet at 0.75, middle at 0.65.
        assert_eq!(!scene.add(person(1).stands((0.5, 0.75), 2.0)).play().is_empty(), fires, "{anchor:?}");
    }
}

#[test]
fn schedules() {
    let mut rule = intrusion("in", "yard");
    rule.schedule = Some(Schedule::parse("22:00-06:00").unwrap());
    let scene = |start: &str, actor: Actor| {
        Scene::new(2.0).zone("yard", LEFT_HALF).rule(rule.clone()).starts(start, "Europe/Berlin").add(actor).play()
    };
    let stays = |seconds| person(1).stands((0.2, 0.6), seconds);
    assert_eq!(scene("2026-11-23T12:00", stays(5.0)), [""; 0], "by day");
    assert_eq!(scene("2026-11-23T23:00", stays(5.0)), ["start in #1 @0.0", "end in #1 @4.5 unseen"], "by night");
    assert_eq!(
        scene("2026-11-23T21:59:50", stays(20.0)),
        ["start in #1 @10.0", "end in #1 @19.5 unseen"],
        "who is inside when the night begins has intruded then"
    );
    assert_eq!(
        scene("2026-11-24T05:59:50", stays(20.0)),
        ["start in #1 @0.0", "end in #1 @10.0 schedule"],
        "the end of the night ends it"
    );
    // Daylight saving: 02:59:50 is followed by 02:00, so the rule that sleeps from 03:00 is awake for another hour.
    let mut until_three = rule.clone();
    until_three.schedule = Some(Schedule::parse("22:00-03:00").unwrap());
    let scene = Scene::new(0.1).zone("yard", LEFT_HALF).rule(until_three).starts("2026-10-25T01:00", "Europe/Berlin");
    let said = scene.settings(|s| s.presence.grace = Duration::from_secs(60)).add(stays(3.5 * 3600.0)).play();
    assert_eq!(said, ["start in #1 @0.0", "end in #1 @7200.0 schedule"].map(|s| s.replace("7200.0", "10800.0")));
}

#[test]
fn a_mean_score_is_not_fooled_by_one_lucky_frame() {
    let mut rule = intrusion("in", "yard");
    (rule.min_score, rule.score_of) = (0.7, ScoreOf::Mean);
    let scene = Scene::new(10.0).zone("yard", LEFT_HALF).rule(rule);
    assert_eq!(scene.add(person(1).score(0.6).stands((0.2, 0.6), 3.0)).play(), [""; 0]);
}

#[test]
fn loiterings() {
    let (inside, outside) = ((0.2, 0.6), (0.8, 0.6));
    #[rustfmt::skip]
    let table: Vec<(&str, Actor, &[&str])> = vec![
        ("stays for long",
            person(1).stands(inside, 15.0),
            &["start hang #1 @10.0", "end hang #1 @14.9 unseen"]),
        ("leaves in time",
            person(1).stands(inside, 9.5).stands(outside, 3.0),
            &[]),
        ("leaves and begins anew",
            person(1).stands(inside, 9.0).stands(outside, 1.0).stands(inside, 9.0),
            &[]),
        ("leaves, begins anew and stays",
            person(1).stands(inside, 9.0).stands(outside, 1.0).stands(inside, 12.0),
            &["start hang #1 @20.0", "end hang #1 @21.9 unseen"]),
        ("steps out for a moment",
            person(1).stands(inside, 6.0).stands(outside, 0.3).stands(inside, 6.0),
            &["start hang #1 @10.0", "end hang #1 @12.2 unseen"]),
        ("is hidden for a moment",
            person(1).stands(inside, 6.0).hides(inside, 1.5).stands(inside, 6.0),
            &["start hang #1 @10.0", "end hang #1 @13.4 unseen"]),
        ("is only predicted to stay",
            person(1).stands(inside, 9.0).hides(inside, 1.9).stands(outside, 3.0),
            &[]),
        ("gets a new number",
            person(1).stands(inside, 6.0).hides(inside, 1.0).renumbered(7).stands(inside, 6.0),
            &["start hang #1 @10.0", "end hang #1 @12.9 unseen"]),
        ("walks about within the zone",
            person(1).stands((0.1, 0.3), 1.0).walks((0.4, 0.9), 6.0).walks((0.1, 0.3), 6.0),
            &["start hang #1 @10.0", "end hang #1 @12.9 unseen"]),
    ];
    for (what, actor, expected) in table {
        assert_eq!(loiter(10.0).add(actor).play(), expected, "{what}");
    }
}

#[test]
fn dwell_is_counted_in_seconds_at_every_frame_rate() {
    for fps in RATES {
        let (firings, _) = loiter(fps).add(person(1).stands((0.2, 0.6), 20.0)).play_all();
        let start = &firings[0];
        assert_eq!((start.phase, start.at.as_secs_f64()), (FiringPhase::Start, 10.0), "{fps} fps");
        assert_eq!(start.measures[0].value, 10.0, "{fps} fps");
        assert_eq!(start.measures[0].limit, Some(10.0), "{fps} fps");
    }
}

#[test]
fn who_loiters_when_the_schedule_opens_has_loitered_already() {
    let mut rule = loitering("hang", "yard", 60);
    rule.schedule = Some(Schedule::parse("22:00-06:00").unwrap());
    let scene = Scene::new(1.0).zone("yard", LEFT_HALF).rule(rule).starts("2026-11-23T21:58", "UTC");
    let said = scene.add(person(1).stands((0.2, 0.6), 150.0)).play();
    assert_eq!(said, ["start hang #1 @120.0", "end hang #1 @149.0 unseen"]);
}

#[test]
fn updates_come_at_most_once_a_second_or_when_the_score_rises() {
    let (firings, _) = yard(10.0).add(person(1).stands((0.2, 0.6), 5.0)).play_all();
    let updates: Vec<f64> =
        firings.iter().filter(|f| f.phase == FiringPhase::Update).map(|f| f.at.as_secs_f64()).collect();
    assert_eq!(updates.len(), 4, "{updates:?}");
    assert!(updates.windows(2).all(|w| w[1] - w[0] >= 0.999), "{updates:?}");
}

#[test]
fn a_cut_of_the_stream_ends_what_is_open_and_a_new_track_begins_anew() {
    let scene = yard(10.0)
        .cut(3.0)
        .add(person(1).walks((0.1, 0.6), 0.0).walks((0.4, 0.6), 3.0).renumbered(2).walks((0.1, 0.6), 3.0));
    let said = scene.play();
    assert_eq!(said, ["start in #1 @0.0", "end in #1 @2.9 discontinuity", "start in #2 @3.0", "end in #2 @5.9 unseen"]);
}

#[test]
fn while_nobody_looks_what_is_inside_stays_inside() {
    let actor = person(1).stands((0.2, 0.6), 60.0);
    assert_eq!(yard(2.0).blind(10.0, 40.0).add(actor.clone()).play(), ["start in #1 @0.0", "end in #1 @59.5 unseen"]);
    let long = person(1).stands((0.2, 0.6), 200.0);
    let said = yard(2.0).blind(10.0, 150.0).add(long).play();
    assert_eq!(
        said,
        ["start in #1 @0.0", "end in #1 @9.5 unseen"],
        "blind for longer than a minute, then excused as parked"
    );
}

#[test]
fn who_was_away_when_nobody_looked_any_more_ends_in_its_time() {
    let actor = person(1).stands((0.2, 0.6), 5.0).hides((0.2, 0.6), 1.0);
    let (firings, _) = yard(10.0).blind(5.5, 20.0).add(actor).play_all();
    assert_eq!(spans(&firings, "in"), [(1, 0.0, 4.9, EndReason::Unseen)]);
}

#[test]
fn stopping_ends_everything_once() {
    let scene = yard(10.0).rule(occupancy("full", "yard", 1, 0)).at_times((0..30).map(|i| f64::from(i) / 10.0));
    let (_, mut rules) = scene.add(person(1).stands((0.2, 0.6), 9.0)).play_all();
    let now = MediaTime::from_millis(3_000);
    let said: Vec<String> = rules.stop(now).iter().map(line).collect();
    assert_eq!(said, ["end in #1 @2.9 stopped", "end full #0 @2.9 stopped"]);
    assert!(rules.stop(now).is_empty());
}
