//! A tiny stage for scenarios: actors walk, stand, hide; what the rules say comes back as lines of text.
//!
//! ```text
//! Scene::new(10.0).zone("yard", LEFT_HALF).rule(intrusion("in", "yard"))
//!     .add(person(1).stands((0.2, 0.5), 5.0).walks((0.8, 0.5), 2.0))
//!     .play()      ->   ["start in #1 @0.0", "end in #1 @6.4 left"]
//! ```

use std::time::Duration;

use jiff::tz::TimeZone;

use super::super::*;
use crate::vocab::{
    EndReason, Firing, FiringKind, FiringPhase, Id, Identity, Labels, MediaTime, Point, Polygon, Rect, Segment, Track,
    TrackId, TrackState, Trunk, WallTime,
};

pub const LEFT_HALF: [[f32; 2]; 4] = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];
pub const WHOLE: [[f32; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
/// 2026-11-23T12:00:00Z, a Monday.
pub const NOON: i64 = 1_795_435_200_000_000_000;

pub fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

pub fn labels() -> Labels {
    Labels::new(["person", "car", "truck", "dog"])
}

pub fn intrusion(rule: &str, zone: &str) -> Rule {
    Rule::new(id(rule), RuleKind::Intrusion { zone: id(zone) })
}

pub fn loitering(rule: &str, zone: &str, seconds: u64) -> Rule {
    Rule::new(id(rule), RuleKind::Loitering { zone: id(zone), seconds: Duration::from_secs(seconds) })
}

pub fn occupancy(rule: &str, zone: &str, at_least: u32, seconds: u64) -> Rule {
    Rule::new(id(rule), RuleKind::Occupancy { zone: id(zone), at_least, seconds: Duration::from_secs(seconds) })
}

pub fn crossing(rule: &str, line: &str, direction: Direction) -> Rule {
    Rule::new(id(rule), RuleKind::LineCrossing { line: id(line), direction })
}

/// A rule with every default but its kind.
pub fn rule(name: &str, kind: RuleKind) -> Rule {
    Rule::new(id(name), kind)
}

/// What an actor does for a while.
#[derive(Debug, Clone)]
enum Act {
    /// Goes there in a straight line, seen.
    Walks((f32, f32)),
    /// Goes there, and its box becomes that wide and high meanwhile.
    Turns((f32, f32), (f32, f32)),
    /// The tracker reports it as `Lost`, its box predicted here.
    Hides((f32, f32)),
    /// The tracker does not report it.
    Absent,
    /// The tracker gives it this number from now on; takes no time.
    Renumbered(TrackId),
}

/// Somebody on the stage. Its place is that of its feet.
#[derive(Debug, Clone)]
pub struct Actor {
    track: TrackId,
    class: u16,
    size: (f32, f32),
    score: f32,
    /// How far each edge of its box trembles, in its sizes.
    jitter: f32,
    /// From when on its trunk stands so far from upright and is so long, on the way to the next; none where it is not seen.
    trunk: Vec<(f64, Option<(f32, f32)>)>,
    acts: Vec<(Act, f64)>,
}

pub fn person(track: TrackId) -> Actor {
    Actor { track, class: 0, size: (0.06, 0.2), score: 0.8, jitter: 0.0, trunk: Vec::new(), acts: Vec::new() }
}

pub fn car(track: TrackId) -> Actor {
    Actor { class: 1, size: (0.24, 0.12), ..person(track) }
}

impl Actor {
    pub fn label(mut self, class: u16) -> Self {
        self.class = class;
        self
    }
    pub fn size(mut self, width: f32, height: f32) -> Self {
        self.size = (width, height);
        self
    }
    pub fn score(mut self, score: f32) -> Self {
        self.score = score;
        self
    }
    /// Each edge of its box trembles by up to this much of its size.
    pub fn jitter(mut self, jitter: f32) -> Self {
        self.jitter = jitter;
        self
    }
    /// At `at` its trunk stands so many degrees from upright and is so long; it turns evenly from one such moment to the next.
    pub fn leans(mut self, at: f64, degrees: f32, length: f32) -> Self {
        self.trunk.push((at, Some((degrees, length))));
        self
    }
    /// From `at` on its trunk is not seen.
    pub fn blurs(mut self, at: f64) -> Self {
        self.trunk.push((at, None));
        self
    }
    /// Goes to `to`, and becomes that wide and high.
    pub fn turns(self, to: (f32, f32), size: (f32, f32), seconds: f64) -> Self {
        self.act(Act::Turns(to, size), seconds)
    }
    /// Comes on stage that much later.
    pub fn waits(self, seconds: f64) -> Self {
        self.act(Act::Absent, seconds)
    }
    pub fn stands(self, at: (f32, f32), seconds: f64) -> Self {
        self.act(Act::Walks(at), 0.0).act(Act::Walks(at), seconds)
    }
    /// From where it is to `to`.
    pub fn walks(self, to: (f32, f32), seconds: f64) -> Self {
        self.act(Act::Walks(to), seconds)
    }
    /// Its track is `Lost`, with a box predicted at `predicted`.
    pub fn hides(self, predicted: (f32, f32), seconds: f64) -> Self {
        self.act(Act::Hides(predicted), seconds)
    }
    pub fn renumbered(self, track: TrackId) -> Self {
        self.act(Act::Renumbered(track), 0.0)
    }
    fn act(mut self, act: Act, seconds: f64) -> Self {
        self.acts.push((act, seconds));
        self
    }

    fn ends_at(&self) -> f64 {
        self.acts.iter().map(|(_, seconds)| seconds).sum()
    }

    /// Number, box and whether it is seen at `t`; none where it is not reported.
    fn at(&self, t: f64) -> Option<(TrackId, Rect, bool)> {
        let (mut start, mut number, mut feet, mut size) = (0.0, self.track, (0.0, 0.0), self.size);
        let between = |a: f32, b: f32, share: f32| a + (b - a) * share;
        let toward = |a: (f32, f32), b: (f32, f32), share| (between(a.0, b.0, share), between(a.1, b.1, share));
        for (act, seconds) in &self.acts {
            let end = start + seconds;
            let share = ((t - start) / seconds) as f32;
            match act {
                Act::Renumbered(track) => number = *track,
                Act::Walks(to) if t >= end => feet = *to,
                Act::Walks(to) => return Some((number, self.bbox(toward(feet, *to, share), size, t), true)),
                Act::Turns(to, becomes) if t >= end => (feet, size) = (*to, *becomes),
                Act::Turns(to, becomes) => {
                    let (feet, size) = (toward(feet, *to, share), toward(size, *becomes, share));
                    return Some((number, self.bbox(feet, size, t), true));
                }
                Act::Hides(predicted) if t < end => return Some((number, self.bbox(*predicted, size, t), false)),
                Act::Absent if t < end => return None,
                Act::Hides(_) | Act::Absent => {}
            }
            start = end;
        }
        None
    }

    fn trunk_at(&self, t: f64) -> Option<Trunk> {
        let next = self.trunk.iter().position(|(at, _)| *at > t).unwrap_or(self.trunk.len());
        let (from, (degrees, length)) =
            next.checked_sub(1).map(|last| self.trunk[last]).and_then(|(at, lean)| Some((at, lean?)))?;
        let (until, (to, becomes)) = match self.trunk.get(next) {
            Some((at, Some(lean))) => (*at, *lean),
            _ => (f64::INFINITY, (degrees, length)),
        };
        let share = ((t - from) / (until - from)) as f32;
        let (inclination, length) = (degrees + (to - degrees) * share, length + (becomes - length) * share);
        Some(Trunk { inclination, length })
    }

    fn bbox(&self, feet: (f32, f32), (w, h): (f32, f32), t: f64) -> Rect {
        let mut noise = fastrand::Rng::with_seed(self.track ^ (t * 1e6) as u64);
        let mut tremble = |size: f32| self.jitter * size * (2.0 * noise.f32() - 1.0);
        let [left, top, right, bottom] = [tremble(w), tremble(h), tremble(w), tremble(h)];
        Rect::new(feet.0 - w / 2.0 + left, feet.1 - h + top, feet.0 + w / 2.0 + right, feet.1 + bottom)
    }
}

/// A camera's rules and what happens before it.
pub struct Scene {
    settings: Settings,
    times: Vec<f64>,
    fps: f64,
    start: i64,
    timezone: TimeZone,
    actors: Vec<Actor>,
    /// From, to: nothing is looked at.
    blind: Vec<(f64, f64)>,
    cuts: Vec<f64>,
    /// When it is known of a track who it is.
    recognised: Vec<(f64, TrackId, Identity)>,
    /// When it is known of a track which person it is, by how he looks.
    again: Vec<(f64, TrackId, &'static str)>,
    /// Sightings until the tracker confirms a track.
    confirm: u32,
    /// Whether it reports tracks before that.
    tells_tentative: bool,
    /// The size of the picture.
    picture: (u32, u32),
}

impl Scene {
    pub fn new(fps: f64) -> Self {
        Self {
            settings: Settings::default(),
            times: Vec::new(),
            fps,
            start: NOON,
            timezone: TimeZone::UTC,
            actors: Vec::new(),
            blind: Vec::new(),
            cuts: Vec::new(),
            recognised: Vec::new(),
            again: Vec::new(),
            confirm: 1,
            tells_tentative: false,
            picture: (1000, 1000),
        }
    }
    pub fn zone(self, name: &str, corners: [[f32; 2]; 4]) -> Self {
        self.zone_by(name, corners, Anchor::Foot)
    }
    pub fn zone_by(mut self, name: &str, corners: [[f32; 2]; 4], anchor: Anchor) -> Self {
        let polygon = Polygon::new(corners.map(Point::from).to_vec()).unwrap();
        self.settings.zones.push(Zone { anchor, ..Zone::new(id(name), polygon) });
        self
    }
    pub fn line(mut self, name: &str, from: [f32; 2], to: [f32; 2]) -> Self {
        self.settings.lines.push(Line::new(id(name), Segment { from: from.into(), to: to.into() }));
        self
    }
    pub fn rule(mut self, rule: Rule) -> Self {
        self.settings.rules.push(rule);
        self
    }
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }
    /// The ground on which the picture is a plan of so many metres across and down.
    pub fn ground(mut self, across: f64, down: f64) -> Self {
        let metres = [[0.0, 0.0], [across, 0.0], [across, down], [0.0, down]];
        self.settings.ground = Some(Ground::new(WHOLE.map(Point::from), metres).unwrap());
        self
    }
    pub fn picture(mut self, width: u32, height: u32) -> Self {
        self.picture = (width, height);
        self
    }
    pub fn add(mut self, actor: Actor) -> Self {
        self.actors.push(actor);
        self
    }
    /// Looks at these times instead of at a steady rate.
    pub fn at_times(mut self, times: impl IntoIterator<Item = f64>) -> Self {
        self.times = times.into_iter().collect();
        self
    }
    pub fn starts(mut self, start: &str, zone: &str) -> Self {
        self.timezone = TimeZone::get(zone).unwrap();
        let local: jiff::civil::DateTime = start.parse().unwrap();
        self.start = i64::try_from(self.timezone.to_timestamp(local).unwrap().as_nanosecond()).unwrap();
        self
    }
    pub fn blind(mut self, from: f64, to: f64) -> Self {
        self.blind.push((from, to));
        self
    }
    pub fn cut(mut self, at: f64) -> Self {
        self.cuts.push(at);
        self
    }
    /// From then on the track is taken for this one.
    pub fn recognises(mut self, at: f64, track: TrackId, identity: Identity) -> Self {
        self.recognised.push((at, track, identity));
        self
    }
    /// At that time the track is taken for this person, by how he looks.
    pub fn sees_again(mut self, at: f64, track: TrackId, person: &'static str) -> Self {
        self.again.push((at, track, person));
        self
    }
    pub fn confirm_after(mut self, sightings: u32) -> Self {
        self.confirm = sightings;
        self
    }
    pub fn tells_tentative(mut self) -> Self {
        self.tells_tentative = true;
        self
    }

    /// Plays to the end, waits until all has ended, and returns what was said, updates left out.
    pub fn play(self) -> Vec<String> {
        let (firings, _) = self.play_all();
        firings.iter().filter(|f| f.phase != FiringPhase::Update).map(line).collect()
    }

    /// Plays to the end and returns every firing, and the rules.
    pub fn play_all(mut self) -> (Vec<Firing>, Rules) {
        let mut rules = Rules::new(self.settings.clone(), labels(), self.timezone.clone());
        rules.set_picture_size(self.picture.0, self.picture.1);
        let end = self.actors.iter().map(Actor::ends_at).fold(0.0, f64::max);
        if self.times.is_empty() {
            self.times = (0..).map(|i| f64::from(i) / self.fps).take_while(|t| *t < end + 4.0).collect();
        }
        let mut stage = Stage { seen: Vec::new(), confirm: self.confirm, tells_tentative: self.tells_tentative };
        let mut said = Vec::new();
        let mut cuts = self.cuts.iter().peekable();
        for t in &self.times {
            let now = MediaTime::from_secs_f64(*t);
            let wall = WallTime::from_unix_nanos(self.start).plus(Duration::from_secs_f64(*t));
            if cuts.next_if(|cut| *t >= **cut).is_some() {
                said.extend_from_slice(rules.reset(now));
                stage.seen.clear();
            }
            while let Some(index) = self.recognised.iter().position(|(at, ..)| t >= at) {
                let (_, track, identity) = self.recognised.remove(index);
                rules.recognise(track, &identity);
            }
            while let Some(index) = self.again.iter().position(|(at, ..)| t >= at) {
                let (_, track, person) = self.again.remove(index);
                rules.see_again(track, person);
            }
            if self.blind.iter().any(|(from, to)| (*from..*to).contains(t)) {
                said.extend_from_slice(rules.tick(now, wall));
            } else {
                let tracks = stage.tracks(&self.actors, *t, now);
                said.extend_from_slice(rules.step(now, wall, &tracks));
            }
        }
        (said, rules)
    }
}

/// Plays the tracker.
struct Stage {
    seen: Vec<Track>,
    confirm: u32,
    tells_tentative: bool,
}

impl Stage {
    fn tracks(&mut self, actors: &[Actor], t: f64, now: MediaTime) -> Vec<Track> {
        let mut tracks = Vec::new();
        for actor in actors {
            let Some((number, bbox, is_seen)) = actor.at(t) else { continue };
            let index = self.seen.iter().position(|s| s.id == number).unwrap_or_else(|| {
                self.seen.push(track(number, actor, bbox, now));
                self.seen.len() - 1
            });
            let track = &mut self.seen[index];
            track.bbox = bbox;
            track.trunk = actor.trunk_at(t).filter(|_| is_seen);
            if is_seen {
                (track.last_seen, track.state) = (now, TrackState::Confirmed);
                track.hits += 1;
            } else {
                track.state = TrackState::Lost;
            }
            if track.hits >= self.confirm {
                tracks.push(track.clone());
            } else if self.tells_tentative {
                track.state = TrackState::Tentative;
                tracks.push(track.clone());
            }
        }
        tracks
    }
}

fn track(number: TrackId, actor: &Actor, bbox: Rect, now: MediaTime) -> Track {
    Track { state: TrackState::Confirmed, hits: 0, ..Track::new(number, actor.class, actor.score, bbox, now) }
}

/// `start night-yard #1 @2.0`, `end … left`, `crossed gate #1 @2.0 right`.
pub fn line(firing: &Firing) -> String {
    let phase = match firing.phase {
        FiringPhase::Start => "start",
        FiringPhase::Update => "update",
        FiringPhase::End => "end",
        FiringPhase::Instant if firing.kind == FiringKind::LineCrossing => "crossed",
        FiringPhase::Instant => "at once",
    };
    let reason =
        EndReason::among(&firing.measures).map(|r| format!(" {}", r.measure_name().trim_start_matches("ended_")));
    let direction = firing.measures.iter().find(|m| m.name == "direction");
    let way = direction.map_or("", |m| if m.value > 0.0 { " right" } else { " left" });
    let at = (firing.at.as_secs_f64() * 10.0).round() / 10.0;
    format!("{phase} {} #{} @{at:.1}{}{way}", firing.rule, firing.key, reason.unwrap_or_default())
}

/// Key, start, end and reason of each happening of `rule`, in order of their ends.
pub fn spans(firings: &[Firing], rule: &str) -> Vec<(u64, f64, f64, EndReason)> {
    let mut spans = Vec::new();
    let of_rule = || firings.iter().filter(|f| f.rule.as_str() == rule);
    for (index, end) in of_rule().enumerate().filter(|(_, f)| f.phase == FiringPhase::End) {
        let starts = of_rule().take(index).filter(|f| f.phase == FiringPhase::Start && f.key == end.key);
        let start = starts.last().expect("an end has a start before it");
        let reason = EndReason::among(&end.measures).expect("an end has a reason");
        spans.push((end.key, start.at.as_secs_f64(), end.at.as_secs_f64(), reason));
    }
    spans
}
