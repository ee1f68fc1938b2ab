//! One camera's rules, driven frame by frame.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::alike::Alike;
use super::counts::{Count, Counts};
use super::crossing::LineWatch;
use super::employ::employ;
use super::gate::{Moment, tidy};
use super::motion::Movements;
use super::presence::ZoneWatch;
use super::scale::Scale;
use super::settings::{Anchor, Rule, Settings};
use super::suppression::{Suppressed, Suppressions};
use super::who::Recognised;
use crate::vocab::{
    EndReason, Firing, FiringKind, Id, Identity, Labels, Measure, MediaTime, Place, StaticRegion, Track, TrackId,
    TrackState, WallTime,
};

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
    rules: Vec<Box<dyn AtWork>>,
    movements: Movements,
    scale: Scale,
    suppressions: Suppressions,
    /// Who was recognised, where a rule asks.
    recognised: Option<Recognised>,
    /// Who comes again, where a rule asks.
    alike: Option<Alike>,
    /// The rules that ask who somebody is.
    asking: Vec<Id>,
    firings: Vec<Firing>,
    counts: Counts,
    /// The rules that are journeys, and the lines at which these end.
    journeys: Vec<(Id, Id)>,
    revision: u64,
    /// The tracks that were reported lately, and when.
    known: Vec<(TrackId, MediaTime)>,
    /// What was left or removed.
    regions: Vec<StaticRegion>,
    /// Kept for its memory.
    spare: Vec<u32>,
}

/// The zones and lines of a camera, with who is in them and who crossed them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    pub zones: &'a [ZoneWatch],
    pub lines: &'a [LineWatch],
}

/// A rule at work.
pub(super) trait AtWork: std::fmt::Debug + Send {
    /// Says what is to be said at `moment`, ends first.
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>);

    /// The stream was cut: tracks before and after have nothing to do with each other. Everything has ended.
    fn cut(&mut self) {}
}

impl Rules {
    /// The rules of `settings`. `labels` are the class names of the camera's model, `timezone` is that of the schedules.
    /// A rule whose zone or line is not there, or whose labels the model does not have, never fires: ask
    /// [`Settings::faults`] first.
    pub fn new(settings: Settings, labels: Labels, timezone: TimeZone) -> Self {
        let journeys = settings.rules.iter().filter_map(journey).collect();
        let asking = settings.rules.iter().filter(|rule| rule.who.is_some()).map(|rule| rule.id.clone());
        let asking: Vec<Id> = asking.collect();
        let rules = settings.rules.iter().filter_map(|rule| employ(rule, &settings, &labels)).collect();
        let zone = |z| ZoneWatch::new(z, settings.presence, settings.parked.overlap, labels.len());
        Self {
            rules,
            suppressions: Suppressions::new(settings.suppress, &labels),
            zones: settings.zones.into_iter().map(zone).collect(),
            lines: settings.lines.into_iter().map(LineWatch::new).collect(),
            labels,
            timezone,
            now: MediaTime::ZERO,
            wall: WallTime::default(),
            movements: Movements::default(),
            scale: Scale::new(settings.ground),
            recognised: (!asking.is_empty()).then(Recognised::default),
            alike: settings.rules.iter().any(|rule| rule.kind.follows_people()).then(Alike::default),
            asking,
            firings: Vec::new(),
            counts: Counts::default(),
            journeys,
            revision: 0,
            known: Vec::new(),
            regions: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// The picture is `width` pixels wide and `height` high: distances in it depend on its shape. Until this is known it is
    /// taken to be 16 by 9.
    pub fn set_picture_size(&mut self, width: u32, height: u32) {
        if width > 0 && height > 0 {
            self.scale.set_aspect(width as f32 / height as f32);
        }
    }

    /// Takes in what was left or removed, as of the picture of the next step or tick.
    pub fn set_regions(&mut self, regions: &[StaticRegion]) {
        self.regions.clear();
        self.regions.extend_from_slice(regions);
    }

    /// Takes in who a track is taken for, which counts from the next step or tick on. Nothing where no rule asks.
    pub fn recognise(&mut self, track: TrackId, identity: &Identity) {
        if let Some(recognised) = &mut self.recognised {
            recognised.learn(track, identity, self.now, &self.movements);
        }
    }

    /// Takes in which person a track is by how he looks: `person` is the same text for all his tracks.
    pub fn see_again(&mut self, track: TrackId, person: &str) {
        if let Some(alike) = &mut self.alike {
            alike.learn(track, person, &self.movements);
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
        self.movements.look(self.now, tracks, &self.labels, self.scale.aspect);
        self.recognised.iter_mut().for_each(|known| known.look(self.now, tracks, &self.movements));
        self.recall(tracks);
        self.count_crossings();
        self.judge(tracks, true, None)
    }

    /// Lets time pass without a frame: call it about once a second while none is looked at.
    pub fn tick(&mut self, now: MediaTime, wall: WallTime) -> &[Firing] {
        (self.now, self.wall) = (self.now.max(now), wall);
        self.zones.iter_mut().for_each(|zone| zone.wait(self.now));
        self.lines.iter_mut().for_each(LineWatch::wait);
        self.judge(&[], false, None)
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
        zones.chain(self.lines.iter().map(|watch| {
            let line = &watch.line.id;
            let ends_here = |(_, end): &&(Id, Id)| end == line;
            self.counts.of_line(line, self.journeys.iter().filter(ends_here).map(|(rule, _)| rule))
        }))
    }

    /// What each entry of `suppress` has held back.
    pub fn suppressed(&self) -> impl Iterator<Item = &Suppressed> {
        self.suppressions.told()
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

    /// Before anything is held back: what is counted is what was, not what was told.
    fn count_journeys(&mut self) {
        for firing in self.firings.iter().filter(|firing| firing.kind == FiringKind::Journey) {
            let label = firing.track.as_ref().map_or("unknown", |track| self.labels.name(track.class));
            self.counts.count_journey(&firing.rule, label);
            self.revision += 1;
        }
    }

    /// Says with what fired who it is, where the rule asks.
    fn say_who(&mut self) {
        let Some(recognised) = &self.recognised else { return };
        for firing in self.firings.iter_mut().filter(|firing| self.asking.contains(&firing.rule)) {
            let identity = firing.track.as_ref().and_then(|track| recognised.of(track.id));
            let Some(Identity { score, threshold, margin, least_margin, .. }) = identity.map(AsRef::as_ref) else {
                continue;
            };
            firing.measures.push(Measure::against(Measure::LIKENESS, tidy(*score), tidy(*threshold)));
            firing.measures.push(Measure::against(Measure::LIKENESS_MARGIN, tidy(*margin), tidy(*least_margin)));
            firing.identity = identity.cloned();
        }
    }

    fn end_all(&mut self, now: MediaTime, reason: EndReason) -> &[Firing] {
        self.now = self.now.max(now);
        self.zones.iter_mut().for_each(|zone| zone.end_all(self.now, reason));
        self.lines.iter_mut().for_each(LineWatch::cut);
        self.known.clear();
        self.judge(&[], false, Some(reason));
        self.movements.cut();
        self.recognised.iter_mut().for_each(Recognised::cut);
        self.alike.iter_mut().for_each(Alike::cut);
        self.rules.iter_mut().for_each(|rule| rule.cut());
        &self.firings
    }

    fn judge(&mut self, tracks: &[Track], is_look: bool, ending: Option<EndReason>) -> &[Firing] {
        self.firings.clear();
        let moment = Moment {
            now: self.now,
            wall: self.wall,
            is_look,
            ending,
            zone: &self.timezone,
            labels: &self.labels,
            regions: &self.regions,
            tracks,
            movements: &self.movements,
            scale: &self.scale,
            recognised: self.recognised.as_ref(),
            alike: self.alike.as_ref(),
        };
        let places = Places { zones: &self.zones, lines: &self.lines };
        for rule in &mut self.rules {
            rule.step(&moment, &places, &mut self.firings);
        }
        // Time that passes tells nothing, so that what was found out is there for the next look too.
        self.alike.iter_mut().filter(|_| is_look).for_each(Alike::settle);
        self.say_who();
        self.count_journeys();
        let anchor_at = |place: &Place| anchor_at(place, &self.zones, &self.lines);
        self.suppressions.sift(self.wall, anchor_at, &mut self.firings);
        for zone in &mut self.zones {
            self.revision += u64::from(zone.settle(&mut self.spare));
        }
        &self.firings
    }
}

/// The rule and the line at which its journeys end, if it is one.
fn journey(rule: &Rule) -> Option<(Id, Id)> {
    match (rule.kind.of_firings(), rule.kind.place()) {
        (FiringKind::Journey, Place::Line(line)) => Some((rule.id.clone(), line)),
        _ => None,
    }
}

/// By which point of objects a place goes.
fn anchor_at(place: &Place, zones: &[ZoneWatch], lines: &[LineWatch]) -> Anchor {
    let found = match place {
        Place::Zone(id) => zones.iter().find(|watch| watch.zone.id == *id).map(|watch| watch.zone.anchor),
        Place::Line(id) => lines.iter().find(|watch| watch.line.id == *id).map(|watch| watch.line.anchor),
    };
    found.unwrap_or_default()
}
