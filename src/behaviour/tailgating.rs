//! **Tailgating**: somebody crosses a line right behind somebody else.
//!
//! - Everybody the rule is about who crosses its line in its direction (see `crossing.rs`) is remembered for `seconds`, by
//!   the time of the crossing and by track.
//! - **Instant** when another one crosses in the same direction within `seconds` of the one before, at the same moment
//!   included. Three in a row are two alerts. Its time is that of the crossing, its subject the one behind; `gap_s` among the
//!   measures is the time between the two.
//! - **One object is not two**: the one behind must have been seen before the one in front was last seen, so whoever gets a
//!   new number at the line has not followed himself. Nor has whoever crosses, comes back and crosses again.
//! - Label, score and size are those at the crossing, of both, `who` that of the one behind; the schedule must be open. **Not again** by the same one within
//!   the cooldown.
//!
//! Without `labels` it is about people.

use std::collections::VecDeque;
use std::time::Duration;

use super::crossing::Crossing;
use super::employ::Post;
use super::gate::{Cooldown, Gate, Identity, Moment, seconds};
use super::rules::{AtWork, Places};
use super::settings::Direction;
use crate::vocab::{Firing, FiringPhase, Measure, MediaTime, Side, TrackId};

/// Of so many crossings some are forgotten before their time.
const MOST_REMEMBERED: usize = 256;

/// The rule at work.
#[derive(Debug)]
pub(super) struct Tailgating {
    line: usize,
    identity: Identity,
    gate: Gate,
    direction: Direction,
    seconds: Duration,
    cooldown: Duration,
    cooling: Cooldown,
    /// Those who crossed lately, in order.
    passed: VecDeque<Passed>,
}

#[derive(Debug, Clone, Copy)]
struct Passed {
    track: TrackId,
    /// The number by which it was known first.
    object: TrackId,
    to: Side,
    at: MediaTime,
    last_seen: MediaTime,
}

impl Tailgating {
    pub(super) fn new(post: &Post, direction: Direction, seconds: Duration) -> Self {
        Self {
            line: post.at,
            identity: post.identity(),
            gate: post.gate(),
            direction,
            seconds,
            cooldown: post.rule.cooldown(),
            cooling: Cooldown::default(),
            passed: VecDeque::new(),
        }
    }

    /// How long before `behind` the last other one crossed, if that was too short.
    fn gap(&self, behind: &Passed, crossing: &Crossing) -> Option<Duration> {
        let follows = |front: &&Passed| {
            front.to == behind.to
                && front.object != behind.object
                && behind.at.since(front.at) <= self.seconds
                && crossing.track.first_seen <= front.last_seen
        };
        self.passed.iter().rev().find(follows).map(|front| behind.at.since(front.at))
    }
}

impl AtWork for Tailgating {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        let is_awake = self.gate.is_awake(moment);
        self.cooling.pass(moment.now);
        self.passed.retain(|passed| moment.now.since(passed.at) <= self.seconds);
        for passed in &mut self.passed {
            let seen = moment.tracks.iter().find(|t| t.id == passed.track);
            passed.last_seen = seen.map_or(passed.last_seen, |t| t.last_seen.max(passed.last_seen));
        }
        for crossing in places.lines[self.line].crossings().iter().filter(|c| self.direction.admits(c.to)) {
            let (track, score) = (&crossing.track, crossing.score(self.gate.score_of));
            if !self.gate.passes(track, score) {
                continue;
            }
            let object = moment.movements.first_known_as(track.id);
            let behind =
                Passed { track: track.id, object, to: crossing.to, at: crossing.at, last_seen: track.last_seen };
            let gap = self.gap(&behind, crossing);
            if self.passed.len() == MOST_REMEMBERED {
                self.passed.pop_front();
            }
            self.passed.push_back(behind);
            let Some(gap) = gap.filter(|_| is_awake && self.gate.is_meant(track) && !self.cooling.is_resting(object))
            else {
                continue;
            };
            self.cooling.start(object, moment.now + self.cooldown);
            let mut firing = self.identity.firing(FiringPhase::Instant, track.id, crossing.at);
            firing.measures.push(Measure::against(Measure::GAP, seconds(gap), seconds(self.seconds)));
            firing.measures.push(Measure::direction(crossing.to));
            self.gate.measure(track, score, &mut firing.measures);
            firing.track = Some(track.clone());
            out.push(firing);
        }
    }

    fn cut(&mut self) {
        self.passed.clear();
    }
}
