//! **Queue**: a queue is too long, or somebody has waited in it for too long.
//!
//! - Whoever has been in the zone for [`QUEUES_AFTER`] **waits**; whoever only walks through it does not. The **length** is how
//!   many wait, the **wait** is the longest that one of those has been there so far.
//! - **Start** when either has been at its limit for `seconds`, while the schedule is open. **Update** when the length
//!   changes, at most once in [`update_every`](super::Settings::update_every). **End** when both have been below for
//!   [`CALM`], at the time since which they were; when the schedule closes or the stream is cut.
//! - Presences bridge what is not seen for 2 s and new numbers of the same object (see `presence.rs`), and so do waits.
//! - Among the measures is also how long those waited on average who left lately, which is what the next one may expect.
//!
//! There is one happening at a time, so the key is 0. Without `labels` it is about people.

use std::collections::VecDeque;
use std::time::Duration;

use super::employ::Post;
use super::gate::{Gate, Identity, LeftOut, Moment, seconds};
use super::presence::Presence;
use super::rules::{AtWork, Places};
use super::standing::{Lasting, Standing, Verdict};
use crate::vocab::{EndReason, Firing, FiringPhase, Measure, MediaTime};

/// Whoever has been in the zone for so long queues.
const QUEUES_AFTER: Duration = Duration::from_secs(3);
/// The average is that of so many who left.
const SERVED: usize = 10;

/// The rule at work.
#[derive(Debug)]
pub(super) struct Queue {
    zone: usize,
    identity: Identity,
    gate: Gate,
    /// 0 where only the wait counts.
    at_least: u32,
    /// 0 where only the length counts.
    wait: Duration,
    lasting: Lasting,
    /// How long those waited who left lately.
    served: VecDeque<Duration>,
}

/// A queue as it is now.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    length: u32,
    /// Those of them who are seen in this very step.
    seen: u32,
    longest: Duration,
    left_out: LeftOut,
}

impl Queue {
    pub(super) fn new(post: &Post, at_least: u32, wait: Duration, hold: Duration) -> Self {
        Self {
            zone: post.at,
            identity: post.identity(),
            gate: post.gate(),
            at_least,
            wait,
            lasting: Lasting::new(post, hold),
            served: VecDeque::new(),
        }
    }

    fn measure(&mut self, presences: &[Presence]) -> Found {
        let mut found = Found { left_out: self.gate.left_out(presences), ..Found::default() };
        for presence in presences {
            let waits = presence.dwell() >= QUEUES_AFTER
                && self.gate.admits(&presence.track, self.gate.score_of_presence(presence));
            if !waits {
                continue;
            }
            match presence.gone() {
                None if presence.is_inside() => {
                    found.length += 1;
                    found.seen += u32::from(presence.is_sighted);
                    found.longest = found.longest.max(presence.dwell());
                }
                Some(EndReason::Left | EndReason::Unseen) => {
                    self.served.push_back(presence.dwell());
                    if self.served.len() > SERVED {
                        self.served.pop_front();
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn firing(&self, phase: FiringPhase, found: Found, at: MediaTime) -> Firing {
        let mut firing = self.identity.firing(phase, 0, at);
        let length = f64::from(found.length);
        firing.measures.push(match self.at_least {
            0 => Measure::plain(Measure::COUNT, length),
            limit => Measure::against(Measure::COUNT, length, f64::from(limit)),
        });
        firing.measures.push(match self.wait {
            Duration::ZERO => Measure::plain(Measure::WAIT, seconds(found.longest)),
            limit => Measure::against(Measure::WAIT, seconds(found.longest), seconds(limit)),
        });
        if phase != FiringPhase::End {
            found.left_out.measure(&mut firing.measures);
        }
        if !self.served.is_empty() {
            let mean = self.served.iter().sum::<Duration>() / self.served.len() as u32;
            firing.measures.push(Measure::plain(Measure::SERVED, seconds(mean)));
        }
        firing
    }
}

impl AtWork for Queue {
    fn step(&mut self, moment: &Moment, places: &Places, out: &mut Vec<Firing>) {
        let is_awake = self.gate.is_awake(moment);
        let found = self.measure(places.zones[self.zone].presences());
        let is_long = self.at_least > 0 && found.length >= self.at_least;
        let is_slow = !self.wait.is_zero() && found.longest >= self.wait;
        // A wait is measured to the last sighting, so it needs nobody to be seen.
        let is_seen = is_slow || found.seen >= self.at_least;
        let LeftOut { just_now, longest, .. } = found.left_out;
        let was_long = self.at_least > 0 && found.length + just_now >= self.at_least;
        let was_slow = !self.wait.is_zero() && longest >= self.wait;
        let standing = Standing { is_so: is_long || is_slow, is_seen, was_so: was_long || was_slow };
        let verdict = self.lasting.judge(moment, standing, is_awake, f64::from(found.length));
        let mut firing = match verdict {
            Verdict::Nothing => return,
            Verdict::Start { .. } => self.firing(FiringPhase::Start, found, moment.now),
            Verdict::Update => self.firing(FiringPhase::Update, found, moment.now),
            Verdict::End { at, .. } => self.firing(FiringPhase::End, found, at),
        };
        verdict.measure(self.lasting.hold(), &mut firing);
        out.push(firing);
    }

    fn cut(&mut self) {
        self.served.clear();
    }
}
