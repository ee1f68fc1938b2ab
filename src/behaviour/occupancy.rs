//! **Occupancy**: a zone holds at least so many objects that the rule is about.
//!
//! - The **count** is of believed presences (see `presence.rs`), so it bridges detections that drop out for up to 2 s and
//!   does not count somebody twice whose track has changed its number. An object counts once its label, score and size
//!   have passed, until its presence ends or a face tells that it is nobody the rule is about.
//! - **Start** when the count reaches `at_least` while the schedule is open; its time is the first sighting of the one who
//!   made it so. With `seconds`, when the count was held that long, at that time.
//! - Whoever is seen coming when the count falls, and is believed within a second, has bridged the gap: there is no end.
//! - **Update** when the count changes, at most once in [`update_every`](super::Settings::update_every).
//! - **End** when the count falls below `at_least`, at the last sighting inside of the one who made it so, or when he
//!   was recognised; when the schedule closes or the stream is cut.
//! - The **cooldown** is that of the zone, and none unless it is set.
//!
//! There is one happening at a time, so the key is 0. With a zone over the whole picture and `at_least: 1` each happening
//! is one visit.

use std::time::Duration;

use super::employ::Post;
use super::gate::{Gate, Identity, Moment, seconds, tidy};
use super::presence::{Presence, Stage};
use super::rules::{AtWork, Places};
use crate::vocab::{EndReason, Firing, FiringPhase, Measure, MediaTime};

/// How long somebody who is not believed yet may keep a happening from ending.
const BRIDGES: Duration = Duration::from_secs(1);

/// The rule at work.
#[derive(Debug)]
pub(super) struct Occupancy {
    zone: usize,
    identity: Identity,
    gate: Gate,
    limits: Limits,
    cooldown: Duration,
    update_every: Duration,
    /// Keys of the presences that count.
    counted: Vec<u64>,
    /// Since when there are enough.
    reached: Option<MediaTime>,
    rests_until: MediaTime,
    /// When the last happening ended; the next does not start before.
    ended: MediaTime,
    open: Option<Held>,
    /// Why and when the count fell, while it is not certain that it stays so.
    fell: Option<(EndReason, MediaTime)>,
}

/// How many are how many for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How many begin it, at least 1.
    pub enter: u32,
    /// With fewer than this it ends, 1 to `enter`.
    pub keep: u32,
    /// For how long.
    pub hold: Duration,
    /// Where it is the density that counts.
    pub density: Option<Density>,
}

/// How thick people may stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Density {
    /// The name of its measure.
    pub name: &'static str,
    /// The size of the zone.
    pub area: f32,
    /// How many for each unit of that.
    pub limit: f32,
}

impl Limits {
    /// A number alone, which ends as it begins.
    pub(super) fn number(at_least: u32, hold: Duration) -> Self {
        let enter = at_least.max(1);
        Self { enter, keep: enter, hold, density: None }
    }
}

/// A happening that goes on.
#[derive(Debug)]
struct Held {
    started: MediaTime,
    updated: MediaTime,
    told: u32,
    peak: u32,
}

impl Occupancy {
    pub(super) fn new(post: &Post, limits: Limits) -> Self {
        Self {
            zone: post.at,
            identity: post.identity(),
            gate: post.gate(),
            limits,
            cooldown: post.rule.cooldown(),
            update_every: post.settings.update_every,
            counted: Vec::new(),
            reached: None,
            rests_until: MediaTime::ZERO,
            ended: MediaTime::ZERO,
            open: None,
            fell: None,
        }
    }

    /// How many are seen but not believed yet.
    fn coming(&self, now: MediaTime, presences: &[Presence]) -> u32 {
        let comes = |p: &&Presence| {
            p.stage == Stage::Entering
                && now.since(p.entered) <= BRIDGES
                && self.gate.admits(&p.track, p.score(self.gate.score_of))
        };
        u32::try_from(presences.iter().filter(comes).count()).unwrap_or(u32::MAX)
    }

    /// Brings `counted` up to date, and says when the last one to come was first seen and the last to go last seen.
    fn recount(&mut self, now: MediaTime, presences: &[Presence]) -> Change {
        let mut change = Change::default();
        self.counted.retain(|key| {
            let presence = presences.iter().find(|p| p.key == *key);
            let gone = presence.map_or(Some(EndReason::Unseen), Presence::gone);
            let is_meant = presence.is_none_or(|p| self.gate.is_meant(&p.track));
            let gone = gone.or((!is_meant).then_some(EndReason::Identity));
            if let Some(reason) = gone {
                let last = presence.filter(|_| is_meant).map_or(now, |p| p.last_inside);
                if change.went.is_none_or(|(_, latest)| latest <= last) {
                    change.went = Some((reason, last));
                }
            }
            gone.is_none()
        });
        for presence in presences.iter().filter(|p| p.is_inside() && p.is_sighted) {
            let passes = self.gate.admits(&presence.track, presence.score(self.gate.score_of));
            if passes && !self.counted.contains(&presence.key) {
                self.counted.push(presence.key);
                let came = if presence.has_just_entered(now) { presence.entered } else { now };
                change.came = change.came.max(Some(came));
            }
        }
        change
    }

    fn start(&mut self, moment: &Moment, presences: &[Presence], count: u32, out: &mut Vec<Firing>) {
        let reached = self.reached.unwrap_or(moment.now);
        let held = self.enough_seen_until(presences).unwrap_or(reached).since(reached);
        if held < self.limits.hold || moment.now < self.rests_until || !moment.is_look {
            return;
        }
        let started = if self.limits.hold.is_zero() { reached.max(self.ended) } else { moment.now };
        self.open = Some(Held { started, updated: moment.now, told: count, peak: count });
        let mut firing = self.firing(FiringPhase::Start, started, moment, presences);
        if !self.limits.hold.is_zero() {
            firing.measures.push(Measure::against(Measure::HELD, seconds(held), seconds(self.limits.hold)));
        }
        out.push(firing);
    }

    /// The last time at which as many as are needed had been seen: the grace for those unseen since is not held time.
    fn enough_seen_until(&self, presences: &[Presence]) -> Option<MediaTime> {
        let counted = || presences.iter().filter(|p| self.counted.contains(&p.key)).map(|p| p.last_inside);
        let is_enough = |at: &MediaTime| counted().filter(|seen| seen >= at).count() >= self.limits.enter as usize;
        counted().filter(is_enough).max()
    }

    fn update(&mut self, moment: &Moment, presences: &[Presence], count: u32, out: &mut Vec<Firing>) {
        let Some(held) = &mut self.open else { return };
        held.peak = held.peak.max(count);
        if count != held.told && moment.now.since(held.updated) >= self.update_every {
            (held.told, held.updated) = (count, moment.now);
            out.push(self.firing(FiringPhase::Update, moment.now, moment, presences));
        }
    }

    fn end(&mut self, moment: &Moment, presences: &[Presence], is_awake: bool, out: &mut Vec<Firing>) {
        let Some(held) = self.open.take() else { return };
        let (reason, at) = match self.fell {
            _ if !is_awake => (EndReason::Schedule, moment.now),
            Some(went) => went,
            None => (EndReason::Left, moment.now),
        };
        let at = at.max(held.started);
        let mut firing = self.firing(FiringPhase::End, at, moment, presences);
        firing.measures.push(Measure::plain(Measure::PEAK, f64::from(held.peak)));
        firing.measures.push(Measure::plain(Measure::DWELL, seconds(at.since(held.started))));
        firing.measures.push(reason.measure());
        out.push(firing);
        (self.ended, self.rests_until) = (at, moment.now + self.cooldown);
    }

    fn firing(&self, phase: FiringPhase, at: MediaTime, moment: &Moment, presences: &[Presence]) -> Firing {
        let mut firing = self.identity.firing(phase, 0, at);
        let count = self.counted.len() as f64;
        firing.measures.push(Measure::against(Measure::COUNT, count, f64::from(self.limits.enter)));
        if let Some(Density { name, area, limit }) = self.limits.density {
            firing.measures.push(Measure::against(name, tidy(count as f32 / area), tidy(limit)));
        }
        let counted = || presences.iter().filter(|p| self.counted.contains(&p.key) && p.gone().is_none());
        if phase != FiringPhase::End {
            self.gate.left_out(presences).measure(&mut firing.measures);
        }
        for (class, label) in (0u16..).zip(moment.labels.iter()) {
            let of_class = counted().filter(|p| p.track.class == class).count();
            if of_class > 0 {
                let name = format!("{}.{label}", Measure::COUNT);
                firing.measures.push(Measure::plain(&name, of_class as f64));
            }
        }
        firing
    }
}

impl AtWork for Occupancy {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        let presences = places.zones[self.zone].presences();
        let is_awake = self.gate.is_awake(moment);
        let change = self.recount(moment.now, presences);
        let count = u32::try_from(self.counted.len()).unwrap_or(u32::MAX);
        let enough = if self.open.is_some() { self.limits.keep } else { self.limits.enter };
        if is_awake && count >= enough {
            self.fell = None;
            if self.open.is_some() {
                return self.update(moment, presences, count, out);
            }
            self.reached.get_or_insert(change.came.unwrap_or(moment.now));
            return self.start(moment, presences, count, out);
        }
        self.fell = change.went.or(self.fell);
        if is_awake && count + self.coming(moment.now, presences) >= enough {
            return;
        }
        self.reached = None;
        self.end(moment, presences, is_awake, out);
        self.fell = None;
    }
}

/// What a step changed in the count.
#[derive(Debug, Default)]
struct Change {
    came: Option<MediaTime>,
    went: Option<(EndReason, MediaTime)>,
}
