//! Whatever the tracker reports, happenings pair up, and no dwell exceeds the time that its track was there.

use std::collections::HashMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::super::*;
use super::scene::*;
use crate::vocab::{
    EventKind, Firing, FiringPhase, Id, Measure, MediaTime, Point, Polygon, Rect, Segment, Track, TrackId, TrackState,
    WallTime,
};

/// One step of anything that may happen.
#[derive(Debug, Clone)]
pub enum Step {
    Look { after_ms: u64, tracks: Vec<Seen> },
    Wait { after_ms: u64 },
    Cut,
    Back { by_ms: u64 },
}

#[derive(Debug, Clone)]
pub struct Seen {
    id: TrackId,
    state: TrackState,
    class: u16,
    feet: (f32, f32),
    height: f32,
    score: f32,
}

pub fn any_step() -> impl Strategy<Value = Step> {
    let tracks = || prop::collection::vec(any_seen(), 0..5);
    prop_oneof![
        12 => (1u64..400, tracks()).prop_map(|(after_ms, tracks)| Step::Look { after_ms, tracks }),
        2 => (400u64..4_000, tracks()).prop_map(|(after_ms, tracks)| Step::Look { after_ms, tracks }),
        2 => (100u64..3_000).prop_map(|after_ms| Step::Wait { after_ms }),
        1 => (60_000u64..400_000).prop_map(|after_ms| Step::Wait { after_ms }),
        1 => Just(Step::Cut),
        1 => (1u64..5_000).prop_map(|by_ms| Step::Back { by_ms }),
    ]
}

fn any_seen() -> impl Strategy<Value = Seen> {
    let state = prop_oneof![
        8 => Just(TrackState::Confirmed),
        1 => Just(TrackState::Tentative),
        2 => Just(TrackState::Lost),
        1 => Just(TrackState::Ended),
    ];
    // Few numbers and few places, so that tracks last, meet and come back.
    let height = prop_oneof![4 => Just(0.2f32), 1 => Just(0.09f32)];
    let place = (0u8..6, 0u8..3).prop_map(|(x, y)| (f32::from(x) * 0.2, 0.3 + f32::from(y) * 0.3));
    let class = prop_oneof![3 => Just(0u16), 2 => 0u16..6];
    (1u64..6, state, class, place, height, 0.0f32..1.0).prop_map(|(id, state, class, feet, height, score)| Seen {
        id,
        state,
        class,
        feet,
        height,
        score,
    })
}

/// One rule of every kind, and more where schedules and cooldowns matter.
pub fn every_rule() -> Settings {
    let left = Polygon::new(LEFT_HALF.map(Point::from).to_vec()).unwrap();
    let line = |name: &str, x: f32| Line::new(id(name), Segment { from: Point::new(x, 0.0), to: Point::new(x, 1.0) });
    let mut night = intrusion("night", "left");
    night.schedule = Some(Schedule::parse("12:00-12:01; 12:02-12:04").unwrap());
    night.cooldown = Some(Duration::ZERO);
    let mut crowd = occupancy("crowd", "all", 2, 0);
    crowd.schedule = Some(Schedule::parse("12:00-12:03").unwrap());
    crowd.min_score = 0.3;
    let metres = [[0.0, 0.0], [20.0, 0.0], [20.0, 20.0], [0.0, 20.0]];
    let mut rules = vec![
        intrusion("in", "left"),
        night,
        loitering("hang", "all", 2),
        occupancy("visit", "all", 1, 0),
        occupancy("held", "left", 1, 2),
        crowd,
        crossing("pass", "gate", Direction::Any),
    ];
    rules.extend(kinds_about_conduct().into_iter().enumerate().flat_map(|(i, kind)| {
        let mut again = rule(&format!("again-{i}"), kind.clone());
        again.schedule = Some(Schedule::parse("12:00-12:01; 12:02-12:04").unwrap());
        again.cooldown = Some(Duration::ZERO);
        [rule(&format!("kind-{i}"), kind), again]
    }));
    Settings {
        zones: vec![Zone::new(id("left"), left), Zone::new(id("all"), Polygon::whole_picture())],
        lines: vec![line("gate", 0.5), line("exit", 0.7)],
        ground: Some(Ground::new(WHOLE.map(Point::from), metres).unwrap()),
        rules,
        suppress: vec![held_back()],
        ..Settings::default()
    }
}

/// A part of the picture in which nothing is raised for the first two minutes.
fn held_back() -> Suppression {
    Suppression {
        id: id("hedge"),
        rules: Vec::new(),
        labels: Vec::new(),
        region: Polygon::new(LEFT_HALF.map(Point::from).to_vec()).unwrap(),
        until: WallTime::from_unix_nanos(NOON).plus(Duration::from_secs(120)),
        reason: "whatever".to_owned(),
    }
}

/// One of each kind about how objects behave, with limits that are often met.
fn kinds_about_conduct() -> Vec<RuleKind> {
    let (all, line, gate) = (|| id("all"), || id("exit"), || id("gate"));
    let (short, long) = (Duration::from_millis(500), Duration::from_secs(30));
    let (within, over) = (Distance::Metres(6.0), Speed::Heights(0.5));
    let way = Segment { from: Point::new(0.0, 0.5), to: Point::new(1.0, 0.5) };
    let any = Direction::Any;
    vec![
        RuleKind::WrongWay { zone: all(), way, seconds: short },
        RuleKind::Speed { zone: all(), over_kmh: 3.0, seconds: short },
        RuleKind::Running { zone: all(), over, seconds: short },
        RuleKind::Stopped { zone: all(), seconds: 4 * short },
        RuleKind::Crowding { zone: all(), at_least: 2, density: 0.01, seconds: short },
        RuleKind::Tailgating { line: line(), direction: any, seconds: long },
        RuleKind::Fall { zone: all(), seconds: short },
        RuleKind::NearVehicle { zone: all(), near: Vec::new(), within, seconds: short },
        RuleKind::Queue { zone: all(), at_least: 2, wait: long, seconds: short },
        RuleKind::Journey { line: gate(), direction: any, then: line(), then_direction: any, seconds: long },
        RuleKind::Gathering { zone: all(), at_least: 2, within, seconds: short },
        RuleKind::Scattering { zone: all(), at_least: 2, within, over, seconds: long },
        RuleKind::RepeatedPassing { zone: id("left"), at_least: 2, seconds: long },
    ]
}

/// Plays the tracker as vocab promises it: first and last sighting are kept by number.
#[derive(Default)]
pub struct Tracker {
    tracks: HashMap<TrackId, Track>,
}

impl Tracker {
    pub fn report(&mut self, seen: &[Seen], now: MediaTime) -> Vec<Track> {
        let mut reported: Vec<Track> = Vec::new();
        for s in seen {
            if reported.iter().any(|t| t.id == s.id) {
                continue;
            }
            let bbox = Rect::new(s.feet.0 - 0.05, s.feet.1 - s.height, s.feet.0 + 0.05, s.feet.1);
            let fresh = Track { state: s.state, hits: 0, ..Track::new(s.id, s.class, s.score, bbox, now) };
            let track = self.tracks.entry(s.id).or_insert(fresh);
            (track.state, track.bbox) = (s.state, bbox);
            if matches!(s.state, TrackState::Confirmed | TrackState::Tentative) {
                (track.last_seen, track.class, track.score) = (now, s.class, s.score);
                track.best_score = track.best_score.max(s.score);
                track.hits += 1;
            }
            reported.push(track.clone());
        }
        reported
    }
}

/// The last that was heard of each happening.
#[derive(Default)]
pub struct Ledger {
    pub open: HashMap<(Id, u64), MediaTime>,
    closed: HashMap<(Id, u64), MediaTime>,
}

impl Ledger {
    pub fn enter(&mut self, firing: &Firing, now: MediaTime) -> Result<(), TestCaseError> {
        let key = (firing.rule.clone(), firing.key);
        prop_assert!(firing.at <= now, "told of the future: {firing:?}");
        let numbers = firing.measures.iter().flat_map(|m| [Some(m.value), m.limit]).flatten();
        prop_assert!(numbers.clone().count() > 0 && numbers.clone().all(f64::is_finite), "{firing:?}");
        let is_instant = firing.phase == FiringPhase::Instant;
        prop_assert_eq!(EventKind::from(firing.kind).lasts(), !is_instant, "{:?}", firing);
        match firing.phase {
            FiringPhase::Start => {
                prop_assert!(!self.open.contains_key(&key), "started twice: {firing:?}");
                let last = self.closed.get(&key).copied().unwrap_or_default();
                prop_assert!(firing.at >= last, "started before the last one ended at {last:?}: {firing:?}");
                self.open.insert(key, firing.at);
            }
            FiringPhase::Update => {
                prop_assert!(self.open.contains_key(&key), "went on without a start: {firing:?}");
            }
            FiringPhase::End => {
                let start = self.open.remove(&key);
                prop_assert!(start.is_some_and(|start| start <= firing.at), "began at {start:?}: {firing:?}");
                self.closed.insert(key, firing.at);
            }
            FiringPhase::Instant => {}
        }
        Ok(())
    }
}

fn check_dwell(firing: &Firing, first_look: MediaTime, now: MediaTime) -> Result<(), TestCaseError> {
    if firing.track.is_none() {
        return Ok(());
    }
    if let Some(dwell) = firing.measures.iter().find(|m| m.name == Measure::DWELL) {
        let most = now.since(first_look).as_secs_f64();
        prop_assert!(dwell.value <= most + 0.001, "dwelt longer than there was: {most}, {firing:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn happenings_pair_up_whatever_comes(steps in prop::collection::vec(any_step(), 1..120)) {
        let mut rules = Rules::new(every_rule(), labels(), TimeZone::UTC);
        let (mut tracker, mut ledger) = (Tracker::default(), Ledger::default());
        let (mut now, mut latest, mut first) = (MediaTime::ZERO, MediaTime::ZERO, None);
        for step in steps {
            let wall = |now: MediaTime| WallTime::from_unix_nanos(NOON).plus(now.since(MediaTime::ZERO));
            let firings = match step {
                Step::Look { after_ms, tracks } => {
                    now = now + Duration::from_millis(after_ms);
                    latest = latest.max(now);
                    first.get_or_insert(latest);
                    rules.step(now, wall(now), &tracker.report(&tracks, latest))
                }
                Step::Wait { after_ms } => {
                    now = now + Duration::from_millis(after_ms);
                    rules.tick(now, wall(now))
                }
                Step::Cut => rules.reset(now),
                Step::Back { by_ms } => {
                    now = now - Duration::from_millis(by_ms);
                    continue;
                }
            };
            latest = latest.max(now);
            for firing in firings {
                ledger.enter(firing, latest)?;
                check_dwell(firing, first.unwrap_or(latest), latest)?;
            }
        }
        for firing in rules.stop(now) {
            ledger.enter(firing, latest)?;
        }
        prop_assert!(ledger.open.is_empty(), "never ended: {:?}", ledger.open);
        prop_assert!(rules.counts().all(|count| count.occupancy == 0));
    }
}
