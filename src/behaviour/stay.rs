//! What intrusion, loitering and stopped vehicles have in common: a happening per object that stays in a zone.

use std::time::Duration;

use super::employ::Post;
use super::gate::{Cooldown, Gate, Identity, Moment, seconds};
use super::parked::Parked;
use super::presence::Presence;
use super::rules::{AtWork, Places};
use crate::vocab::{EndReason, Firing, FiringPhase, Measure, MediaTime};

/// An update is due before its time when the score compared has risen by this much.
const BETTER_SCORE: f32 = 0.1;

/// Which time of an object in a zone counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// All of it.
    Dwell,
    /// That since it stands still. The happening ends when it moves off.
    Still,
}

impl Clock {
    fn of(self, presence: &Presence) -> Duration {
        match self {
            Self::Dwell => presence.dwell(),
            Self::Still => presence.last_inside.since(presence.still_since),
        }
    }
}

/// A rule about each object that stays in a zone for at least `limit`.
#[derive(Debug)]
pub(super) struct Stays {
    zone: usize,
    clock: Clock,
    identity: Identity,
    gate: Gate,
    limit: Duration,
    cooldown: Duration,
    update_every: Duration,
    open: Vec<Stay>,
    cooling: Cooldown,
    parked: Parked,
}

/// A happening that goes on.
#[derive(Debug)]
struct Stay {
    key: u64,
    started: MediaTime,
    updated: MediaTime,
    score: f32,
}

impl Stays {
    pub(super) fn new(post: &Post, clock: Clock, limit: Duration) -> Self {
        Self {
            zone: post.at,
            clock,
            identity: post.identity(),
            gate: post.gate(),
            limit,
            cooldown: post.rule.cooldown(),
            update_every: post.settings.update_every,
            open: Vec::new(),
            cooling: Cooldown::default(),
            parked: Parked::new(post.settings.parked),
        }
    }

    fn start(&mut self, moment: &Moment, presence: &Presence, out: &mut Vec<Firing>) {
        let score = presence.score(self.gate.score_of);
        let is_due = self.clock.of(presence) >= self.limit && self.gate.admits(&presence.track, score);
        if !is_due || self.cooling.is_resting(presence.key) || self.parked.covers(moment, presence) {
            return;
        }
        // What was inside before it concerned the rule began to concern it now, not when it came in.
        let from_the_start = presence.has_just_entered(moment.now) && self.limit.is_zero();
        let started = if from_the_start { presence.entered } else { moment.now };
        self.open.push(Stay { key: presence.key, started, updated: moment.now, score });
        out.push(self.firing(FiringPhase::Start, presence, started));
    }

    fn update(&mut self, index: usize, moment: &Moment, presence: &Presence, out: &mut Vec<Firing>) {
        let score = presence.score(self.gate.score_of);
        let stay = &mut self.open[index];
        let is_due = moment.now.since(stay.updated) >= self.update_every || score >= stay.score + BETTER_SCORE;
        if is_due {
            (stay.updated, stay.score) = (moment.now, score);
            out.push(self.firing(FiringPhase::Update, presence, moment.now));
        }
    }

    fn end(&mut self, moment: &Moment, presences: &[Presence], is_awake: bool, out: &mut Vec<Firing>) {
        let mut index = 0;
        while index < self.open.len() {
            let stay = &self.open[index];
            let presence = presences.iter().find(|p| p.key == stay.key);
            let reason = match presence.map(Presence::gone) {
                Some(Some(reason)) => reason,
                // A presence is shown once when it is gone, so this is for safety only.
                None => EndReason::Unseen,
                Some(None) if !is_awake => EndReason::Schedule,
                Some(None) if presence.is_some_and(|p| !self.gate.is_meant(&p.track)) => EndReason::Identity,
                Some(None) if self.has_moved_off(presence) => EndReason::Ceased,
                Some(None) => {
                    index += 1;
                    continue;
                }
            };
            let stay = self.open.remove(index);
            if let Some(presence) = presence {
                self.parked.remember(moment, presence, reason);
                let last = match reason {
                    EndReason::Schedule | EndReason::Identity => moment.now,
                    EndReason::Ceased => presence.still_since,
                    _ => presence.last_inside,
                };
                let mut firing = self.firing(FiringPhase::End, presence, last.max(stay.started));
                firing.measures.push(reason.measure());
                out.push(firing);
            } else {
                let mut firing = self.identity.firing(FiringPhase::End, stay.key, moment.now);
                firing.measures.push(reason.measure());
                out.push(firing);
            }
            // Never again in the same moment, even without a cooldown.
            self.cooling.start(stay.key, moment.now + self.cooldown.max(Duration::from_nanos(1)));
        }
    }

    fn has_moved_off(&self, presence: Option<&Presence>) -> bool {
        self.clock == Clock::Still && presence.is_some_and(|p| self.clock.of(p) < self.limit)
    }

    fn firing(&self, phase: FiringPhase, presence: &Presence, at: MediaTime) -> Firing {
        let mut firing = self.identity.firing(phase, presence.key, at);
        let (name, lasted) = match self.clock {
            Clock::Still if phase != FiringPhase::End => (Measure::STILL, self.clock.of(presence)),
            _ => (Measure::DWELL, presence.dwell()),
        };
        firing.measures.push(if self.limit.is_zero() {
            Measure::plain(name, seconds(lasted))
        } else {
            Measure::against(name, seconds(lasted), seconds(self.limit))
        });
        self.gate.measure(&presence.track, presence.score(self.gate.score_of), &mut firing.measures);
        firing.track = Some(presence.track.clone());
        firing
    }
}

impl AtWork for Stays {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        let presences = places.zones[self.zone].presences();
        let is_awake = self.gate.is_awake(moment);
        self.cooling.pass(moment.now);
        self.parked.look(moment, presences);
        self.end(moment, presences, is_awake, out);
        for presence in presences.iter().filter(|p| p.is_inside() && p.is_sighted) {
            match self.open.iter().position(|stay| stay.key == presence.key) {
                Some(index) => self.update(index, moment, presence, out),
                None if is_awake => self.start(moment, presence, out),
                None => {}
            }
        }
    }

    fn cut(&mut self) {
        self.parked.cut();
    }
}
