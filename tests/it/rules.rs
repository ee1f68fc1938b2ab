//! Rules and narrator together: whatever is tracked, whenever it is cut or stopped, events pair up by episode.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use vedette::behaviour::{Direction, Line, Rule, RuleKind, Rules, Schedule, Settings, Zone};
use vedette::event::{Context, Narrator, Settings as Telling};
use vedette::vocab::{
    ClockState, Event, Id, Labels, MediaTime, Phase, Point, Polygon, Rect, Segment, Track, TrackState, WallTime,
};

/// 2026-11-23T12:00:00Z, in which the schedule below opens and closes.
const NOON: i64 = 1_795_435_200_000_000_000;

/// What happens next.
#[derive(Debug, Clone)]
enum Act {
    /// Somebody is tracked along this way for so many frames, some of them hidden.
    Walk {
        number: u64,
        from: (f32, f32),
        to: (f32, f32),
        frames: u32,
        hidden: u32,
    },
    Nothing {
        frames: u32,
    },
    NobodyLooks {
        seconds: u32,
    },
    Cut,
    /// The configuration is replaced.
    Replace,
    /// The program stops and starts again.
    Restart,
}

fn any_act() -> impl Strategy<Value = Act> {
    let place = || ((0u8..10), (3u8..10)).prop_map(|(x, y)| (f32::from(x) / 10.0, f32::from(y) / 10.0));
    prop_oneof![
        10 => (1u64..5, place(), place(), 1u32..60, 0u32..30).prop_map(|(number, from, to, frames, hidden)| {
            Act::Walk { number, from, to, frames, hidden }
        }),
        3 => (1u32..40).prop_map(|frames| Act::Nothing { frames }),
        1 => (1u32..90).prop_map(|seconds| Act::NobodyLooks { seconds }),
        1 => Just(Act::Cut),
        1 => Just(Act::Replace),
        1 => Just(Act::Restart),
    ]
}

fn id(text: &str) -> Id {
    Id::new(text).expect("a valid id")
}

fn settings() -> Settings {
    let yard = || id("yard");
    let mut night = Rule::new(id("night"), RuleKind::Intrusion { zone: yard() });
    night.schedule = Some(Schedule::parse("12:00-12:01; 12:02-12:03").expect("a valid schedule"));
    let left = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]].map(Point::from);
    let gate = Segment { from: Point::new(0.5, 0.0), to: Point::new(0.5, 1.0) };
    Settings {
        zones: vec![Zone::new(yard(), Polygon::new(left.to_vec()).expect("a valid polygon"))],
        lines: vec![Line::new(id("gate"), gate)],
        rules: vec![
            night,
            Rule::new(id("in"), RuleKind::Intrusion { zone: yard() }),
            Rule::new(id("hang"), RuleKind::Loitering { zone: yard(), seconds: Duration::from_secs(2) }),
            Rule::new(id("crowd"), RuleKind::Occupancy { zone: yard(), at_least: 2, seconds: Duration::ZERO }),
            Rule::new(id("pass"), RuleKind::LineCrossing { line: id("gate"), direction: Direction::Any }),
        ],
        ..Settings::default()
    }
}

/// A camera's line from tracks to events, as the agent runs it.
struct CameraLine {
    rules: Rules,
    narrator: Narrator,
    labels: Labels,
    epoch: u64,
    now: MediaTime,
    tracks: HashMap<u64, Track>,
    events: Vec<Event>,
}

impl CameraLine {
    fn new() -> Self {
        let labels = Labels::new(["person"]);
        Self {
            rules: Rules::new(settings(), labels.clone(), TimeZone::UTC),
            narrator: Narrator::new(Telling::new(id("agent"), Some(id("door")), 0)),
            labels,
            epoch: 0,
            now: MediaTime::ZERO,
            tracks: HashMap::new(),
            events: Vec::new(),
        }
    }

    fn wall(&self) -> WallTime {
        WallTime::from_unix_nanos(NOON).plus(self.now.since(MediaTime::ZERO))
    }

    /// Tells of what the last call of `rules` returned.
    fn tell(
        &mut self,
        fire: impl FnOnce(&mut Rules, MediaTime, WallTime) -> &[vedette::vocab::Firing],
        tracks: Option<&[Track]>,
    ) {
        let (now, wall) = (self.now, self.wall());
        let context = Context {
            pts: now,
            captured: wall,
            clock: ClockState::Synced,
            model: None,
            config_revision: "",
            labels: &self.labels,
        };
        self.events.extend(self.narrator.narrate(fire(&mut self.rules, now, wall), &context));
        if let Some(tracks) = tracks {
            self.events.extend(self.narrator.tracks(tracks, &context));
        }
    }

    fn close(&mut self) {
        let context = Context {
            pts: self.now,
            captured: self.wall(),
            clock: ClockState::Synced,
            model: None,
            config_revision: "",
            labels: &self.labels,
        };
        self.events.extend(self.narrator.close_all(&context));
    }

    fn frame(&mut self, seen: Option<(u64, (f32, f32), bool)>) {
        self.now = self.now + Duration::from_millis(100);
        let now = self.now;
        let tracks: Vec<Track> =
            seen.into_iter().map(|(number, feet, is_seen)| self.track(number, feet, is_seen, now)).collect();
        self.tell(|rules, now, wall| rules.step(now, wall, &tracks), Some(&tracks));
    }

    fn track(&mut self, number: u64, feet: (f32, f32), is_seen: bool, now: MediaTime) -> Track {
        let track = self.tracks.entry(number).or_insert_with(|| Track {
            state: TrackState::Confirmed,
            ..Track::new(number, 0, 0.8, Rect::default(), now)
        });
        track.bbox = Rect::new(feet.0 - 0.05, feet.1 - 0.2, feet.0 + 0.05, feet.1);
        track.state = if is_seen { TrackState::Confirmed } else { TrackState::Lost };
        if is_seen {
            (track.last_seen, track.hits) = (now, track.hits + 1);
        }
        track.clone()
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Walk { number, from, to, frames, hidden } => {
                for frame in 0..frames {
                    let share = frame as f32 / frames as f32;
                    let feet = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
                    let is_seen = frame % 31 >= hidden;
                    self.frame(Some((number, feet, is_seen)));
                }
            }
            Act::Nothing { frames } => (0..frames).for_each(|_| self.frame(None)),
            Act::NobodyLooks { seconds } => {
                for _ in 0..seconds {
                    self.now = self.now + Duration::from_secs(1);
                    self.tell(Rules::tick, None);
                }
            }
            Act::Cut => {
                self.tell(|rules, now, _| rules.reset(now), Some(&[]));
                self.tracks.clear();
            }
            Act::Replace => {
                self.tell(|rules, now, _| rules.stop(now), None);
                let counts = self.rules.saved_counts().clone();
                self.rules = Rules::new(settings(), self.labels.clone(), TimeZone::UTC);
                self.rules.restore_counts(counts);
                self.narrator.reconfigure(Telling::new(id("agent"), Some(id("door")), self.epoch));
            }
            Act::Restart => {
                // Not even the rules are asked: the narrator alone must leave nothing open.
                self.close();
                self.epoch += 1;
                self.narrator = Narrator::new(Telling::new(id("agent"), Some(id("door")), self.epoch));
                self.rules = Rules::new(settings(), self.labels.clone(), TimeZone::UTC);
                self.tracks.clear();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_start_has_exactly_one_end(acts in prop::collection::vec(any_act(), 1..40)) {
        let mut line = CameraLine::new();
        acts.iter().for_each(|act| line.act(act));
        line.close();
        let mut open: HashMap<String, Event> = HashMap::new();
        let mut over = HashSet::new();
        for event in line.events {
            let episode = event.episode.clone();
            prop_assert!(!over.contains(&episode), "told after its end: {event:?}");
            match event.phase {
                Phase::Start => {
                    prop_assert!(!open.contains_key(&episode), "started twice: {event:?}");
                    if event.kind.lasts() {
                        open.insert(episode, event);
                    } else {
                        over.insert(episode);
                    }
                }
                Phase::Update => prop_assert!(open.contains_key(&episode), "never started: {event:?}"),
                Phase::End => {
                    let start = open.remove(&episode);
                    prop_assert!(start.is_some(), "ended without a start: {event:?}");
                    let start = start.expect("asserted above");
                    prop_assert!(start.pts <= event.pts, "{start:?} ended before it began: {event:?}");
                    prop_assert_eq!((&start.rule, &start.place, start.severity), (&event.rule, &event.place, event.severity));
                    over.insert(episode);
                }
            }
        }
        prop_assert!(open.is_empty(), "never ended: {open:?}");
    }
}
