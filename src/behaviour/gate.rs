//! What every rule asks before it fires: is it awake, is this an object it is about, is the object big and sure enough, and
//! is it somebody it is about (see `who.rs`).

use std::time::Duration;

use jiff::tz::TimeZone;

use super::Schedule;
use super::alike::{Alike, Joined};
use super::labels::Wanted;
use super::motion::Movements;
use super::presence::Presence;
use super::scale::Scale;
use super::settings::{Rule, ScoreOf};
use super::who::{Meant, Recognised};
use crate::vocab::{
    EndReason, Firing, FiringKind, FiringPhase, Id, Labels, Measure, MediaTime, Place, Severity, StaticRegion, Track,
    TrackId, WallTime,
};

/// What a rule is told about the moment it judges.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment<'a> {
    pub now: MediaTime,
    pub wall: WallTime,
    /// Whether a frame was looked at; else only time has passed.
    pub is_look: bool,
    /// Why everything that is open must end now, if it must.
    pub ending: Option<EndReason>,
    pub zone: &'a TimeZone,
    pub labels: &'a Labels,
    /// What was left or removed, as of the last picture.
    pub regions: &'a [StaticRegion],
    /// The tracks of the frame; none where only time has passed.
    pub tracks: &'a [Track],
    /// How each of them moves.
    pub movements: &'a Movements,
    /// What distances in the picture are worth.
    pub scale: &'a Scale,
    /// Who was recognised, where a rule asks.
    pub recognised: Option<&'a Recognised>,
    /// Who comes again, where a rule asks.
    pub alike: Option<&'a Alike>,
}

impl Moment<'_> {
    /// The number by which the object of `track` was known first, wherever it was since.
    pub(super) fn object(&self, track: TrackId) -> TrackId {
        self.alike.map_or_else(|| self.movements.first_known_as(track), |alike| alike.object(track, self.movements))
    }

    /// Who turned out to be somebody before since the last step.
    pub(super) fn joined(&self) -> &[Joined] {
        self.alike.map_or(&[], Alike::news)
    }
}

/// Who a rule is, so that its firings can say so.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub rule: Id,
    pub kind: FiringKind,
    pub severity: Severity,
    pub place: Place,
}

impl Identity {
    pub(super) fn firing(&self, phase: FiringPhase, key: u64, at: MediaTime) -> Firing {
        Firing {
            rule: self.rule.clone(),
            kind: self.kind,
            severity: self.severity,
            phase,
            key,
            place: Some(self.place.clone()),
            track: None,
            identity: None,
            region: None,
            at,
            measures: Vec::new(),
        }
    }
}

/// The conditions that are common to all kinds of rules.
#[derive(Debug)]
pub(super) struct Gate {
    wanted: Wanted,
    min_score: f32,
    pub score_of: ScoreOf,
    min_height: f32,
    /// Least and most, in metres; only where the rule asks.
    heights_m: Option<(f32, f32)>,
    /// How high each of the tracks is, where that can be told.
    heights: Vec<(TrackId, f32)>,
    min_width: f32,
    min_area: f32,
    min_travel: f32,
    /// Where something must have moved: how far each of the tracks has.
    travels: Vec<(TrackId, f32)>,
    /// By who they are, only where the rule asks.
    meant: Option<Meant>,
    schedule: Option<Schedule>,
    /// The minute since 1970 for which `is_awake` was last worked out.
    minute: Option<i64>,
    is_awake: bool,
}

impl Gate {
    pub(super) fn new(rule: &Rule, labels: &Labels) -> Self {
        Self {
            wanted: Wanted::of_rule(rule, labels),
            min_score: rule.min_score,
            score_of: rule.score_of,
            min_height: rule.min_height,
            heights_m: rule.measures_height().then(|| (rule.min_height_m, rule.max_height_m.unwrap_or(f32::INFINITY))),
            heights: Vec::new(),
            min_width: rule.min_width,
            min_area: rule.min_area,
            min_travel: rule.min_travel,
            travels: Vec::new(),
            meant: rule.who.clone().map(Meant::new),
            schedule: rule.schedule.clone(),
            minute: None,
            is_awake: rule.schedule.is_none(),
        }
    }

    /// Whether the rule's schedule is open, which every rule asks first. Asks the calendar once a minute only. What else of the
    /// moment is compared later is taken down here.
    pub(super) fn is_awake(&mut self, moment: &Moment) -> bool {
        if self.min_travel > 0.0 {
            self.travels.clear();
            self.travels.extend(moment.movements.travels());
        }
        if self.heights_m.is_some() && moment.is_look {
            let concerned = moment.tracks.iter().filter(|track| self.wanted.has(track.class));
            let heights = concerned.filter_map(|track| Some((track.id, moment.scale.height(&track.bbox)?)));
            self.heights.clear();
            self.heights.extend(heights);
        }
        if let (Some(meant), Some(recognised)) = (&mut self.meant, moment.recognised) {
            meant.look(recognised);
        }
        if let Some(schedule) = &self.schedule {
            let minute = moment.wall.unix_nanos().div_euclid(60_000_000_000);
            if self.minute != Some(minute) {
                self.minute = Some(minute);
                self.is_awake = schedule.is_open(moment.wall, moment.zone);
            }
        }
        self.is_awake
    }

    /// Whether the rule is about objects of the track's class.
    pub(super) fn concerns(&self, track: &Track) -> bool {
        self.wanted.has(track.class)
    }

    /// Whether the rule is about `track`, whose score to be compared is `score`.
    pub(super) fn admits(&self, track: &Track, score: f32) -> bool {
        self.passes(track, score) && self.is_meant(track)
    }

    /// Whether the rule is about whoever `track` is, for all that is known.
    pub(super) fn is_meant(&self, track: &Track) -> bool {
        self.meant.as_ref().is_none_or(|meant| meant.has(track.id))
    }

    /// As [`admits`](Self::admits), whoever it is.
    pub(super) fn passes(&self, track: &Track, score: f32) -> bool {
        self.wanted.has(track.class)
            && score >= self.min_score
            && track.bbox.height() >= self.min_height
            && self.is_of_height(track)
            && track.bbox.width() >= self.min_width
            && track.bbox.area() >= self.min_area
            && (self.min_travel <= 0.0 || self.travel(track) >= self.min_travel)
    }

    /// Whether it is as high in metres as the rule asks, or that cannot be told.
    fn is_of_height(&self, track: &Track) -> bool {
        let Some((least, most)) = self.heights_m else { return true };
        self.height(track).is_none_or(|height| (least..=most).contains(&height))
    }

    fn height(&self, track: &Track) -> Option<f32> {
        self.heights.iter().find(|(id, _)| *id == track.id).map(|(_, height)| *height)
    }

    /// How far it has moved since it was first seen, in its own heights; only where the rule asks for that.
    fn travel(&self, track: &Track) -> f32 {
        self.travels.iter().find(|(id, _)| *id == track.id).map_or(0.0, |(_, travel)| *travel)
    }

    /// The score of a presence that the rule compares.
    pub(super) fn score_of_presence(&self, presence: &Presence) -> f32 {
        presence.score(self.score_of)
    }

    /// How many in the zone would count if they were not who they are, and how many of those counted a moment ago.
    pub(super) fn left_out(&self, presences: &[Presence]) -> LeftOut {
        let mut left_out = LeftOut::default();
        let Some(meant) = &self.meant else { return left_out };
        for presence in presences.iter().filter(|p| p.is_inside() && !meant.has(p.track.id)) {
            if self.passes(&presence.track, self.score_of_presence(presence)) {
                left_out.count += 1;
                if meant.has_just_lost(presence.track.id) {
                    left_out.just_now += 1;
                    left_out.longest = left_out.longest.max(presence.dwell());
                }
            }
        }
        left_out
    }

    /// What [`passes`](Self::passes) compared, beside its limits.
    pub(super) fn measure(&self, track: &Track, score: f32, to: &mut Vec<Measure>) {
        let compared = |name, value: f32, limit: f32| {
            if limit > 0.0 {
                Measure::against(name, tidy(value), tidy(limit))
            } else {
                Measure::plain(name, tidy(value))
            }
        };
        to.push(compared(Measure::SCORE, score, self.min_score));
        let sizes = [
            (Measure::HEIGHT, track.bbox.height(), self.min_height),
            (Measure::WIDTH, track.bbox.width(), self.min_width),
            (Measure::AREA, track.bbox.area(), self.min_area),
        ];
        if let (Some((least, most)), Some(height)) = (self.heights_m, self.height(track)) {
            to.push(compared(Measure::HEIGHT_M, height, if most.is_finite() && least <= 0.0 { most } else { least }));
        }
        if self.min_travel > 0.0 {
            to.push(compared(Measure::TRAVEL, self.travel(track), self.min_travel));
        }
        to.extend(sizes.into_iter().filter(|s| s.2 > 0.0).map(|(name, value, limit)| compared(name, value, limit)));
    }
}

/// Those in a zone whom a rule leaves out for who they are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LeftOut {
    pub count: u32,
    /// Those of them who counted a moment ago, …
    pub just_now: u32,
    /// … and the longest that one of these has been there.
    pub longest: Duration,
}

impl LeftOut {
    /// Says how many they are, where there are any.
    pub(super) fn measure(&self, to: &mut Vec<Measure>) {
        if self.count > 0 {
            to.push(Measure::plain(Measure::LEFT_OUT, f64::from(self.count)));
        }
    }
}

/// A 32-bit figure as a person would write it: 0.6 must not become 0.6000000238418579 in an alert.
pub(super) fn tidy(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

/// Seconds to the millisecond, for measures.
pub(super) fn seconds(d: Duration) -> f64 {
    d.as_millis() as f64 / 1e3
}

/// Who may not start again yet, and until when.
#[derive(Debug, Default)]
pub(super) struct Cooldown {
    resting: Vec<(u64, MediaTime)>,
}

impl Cooldown {
    pub(super) fn start(&mut self, key: u64, until: MediaTime) {
        self.resting.push((key, until));
    }

    pub(super) fn pass(&mut self, now: MediaTime) {
        self.resting.retain(|(_, until)| *until > now);
    }

    pub(super) fn is_resting(&self, key: u64) -> bool {
        self.resting.iter().any(|(resting, _)| *resting == key)
    }
}
