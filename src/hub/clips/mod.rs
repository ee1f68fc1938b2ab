//! Clips of what happened: asked for by people, handed in by agents piece by piece, played in the dashboard.
//!
//! ```text
//!   person ──▶ Requests ──command clip──▶ broker ──▶ agent
//!                 ▲                                    │
//!                 ╰──────── intake ◀───── reply ───────┤
//!   page ◀── Clips ◀── pieces, each on the disk before it is acknowledged ◀──╯
//! ```
//!
//! A clip goes by the SHA-256 of its bytes and never changes. It may be handed in by the agent that recorded it and nobody
//! else: each agent has a folder of its own here, so that none can put its bytes in the way of another's. What has come is
//! there after a crash; who goes on asks how much that is. A clip of which nothing more comes for a day is thrown away.

mod error;
mod requests;
mod rows;
mod sent;
mod standing;
mod store;

pub use error::ClipError;
pub use requests::{Requests, answered, is_ours};
pub use sent::send;
pub use standing::{Asked, Standing, Told};
pub use store::{Clips, Progress};

use serde::Serialize;

use crate::vocab::Id;

/// The only kind of file that is taken, and what it is served as.
pub const MP4: &str = "video/mp4";
/// The longest name of an episode, in bytes.
const LONGEST_EPISODE: usize = 256;

/// What an agent says of a clip before it sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The camera.
    pub camera: Id,
    /// The episode that it shows; empty for none in particular.
    pub episode: String,
    /// When it begins, in nanoseconds since 1970, by the agent's clock.
    pub begins_ns: i64,
    /// When it ends.
    pub ends_ns: i64,
    /// The size of all of it, in bytes.
    pub size: u64,
}

impl About {
    /// What cannot be as it is said.
    fn fault(&self) -> Option<&'static str> {
        if self.size == 0 {
            return Some("a clip has at least one byte");
        }
        if self.ends_ns < self.begins_ns {
            return Some("a clip ends after it begins");
        }
        let is_plain = self.episode.len() <= LONGEST_EPISODE && !self.episode.chars().any(char::is_control);
        (!is_plain).then_some("the name of an episode has at most 256 bytes and no control characters")
    }
}

/// A clip that is here or on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClipFacts {
    /// Whose.
    pub agent: String,
    /// Its SHA-256, by which it is fetched.
    pub sha256: String,
    /// The camera.
    pub camera: String,
    /// The episode that it shows; empty for none in particular.
    pub episode: String,
    /// When it begins, in nanoseconds since 1970, by the agent's clock.
    pub begins_ns: i64,
    /// When it ends.
    pub ends_ns: i64,
    /// The size of all of it, in bytes.
    pub size: i64,
    /// How much of it is here.
    pub received: i64,
    /// When the last piece came, in nanoseconds since 1970, by the hub's clock.
    pub touched_ns: i64,
    /// When all of it was here; none before.
    pub received_ns: Option<i64>,
}

impl ClipFacts {
    /// Whether all of it is here.
    pub fn is_whole(&self) -> bool {
        self.received_ns.is_some()
    }
}

#[cfg(test)]
mod tests;
