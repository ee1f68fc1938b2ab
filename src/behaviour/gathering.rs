//! **Gathering**: people stand together in a zone.
//!
//! - A **group** are people of whom each is within the distance of the next (see `groups.rs`): in metres on the ground, or in
//!   body heights in the picture. The rule looks at the largest group in the zone. Somebody unseen for up to 2 s stands
//!   where he stood.
//! - **Start** when a group of `at_least` has stood together for `seconds`, while the schedule is open. It need not be the
//!   same people all the time. **Update** when its size changes, at most once in
//!   [`update_every`](super::Settings::update_every). **End** when no group has been that large for a second, at the time
//!   since which; when the schedule closes or the stream is cut.
//!
//! There is one happening at a time, so the key is 0. Without `labels` it is about people.

use std::time::Duration;

use super::employ::Post;
use super::gate::{Gate, Identity, LeftOut, Moment, tidy};
use super::groups::{Group, Groups};
use super::presence::Presence;
use super::rules::{AtWork, Places};
use super::scale::Distance;
use super::standing::{Lasting, Standing, Verdict};
use crate::vocab::{Firing, FiringPhase, Measure, MediaTime};

/// The rule at work.
#[derive(Debug)]
pub(super) struct Gathering {
    zone: usize,
    identity: Identity,
    gate: Gate,
    at_least: u32,
    within: Distance,
    lasting: Lasting,
    groups: Groups,
}

impl Gathering {
    pub(super) fn new(post: &Post, at_least: u32, within: Distance, hold: Duration) -> Self {
        Self {
            zone: post.at,
            identity: post.identity(),
            gate: post.gate(),
            at_least: at_least.max(2),
            within,
            lasting: Lasting::new(post, hold),
            groups: Groups::default(),
        }
    }

    fn firing(&self, phase: FiringPhase, (group, left_out): (&Group, LeftOut), at: MediaTime) -> Firing {
        let mut firing = self.identity.firing(phase, 0, at);
        let count = group.members.len() as f64;
        firing.measures.push(Measure::against(Measure::COUNT, count, f64::from(self.at_least)));
        if phase != FiringPhase::End {
            let (name, limit) = (self.within.measure_name(), self.within.value());
            firing.measures.push(Measure::against(name, tidy(group.widest), tidy(limit)));
            left_out.measure(&mut firing.measures);
        }
        firing
    }
}

impl AtWork for Gathering {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        let is_awake = self.gate.is_awake(moment);
        let presences = places.zones[self.zone].presences();
        let (people, left_out) = (self.gate.admitted(presences), self.gate.left_out(presences));
        let group = self.groups.largest(&people, moment.scale, self.within);
        let count = group.members.len();
        let enough = self.at_least as usize;
        let is_seen = group.members.iter().filter(|i| people[**i].is_sighted).count() >= enough;
        let was_so = count + left_out.just_now as usize >= enough;
        let standing = Standing { is_so: count >= enough, is_seen, was_so };
        let verdict = self.lasting.judge(moment, standing, is_awake, count as f64);
        let found = (&group, left_out);
        let mut firing = match verdict {
            Verdict::Nothing => return,
            Verdict::Start { .. } => self.firing(FiringPhase::Start, found, moment.now),
            Verdict::Update => self.firing(FiringPhase::Update, found, moment.now),
            Verdict::End { at, .. } => self.firing(FiringPhase::End, found, at),
        };
        verdict.measure(self.lasting.hold(), &mut firing);
        out.push(firing);
    }
}

impl Gate {
    /// Those who are in the zone and whom the rule is about.
    pub(super) fn admitted<'p>(&self, presences: &'p [Presence]) -> Vec<&'p Presence> {
        let is_meant = |p: &&Presence| p.is_inside() && self.admits(&p.track, self.score_of_presence(p));
        presences.iter().filter(is_meant).collect()
    }
}
