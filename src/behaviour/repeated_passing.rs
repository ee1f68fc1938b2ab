//! **Repeated passing**: the same object comes to a zone again and again.
//!
//! - A **visit** begins when the object is believed to be in the zone (see `presence.rs`); a new one needs that it was seen
//!   outside, or was not seen, for long enough to have left.
//! - **Instant** at the visit that is the `at_least`th within `seconds`; the visits until then are spent, so that the next one
//!   is told after as many more. `visits` among the measures is how many, `window_s` the time from the first to this.
//! - The same object is the same track, one that continues it where it vanished (see `motion.rs`), or, where people are
//!   recognised again by how they look, one that is taken for the same person (see `alike.rs`). Else who leaves the picture in
//!   between is another one when he comes back. Where that is found out while he is in the zone, and makes the visits enough,
//!   it is told then.
//! - Label, score and size are those at the visit; only visits while the schedule is open count. **Not again** by the same one
//!   within the cooldown.

use std::collections::VecDeque;
use std::time::Duration;

use super::employ::Post;
use super::gate::{Cooldown, Gate, Identity, Moment, seconds};
use super::presence::Presence;
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
    /// When its visits began, in order; fewer than twice `at_least`.
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

    /// Notes a visit.
    fn visit(&mut self, object: TrackId, at: MediaTime) {
        let index = self.visitors.iter().position(|v| v.object == object).unwrap_or_else(|| {
            if self.visitors.len() == MOST_VISITORS {
                self.visitors.pop_front();
            }
            self.visitors.push_back(Visitor { object, visits: VecDeque::new() });
            self.visitors.len() - 1
        });
        self.visitors[index].visits.push_back(at);
    }

    /// Where his visits are too many: when the first of them began, and how many they are. They are spent then.
    fn spend(&mut self, object: TrackId) -> Option<(MediaTime, usize)> {
        let visitor = self.visitors.iter_mut().find(|visitor| visitor.object == object)?;
        let (first, count) = (*visitor.visits.front()?, visitor.visits.len());
        (count >= self.at_least).then(|| {
            visitor.visits.clear();
            (first, count)
        })
    }

    /// The visits of who turned out to be somebody before are his.
    fn join(&mut self, moment: &Moment) {
        for joined in moment.joined() {
            let Some(index) = self.visitors.iter().position(|visitor| visitor.object == joined.object) else {
                continue;
            };
            let Some(visitor) = self.visitors.remove(index) else { continue };
            for at in visitor.visits {
                self.visit(joined.before, at);
            }
            let him = self.visitors.iter_mut().filter(|visitor| visitor.object == joined.before);
            him.for_each(|visitor| visitor.visits.make_contiguous().sort_unstable());
        }
    }

    /// Whether `presence` begins a visit, or is one of somebody of whom it was only now found out that he was here before.
    fn is_news(moment: &Moment, presence: &Presence) -> bool {
        let was_found_out = || {
            let object = moment.object(presence.track.id);
            moment.joined().iter().any(|joined| joined.before == object)
        };
        presence.has_just_entered(moment.now) || (presence.is_inside() && presence.is_sighted && was_found_out())
    }
}

impl AtWork for RepeatedPassing {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        let is_awake = self.gate.is_awake(moment);
        self.cooling.pass(moment.now);
        self.join(moment);
        for visitor in &mut self.visitors {
            visitor.visits.retain(|at| moment.now.since(*at) <= self.seconds);
        }
        self.visitors.retain(|visitor| !visitor.visits.is_empty());
        if !is_awake || !moment.is_look {
            return;
        }
        for presence in places.zones[self.zone].presences().iter().filter(|p| Self::is_news(moment, p)) {
            let score = self.gate.score_of_presence(presence);
            if !self.gate.admits(&presence.track, score) {
                continue;
            }
            let object = moment.object(presence.track.id);
            let is_visit = presence.has_just_entered(moment.now);
            if is_visit {
                self.visit(object, presence.entered);
            }
            let Some((first, count)) = self.spend(object) else { continue };
            if self.cooling.is_resting(object) {
                continue;
            }
            self.cooling.start(object, moment.now + self.cooldown);
            let at = if is_visit { presence.entered } else { moment.now };
            let mut firing = self.identity.firing(FiringPhase::Instant, presence.key, at);
            let window = presence.entered.since(first);
            firing.measures.push(Measure::against(Measure::VISITS, count as f64, self.at_least as f64));
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
