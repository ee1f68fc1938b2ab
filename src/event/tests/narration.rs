//! Episodes, phases, times and severities.

use std::time::Duration;

use super::*;
use crate::event::Notice;
use crate::vocab::{Event, EventKind, Phase};
use FiringKind::{Intrusion, LineCrossing, Occupancy};
use FiringPhase::{End, Instant, Start, Update};

/// Episode number, phase and time of each event.
fn told(events: &[Event]) -> Vec<(u64, Phase, f64)> {
    let number = |e: &Event| e.episode.rsplit('-').next().unwrap().parse().unwrap();
    events.iter().map(|e| (number(e), e.phase, e.pts.as_secs_f64())).collect()
}

#[test]
fn a_happening_is_one_episode_and_updates_are_thinned_out() {
    let (stage, mut narrator) = (Stage::new(), narrator(|_| {}));
    let mut events = narrator.narrate(&[firing(Intrusion, Start, 1, 2.0)], &stage.at(2.4));
    for second in 3..40 {
        let seconds = f64::from(second);
        events.extend(narrator.narrate(&[firing(Intrusion, Update, 1, seconds)], &stage.at(seconds)));
    }
    events.extend(narrator.narrate(&[firing(Intrusion, End, 1, 39.0)], &stage.at(41.0)));
    let expected = [
        (1, Phase::Start, 2.0),
        (1, Phase::Update, 12.0),
        (1, Phase::Update, 22.0),
        (1, Phase::Update, 32.0),
        (1, Phase::End, 39.0),
    ];
    assert_eq!(told(&events), expected);
    assert!(events.iter().all(|e| e.episode == "gate-north-door-7-1"));
    assert_eq!(narrator.open(), 0);
}

#[test]
fn a_better_look_is_told_before_its_time() {
    let (stage, mut narrator) = (Stage::new(), narrator(|_| {}));
    let seen =
        |phase, seconds, best| Firing { track: Some(track(1, seconds, best)), ..firing(Intrusion, phase, 1, seconds) };
    narrator.narrate(&[seen(Start, 2.0, 0.5)], &stage.at(2.0));
    let events =
        narrator.narrate(&[seen(Update, 3.0, 0.59), seen(Update, 4.0, 0.61), seen(Update, 5.0, 0.7)], &stage.at(5.0));
    assert_eq!(told(&events), [(1, Phase::Update, 4.0)]);
}

#[test]
fn a_larger_crowd_is_told_before_its_time_and_a_smaller_one_is_not() {
    let (stage, mut narrator) = (Stage::new(), narrator(|_| {}));
    let crowd = |phase, seconds, n| {
        let measures = vec![Measure::against(Measure::COUNT, n, 2.0)];
        Firing { measures, ..firing(Occupancy, phase, 0, seconds) }
    };
    narrator.narrate(&[crowd(Start, 1.0, 2.0)], &stage.at(1.0));
    let changes = [crowd(Update, 2.0, 3.0), crowd(Update, 3.0, 2.0), crowd(Update, 4.0, 3.0), crowd(Update, 5.0, 4.0)];
    assert_eq!(told(&narrator.narrate(&changes, &stage.at(5.0))), [(1, Phase::Update, 2.0), (1, Phase::Update, 5.0)]);
}

#[test]
fn events_bear_the_time_of_what_they_tell_on_both_clocks() {
    let (stage, mut narrator) = (Stage::new(), narrator(|_| {}));
    let events = narrator.narrate(&[firing(Intrusion, Start, 1, 2.0)], &stage.at(2.5));
    assert_eq!((events[0].pts, events[0].captured), (at(2.0), wall(2.0)));
    let later = narrator.narrate(&[firing(Intrusion, End, 1, 9.0)], &stage.at(8.0));
    assert_eq!((later[0].pts, later[0].captured), (at(9.0), wall(9.0)));
}

#[test]
fn an_instant_is_a_start_without_an_end() {
    let (stage, mut narrator) = (Stage::new(), narrator(|_| {}));
    let pass = |seconds| firing(LineCrossing, Instant, 1, seconds);
    let events = narrator.narrate(&[pass(1.0), pass(2.0)], &stage.at(2.0));
    assert_eq!(told(&events), [(1, Phase::Start, 1.0), (2, Phase::Start, 2.0)]);
    assert_eq!(narrator.open(), 0);
    assert!(narrator.close_all(&stage.at(3.0)).is_empty());
}

#[test]
fn happenings_at_the_same_time_are_told_apart() {
    let (stage, mut narrator) = (Stage::new(), narrator(|_| {}));
    let other_rule = Firing { rule: id("day-yard"), ..firing(Intrusion, Start, 1, 3.0) };
    let mut events = narrator
        .narrate(&[firing(Intrusion, Start, 1, 1.0), firing(Intrusion, Start, 2, 2.0), other_rule], &stage.at(3.0));
    events.extend(narrator.narrate(&[firing(Intrusion, End, 2, 4.0), firing(Intrusion, End, 1, 5.0)], &stage.at(5.0)));
    events.extend(narrator.close_all(&stage.at(6.0)));
    let expected = [
        (1, Phase::Start, 1.0),
        (2, Phase::Start, 2.0),
        (3, Phase::Start, 3.0),
        (2, Phase::End, 4.0),
        (1, Phase::End, 5.0),
        (3, Phase::End, 6.0),
    ];
    assert_eq!(told(&events), expected);
}

#[test]
fn what_never_started_neither_goes_on_nor_ends_and_what_started_twice_goes_on() {
    let (stage, mut narrator) = (Stage::new(), narrator(|_| {}));
    let stray = [firing(Intrusion, Update, 1, 1.0), firing(Intrusion, End, 1, 2.0)];
    assert!(narrator.narrate(&stray, &stage.at(2.0)).is_empty());
    let twice = [firing(Intrusion, Start, 1, 3.0), firing(Intrusion, Start, 1, 20.0), firing(Intrusion, End, 1, 21.0)];
    let phases: Vec<Phase> = narrator.narrate(&twice, &stage.at(21.0)).iter().map(|e| e.phase).collect();
    assert_eq!(phases, [Phase::Start, Phase::Update, Phase::End]);
}

#[test]
fn no_episode_is_ever_used_again() {
    let (stage, mut narrator) = (Stage::new(), narrator(|_| {}));
    let mut episodes: Vec<String> = Vec::new();
    for round in 0..5 {
        let t = f64::from(round) * 10.0;
        episodes.push(narrator.narrate(&[firing(Intrusion, Start, 1, t)], &stage.at(t)).remove(0).episode);
        episodes.push(narrator.notice(&Notice::ClockJump { seconds: 2.0 }, &stage.at(t)).episode);
        narrator.reconfigure(Settings {
            update_every: Duration::from_secs(1),
            ..Settings::new(id("gate-north"), Some(id("door")), 7)
        });
        narrator.narrate(&[firing(Intrusion, End, 1, t + 1.0)], &stage.at(t + 1.0));
        episodes.extend(
            narrator
                .tracks(&[track(round as u64 + 1, t, 0.8)], &stage.at(t))
                .iter()
                .filter(|e| e.phase == Phase::Start)
                .map(|e| e.episode.clone()),
        );
    }
    let count = episodes.len();
    episodes.sort();
    episodes.dedup();
    assert_eq!((episodes.len(), count), (15, 15));
}

#[test]
fn what_concerns_no_camera_has_its_own_episodes() {
    let stage = Stage::new();
    let mut agent = narrator(|s| s.camera = None);
    let event = agent.notice(&Notice::ClockStep { from: wall(0.0), to: wall(1.0) }, &stage.at(0.0));
    assert_eq!((event.episode.as_str(), event.camera), ("gate-north--7-1", None));
}

#[test]
fn within_the_rest_after_an_alert_the_same_rule_only_keeps_a_record() {
    let (stage, mut narrator) = (Stage::new(), narrator(|s| s.alert_rest = Duration::from_secs(60)));
    let severity = |narrator: &mut Narrator, f: Firing, t| narrator.narrate(&[f], &stage.at(t))[0].severity;
    assert_eq!(severity(&mut narrator, firing(Intrusion, Start, 1, 1.0), 1.0), Severity::Alert);
    assert_eq!(severity(&mut narrator, firing(Intrusion, Start, 2, 30.0), 30.0), Severity::Event);
    let other_rule = Firing { rule: id("day-yard"), ..firing(Intrusion, Start, 2, 31.0) };
    assert_eq!(severity(&mut narrator, other_rule, 31.0), Severity::Alert);
    assert_eq!(severity(&mut narrator, firing(Intrusion, Start, 3, 62.0), 62.0), Severity::Alert);
    // All events of an episode have the severity of its start.
    assert_eq!(severity(&mut narrator, firing(Intrusion, End, 2, 70.0), 70.0), Severity::Event);
    assert_eq!(severity(&mut narrator, firing(Intrusion, End, 1, 71.0), 71.0), Severity::Alert);
    // A rule that raises no alerts is not made to.
    let quiet = Firing { severity: Severity::Event, rule: id("quiet"), ..firing(Intrusion, Start, 9, 72.0) };
    assert_eq!(severity(&mut narrator, quiet, 72.0), Severity::Event);
}

#[test]
fn tracks_begin_when_they_are_confirmed_and_end_when_they_are_over_or_reported_no_more() {
    let (stage, mut narrator) = (Stage::new(), narrator(|_| {}));
    let seen = |number, seconds, state| Track { state, ..track(number, seconds, 0.8) };
    let mut events = Vec::new();
    let tentative = [seen(1, 1.0, TrackState::Tentative)];
    assert!(narrator.tracks(&tentative, &stage.at(1.0)).is_empty());
    events.extend(
        narrator.tracks(&[seen(1, 2.0, TrackState::Confirmed), seen(2, 2.0, TrackState::Confirmed)], &stage.at(2.0)),
    );
    events.extend(
        narrator.tracks(&[seen(1, 2.0, TrackState::Lost), seen(2, 3.0, TrackState::Confirmed)], &stage.at(3.0)),
    );
    events.extend(
        narrator.tracks(&[seen(1, 2.0, TrackState::Ended), seen(2, 4.0, TrackState::Confirmed)], &stage.at(4.0)),
    );
    events.extend(narrator.tracks(&[], &stage.at(5.0)));
    let expected = [(1, Phase::Start, 0.5), (2, Phase::Start, 0.5), (1, Phase::End, 2.0), (2, Phase::End, 4.0)];
    assert_eq!(told(&events), expected);
    assert!(events.iter().all(|e| e.kind == EventKind::Track && e.severity == Severity::Event));
    assert_eq!(narrator.open(), 0);
}

#[test]
fn a_tracks_end_bears_its_last_sighting_and_not_what_was_predicted_since() {
    let (stage, mut narrator) = (Stage::new(), narrator(|_| {}));
    narrator.tracks(&[track(1, 2.0, 0.8)], &stage.at(2.0));
    let predicted = Rect::new(0.8, 0.8, 0.9, 0.9);
    let ended = Track { state: TrackState::Ended, bbox: predicted, ..track(1, 2.0, 0.8) };
    let events = narrator.tracks(&[ended], &stage.at(4.0));
    let subject = events[0].subject.as_ref().unwrap();
    assert_eq!((subject.bbox, subject.age_ms), (track(1, 2.0, 0.8).bbox, 1_500));
}

#[test]
fn tracks_can_be_left_untold() {
    let (stage, mut narrator) = (Stage::new(), narrator(|s| s.tracks = false));
    assert!(narrator.tracks(&[track(1, 2.0, 0.8)], &stage.at(2.0)).is_empty());
    assert_eq!(narrator.open(), 0);
}

#[test]
fn closing_ends_everything_once() {
    let (stage, mut narrator) = (Stage::new(), narrator(|_| {}));
    narrator.narrate(&[firing(Intrusion, Start, 1, 2.0)], &stage.at(2.0));
    narrator.tracks(&[track(1, 2.0, 0.8)], &stage.at(2.0));
    assert_eq!(narrator.open(), 2);
    let events = narrator.close_all(&stage.at(5.0));
    assert_eq!(told(&events), [(1, Phase::End, 5.0), (2, Phase::End, 2.0)]);
    assert_eq!(events[0].explanation.measures.last().unwrap().name, "ended_stopped");
    assert!(narrator.close_all(&stage.at(6.0)).is_empty());
    assert!(narrator.narrate(&[firing(Intrusion, End, 1, 6.0)], &stage.at(6.0)).is_empty());
}
