//! **Journey**: the same object crosses one line and, within a time, another.
//!
//! - Whoever crosses the first line in its direction (see `crossing.rs`) is under way for `seconds`; crossing it again in that
//!   direction begins anew.
//! - **Instant** when it crosses the second line in its direction meanwhile, at the time of that crossing; `journey_s` among the
//!   measures is how long it took. It is under way no longer then.
//! - The same object is the same track, one that continues it where it vanished (see `motion.rs`), or, where people are
//!   recognised again by how they look, one that is taken for the same person (see `alike.rs`). Else who leaves the picture in
//!   between is another one when he comes back.
//! - Label, score and size are those at the second line; the schedule must be open there. **Not again** by the same one within
//!   the cooldown.

use std::collections::VecDeque;
use std::time::Duration;

use super::employ::Post;
use super::gate::{Cooldown, Gate, Identity, Moment, seconds};
use super::rules::{AtWork, Places};
use super::settings::Direction;
use crate::vocab::{Firing, FiringPhase, Measure, MediaTime, TrackId};

/// Of so many under way the first are forgotten before their time.
const MOST_UNDER_WAY: usize = 512;

/// The rule at work.
#[derive(Debug)]
pub(super) struct Journey {
    /// The first line and the second, each with its direction.
    lines: [(usize, Direction); 2],
    identity: Identity,
    gate: Gate,
    seconds: Duration,
    cooldown: Duration,
    cooling: Cooldown,
    /// By the number by which it was known first, and when it crossed the first line, in order.
    under_way: VecDeque<(TrackId, MediaTime)>,
}

impl Journey {
    /// The journey from the line `from`, an index, to the line of `post`.
    pub(super) fn new(post: &Post, from: usize, [first, second]: [Direction; 2], seconds: Duration) -> Self {
        Self {
            lines: [(from, first), (post.at, second)],
            identity: post.identity(),
            gate: post.gate(),
            seconds,
            cooldown: post.rule.cooldown(),
            cooling: Cooldown::default(),
            under_way: VecDeque::new(),
        }
    }

    fn depart(&mut self, object: TrackId, at: MediaTime) {
        self.under_way.retain(|(other, _)| *other != object);
        if self.under_way.len() == MOST_UNDER_WAY {
            self.under_way.pop_front();
        }
        self.under_way.push_back((object, at));
    }

    /// Who turned out to be somebody before is under way as he was, since the last time that he crossed the first line.
    fn join(&mut self, moment: &Moment) {
        for joined in moment.joined() {
            for (object, _) in self.under_way.iter_mut().filter(|(object, _)| *object == joined.object) {
                *object = joined.before;
            }
            let of_him = |(object, _): &&(TrackId, MediaTime)| *object == joined.before;
            let last = self.under_way.iter().filter(of_him).map(|(_, at)| *at).max();
            self.under_way.retain(|(object, at)| *object != joined.before || Some(*at) == last);
        }
    }

    /// How long it took whoever arrives, if he was under way.
    fn arrive(&mut self, object: TrackId, at: MediaTime) -> Option<Duration> {
        let index = self.under_way.iter().position(|(other, departed)| *other == object && *departed <= at)?;
        let (_, departed) = self.under_way.remove(index)?;
        Some(at.since(departed)).filter(|took| *took <= self.seconds)
    }
}

impl AtWork for Journey {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        let is_awake = self.gate.is_awake(moment);
        self.cooling.pass(moment.now);
        self.under_way.retain(|(_, at)| moment.now.since(*at) <= self.seconds);
        self.join(moment);
        let [(first, leaving), (second, arriving)] = self.lines;
        for crossing in places.lines[first].crossings().iter().filter(|c| leaving.admits(c.to)) {
            if self.gate.concerns(&crossing.track) {
                self.depart(moment.object(crossing.track.id), crossing.at);
            }
        }
        for crossing in places.lines[second].crossings().iter().filter(|c| arriving.admits(c.to)) {
            let (track, score) = (&crossing.track, crossing.score(self.gate.score_of));
            let object = moment.object(track.id);
            if !is_awake || !self.gate.admits(track, score) || self.cooling.is_resting(object) {
                continue;
            }
            let Some(took) = self.arrive(object, crossing.at) else { continue };
            self.cooling.start(object, moment.now + self.cooldown);
            let mut firing = self.identity.firing(FiringPhase::Instant, track.id, crossing.at);
            firing.measures.push(Measure::against(Measure::JOURNEY, seconds(took), seconds(self.seconds)));
            firing.measures.push(Measure::direction(crossing.to));
            self.gate.measure(track, score, &mut firing.measures);
            firing.track = Some(track.clone());
            out.push(firing);
        }
    }

    fn cut(&mut self) {
        self.under_way.clear();
    }
}
