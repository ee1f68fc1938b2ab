//! Firings become events: episode ids, phases, an explanation for a person, and everything needed to trust it. Pure.
//!
//! ```text
//!   firings ──► Narrator::narrate ─┐
//!   tracks ───► Narrator::tracks ──┼──► events, each complete but for its evidence and its place in the spool
//!   faces ─► Narrator::identified ─┤
//!   looks ─► Narrator::reappeared ─┤
//!   notices ──► Narrator::notice ──┤
//!   pictures ─► Narrator::picture ─┤
//!   maps ─────► Narrator::heat ────┘
//! ```
//!
//! - **Episodes.** All events of one happening carry one id, `<agent>-<camera>-<epoch>-<n>`, and no other happening of the
//!   agent ever does: `n` counts on through changes of the configuration, and `epoch` is new with every start of the
//!   program. What concerns no camera has an empty one: `<agent>--<epoch>-<n>`.
//! - **Phases.** Every happening that lasts has one `Start`, perhaps `Update`s, and exactly one `End`, for which
//!   [`Narrator::close_all`] is the last resort. One without duration, such as a crossing, is a lone `Start`.
//! - **Times.** An event bears the time of what it tells, which may lie before the frame that made it certain.
//! - **Severity** is the rule's, the same for all events of an episode. Within
//!   [`alert_rest`](Settings::alert_rest) of an alert, further happenings of the same rule are kept for the record but
//!   disturb nobody.

mod conduct;
mod explain;
mod heat;
mod identified;
mod narrator;
mod notice;
mod picture;
mod reappeared;
#[cfg(test)]
mod tests;
mod tracks;

pub use identified::Identified;
pub use narrator::{Context, Narrator, Settings};
pub use notice::{ConfigChange, ModelChange, Notice};
pub use picture::cause;
pub use reappeared::Reappeared;
