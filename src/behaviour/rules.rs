//! One camera's rules, driven frame by frame.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::counts::{Count, Counts};
use super::crossing::LineWatch;
use super::gate::{Identity, Moment};
use super::intrusion::Intrusion;
use super::line_crossing::LineCrossing;
use super::loitering::Loitering;
use super::occupancy::Occupancy;
use super::presence::ZoneWatch;
use super::settings::{Rule, RuleKind, Settings};
use crate::vocab::{EndReason, Firing, FiringKind, Id, Labels, MediaTime, Place, Track, TrackId, TrackState, WallTime};

/// A track that was not reported for this long is a new one when it is reported again.
const RECALL: Duration = Duration::from_secs(10);

/// The rules of one camera and what they remember.
#[derive(Debug)]
pub struct Rules {
    labels: Labels,
    timezone: TimeZone,
    now: MediaTime,
    wall: WallTime,
    zones: Vec<ZoneWatch>,
    lines: Vec<LineWatch>,
    rules: Vec<RuleAtWork>,
    firings: Vec<Firing>,
    counts: Counts,
    revision: u64,
    /// The tracks that were reported lately, and when.
    known: Vec<(TrackId, MediaTime)>,
    /// Kept for its memory.
    spare: Vec<u32>,
}

/// A rule and the index of its zone or line.
#[derive(Debug)]
enum RuleAtWork {
    Intrusion(usize, Intrusion),
    Loitering(usize, Loitering),
    Occupancy(usize, Occupancy),
    LineCrossing(usize, LineCrossing),
}

impl Rules {
    /// The rules of `settings`. `labels` are the class names of the camera's model, `timezone` is that of the schedules.
    /// A rule whose zone or line is not there, or whose labels the model does not have, never fires: ask
    /// [`Settings::faults`] first.
    pub fn new(settings: Settings, labels: Labels, timezone: TimeZone) -> Self {
        let rules = settings.rules.iter().filter_map(|rule| RuleAtWork::new(rule, &settings, &labels)).collect();
        let zone = |z| ZoneWatch::new(z, settings.presence, settings.parked.overlap, labels.len());
        Self {
            rules,
            zones: settings.zones.into_iter().map(zone).collect(),
            lines: settings.lines.into_iter().map(LineWatch::new).collect(),
            labels,
            timezone,
            now: MediaTime::ZERO,
            wall: WallTime::default(),
            firings: Vec::new(),
            counts: Counts::default(),
            revision: 0,
            known: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Takes in the tracks of a frame that was looked at, captured at `now`. `wall` is the time of day at which schedules
    /// are read. Returns what fired, ends first within each rule, rules in the order of the settings.
    pub fn step(&mut self, now: MediaTime, wall: WallTime, tracks: &[Track]) -> &[Firing] {
        (self.now, self.wall) = (self.now.max(now), wall);
        let known = &self.known;
        let is_new = |id: TrackId| known.iter().all(|(known, _)| *known != id);
        self.zones.iter_mut().for_each(|zone| zone.look(self.now, tracks, &self.labels, is_new));
        self.lines.iter_mut().for_each(|line| line.look(self.now, tracks));
        self.recall(tracks);
        self.count_crossings();
        self.judge(true)
    }

    /// Lets time pass without a frame: call it about once a second while none is looked at.
    pub fn tick(&mut self, now: MediaTime, wall: WallTime) -> &[Firing] {
        (self.now, self.wall) = (self.now.max(now), wall);
        self.zones.iter_mut().for_each(|zone| zone.wait(self.now));
        self.lines.iter_mut().for_each(LineWatch::wait);
        self.judge(false)
    }

    /// The stream was cut: ends every open happening, and forgets every track. Counts of lines, cooldowns and parked
    /// objects are kept.
    pub fn reset(&mut self, now: MediaTime) -> &[Firing] {
        self.end_all(now, EndReason::Discontinuity)
    }

    /// The camera or the program stops, or these rules are replaced: ends every open happening.
    pub fn stop(&mut self, now: MediaTime) -> &[Firing] {
        self.end_all(now, EndReason::Stopped)
    }

    /// The counts of every zone, then of every line, in the order of the settings.
    pub fn counts(&self) -> impl Iterator<Item = Count> + '_ {
        let zones = self.zones.iter().map(|watch| {
            let names = self.labels.iter().chain(std::iter::once("unknown"));
            Count::of_zone(&watch.zone.id, names.zip(watch.occupancy().iter().copied()))
        });
        zones.chain(self.lines.iter().map(|watch| self.counts.of_line(&watch.line.id)))
    }

    /// Grows whenever a count changes, so that they are published only then.
    pub fn counts_revision(&self) -> u64 {
        self.revision
    }

    /// What to keep over a restart.
    pub fn saved_counts(&self) -> &Counts {
        &self.counts
    }

    /// Adds what was kept over a restart to what has been counted since.
    pub fn restore_counts(&mut self, saved: Counts) {
        self.counts.add(saved);
        self.revision += 1;
    }

    fn recall(&mut self, tracks: &[Track]) {
        let now = self.now;
        self.known.retain(|(id, reported)| now.since(*reported) < RECALL && tracks.iter().all(|t| t.id != *id));
        self.known.extend(tracks.iter().map(|t| (t.id, now)));
    }

    fn count_crossings(&mut self) {
        for watch in &self.lines {
            let confirmed = watch.crossings().iter().filter(|c| c.track.state == TrackState::Confirmed);
            for crossing in confirmed {
                self.counts.count(&watch.line.id, self.labels.name(crossing.track.class), crossing.to);
                self.revision += 1;
            }
        }
    }

    fn end_all(&mut self, now: MediaTime, reason: EndReason) -> &[Firing] {
        self.now = self.now.max(now);
        self.zones.iter_mut().for_each(|zone| zone.end_all(self.now, reason));
        self.lines.iter_mut().for_each(LineWatch::cut);
        self.known.clear();
        self.judge(false);
        self.rules.iter_mut().for_each(RuleAtWork::cut);
        &self.firings
    }

    fn judge(&mut self, is_look: bool) -> &[Firing] {
        self.firings.clear();
        let moment = Moment { now: self.now, wall: self.wall, is_look, zone: &self.timezone, labels: &self.labels };
        for rule in &mut self.rules {
            rule.step(&moment, &self.zones, &self.lines, &mut self.firings);
        }
        for zone in &mut self.zones {
            self.revision += u64::from(zone.settle(&mut self.spare));
        }
        &self.firings
    }
}

impl RuleAtWork {
    fn new(rule: &Rule, settings: &Settings, labels: &Labels) -> Option<Self> {
        let zone_at = |id: &Id| settings.zones.iter().position(|z| z.id == *id);
        let line_at = |id: &Id| settings.lines.iter().position(|l| l.id == *id);
        let identity = |kind, place| Identity { rule: rule.id.clone(), kind, severity: rule.severity, place };
        let in_zone = |kind, zone: &Id| identity(kind, Place::Zone(zone.clone()));
        Some(match &rule.kind {
            RuleKind::Intrusion { zone } => {
                let identity = in_zone(FiringKind::Intrusion, zone);
                Self::Intrusion(zone_at(zone)?, Intrusion::new(identity, rule, settings, labels))
            }
            RuleKind::Loitering { zone, seconds } => {
                let identity = in_zone(FiringKind::Loitering, zone);
                // A limit of nothing would make it an intrusion; the least dwell is told instead.
                let limit = (*seconds).max(Duration::from_millis(1));
                Self::Loitering(zone_at(zone)?, Loitering::new(identity, rule, limit, settings, labels))
            }
            RuleKind::Occupancy { zone, at_least, seconds } => {
                let identity = in_zone(FiringKind::Occupancy, zone);
                let limits = (*at_least, *seconds);
                Self::Occupancy(zone_at(zone)?, Occupancy::new(identity, rule, limits, settings.update_every, labels))
            }
            RuleKind::LineCrossing { line, direction } => {
                let identity = identity(FiringKind::LineCrossing, Place::Line(line.clone()));
                Self::LineCrossing(line_at(line)?, LineCrossing::new(identity, rule, *direction, labels))
            }
        })
    }

    fn step(&mut self, moment: &Moment, zones: &[ZoneWatch], lines: &[LineWatch], out: &mut Vec<Firing>) {
        match self {
            Self::Intrusion(zone, rule) => rule.step(moment, zones[*zone].presences(), out),
            Self::Loitering(zone, rule) => rule.step(moment, zones[*zone].presences(), out),
            Self::Occupancy(zone, rule) => rule.step(moment, zones[*zone].presences(), out),
            Self::LineCrossing(line, rule) => rule.step(moment, lines[*line].crossings(), out),
        }
    }

    fn cut(&mut self) {
        match self {
            Self::Intrusion(_, rule) => rule.cut(),
            Self::Loitering(_, rule) => rule.cut(),
            Self::Occupancy(..) | Self::LineCrossing(..) => {}
        }
    }
}
