//! **Running**: somebody runs through the zone.
//!
//! - With a ground the limit is in kilometres per hour ([`USUAL_KMH`] unless it is set); without one in body heights per second
//!   ([`USUAL_HEIGHTS`]): a walk of 5 km/h is 0.8 heights of somebody 1.75 m tall, a jog of 10 km/h is 1.6. In heights,
//!   whoever runs straight towards the camera seems slow, and is missed.
//! - When it is met, and when it starts and ends, is as for a speed (see `speed.rs`).

use std::time::Duration;

use super::conduct::Conduct;
use super::employ::Post;
use super::scale::Speed;
use super::speed::{self, TooFast};

/// Faster than anybody walks.
pub(super) const USUAL_KMH: f32 = 9.0;
/// The same for somebody of usual height, whose box is somewhat higher than he is.
pub(super) const USUAL_HEIGHTS: f32 = 1.3;

impl Speed {
    /// How fast running is, where nothing is said: by the ground where there is one.
    pub fn usual_running(has_ground: bool) -> Self {
        if has_ground { Self::Kmh(USUAL_KMH) } else { Self::Heights(USUAL_HEIGHTS) }
    }
}

/// The rule at work.
pub(super) fn at(post: &Post, over: Speed, seconds: Duration) -> Conduct<TooFast> {
    speed::at(post, over, seconds)
}
