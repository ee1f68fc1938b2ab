//! **Loitering**: something the rule is about stays in its zone for too long.
//!
//! - **Start** at the sighting with which the object has been in the zone for `seconds`, if the schedule is open and
//!   label, score and size pass.
//! - The **dwell** is media time from the first to the last sighting inside, whatever the frame rate. It stands still
//!   while the object is not seen, and goes on if it is seen again within the grace of 2 s, even under a new number
//!   (see `presence.rs`). It starts from nothing when the object was outside for 0.5 s or unseen for longer. Time inside
//!   before the schedule opened counts. A predicted box of a `Lost` track adds nothing.
//! - **Update** and **End** are those of an intrusion (see `intrusion.rs`), and so are the cooldown and the memory of
//!   parked objects: a lost and found car or sleeper does not loiter anew in the same place. After an end a new start
//!   needs a new dwell, except after the schedule's, where the object never left.
//!
//! The key is the number of the track that came in.

use std::time::Duration;

use super::employ::Post;
use super::stay::{Clock, Stays};

/// The rule at work, for those who stay for `limit`.
pub(super) fn at(post: &Post, limit: Duration) -> Stays {
    // A limit of nothing would make it an intrusion; the least dwell is told instead.
    Stays::new(post, Clock::Dwell, limit.max(Duration::from_millis(1)))
}
