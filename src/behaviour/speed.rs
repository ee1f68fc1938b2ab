//! **Speed**: something is faster on the ground than it may be.
//!
//! - The condition is met while an object's smoothed speed (see `motion.rs`) is at least `over_kmh`, and clearly not met below
//!   nine tenths of that. It is measured where the feet are, on the ground that the camera's configuration describes; what
//!   is too far away to be measured is not judged.
//! - **Start**, **Update**, **End**, cooldown and schedule are those of `conduct.rs`, with `seconds` as its `hold`. The `End`
//!   tells the highest speed.

use std::time::Duration;

use super::conduct::{Condition, Conduct, Level, Reading};
use super::employ::Post;
use super::gate::Moment;
use super::presence::Presence;
use super::scale::Speed;

/// Below this share of the limit it is clearly kept.
const KEPT: f32 = 0.9;

/// Something that is too fast. Running is the same with another limit.
#[derive(Debug)]
pub(super) struct TooFast {
    over: Speed,
}

/// The rule at work.
pub(super) fn at(post: &Post, over: Speed, seconds: Duration) -> Conduct<TooFast> {
    Conduct::new(post, TooFast { over }, seconds)
}

impl Condition for TooFast {
    fn read(&mut self, moment: &Moment, presence: &Presence) -> Option<Reading> {
        let value = moment.movements.of(presence.track.id)?.speed(moment.scale, self.over)?;
        let level = match value / self.over.value() {
            share if share >= 1.0 => Level::On,
            share if share < KEPT => Level::Off,
            _ => Level::Between,
        };
        Some(Reading { level, value })
    }

    fn compared(&self) -> (&'static str, f32) {
        (self.over.measure_name(), self.over.value())
    }
}
