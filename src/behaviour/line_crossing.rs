//! **Line crossing**: something the rule is about crosses its line, in the direction it names.
//!
//! - **Instant**, timed by the first sighting beyond the line, once the object is clear of the line by its margin; see
//!   `crossing.rs` for when that is. `direction` among the measures is 1 from left to right and -1 from right to left, as
//!   seen by someone who walks along the line from its start to its end.
//! - Label, score and size are those at that moment; the schedule must be open.
//! - **Not again** by the same track in the same direction within the cooldown. Coming back is another direction, and is
//!   told. The counts of the line (see `counts.rs`) know neither rules nor cooldown: they count every crossing.

use std::time::Duration;

use super::employ::Post;
use super::gate::{Cooldown, Gate, Identity, Moment};
use super::rules::{AtWork, Places};
use super::settings::Direction;
use crate::vocab::{Firing, FiringPhase, Measure, Side};

/// The rule at work.
#[derive(Debug)]
pub(super) struct LineCrossing {
    line: usize,
    identity: Identity,
    gate: Gate,
    direction: Direction,
    cooldown: Duration,
    /// By the side that was reached: left, right.
    cooling: [Cooldown; 2],
}

impl LineCrossing {
    pub(super) fn new(post: &Post, direction: Direction) -> Self {
        Self {
            line: post.at,
            identity: post.identity(),
            gate: post.gate(),
            direction,
            cooldown: post.rule.cooldown(),
            cooling: Default::default(),
        }
    }
}

impl AtWork for LineCrossing {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        let crossings = places.lines[self.line].crossings();
        let is_awake = self.gate.is_awake(moment);
        self.cooling.iter_mut().for_each(|c| c.pass(moment.now));
        if !is_awake {
            return;
        }
        for crossing in crossings.iter().filter(|c| self.direction.admits(c.to)) {
            let (track, score) = (&crossing.track, crossing.score(self.gate.score_of));
            let cooling = &mut self.cooling[usize::from(crossing.to == Side::Right)];
            if !self.gate.admits(track, score) || cooling.is_resting(track.id) {
                continue;
            }
            cooling.start(track.id, moment.now + self.cooldown);
            let mut firing = self.identity.firing(FiringPhase::Instant, track.id, crossing.at);
            firing.measures.push(Measure::direction(crossing.to));
            self.gate.measure(track, score, &mut firing.measures);
            firing.track = Some(track.clone());
            out.push(firing);
        }
    }
}
