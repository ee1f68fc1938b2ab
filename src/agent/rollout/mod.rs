//! Models from the hub: fetched, checked, proved beside the one in force, and then in force, or never.
//!
//! ```text
//!                      ╭────────────── a newer wish, at any time ───────────────╮
//!   wish ─▶ Downloading ─▶ Verifying ─▶ Shadow ─▶ Trial ─▶ Committed            │
//!               │              │           │        │                           │
//!               ╰── Failed ◀───╯           ╰────────┴──▶ RolledBack             │
//! ```
//!
//! The model in force decides until a trial begins, is kept open until it ends, and decides again at once when the new one
//! does not prove itself. Each stage is on the disk before it begins ([`ledger`]). After a restart the model in force is
//! always the last one that was committed; what was on its way begins anew, and what was there at the end of three runs of
//! the agent is taken for the cause: it is quarantined, as is whatever failed to prove itself.
//!
//! [`drive`] takes the steps, on a thread of its own; [`proof`] judges, pure; [`shadow`] compares. What runs models on live
//! pictures is behind [`Bed`].
//!
//! A configuration comes the same way, as an overlay over the agent's own file, and one thing at a time: nothing is
//! downloaded, and nothing can run in its shadow.
//!
//! ```text
//!   wish ─▶ Verifying ─▶ Trial ─▶ Committed
//!               │          │
//!               ╰▶ Failed  ╰──▶ RolledBack
//! ```
//!
//! [`lay`] takes these steps; [`watch`] judges, pure: the frame rate of each camera that is changed, and the link to the hub.
//! The overlay in force is always the last one that was committed. Where the file has changed so that it no longer fits, the
//! file counts more, and that is told. What runs the cameras is behind [`Ground`].

pub mod bed;
mod config_slot;
pub mod drive;
pub mod ground;
mod lay;
pub mod ledger;
mod overlays;
pub mod proof;
pub mod shadow;
#[cfg(test)]
mod tests;
pub mod watch;
mod wishes;

pub use bed::{Bed, Broken, Gone, Measures};
pub use drive::{Rollout, Settings};
pub use ground::{CameraReading, Ground, Reading};
pub use lay::told;
pub use ledger::{InForce, Ledger, LedgerError};
pub use wishes::Wishes;
