//! **Scattering**: people who stood together run apart.
//!
//! ```text
//!           a group of `at_least` for 2 s               `at_least` of them run away from its middle
//!   Nobody ────────────────────────────► Together ────────────────────────────────────────────────► told, Nobody
//!     ▲                                     │
//!     └────── no group for `seconds` ───────┘
//! ```
//!
//! - A **group** is as for a gathering (see `gathering.rs`), and must have stood together for [`TOGETHER`].
//! - **Instant** when, within `seconds` of when they were last together, at least `at_least` of those who then stood in the
//!   group run at the same time, each away from where its middle was. Running is the smoothed speed (see `motion.rs`), so this
//!   is told about a second after they begin.
//! - A group that walks off together, or of which one runs away, does not scatter. Nor do people whose tracks are lost.
//! - The schedule must be open. **Not again** within the cooldown.
//!
//! The key is 0. Without `labels` it is about people.

use std::time::Duration;

use super::employ::Post;
use super::gate::{Gate, Identity, Moment, tidy};
use super::groups::Groups;
use super::presence::Presence;
use super::rules::{AtWork, Places};
use super::scale::{Distance, Speed};
use crate::vocab::{Firing, FiringPhase, Measure, MediaTime};

/// How long people must stand together to be a group that can scatter.
const TOGETHER: Duration = Duration::from_secs(2);
/// A group that has become smaller is the new one only after this: the others may be setting off.
const SETTLES: Duration = Duration::from_millis(1_200);
/// Whoever has this share of the speed of running sets off.
const SETS_OFF: f32 = 0.5;

/// The rule at work.
#[derive(Debug)]
pub(super) struct Scattering {
    zone: usize,
    identity: Identity,
    gate: Gate,
    at_least: u32,
    within: Distance,
    over: Speed,
    seconds: Duration,
    cooldown: Duration,
    groups: Groups,
    /// Since when there is a group.
    since: Option<MediaTime>,
    flock: Option<Flock>,
    rests_until: MediaTime,
}

/// A group that stood together.
#[derive(Debug)]
struct Flock {
    /// Keys of its members.
    members: Vec<u64>,
    /// Its middle, in heights of the picture.
    middle: (f32, f32),
    last_together: MediaTime,
}

impl Scattering {
    pub(super) fn new(post: &Post, at_least: u32, (within, over): (Distance, Speed), seconds: Duration) -> Self {
        Self {
            zone: post.at,
            identity: post.identity(),
            gate: post.gate(),
            at_least: at_least.max(2),
            within,
            over,
            seconds,
            cooldown: post.rule.cooldown(),
            groups: Groups::default(),
            since: None,
            flock: None,
            rests_until: MediaTime::ZERO,
        }
    }

    /// Takes note of the group that there is.
    fn look(&mut self, moment: &Moment, people: &[&Presence]) {
        let group = self.groups.largest(people, moment.scale, self.within);
        if group.members.len() >= self.at_least as usize {
            let since = *self.since.get_or_insert(moment.now);
            // Once one of them runs, those who stood together before are the group that may scatter.
            let stands = |p: &Presence| self.speed(moment, p).is_none_or(|speed| speed < self.over.value() * SETS_OFF);
            let members = || group.members.iter().map(|i| people[*i]);
            let lost_some = |flock: &Flock| {
                flock.members.len() > group.members.len() && moment.now.since(flock.last_together) < SETTLES
            };
            let is_settled = members().all(stands) && !self.flock.as_ref().is_some_and(lost_some);
            if moment.now.since(since) >= TOGETHER && is_settled {
                let places = members().map(|p| moment.scale.flat(p.track.bbox.foot()));
                let sum = places.fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
                let count = group.members.len() as f32;
                self.flock = Some(Flock {
                    members: members().map(|p| p.key).collect(),
                    middle: (sum.0 / count, sum.1 / count),
                    last_together: moment.now,
                });
            }
        } else {
            self.since = None;
        }
        let too_late = |flock: &Flock| moment.now.since(flock.last_together) > self.seconds;
        if self.flock.as_ref().is_some_and(too_late) {
            self.flock = None;
        }
    }

    fn speed(&self, moment: &Moment, presence: &Presence) -> Option<f32> {
        moment.movements.of(presence.track.id)?.speed(moment.scale, self.over)
    }

    /// How fast it runs away from the middle, if it does.
    fn flees(&self, moment: &Moment, presence: &Presence, flock: &Flock) -> Option<f32> {
        if !presence.is_sighted || !flock.members.contains(&presence.key) {
            return None;
        }
        let speed = self.speed(moment, presence).filter(|speed| *speed >= self.over.value())?;
        let (x, y) = moment.movements.of(presence.track.id)?.heading(moment.scale)?;
        let at = moment.scale.flat(presence.track.bbox.foot());
        let outward = x * (at.0 - flock.middle.0) + y * (at.1 - flock.middle.1);
        (outward > 0.0).then_some(speed)
    }
}

impl AtWork for Scattering {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        if !moment.is_look {
            return;
        }
        let is_awake = self.gate.is_awake(moment);
        let people = self.gate.admitted(places.zones[self.zone].presences());
        self.look(moment, &people);
        let Some(flock) = &self.flock else { return };
        let speeds: Vec<f32> = people.iter().filter_map(|p| self.flees(moment, p, flock)).collect();
        if speeds.len() < self.at_least as usize || !is_awake || moment.now < self.rests_until {
            return;
        }
        let mut firing = self.identity.firing(FiringPhase::Instant, 0, moment.now);
        firing.measures.push(Measure::against(Measure::COUNT, speeds.len() as f64, f64::from(self.at_least)));
        let slowest = speeds.iter().copied().fold(f32::INFINITY, f32::min);
        firing.measures.push(Measure::against(self.over.measure_name(), tidy(slowest), tidy(self.over.value())));
        out.push(firing);
        (self.flock, self.since) = (None, None);
        self.rests_until = moment.now + self.cooldown;
    }

    fn cut(&mut self) {
        (self.flock, self.since) = (None, None);
    }
}
