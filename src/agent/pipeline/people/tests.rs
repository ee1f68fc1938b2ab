//! What a face or a look at somebody tells a line reaches its rules.

use std::time::Duration;

use super::*;
use crate::agent::cadence;
use crate::agent::pipeline;
use crate::behaviour::{self, Rule, RuleKind, Who, Zone};
use crate::vocab::{
    ClockState, Detection, EventKind, Id, Identity, KnownPerson, MediaTime, Phase, Polygon, Rect, WallTime,
};
use crate::{event, evidence, scene, track};

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// A line whose zone is the whole picture.
fn line(rule: Rule, people: Settings) -> Line {
    let zones = vec![Zone::new(id("all"), Polygon::whole_picture())];
    let settings = pipeline::Settings {
        cadence: cadence::Settings { fps: 5.0, gate: false, idle_keyframes: false },
        scene: scene::Settings::default(),
        by_motion: false,
        track: track::Settings::default(),
        behaviour: behaviour::Settings { zones, rules: vec![rule], ..behaviour::Settings::default() },
        heat: false,
        event: event::Settings::new(id("a"), Some(id("door")), 1),
        timezone: jiff::tz::TimeZone::UTC,
        model: None,
        labels: Labels::new(["person"]),
        evidence: evidence::Settings::default(),
        people,
        config_revision: "one".into(),
    };
    Line::new(settings, 1)
}

fn frame(seconds: f64) -> Frame {
    let mut frame = Frame::from_i420(16, 720, vec![90; 16 * 720 * 3 / 2]).unwrap();
    frame.pts = MediaTime::from_secs_f64(seconds);
    frame
}

/// Somebody stands there from `from` to `to`, five looks a second; what the rules tell.
fn stands(line: &mut Line, from: f64, to: f64) -> Vec<Event> {
    look(line, from, to, &[Detection::new(0, 0.9, Rect::new(0.3, 0.2, 0.7, 0.9))])
}

fn look(line: &mut Line, from: f64, to: f64, seen: &[Detection]) -> Vec<Event> {
    let times = (0..).map(|i| from + f64::from(i) * 0.2).take_while(|t| *t < to);
    let told = times.flat_map(|t| line.seen(&frame(t), seen, ClockState::Media)).collect::<Vec<_>>();
    told.into_iter().map(|occurrence| occurrence.event).filter(|event| event.rule.is_some()).collect()
}

#[test]
fn an_alert_ends_with_the_look_after_the_face_was_recognised() {
    let rule = Rule::new(id("in"), RuleKind::Intrusion { zone: id("all") });
    let rule = Rule { who: Some(Who::Except(vec![id("staff")])), ..rule };
    let known = known::Settings { shots: crate::identify::ShotSettings::default(), tell: Vec::new() };
    let mut line = line(rule, Settings { known: Some(known), familiar: None });
    let began = stands(&mut line, 0.0, 2.0);
    assert_eq!(began.iter().map(|event| event.phase).collect::<Vec<_>>(), [Phase::Start]);
    let person = KnownPerson { id: id("ada"), name: "Ada".to_owned(), lists: vec![id("staff")] };
    let identity = Identity {
        person: Some(person),
        score: 0.7,
        threshold: 0.45,
        margin: 0.3,
        least_margin: 0.05,
        space: "s".to_owned(),
        gallery: 3,
    };
    let recognised = Recognised { track: 1, worth: 0.9, identity: identity.clone() };
    assert!(line.recognised(&frame(2.0), recognised).is_empty(), "nobody is told of by `tell`");
    let ended = stands(&mut line, 2.0, 4.0);
    assert_eq!(ended.iter().map(|event| event.phase).collect::<Vec<_>>(), [Phase::End], "{ended:?}");
    assert!(ended[0].explanation.text.ends_with("recognised as Ada (ada, on staff): likeness 0.70 (limit 0.45)"));
    assert_eq!(ended[0].subject.as_ref().unwrap().identity, Some(identity));
}

#[test]
fn who_is_seen_again_under_another_number_passes_again() {
    let rule = |seconds| RuleKind::RepeatedPassing { zone: id("all"), at_least: 2, seconds };
    let familiar = familiar::Settings { camera: id("door"), tell: Vec::new() };
    let told = |second: &str| {
        let people = Settings { known: None, familiar: Some(familiar.clone()) };
        let mut line = line(Rule::new(id("again"), rule(Duration::from_secs(60))), people);
        let appearance = |person: &str| Appearance {
            id: person.to_owned(),
            first_seen: WallTime::default(),
            cameras: Vec::new(),
            before: None,
            space: "s".to_owned(),
        };
        stands(&mut line, 0.0, 2.0);
        line.seen_again(&frame(2.0), 1, appearance("p"));
        look(&mut line, 2.0, 8.0, &[]);
        let before = stands(&mut line, 8.0, 10.0);
        assert!(before.is_empty(), "another track is somebody else: {before:?}");
        line.seen_again(&frame(10.0), 2, appearance(second));
        stands(&mut line, 10.0, 12.0).iter().map(|event| event.kind).collect::<Vec<_>>()
    };
    assert_eq!(told("p"), [EventKind::RepeatedPassing]);
    assert!(told("q").is_empty(), "another person");
}
