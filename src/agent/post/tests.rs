//! One post on a simulated time line, without a stream.

use std::collections::HashSet;

use super::*;
use crate::agent::recorder::Pictures;
use crate::agent::{cadence, envelope, pipeline};
use crate::base::clock::{Clock, SimulatedClock};
use crate::camera::{Discontinuity, StateChange, Viewer};
use crate::spool::{Class, Limit, MemorySpool, Order, Spool};
use crate::vocab::{DayNight, Detection, Labels, MediaTime, Rect};
use crate::{behaviour, event, evidence, scene, spool, track, wire};

/// 2026-11-23T12:00:00Z.
const NOON: i64 = 1_795_435_200_000_000_000;

struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<SimulatedClock>,
    spool: Arc<dyn Spool>,
    post: Arc<Post>,
}

fn bench() -> Bench {
    bench_with(false)
}

/// One that makes maps, or does not.
fn bench_with(heat: bool) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let text = "agent: { id: a }\nmqtt: { url: \"mqtt://localhost\" }\ncameras: [ { id: door, url: \"scene://\" } ]";
    let folders = config::Folders { config: folder.path().into(), credentials: None };
    let camera = config::load(text.as_bytes(), &folders).unwrap().config.cameras.remove(0);
    let clock = SimulatedClock::at(NOON);
    let spool: Arc<dyn Spool> = Arc::new(MemorySpool::new(&spool::Settings::default(), clock.clone()));
    let evidence = evidence::Settings { folder: folder.path().into(), ..evidence::Settings::default() };
    let agent = Id::new("a").unwrap();
    let origin = wire::Origin { agent: agent.clone(), site: None, boot: "b".to_owned() };
    let redactors = Redactors::default();
    let pictures = Pictures { settings: evidence.clone(), redactors: redactors.clone() };
    let recorder = Recorder::start(origin, spool.clone(), pictures, None, clock.clone()).unwrap();
    let presence = mqtt::Presence { topic: "t".to_owned(), online: Vec::new(), offline: Vec::new() };
    let identity = mqtt::Identity { client_id: "a".to_owned(), presence, subscriptions: Vec::new() };
    let means = Means {
        recorder: Arc::new(recorder),
        broker: mqtt::Session::new(mqtt::Settings::default(), identity, clock.clone()).1,
        topics: Topics::new(&agent),
        clock: clock.clone(),
        redactors,
        faces: crate::agent::faces::FaceDesk::default(),
        reidentifier: Default::default(),
        clock_watch: Arc::new(ClockWatch::new(clock.clone())),
    };
    let settings = pipeline::Settings {
        cadence: cadence::Settings { fps: 5.0, gate: false, idle_keyframes: false },
        scene: scene::Settings {
            conditions: scene::ConditionSettings {
                degraded_after: Duration::from_secs(60),
                learn: Duration::from_secs(20),
                ..scene::ConditionSettings::default()
            },
            ..scene::Settings::default()
        },
        by_motion: false,
        track: track::Settings::default(),
        behaviour: behaviour::Settings::default(),
        heat,
        event: event::Settings::new(agent, Some(camera.id.clone()), 1),
        timezone: jiff::tz::TimeZone::UTC,
        model: None,
        labels: Labels::default(),
        evidence,
        people: Default::default(),
        config_revision: "one".into(),
    };
    let post = Post::new(camera, CameraKey(1), Line::new(settings, 1), None, None, means);
    Bench { folder, clock, spool, post }
}

impl Bench {
    fn eye(&self) -> Eye {
        Eye { post: self.post.clone() }
    }

    fn changed(&self, state: CameraState, media_ms: u64) {
        let since = WallTime::from_unix_nanos(self.clock.unix_nanos());
        let media = MediaTime::from_millis(media_ms);
        self.eye().state(StateChange { state, cause: String::new(), since, media });
    }

    fn events(&self) -> Vec<serde_json::Value> {
        self.post.means.recorder.flush();
        let limit = Limit { records: 100, bytes: 1 << 20 };
        let records = self.spool.peek(Class::Event, Order::Oldest, &HashSet::new(), limit);
        records.iter().map(|r| serde_json::from_slice(envelope::open(&r.payload).unwrap().1).unwrap()).collect()
    }
}

fn frame(seq: u64, pts_ms: u64) -> Frame {
    let mut frame = Frame::from_i420(16, 16, vec![90; 384]).unwrap();
    (frame.seq, frame.pts) = (seq, MediaTime::from_millis(pts_ms));
    frame
}

#[test]
fn a_change_of_state_is_told_with_the_time_at_which_it_happened() {
    let bench = bench();
    bench.changed(CameraState::Connecting, 0);
    bench.clock.advance(Duration::from_secs(60));
    bench.changed(CameraState::Backoff, 0);
    let events = bench.events();
    let times: Vec<_> = events.iter().map(|e| e["time"].as_str().unwrap()).collect();
    assert!(times[0].starts_with("2026-11-23T12:00:00") && times[1].starts_with("2026-11-23T12:01:00"), "{times:?}");
}

#[test]
fn nothing_is_told_after_the_post_was_left() {
    let bench = bench();
    bench.eye().frame(frame(0, 0));
    assert!(bench.post.stop(Duration::ZERO));
    bench.changed(CameraState::Streaming, 0);
    bench.eye().discontinuity(Discontinuity::CodecChanged);
    bench.post.seen(&frame(0, 0), &[]);
    assert_eq!(bench.events(), Vec::<serde_json::Value>::new());
    assert_eq!(bench.post.looks(), 0);
}

#[test]
fn a_look_that_was_under_way_when_the_stream_was_cut_is_not_taken_in() {
    let bench = bench();
    bench.eye().frame(frame(4, 160));
    bench.eye().discontinuity(Discontinuity::CodecChanged);
    bench.post.seen(&frame(4, 160), &[]);
    assert_eq!(bench.post.looks(), 0);
    bench.eye().frame(frame(5, 200));
    bench.post.seen(&frame(5, 200), &[]);
    assert_eq!(bench.post.looks(), 1);
}

#[test]
fn events_name_the_configuration_in_force_also_where_it_changed_elsewhere() {
    let bench = bench();
    bench.post.set_config_revision("two");
    bench.changed(CameraState::Connecting, 0);
    assert_eq!(bench.events()[0]["data"]["config_revision"], "two");
}

/// A picture with edges, `kept` of whose contrast is left, without colour where `grey`.
fn scenery(seq: u64, kept: f32, grey: bool) -> Frame {
    let (width, height) = (320, 180);
    let mut bytes = vec![if grey { 128 } else { 110 }; width * height * 3 / 2];
    for (at, byte) in bytes[..width * height].iter_mut().enumerate() {
        let (x, y) = (at % width / 14, at / width / 11);
        let shade = (x * 37 + y * 91 + x * y * 13) % 120;
        let noise = (at as u64 * 7919 + seq * 104_729) % 5;
        *byte = (120.0 + (shade as f32 - 60.0) * kept) as u8 + noise as u8;
    }
    let mut frame = Frame::from_i420(width as u32, height as u32, bytes).unwrap();
    (frame.seq, frame.pts, frame.keyframe) = (seq, MediaTime::from_millis(seq * 500), true);
    frame.captured = WallTime::from_unix_nanos(NOON).plus(Duration::from_millis(seq * 500));
    frame
}

#[test]
fn what_ails_a_picture_is_in_its_state_from_the_beginning_to_the_end_of_the_event() {
    let bench = bench();
    bench.changed(CameraState::Streaming, 0);
    let ailments = || bench.post.ailments(bench.post.state());
    // The picture fades evenly, as in fog that stays.
    (0..100).for_each(|seq| bench.eye().frame(scenery(seq, 1.0, false)));
    assert_eq!(ailments(), (Vec::new(), Some(DayNight::Day)));
    (100..300).for_each(|seq| bench.eye().frame(scenery(seq, 0.25, false)));
    let (conditions, _) = ailments();
    assert_eq!(conditions.len(), 1, "{conditions:?}");
    assert_eq!(conditions[0].condition, crate::vocab::Condition::Degraded);
    assert!(conditions[0].since.starts_with("2026-11-23T12:00:5"), "since it was first seen: {conditions:?}");
    assert_eq!(bench.post.ailments(CameraState::Backoff), (Vec::new(), None), "without a picture nothing ails it");
    (300..500).for_each(|seq| bench.eye().frame(scenery(seq, 1.0, false)));
    assert_eq!(ailments().0, []);
    (500..540).for_each(|seq| bench.eye().frame(scenery(seq, 1.0, true)));
    assert_eq!(ailments(), (Vec::new(), Some(DayNight::Night)));
    let events = bench.events();
    let told: Vec<(&str, &str)> = events[1..].iter().map(|e| (said(e, "kind"), said(e, "phase"))).collect();
    assert_eq!(told, [("camera-condition", "start"), ("camera-condition", "end"), ("day-night", "start")]);
    assert_eq!((said(&events[1], "episode"), said(&events[1], "condition")), (said(&events[2], "episode"), "degraded"));
}

#[test]
fn what_still_ails_a_picture_ends_with_its_post() {
    let bench = bench();
    bench.changed(CameraState::Streaming, 0);
    (0..100).for_each(|seq| bench.eye().frame(scenery(seq, 1.0, false)));
    (100..300).for_each(|seq| bench.eye().frame(scenery(seq, 0.25, false)));
    bench.post.close_for_good();
    let events = bench.events();
    let last = events.last().unwrap();
    assert_eq!((said(last, "kind"), said(last, "phase")), ("camera-condition", "end"));
    assert!(said(last, "explanation").ends_with("nobody looks any more"), "{last:#}");
}

#[test]
fn where_somebody_stood_is_told_once_the_hour_is_over_even_by_the_next_run() {
    let first = bench_with(true);
    let person = Detection::new(0, 0.9, Rect::new(0.4, 0.3, 0.5, 0.75));
    for seq in 0..60 {
        let frame = scenery(seq, 1.0, false);
        first.eye().frame(frame.clone());
        first.post.seen(&frame, &[person]);
    }
    let saved = serde_json::to_vec(&first.post.saved_heat().unwrap()).unwrap();
    assert!(saved.len() < 200, "what is empty is left out: {}", String::from_utf8_lossy(&saved));
    first.post.close_for_good();
    assert!(first.events().iter().all(|event| said(event, "kind") != "heat-map"), "the hour is not over");

    let next = bench_with(true);
    lock(&next.post.line).restore_heat(&serde_json::from_slice(&saved).unwrap());
    next.eye().frame(scenery(2 * 3599, 1.0, false));
    assert_eq!(next.events(), Vec::<serde_json::Value>::new());
    next.eye().frame(scenery(2 * 3600, 1.0, false));
    let events = next.events();
    let heat = &events[0]["data"]["heat"];
    assert_eq!((events.len(), said(&events[0], "kind"), &heat["tracks"]), (1, "heat-map", &1.into()), "{events:#?}");
    assert!(heat["dwell_max_s"].as_f64().unwrap() > 25.0, "{heat:#}");
    assert_eq!(heat["dwell"].as_str().unwrap().len(), 64 * 36 / 3 * 4, "one byte for each cell");
    assert!(serde_json::to_vec(&events[0]).unwrap().len() < 12_000);
    let picture = next.folder.path().join(events[0]["data"]["evidence"]["snapshot"].as_str().unwrap());
    let png = std::fs::read(picture).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
}

fn said<'a>(event: &'a serde_json::Value, what: &str) -> &'a str {
    event["data"][what].as_str().unwrap()
}

fn told(bench: &Bench) -> (CameraState, String) {
    let told = lock(&bench.post.sight).told.clone().unwrap();
    (told.state, told.cause)
}

#[test]
fn a_camera_of_an_agent_that_stops_is_said_to_be_disabled_whatever_its_thread_says_later() {
    let bench = bench();
    bench.changed(CameraState::Streaming, 0);
    bench.post.close_for_good();
    bench.changed(CameraState::Backoff, 0);
    assert_eq!(told(&bench), (CameraState::Disabled, "the agent has stopped".to_owned()));
}

#[test]
fn a_camera_that_nobody_looks_at_goes_on_in_its_state_and_says_why() {
    let bench = bench();
    bench.changed(CameraState::Streaming, 0);
    bench.post.told_unseen(Some("model people hangs".to_owned()));
    assert_eq!(bench.post.unseen().as_deref(), Some("model people hangs"));
    assert_eq!(told(&bench), (CameraState::Streaming, String::new()), "what its thread said is kept for later");
    bench.post.told_unseen(None);
    assert_eq!(bench.post.unseen(), None);
}
