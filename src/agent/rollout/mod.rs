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

pub mod bed;
pub mod drive;
pub mod ledger;
pub mod proof;
pub mod shadow;
#[cfg(test)]
mod tests;
mod wishes;

pub use bed::{Bed, Broken, Gone, Measures};
pub use drive::{Rollout, Settings};
pub use ledger::{InForce, Ledger, LedgerError};
pub use wishes::Wishes;
