//! The sentences, as a golden list, and one whole event.

use std::fmt::Write as _;
use std::time::Duration;

use super::*;
use crate::event::{ConfigChange, ModelChange, Notice, Reappeared};
use crate::vocab::{Appearance, EventKind, Identity, KnownPerson, Phase, SeenBefore};
use crate::vocab::{CameraState, ClipFile, Condition, DayNight, EndReason, Evidence, Finding, PictureChange, Relief};
use FiringKind::{
    Crowding, Fall, Gathering, Intrusion, Journey, LineCrossing, Loitering, NearVehicle, ObjectLeft, ObjectRemoved,
    Occupancy, Queue, RepeatedPassing, Running, Scattering, Speed, Stopped, Tailgating, WrongWay,
};
use FiringPhase::{End, Instant, Start, Update};

fn stay(kind: FiringKind, phase: FiringPhase, dwell: f64, limit: Option<f64>, ended: Option<EndReason>) -> Firing {
    let dwell = Measure { name: Measure::DWELL.into(), value: dwell, limit };
    let mut measures = vec![dwell, Measure::against(Measure::SCORE, 0.87, 0.5)];
    measures.extend(ended.map(EndReason::measure));
    Firing { measures, ..firing(kind, phase, 1, 1.0) }
}

fn crowd(phase: FiringPhase, counts: &[(&str, f64)], extra: Vec<Measure>) -> Firing {
    let sum = counts.iter().map(|(_, n)| n).sum();
    let mut measures = vec![Measure::against(Measure::COUNT, sum, 2.0)];
    measures.extend(counts.iter().map(|(label, n)| Measure::plain(&format!("count.{label}"), *n)));
    measures.extend(extra);
    Firing { measures, ..firing(Occupancy, phase, 0, 1.0) }
}

fn firings() -> Vec<Firing> {
    let way = |direction| Firing {
        measures: vec![Measure::plain(Measure::DIRECTION, direction), Measure::plain(Measure::SCORE, 0.87)],
        ..firing(LineCrossing, Instant, 1, 1.0)
    };
    let ending = |reason: EndReason| {
        vec![Measure::plain(Measure::PEAK, 3.0), Measure::plain(Measure::DWELL, 35.2), reason.measure()]
    };
    let mut all = vec![
        stay(Intrusion, Start, 0.4, None, None),
        stay(Intrusion, Start, 12.6, None, None),
        stay(Intrusion, Update, 61.9, None, None),
        stay(Loitering, Start, 61.0, Some(60.0), None),
        stay(Loitering, Update, 400.0, Some(60.0), None),
        stay(Loitering, End, 7_500.0, Some(60.0), Some(EndReason::Left)),
        way(1.0),
        way(-1.0),
        crowd(Start, &[("person", 2.0)], vec![]),
        crowd(Update, &[("person", 2.0), ("car", 1.0)], vec![]),
        crowd(Start, &[("person", 2.0)], vec![Measure::against(Measure::HELD, 30.2, 30.0)]),
        crowd(End, &[("person", 1.0)], ending(EndReason::Unseen)),
        crowd(End, &[], ending(EndReason::Schedule)),
    ];
    let reasons =
        [EndReason::Left, EndReason::Unseen, EndReason::Schedule, EndReason::Discontinuity, EndReason::Stopped];
    all.extend(reasons.map(|reason| stay(Intrusion, End, 61.9, None, Some(reason))));
    all
}

/// One sentence for each phase of each kind about how objects behave.
fn conducts() -> Vec<Firing> {
    let says = |kind, phase, compared: &[(&str, f64, f64)], more: Vec<Measure>| {
        let mut measures: Vec<Measure> =
            compared.iter().map(|(name, value, limit)| Measure::against(name, *value, *limit)).collect();
        measures.extend(more);
        Firing { measures, ..firing(kind, phase, 1, 1.0) }
    };
    let held = |name, value, limit| [(name, value, limit), (Measure::HELD, 1.2, 1.0)];
    let over = |reason: EndReason| {
        vec![Measure::plain(Measure::PEAK, 6.0), Measure::plain(Measure::DWELL, 95.0), reason.measure()]
    };
    let (ceased, left) = (vec![EndReason::Ceased.measure()], vec![EndReason::Left.measure()]);
    let down = [(Measure::DROP, 0.55, 0.4), (Measure::STILL, 0.8, 0.7)];
    let turned = [(Measure::INCLINATION, 84.3, 60.0), (Measure::STILL, 0.8, 0.7)];
    let dense = [(Measure::COUNT, 8.0, 8.0), (Measure::DENSITY_M2, 0.5, 0.5), (Measure::HELD, 10.2, 10.0)];
    let queue = [(Measure::COUNT, 6.0, 5.0), (Measure::WAIT, 95.0, 60.0)];
    let way = vec![Measure::plain(Measure::DIRECTION, 1.0)];
    let alone = [(Measure::STILL, 61.2, 60.0), (Measure::AREA, 0.01, 0.1)];
    let owner = vec![Measure::plain(Measure::OWNER, 12.0), Measure::against(Measure::OWNER_LEFT, 45.4, 10.0)];
    let visits = [(Measure::VISITS, 3.0, 3.0), (Measure::WINDOW, 95.0, 600.0)];
    vec![
        says(WrongWay, Start, &held("angle_deg", 164.6, 120.0), vec![]),
        says(WrongWay, End, &held("angle_deg", 179.0, 120.0), left.clone()),
        says(Speed, Start, &held("speed_kmh", 43.21, 30.0), vec![]),
        says(Speed, End, &held("speed_kmh", 51.0, 30.0), ceased.clone()),
        says(Running, Start, &held("speed_heights", 1.62, 1.3), vec![]),
        says(NearVehicle, Start, &held("distance_m", 0.8, 1.5), vec![]),
        says(NearVehicle, Update, &held("distance_heights", 0.31, 0.8), vec![]),
        says(Stopped, Start, &[(Measure::STILL, 31.0, 30.0)], vec![]),
        says(Stopped, End, &[(Measure::DWELL, 64.0, 30.0)], ceased.clone()),
        says(Fall, Start, &down, vec![]),
        says(Fall, Start, &turned, vec![]),
        says(Fall, Update, &down, vec![Measure::plain(Measure::INCLINATION, 52.0)]),
        says(Fall, End, &down, ceased),
        says(Fall, End, &down, vec![EndReason::Unseen.measure()]),
        says(Fall, End, &down, vec![EndReason::Schedule.measure()]),
        says(Crowding, Start, &dense, vec![Measure::plain("count.person", 8.0)]),
        says(Crowding, End, &dense[..2], over(EndReason::Left)),
        says(Queue, Start, &queue, vec![]),
        says(Queue, Start, &queue[1..], vec![Measure::plain(Measure::COUNT, 2.0)]),
        says(Queue, End, &queue, over(EndReason::Ceased)),
        says(Gathering, Start, &[(Measure::COUNT, 4.0, 3.0), (Measure::HELD, 10.0, 10.0)], vec![]),
        says(Gathering, End, &[(Measure::COUNT, 2.0, 3.0)], over(EndReason::Ceased)),
        says(Scattering, Instant, &[(Measure::COUNT, 4.0, 3.0)], vec![]),
        says(Tailgating, Instant, &[(Measure::GAP, 0.8, 2.0)], way),
        says(Journey, Instant, &[(Measure::JOURNEY, 12.3, 60.0)], vec![]),
        says(RepeatedPassing, Instant, &visits, vec![]),
        says(ObjectLeft, Start, &alone, owner),
        says(ObjectLeft, End, &alone, vec![EndReason::Ceased.measure()]),
        says(ObjectRemoved, Start, &alone, vec![]),
        says(ObjectRemoved, End, &alone, vec![EndReason::Ceased.measure()]),
        says(ObjectRemoved, End, &alone, vec![EndReason::Schedule.measure()]),
    ]
}

fn clip(ends_pts_ms: Option<u64>, missing: Option<&str>, lacks: &str) -> Notice {
    let file = |ends_pts_ms| ClipFile {
        sha256: "ab".into(),
        bytes: 1_234_567,
        begins: "2026-11-23T12:00:00.000Z".into(),
        ends: "2026-11-23T12:00:14.250Z".into(),
        begins_pts_ms: 0,
        ends_pts_ms,
        episodes: vec!["door-1".into()],
    };
    let evidence = Evidence {
        clip: Some("door-1.mp4".into()),
        clip_file: ends_pts_ms.map(file),
        clip_missing: missing.map(str::to_owned),
        ..Evidence::default()
    };
    Notice::Clip { evidence, lacks: lacks.into() }
}

fn notices() -> Vec<Notice> {
    let why = || "no data for 5 s".to_owned();
    let model_is = |change| Notice::Model { model: model(), change };
    let config_is = |change| Notice::Config { revision: "0123456789ab".into(), change };
    vec![
        Notice::CameraState { from: CameraState::Streaming, to: CameraState::Stalled, cause: why() },
        Notice::CameraState { from: CameraState::Backoff, to: CameraState::AuthFailed, cause: String::new() },
        Notice::ClockJump { seconds: 3_600.0 },
        Notice::ClockJump { seconds: -2.5 },
        Notice::SizeChange { from: (1920, 1080), to: (1280, 720) },
        Notice::Gap {
            class: "event".into(),
            lost: 12,
            range: Some((5, 16)),
            reason: "disk-full".into(),
            numbers: None,
        },
        Notice::Gap { class: "alert".into(), lost: 1, range: None, reason: String::new(), numbers: None },
        Notice::ClockStep { from: wall(0.0), to: wall(12.5) },
        Notice::ClockStep { from: wall(3_600.0), to: wall(0.0) },
        model_is(ModelChange::Loaded { took: Duration::from_millis(1_234) }),
        model_is(ModelChange::Replaced { was: "fedcba9876543210".into() }),
        model_is(ModelChange::Failed { why: "the golden picture was not recognised".into() }),
        model_is(ModelChange::Hangs { since: Duration::from_millis(31_400) }),
        model_is(ModelChange::Resumed { after: Duration::from_secs(50) }),
        clip(Some(14_250), None, ""),
        clip(Some(60_000), None, "what happens goes on after it"),
        clip(None, Some("disk-full"), "no room on the disk for door-1.mp4"),
        config_is(ConfigChange::Applied),
        config_is(ConfigChange::Refused { faults: 3 }),
        config_is(ConfigChange::Reverted { why: "the hub was not reached for 60 s".into() }),
    ]
}

/// One sentence for each thing that may ail a picture, and for each way in which that ends.
#[test]
fn what_ails_a_picture_is_told_in_words() {
    let stage = Stage::new();
    let mut narrator = narrator(|_| {});
    let mut text = String::new();
    let found = |value, limit, shift| Finding { value, limit, shift };
    let findings = [
        (Condition::Defocused, found(0.31, 0.5, None)),
        (Condition::Moved, found(0.1, 0.3, Some((-0.15, 0.08)))),
        (Condition::Moved, found(0.02, 0.3, None)),
        (Condition::Degraded, found(0.42, 0.2, None)),
    ];
    let reliefs = [Relief::Passed, Relief::Learnt, Relief::Touring, Relief::Resized];
    for ((condition, finding), relief) in findings.into_iter().zip(reliefs) {
        let since = at(100.0);
        let began = narrator.picture(&PictureChange::Began { condition, since, finding }, &stage.at(130.0)).unwrap();
        let ended = narrator.picture(&PictureChange::Ended { condition, since, relief }, &stage.at(700.0)).unwrap();
        assert_eq!((began.episode, began.condition, began.pts), (ended.episode, ended.condition, since));
        writeln!(text, "{}\n{}", began.explanation.text, ended.explanation.text).unwrap();
    }
    let switched = PictureChange::Switched { to: DayNight::Night, colour: 0.2, light: 61.3 };
    text += &narrator.picture(&switched, &stage.at(800.0)).unwrap().explanation.text;
    insta::assert_snapshot!(text);
    assert_eq!(narrator.open(), 0);
    let never = PictureChange::Ended { condition: Condition::Moved, since: at(1.0), relief: Relief::Passed };
    assert_eq!(narrator.picture(&never, &stage.at(900.0)), None, "what never began does not end");
}

#[test]
fn sentences() {
    let stage = Stage::new();
    let mut text = String::new();
    for firing in firings().into_iter().chain(conducts()) {
        // Each is told by a narrator that knows how it began.
        let mut narrator = narrator(|s| s.update_every = Duration::ZERO);
        if !matches!(firing.phase, Start | Instant) {
            narrator.narrate(&[Firing { phase: Start, ..firing.clone() }], &stage.at(1.0));
        }
        let event = narrator.narrate(&[firing], &stage.at(1.0)).remove(0);
        let _ = writeln!(text, "{} {:?}: {}", event.kind.as_str(), event.phase, event.explanation.text);
    }
    let mut narrator = narrator(|_| {});
    let tracked = [track(1, 2.0, 0.91)];
    for event in narrator.tracks(&tracked, &stage.at(2.0)).into_iter().chain(narrator.close_all(&stage.at(3.0))) {
        let _ = writeln!(text, "{} {:?}: {}", event.kind.as_str(), event.phase, event.explanation.text);
    }
    narrator.narrate(&[crowd(Start, &[("person", 2.0)], vec![])], &stage.at(1.0));
    let event = narrator.close_all(&stage.at(9.0)).remove(0);
    let _ = writeln!(text, "{} {:?}: {}", event.kind.as_str(), event.phase, event.explanation.text);
    for notice in notices() {
        let event = narrator.notice(&notice, &stage.at(1.0));
        let _ = write!(text, "{}: {}", event.kind.as_str(), event.explanation.text);
        let measures = event.explanation.measures.iter().map(|m| format!(" {}={}", m.name, m.value));
        let _ = writeln!(text, " |{}", measures.collect::<String>());
    }
    insta::assert_snapshot!(text);
}

#[test]
fn who_was_seen_before_is_told_with_where_and_when() {
    let (stage, mut narrator) = (Stage::new(), narrator(|_| {}));
    let mut text = String::new();
    for (camera, away, score) in [("gate", 35.25, 0.942), ("door", 1_830.0, 0.91), ("gate", 0.0, 0.987)] {
        let before = SeenBefore {
            camera: id(camera),
            at: wall(0.0),
            away: Duration::from_secs_f64(away),
            score,
            threshold: 0.9,
            margin: 0.21,
            least_margin: 0.03,
        };
        let appearance = Appearance {
            id: "p-1".into(),
            first_seen: wall(0.0),
            cameras: vec![id(camera)],
            before: Some(before),
            space: "osnet-3f2a9c0b71d4-512".into(),
        };
        let (rule, track) = (id("from-the-gate"), track(1, 1.0, 0.91));
        let told = Reappeared { rule: &rule, severity: Severity::Event, track: &track, appearance: &appearance };
        let event = narrator.reappeared(&told, &stage.at(12.0));
        assert_eq!((event.kind, event.phase), (EventKind::Reappeared, Phase::Start));
        assert_eq!(event.subject.and_then(|subject| subject.appearance), Some(appearance));
        writeln!(text, "{}", event.explanation.text).unwrap();
        for measure in event.explanation.measures {
            writeln!(text, "  {} {} {:?}", measure.name, measure.value, measure.limit).unwrap();
        }
    }
    insta::assert_snapshot!(text);
}

/// A face that looks like Ada, or like nobody.
fn face(is_known: bool) -> Identity {
    let ada = || KnownPerson { id: id("e-1042"), name: "Ada Lovelace".into(), lists: vec![id("staff")] };
    Identity {
        person: is_known.then(ada),
        score: if is_known { 0.71 } else { 0.2 },
        threshold: 0.45,
        margin: 0.3,
        least_margin: 0.05,
        space: "mobilefacenet-3f2a9c0b71d4-192".into(),
        gallery: 3,
    }
}

#[test]
fn a_rule_that_goes_by_who_somebody_is_says_so() {
    let stage = Stage::new();
    let mut text = String::new();
    let by = |identity, firing| Firing { identity: Some(std::sync::Arc::new(identity)), ..firing };
    let out = Measure::plain(Measure::LEFT_OUT, 1.0);
    let ended = |kind, reason| stay(kind, End, 12.9, None, Some(reason));
    let zone_ended =
        vec![Measure::plain(Measure::PEAK, 3.0), Measure::plain(Measure::DWELL, 35.2), EndReason::Identity.measure()];
    let all = [
        by(face(true), stay(Intrusion, Start, 12.6, None, None)),
        by(face(false), stay(Intrusion, Update, 61.9, None, None)),
        by(face(true), ended(Intrusion, EndReason::Identity)),
        by(face(false), ended(Intrusion, EndReason::Identity)),
        by(face(true), ended(Intrusion, EndReason::Left)),
        crowd(Start, &[("person", 2.0)], vec![out]),
        crowd(End, &[("person", 1.0)], zone_ended),
    ];
    for firing in all {
        let mut narrator = narrator(|s| s.update_every = Duration::ZERO);
        if firing.phase != Start {
            narrator.narrate(&[Firing { phase: Start, ..firing.clone() }], &stage.at(1.0));
        }
        let event = narrator.narrate(std::slice::from_ref(&firing), &stage.at(1.0)).remove(0);
        assert_eq!(event.subject.and_then(|subject| subject.identity), firing.identity.as_deref().cloned());
        let _ = writeln!(text, "{} {:?}: {}", event.kind.as_str(), event.phase, event.explanation.text);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_whole_event() {
    let stage = Stage::new();
    let event = narrator(|_| {}).narrate(&[stay(Loitering, Start, 61.0, Some(60.0), None)], &stage.at(1.4)).remove(0);
    insta::assert_snapshot!(format!("{event:#?}"));
}
