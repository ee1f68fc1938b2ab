//! **Repeated passing**: the same object comes to a zone again and again.
//!
//! - A **visit** begins when the object is believed to be in the zone (see `presence.rs`); a new one needs that it was seen
//!   outside, or was not seen, for long enough to have left.
//! - **Instant** at the visit that is the `at_least`th within `seconds`; the visits until then are spent, so that the next one
//!   is told after as many more. `visits` among the measures is how many, `window_s` the time from the first to this.
//! - The same object is the same track, or one that continues it where it vanished (see `motion.rs`). Faces and clothes are
//!   not compared, so who leaves the picture in between is another one when he comes back.
//! - Label, score and size are those at the visit; only visits while the schedule is open count. **Not again** by the same one
//!   within the cooldown.

use std::collections::VecDeque;
use std::time::Duration;

use super::employ::Post;
use super::gate::{Cooldown, Gate, Identity, Moment, seconds};
use super::rules::{AtWork, Places};
use crate::vocab::{Firing, FiringPhase, Measure, MediaTime, TrackId};

/// Of so many visitors the first are forgotten before their time.
const MOST_VISITORS: usize = 512;

/// The rule at work.
#[derive(Debug)]
pub(super) struct RepeatedPassing {
    zone: usize,
    identity: Identity,
    gate: Gate,
    at_least: usize,
    seconds: Duration,
    cooldown: Duration,
    cooling: Cooldown,
    visitors: VecDeque<Visitor>,
}

#[derive(Debug)]
struct Visitor {
    /// The number by which it was known first.
    object: TrackId,
    /// When its visits began, `at_least` of them at most.
    visits: VecDeque<MediaTime>,
}

impl RepeatedPassing {
    pub(super) fn new(post: &Post, at_least: u32, seconds: Duration) -> Self {
        Self {
            zone: post.at,
            identity: post.identity(),
            gate: post.gate(),
            at_least: at_least.max(2) as usize,
            seconds,
            cooldown: post.rule.cooldown(),
            cooling: Cooldown::default(),
            visitors: VecDeque::new(),
        }
    }

    /// Notes a visit, and says when the first one began of those that are too many.
    fn visit(&mut self, object: TrackId, at: MediaTime) -> Option<MediaTime> {
        let index = self.visitors.iter().position(|v| v.object == object).unwrap_or_else(|| {
            if self.visitors.len() == MOST_VISITORS {
                self.visitors.pop_front();
            }
            self.visitors.push_back(Visitor { object, visits: VecDeque::new() });
            self.visitors.len() - 1
        });
        let visits = &mut self.visitors[index].visits;
        visits.push_back(at);
        if visits.len() < self.at_least {
            return None;
        }
        let first = visits.front().copied();
        visits.clear();
        first
    }
}

impl AtWork for RepeatedPassing {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        let is_awake = self.gate.is_awake(moment);
        self.cooling.pass(moment.now);
        for visitor in &mut self.visitors {
            visitor.visits.retain(|at| moment.now.since(*at) <= self.seconds);
        }
        self.visitors.retain(|visitor| !visitor.visits.is_empty());
        if !is_awake || !moment.is_look {
            return;
        }
        for presence in places.zones[self.zone].presences().iter().filter(|p| p.has_just_entered(moment.now)) {
            let score = self.gate.score_of_presence(presence);
            if !self.gate.admits(&presence.track, score) {
                continue;
            }
            let object = moment.movements.first_known_as(presence.track.id);
            let Some(first) = self.visit(object, presence.entered) else { continue };
            if self.cooling.is_resting(object) {
                continue;
            }
            self.cooling.start(object, moment.now + self.cooldown);
            let mut firing = self.identity.firing(FiringPhase::Instant, presence.key, presence.entered);
            let window = presence.entered.since(first);
            firing.measures.push(Measure::against(Measure::VISITS, self.at_least as f64, self.at_least as f64));
            firing.measures.push(Measure::against(Measure::WINDOW, seconds(window), seconds(self.seconds)));
            self.gate.measure(&presence.track, score, &mut firing.measures);
            firing.track = Some(presence.track.clone());
            out.push(firing);
        }
    }

    fn cut(&mut self) {
        self.visitors.clear();
    }
}
