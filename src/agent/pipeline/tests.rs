//! The line over the rendered street: what is left and removed is told in time, where it is, and nothing else, in half an hour
//! of changing light, rain and somebody who stands for five minutes, in one go. Its people and vehicles are seen by a script,
//! so that only the scene is put to the test.

use super::*;
use crate::behaviour::{ObjectLimits, Rule, RuleKind, Zone};
use crate::decode::street::{Actor, Kind, Show, Street};
use crate::vocab::{EventKind, Id, Phase, Polygon, Rect};

/// As slow as a detector on a small box looks.
const FPS: f64 = 2.5;
/// How long an object must have stood, or been missing.
const LIMIT: f64 = 10.0;
/// How much later it may be told, and how much earlier: a bag is held where it will stand before it is let go.
const LATE: f64 = 2.0;
const EARLY: f64 = 1.0;

fn rule(id: &str, kind: impl FnOnce(Id, ObjectLimits) -> RuleKind) -> Rule {
    let limits = ObjectLimits { seconds: Duration::from_secs_f64(LIMIT), owner_away: Duration::ZERO, max_area: 0.1 };
    Rule { min_area: 0.003, ..Rule::new(Id::new(id).unwrap(), kind(Id::new("all").unwrap(), limits)) }
}

fn line() -> Line {
    let labels = Labels::new(["person", "car"]);
    let behaviour = behaviour::Settings {
        zones: vec![Zone::new(Id::new("all").unwrap(), Polygon::whole_picture())],
        rules: vec![
            rule("left", |zone, limits| RuleKind::ObjectLeft { zone, limits }),
            rule("removed", |zone, limits| RuleKind::ObjectRemoved { zone, limits }),
        ],
        ..behaviour::Settings::default()
    };
    let settings = Settings {
        cadence: cadence::Settings { fps: FPS, gate: true, idle_keyframes: false },
        scene: scene::Settings { background: Some(scene::BackgroundSettings::default()), ..scene::Settings::default() },
        by_motion: false,
        track: track::Settings::default(),
        behaviour,
        heat: false,
        event: event::Settings::new(Id::new("a").unwrap(), Some(Id::new("street").unwrap()), 1),
        timezone: jiff::tz::TimeZone::UTC,
        model: None,
        labels,
        evidence: evidence::Settings::default(),
        people: Default::default(),
        config_revision: "one".into(),
    };
    Line::new(settings, 1)
}

/// When and where what was told of: an object that was left, or removed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    kind: EventKind,
    phase: Phase,
    at: f64,
    bbox: Rect,
}

/// How many pictures there are in so many minutes.
fn pictures(minutes: u64, fps: f64) -> u64 {
    minutes * (60.0 * fps) as u64
}

/// What happens to things in the first `minutes`, by the street's own truth: what there is at the beginning belongs to the
/// place.
fn truth(street: &Street, minutes: u64, fps: f64) -> Vec<Told> {
    let things = |index: u64| -> Vec<(u32, Rect)> {
        street.truth(index).iter().filter(|a| a.kind == Kind::Bag).map(|a| (a.id, a.bbox)).collect()
    };
    let holds = |things: &[(u32, Rect)], id: u32| things.iter().any(|thing| thing.0 == id);
    let at_first = things(0);
    let (mut before, mut told) = (at_first.clone(), Vec::new());
    for index in 0..pictures(minutes, fps) {
        let (now, at) = (things(index), index as f64 / fps);
        let mut say = |phase, kind, bbox| told.push(Told { kind, phase, at, bbox });
        for &(id, bbox) in now.iter().filter(|thing| !holds(&before, thing.0)) {
            if holds(&at_first, id) {
                say(Phase::End, EventKind::ObjectRemoved, bbox)
            } else {
                say(Phase::Start, EventKind::ObjectLeft, bbox)
            }
        }
        for &(id, bbox) in before.iter().filter(|thing| !holds(&now, thing.0)) {
            if holds(&at_first, id) {
                say(Phase::Start, EventKind::ObjectRemoved, bbox)
            } else {
                say(Phase::End, EventKind::ObjectLeft, bbox)
            }
        }
        before = now;
    }
    told
}

/// What a detector that never errs would say.
fn detections(actors: &[Actor]) -> Vec<Detection> {
    let seen = actors.iter().filter(|actor| actor.kind != Kind::Bag);
    seen.map(|a| Detection::new(u16::from(a.kind == Kind::Vehicle), 0.9, a.bbox)).collect()
}

/// What the line tells of objects in the first `minutes`.
fn play(street: &Street, minutes: u64, fps: f64) -> Vec<Told> {
    let (width, height) = street.size();
    let (mut line, mut told) = (line(), Vec::new());
    for index in 0..pictures(minutes, fps) {
        let mut bytes = Vec::new();
        street.draw(index, &mut bytes);
        let mut frame = Frame::from_i420(width, height, bytes).unwrap();
        frame.pts = MediaTime::from_secs_f64(index as f64 / fps);
        let looked = line.look(&frame, ClockState::Media);
        let mut occurrences = looked.occurrences;
        if looked.verdict == Verdict::Look {
            occurrences.extend(line.seen(&frame, &detections(&street.truth(index)), ClockState::Media));
        }
        for Occurrence { event, shot } in occurrences {
            if matches!(event.kind, EventKind::ObjectLeft | EventKind::ObjectRemoved) {
                assert!(event.phase != Phase::Start || shot.is_some(), "{event:?}");
                let bbox = event.region.expect("where it is");
                told.push(Told { kind: event.kind, phase: event.phase, at: event.pts.as_secs_f64(), bbox });
            }
        }
    }
    told
}

const EVERYTHING: Show = Show { lights: true, rain: true, stander: true, things: true };

fn assert_told(show: Show, seed: u64, minutes: u64, fps: f64) {
    let street = Street::with(show, seed, 320, 180, fps);
    let (expected, told) = (truth(&street, minutes, fps), play(&street, minutes, fps));
    let starts = |all: &[Told]| -> Vec<Told> { all.iter().filter(|t| t.phase == Phase::Start).copied().collect() };
    let (due, said) = (starts(&expected), starts(&told));
    assert!(due.len() as u64 >= minutes, "a bag each minute: {due:?}");
    let fits = |due: &Told, said: &Told| {
        let in_time = (due.at + LIMIT - EARLY..=due.at + LIMIT + LATE).contains(&said.at);
        due.kind == said.kind && in_time && due.bbox.intersection(&said.bbox).area() > 0.0
    };
    let wrong: Vec<&Told> = due.iter().filter(|due| said.iter().filter(|said| fits(due, said)).count() != 1).collect();
    let invented: Vec<&Told> = said.iter().filter(|said| !due.iter().any(|due| fits(due, said))).collect();
    assert!(
        wrong.is_empty() && invented.is_empty(),
        "not told once {wrong:?}, invented {invented:?}, all {told:?} of {expected:?}"
    );
    assert_eq!(said.len(), due.len(), "each once: {said:?}");
    let ends = told.iter().filter(|t| t.phase == Phase::End).count();
    let due = expected.iter().filter(|t| t.phase == Phase::End).count();
    assert!(ends.abs_diff(due) <= 1, "{ends} of {due} ends: the last may be yet to come");
}

#[test]
fn objects_are_told_once_and_in_time_in_half_an_hour_of_changing_light_rain_and_somebody_who_stands() {
    assert_told(EVERYTHING, 7, 30, FPS);
}

#[test]
fn the_shadow_of_whoever_stands_behind_a_bag_is_not_told() {
    assert_told(EVERYTHING, 11, 5, FPS);
}

#[test]
fn bags_are_told_in_three_minutes_of_steady_light() {
    for fps in [FPS, 10.0] {
        assert_told(Show { things: true, ..Show::default() }, 1, 3, fps);
    }
}
