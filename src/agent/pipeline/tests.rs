//! The line over the rendered street: what is left and removed is told in time, and nothing else, in half an hour of changing
//! light, rain and somebody who stands for five minutes, ten minutes at a time. Its people and vehicles are seen by a script, so
//! that only the scene is put to the test.

use super::*;
use crate::behaviour::{ObjectLimits, Rule, RuleKind, Zone};
use crate::decode::street::{Actor, Kind, Show, Street};
use crate::vocab::{EventKind, Id, Phase, Polygon};

/// As slow as a detector on a small box looks.
const FPS: f64 = 2.5;
/// How long an object must have stood, or been missing.
const LIMIT: f64 = 10.0;
/// How much later it may be told.
const LATE: f64 = 2.0;

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
        known: None,
        config_revision: "one".into(),
    };
    Line::new(settings, 1)
}

/// When what was told of: an object that was left, or removed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    kind: EventKind,
    phase: Phase,
    at: f64,
}

/// What happens to things in `minutes` of the half hour, by the street's own truth: what there is at the beginning belongs
/// to the place.
fn truth(street: &Street, minutes: std::ops::Range<u64>) -> Vec<Told> {
    let things =
        |index: u64| -> Vec<u32> { street.truth(index).iter().filter(|a| a.kind == Kind::Bag).map(|a| a.id).collect() };
    let pictures = minutes.start * (60.0 * FPS) as u64..minutes.end * (60.0 * FPS) as u64;
    let at_first = things(pictures.start);
    let (mut before, mut told) = (at_first.clone(), Vec::new());
    for index in pictures.clone() {
        let (now, at) = (things(index), (index - pictures.start) as f64 / FPS);
        let mut say = |phase, kind| told.push(Told { kind, phase, at });
        let belongs = |id: &u32| at_first.contains(id);
        for id in now.iter().filter(|id| !before.contains(id)) {
            if belongs(id) {
                say(Phase::End, EventKind::ObjectRemoved)
            } else {
                say(Phase::Start, EventKind::ObjectLeft)
            }
        }
        for id in before.iter().filter(|id| !now.contains(id)) {
            if belongs(id) {
                say(Phase::Start, EventKind::ObjectRemoved)
            } else {
                say(Phase::End, EventKind::ObjectLeft)
            }
        }
        before = now;
    }
    told
}

/// What a detector that never errs would say.
fn detections(actors: &[Actor]) -> Vec<Detection> {
    let seen = actors.iter().filter(|actor| actor.kind != Kind::Bag);
    seen.map(|a| Detection { class: u16::from(a.kind == Kind::Vehicle), score: 0.9, bbox: a.bbox }).collect()
}

/// What the line tells of objects in `minutes` of the half hour.
fn play(street: &Street, minutes: std::ops::Range<u64>) -> Vec<Told> {
    let (width, height) = street.size();
    let first = minutes.start * (60.0 * FPS) as u64;
    let (mut line, mut told) = (line(), Vec::new());
    for index in first..minutes.end * (60.0 * FPS) as u64 {
        let mut bytes = Vec::new();
        street.draw(index, &mut bytes);
        let mut frame = Frame::from_i420(width, height, bytes).unwrap();
        frame.pts = MediaTime::from_secs_f64((index - first) as f64 / FPS);
        let looked = line.look(&frame, ClockState::Media);
        let mut occurrences = looked.occurrences;
        if looked.verdict == Verdict::Look {
            occurrences.extend(line.seen(&frame, &detections(&street.truth(index)), ClockState::Media));
        }
        for Occurrence { event, shot } in occurrences {
            if matches!(event.kind, EventKind::ObjectLeft | EventKind::ObjectRemoved) {
                assert!(event.region.is_some() && (event.phase != Phase::Start || shot.is_some()), "{event:?}");
                told.push(Told { kind: event.kind, phase: event.phase, at: event.pts.as_secs_f64() });
            }
        }
    }
    told
}

const EVERYTHING: Show = Show { lights: true, rain: true, stander: true, things: true };

fn assert_told(show: Show, minutes: std::ops::Range<u64>) {
    let street = Street::with(show, 7, 320, 180, FPS);
    let (expected, told) = (truth(&street, minutes.clone()), play(&street, minutes));
    let starts = |all: &[Told]| -> Vec<Told> { all.iter().filter(|t| t.phase == Phase::Start).copied().collect() };
    let (due, said) = (starts(&expected), starts(&told));
    assert!(due.len() >= 3, "a bag each minute: {due:?}");
    let fits = |due: &Told, said: &Told| {
        due.kind == said.kind && (due.at + LIMIT - 1.0 / FPS..=due.at + LIMIT + LATE).contains(&said.at)
    };
    let missed: Vec<&Told> = due.iter().filter(|due| !said.iter().any(|said| fits(due, said))).collect();
    let invented: Vec<&Told> = said.iter().filter(|said| !due.iter().any(|due| fits(due, said))).collect();
    assert!(
        missed.is_empty() && invented.is_empty(),
        "missed {missed:?}, invented {invented:?}, all {told:?} of {expected:?}"
    );
    assert_eq!(said.len(), due.len(), "each once: {said:?}");
    let ends = told.iter().filter(|t| t.phase == Phase::End).count();
    let due = expected.iter().filter(|t| t.phase == Phase::End).count();
    assert!(ends.abs_diff(due) <= 1, "{ends} of {due} ends: the last may be yet to come");
}

#[test]
fn objects_are_told_in_the_first_ten_minutes_while_somebody_stands_for_five() {
    assert_told(EVERYTHING, 0..10);
}

#[test]
fn objects_are_told_in_ten_minutes_of_rain_and_dusk() {
    assert_told(EVERYTHING, 10..20);
}

#[test]
fn objects_are_told_in_ten_minutes_in_which_the_lamps_go_out() {
    assert_told(EVERYTHING, 20..30);
}

#[test]
fn bags_are_told_in_three_minutes_of_steady_light() {
    assert_told(Show { things: true, ..Show::default() }, 0..3);
}
