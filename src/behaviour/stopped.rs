//! **Stopped**: a vehicle stands in its zone for too long.
//!
//! - It **stands still** while its box overlaps the one with which it came to rest by
//!   [`overlap`](super::ParkedSettings::overlap): queueing a car's length onwards is a new stop, jitter is none.
//! - **Start** at the sighting with which it has stood for `seconds`. **Update** as for an intrusion. **End** when it moves
//!   off (`ended_ceased`, at the time when it did), and as for an intrusion when it is not seen any more or the schedule
//!   closes.
//! - A stopped car that is lost and found under a new number is not told again (see `parked.rs`).
//!
//! Without `labels` it is about vehicles.

use std::time::Duration;

use super::employ::Post;
use super::stay::{Clock, Stays};

/// The rule at work, for those who stand for `limit`.
pub(super) fn at(post: &Post, limit: Duration) -> Stays {
    Stays::new(post, Clock::Still, limit.max(Duration::from_millis(1)))
}
