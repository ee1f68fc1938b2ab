//! **Wrong way**: something moves through its zone against the permitted way.
//!
//! - The permitted **way** is the direction of an arrow in the picture. The condition is met while an object's smoothed
//!   movement (see `motion.rs`) points at least [`AGAINST`] degrees away from it, and goes against it with at least
//!   [`LEAST_SPEED`] of its own heights per second: whoever crosses the way, stands, or sways is not against it. It is clearly
//!   not met below [`WITH`] degrees, or at less than half of that speed.
//! - **Start**, **Update**, **End**, cooldown and schedule are those of `conduct.rs`, with `seconds` as its `hold`.
//!
//! Angles are those in the picture with its aspect, so in a picture that looks along a road the arrow is best drawn along it.

use std::time::Duration;

use super::conduct::{Condition, Conduct, Level, Reading};
use super::employ::Post;
use super::gate::Moment;
use super::presence::Presence;
use crate::vocab::Segment;

/// From this angle on a movement is against the way, in degrees.
const AGAINST: f32 = 120.0;
/// Below this angle it is clearly not.
const WITH: f32 = 100.0;
/// Slower than this against the way is standing about, in heights per second.
const LEAST_SPEED: f32 = 0.15;

/// What is watched for.
#[derive(Debug)]
pub(super) struct WrongWay {
    way: Segment,
}

/// The rule at work.
pub(super) fn at(post: &Post, way: Segment, seconds: Duration) -> Conduct<WrongWay> {
    Conduct::new(post, WrongWay { way }, seconds)
}

impl Condition for WrongWay {
    fn read(&mut self, moment: &Moment, presence: &Presence) -> Option<Reading> {
        let (x, y) = moment.movements.of(presence.track.id)?.heading(moment.scale)?;
        let (from, to) = (moment.scale.flat(self.way.from), moment.scale.flat(self.way.to));
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let (along, speed) = ((x * dx + y * dy) / length, x.hypot(y));
        let angle = if speed > 0.0 { (along / speed).clamp(-1.0, 1.0).acos().to_degrees() } else { 0.0 };
        let level = match (angle, -along) {
            (angle, against) if angle >= AGAINST && against >= LEAST_SPEED => Level::On,
            (angle, against) if angle < WITH || against < LEAST_SPEED / 2.0 => Level::Off,
            _ => Level::Between,
        };
        Some(Reading { level, value: angle })
    }

    fn compared(&self) -> (&'static str, f32) {
        ("angle_deg", AGAINST)
    }
}
