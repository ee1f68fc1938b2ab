//! Rules rehearsed over the tracks that a line kept say what the line said; changed ones, what they would have.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::agent::cadence;
use crate::agent::engine;
use crate::agent::pipeline::{self, Line, Occurrence};
use crate::base::clock::SimulatedClock;
use crate::config::Folders;
use crate::event::Notice;
use crate::history::{self, Store};
use crate::vocab::{ClockState, Detection, Frame, Labels, MediaTime, ModelFacts, Phase, Point, Rect, Trunk};
use crate::{event, evidence, scene, track};

/// 2026-11-23T12:00:00Z.
const NOON: i64 = 1_795_435_200_000_000_000;

fn config(camera: &str) -> Config {
    let text = format!(
        "agent: {{ id: a, state_dir: /tmp/vedette-none, timezone: UTC }}\nmqtt: {{ url: \"mqtt://localhost\" }}\n\
         models: {{ people: {{ file: p.onnx, threshold: 0.5 }} }}\ncameras:\n  - id: door\n    url: \"scene://\"\n    \
         detect: {{ model: people, fps: 5, motion_gate: false }}\n{camera}"
    );
    let folders = Folders { config: "/tmp".into(), credentials: None };
    let loaded = config::load(text.as_bytes(), &folders);
    loaded.unwrap_or_else(|faults| panic!("{}", faults.render("f"))).config
}

/// A yard as wide as this, a line, and rules of several kinds.
fn yard(width: f32) -> String {
    format!(
        "    zones: [{{ id: yard, polygon: [[0, 0], [{width}, 0], [{width}, 1], [0, 1]] }}]\n    \
         lines: [{{ id: gate, from: [0.5, 0], to: [0.5, 1] }}, {{ id: exit, from: [0.8, 0], to: [0.8, 1] }}]\n    rules:\n      \
         - {{ id: in, kind: intrusion, zone: yard, labels: [person] }}\n      \
         - {{ id: hang, kind: loitering, zone: yard, seconds: 6 }}\n      \
         - {{ id: out, kind: line-crossing, line: gate, severity: event }}\n      \
         - {{ id: through, kind: journey, line: gate, then: exit }}\n      \
         - {{ id: two, kind: occupancy, zone: yard, at_least: 2 }}\n"
    )
}

fn labels() -> Labels {
    Labels::new(["person", "car"])
}

fn line_of(config: &Config, folder: &Path, first_track: u64) -> (Line, Store) {
    let camera = &config.cameras[0];
    let facts = ModelFacts {
        name: "people".to_owned(),
        version: String::new(),
        sha256: String::new(),
        provider: String::new(),
        threshold: 0.5,
    };
    let settings = pipeline::Settings {
        cadence: cadence::Settings { fps: 5.0, gate: false, idle_keyframes: false },
        scene: scene::Settings::default(),
        by_motion: false,
        track: track::Settings::default(),
        behaviour: camera.behaviour_settings(),
        heat: false,
        event: event::Settings::new(config.id.clone(), Some(camera.id.clone()), 1),
        timezone: config.timezone.clone(),
        model: Some(facts.clone()),
        labels: labels(),
        evidence: evidence::Settings { folder: folder.to_owned(), ..evidence::Settings::default() },
        people: Default::default(),
        config_revision: "one".into(),
    };
    let kept = history::Settings { folder: folder.join("tracks"), keep: Duration::MAX, quota_bytes: u64::MAX };
    let store = Store::open(kept, SimulatedClock::at(NOON)).unwrap();
    let mut line = Line::new(settings, first_track);
    line.keep_tracks(store.log(engine::head(camera, &labels(), &facts)));
    (line, store)
}

fn frame(seq: u64, pts: MediaTime, start: i64) -> Frame {
    let mut frame = Frame::from_i420(16, 16, vec![90; 384]).unwrap();
    (frame.seq, frame.pts) = (seq, pts);
    frame.captured = WallTime::from_unix_nanos(start).plus(pts.since(MediaTime::ZERO));
    frame
}

/// Three who come and go within ten minutes, with boxes that tremble and are missed now and then.
fn seen(t: f64, noise: &mut fastrand::Rng) -> Vec<Detection> {
    let ways = [(5.0, 40.0, -0.1, 0.9), (20.0, 60.0, 0.1, 0.6), (400.0, 430.0, 0.95, 0.05)];
    let mut all = Vec::new();
    for (i, (from, to, left, right)) in ways.into_iter().enumerate() {
        if !(from..to).contains(&t) || noise.f32() < 0.15 {
            continue;
        }
        let share = ((t - from) / (to - from)) as f32;
        let mut tremble = || 0.004 * (noise.f32() - 0.5);
        let x = left + (right - left) * share + tremble();
        let foot = 0.5 + 0.1 * i as f32 + tremble();
        all.push(Detection::new(0, 0.6 + 0.3 * noise.f32(), Rect::new(x - 0.04, foot - 0.25, x + 0.04, foot)));
    }
    all
}

/// What a line tells of its rules in ten minutes, with a cut in it and a time in which nobody looks.
fn live(line: &mut Line, start: i64) -> Vec<Occurrence> {
    let mut noise = fastrand::Rng::with_seed(11);
    let mut told = Vec::new();
    for i in 0..3000u64 {
        let pts = MediaTime::from_nanos(i * 200_000_000 + i % 7 * 11_111);
        let t = pts.as_secs_f64();
        let frame = frame(i, pts, start);
        if (100.0..350.0).contains(&t) {
            told.extend(line.wait(pts, frame.captured, ClockState::Media));
            continue;
        }
        if i == 225 {
            told.extend(line.cut(&Notice::Reconnected { gap: Duration::from_secs(1) }));
        }
        told.extend(line.look(&frame, ClockState::Media).occurrences);
        told.extend(line.seen(&frame, &seen(t, &mut noise), ClockState::Media));
    }
    told.extend(line.close());
    told.retain(|occurrence| occurrence.event.rule.is_some());
    told
}

fn request(folder: &Path) -> Request {
    Request { folder: folder.join("tracks"), camera: None, since: None, events: true }
}

/// The starts of rules that were told, as lines of text.
fn starts(told: &[Occurrence]) -> Vec<String> {
    let of_rules = told.iter().map(|o| &o.event).filter(|event| event.phase == Phase::Start);
    let line = |event: &crate::vocab::Event| {
        let rule = event.rule.as_ref().unwrap();
        format!("{} {rule} {}", event.pts.as_millis(), event.explanation.text)
    };
    let mut starts: Vec<String> = of_rules.map(line).collect();
    starts.sort();
    starts
}

fn lines(happenings: &[Happening]) -> Vec<String> {
    let mut lines: Vec<String> =
        happenings.iter().map(|h| format!("{} {} {}", h.start_pts_ms, h.rule, h.explanation)).collect();
    lines.sort();
    lines
}

#[test]
fn the_same_rules_say_what_the_line_said_and_a_smaller_zone_says_less() {
    let folder = tempfile::tempdir().unwrap();
    let present = config(&yard(0.7));
    let (mut line, store) = line_of(&present, folder.path(), 1);
    let told = live(&mut line, NOON);
    store.flush();
    let same = rehearse(&present, &present, &request(folder.path())).unwrap();
    assert_eq!((lines(&same.appear), lines(&same.vanish)), (vec![], vec![]));
    assert_eq!(lines(&same.stay), starts(&told));
    assert!(same.losses.is_none() && same.notes.is_empty(), "{:?}", same.notes);
    let rules: Vec<&str> = same.rules.keys().map(String::as_str).collect();
    assert_eq!(
        rules,
        ["door/hang", "door/in", "door/out", "door/through", "door/two"],
        "every rule has something to tell"
    );

    let changed = config(&yard(0.05));
    let less = rehearse(&present, &changed, &request(folder.path())).unwrap();
    assert_eq!(less.rules["door/two"], Totals { appear: 0, vanish: same.rules["door/two"].stay, stay: 0 });
    assert_eq!(less.rules["door/out"], same.rules["door/out"], "lines are where they were");
    let back = rehearse(&changed, &present, &request(folder.path())).unwrap();
    assert_eq!((lines(&back.appear).len(), lines(&back.vanish).len()), (less.vanish.len(), less.appear.len()));
}

#[test]
fn only_alerts_since_a_moment_are_told_unless_more_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let present = config(&yard(0.7));
    let (mut line, store) = line_of(&present, folder.path(), 1);
    live(&mut line, NOON);
    store.flush();
    let since = WallTime::from_unix_nanos(NOON).plus(Duration::from_secs(300));
    let asked = Request { events: false, since: Some(since), ..request(folder.path()) };
    let rehearsal = rehearse(&present, &present, &asked).unwrap();
    assert!(!rehearsal.stay.is_empty() && rehearsal.stay.iter().all(|h| h.start >= since && h.rule.as_str() != "out"));
    let strange = Request { camera: Some(Id::new("yard").unwrap()), ..asked };
    assert!(matches!(rehearse(&present, &present, &strange), Err(RehearsalError::NoCamera { .. })));
}

#[test]
fn what_a_suppression_would_have_held_back_vanishes_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let present = config(&yard(0.7));
    let (mut line, store) = line_of(&present, folder.path(), 1);
    live(&mut line, NOON);
    store.flush();
    let entry = "    suppress: [{ id: all, rule: in, region: [[0, 0], [1, 0], [1, 1], [0, 1]], until: 2026-11-23T12:05:00Z, reason: why }]\n";
    let changed = config(&format!("{}{entry}", yard(0.7)));
    let rehearsal = rehearse(&present, &changed, &request(folder.path())).unwrap();
    let before = rehearse(&present, &present, &request(folder.path())).unwrap().rules["door/in"].stay;
    let totals = rehearsal.rules["door/in"];
    assert_eq!((totals.appear, totals.vanish + totals.stay), (0, before));
    assert!(totals.vanish >= 1 && totals.stay >= 1, "{totals:?}: it expires before the last one comes");
    let held =
        format!("door: the changed configuration holds {} starts back by the entry all of `suppress`", totals.vanish);
    assert_eq!(rehearsal.notes, [held]);
}

#[test]
fn what_lies_before_the_tracks_is_said_not_to_be_rehearsed() {
    let folder = tempfile::tempdir().unwrap();
    let present = config(&yard(0.7));
    let (mut line, store) = line_of(&present, folder.path(), 1);
    live(&mut line, NOON);
    store.flush();
    let mut changed = present.clone();
    changed.models[0].threshold = Some(0.3);
    changed.cameras[0].detect.as_mut().unwrap().fps = 10.0;
    changed.cameras[0].rules[0].labels = vec!["bear".to_owned()];
    changed.cameras[0].rules[1].who = Some(crate::behaviour::Who::Except(vec![Id::new("staff").unwrap()]));
    changed.cameras[0].reidentify = Some(config::CameraReidentify::default());
    let rehearsal = rehearse(&present, &changed, &request(folder.path())).unwrap();
    let notes = rehearsal.notes.join("\n");
    let of_people = ["the rule hang asks who somebody is", "the rule through knows people again"];
    for said in
        ["`detect.fps` differs", "0.3 is below the 0.5", "the model has no label \"bear\""].iter().chain(&of_people)
    {
        assert!(notes.contains(said), "{notes}");
    }
    changed.cameras[0].enabled = false;
    let rehearsal = rehearse(&present, &changed, &request(folder.path())).unwrap();
    assert!(rehearsal.stay.is_empty() && !rehearsal.vanish.is_empty());
}

/// Somebody whose box stays as it is and whose trunk turns from upright to lying at 10 s.
fn live_fall(line: &mut Line) -> Vec<Occurrence> {
    let mut told = Vec::new();
    for i in 0..200u64 {
        let frame = frame(i, MediaTime::from_millis(100 * i), NOON);
        let angle = (90.0 * ((i as f32 - 100.0) / 5.0).clamp(0.0, 1.0)).to_radians();
        let (hips, size) = (Point::new(0.5, 0.6), (160, 90));
        let shoulders = Point::new(hips.x + 0.2 * angle.sin() * 9.0 / 16.0, hips.y - 0.2 * angle.cos());
        let trunk = Trunk::between(shoulders, hips, size);
        let somebody = Detection { trunk, ..Detection::new(0, 0.9, Rect::new(0.4, 0.3, 0.6, 0.9)) };
        told.extend(line.look(&frame, ClockState::Media).occurrences);
        told.extend(line.seen(&frame, &[somebody], ClockState::Media));
    }
    told.extend(line.close());
    told.retain(|occurrence| occurrence.event.rule.is_some());
    told
}

#[test]
fn a_fall_that_only_the_trunk_shows_is_told_and_is_told_again_by_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let present = config(
        "    zones: [{ id: hall, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]] }]\n    rules:\n      - { id: fell, kind: fall, zone: hall }\n",
    );
    let (mut line, store) = line_of(&present, folder.path(), 1);
    let told = live_fall(&mut line);
    store.flush();
    let [start] = &starts(&told)[..] else { panic!("{told:?}") };
    assert!(start.contains("the trunk turned to ") && start.contains("° from upright (limit 60°)"), "{start}");
    let same = rehearse(&present, &present, &request(folder.path())).unwrap();
    assert_eq!(lines(&same.stay), starts(&told));
    assert_eq!((lines(&same.appear), lines(&same.vanish)), (vec![], vec![]));
}
