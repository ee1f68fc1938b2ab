//! **Intrusion**: something the rule is about is in its zone.
//!
//! - **Start** when an object is believed to be in the zone (see `presence.rs`: two sightings, 0.3 s), the schedule is
//!   open, and label, score and size pass. Its time is that of the first sighting inside, or the present where the
//!   object was inside before and only now concerns the rule: the schedule opened, its score rose, its cooldown ended.
//!   So whoever is already inside when the night begins has intruded.
//! - **Update** at most once in [`update_every`](super::Settings::update_every), and when the score has risen by 0.1.
//!   Label, score and size are asked at the start only: one who has intruded goes on doing so while turning away.
//! - **End** when the object is seen outside for 0.5 s, or is not seen for 2 s, at the time of its last sighting inside;
//!   when the schedule closes, or a face tells that it is nobody the rule is about (see `who.rs`), at that time; when the
//!   stream is cut. The measures say which.
//! - **Not again** by the same track within the cooldown, nor by a parked object whose track has a new number (see
//!   `parked.rs`). A predicted box of a `Lost` track starts, updates and prolongs nothing.
//!
//! The key is the number of the track that came in, even where the tracker changes it meanwhile.

use std::time::Duration;

use super::employ::Post;
use super::stay::{Clock, Stays};

/// The rule at work.
pub(super) fn at(post: &Post) -> Stays {
    Stays::new(post, Clock::Dwell, Duration::ZERO)
}
