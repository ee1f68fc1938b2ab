//! Tracks become rule firings: one camera's zones, lines and rules. Pure: time and tracks in, firings and counts out.
//!
//! ```text
//!             ┌─► presence (each zone: who is in it)  ─┬─► intrusion, loitering, occupancy ─┐
//!   tracks ───┤                                        └─► counts                           ├─► firings
//!             └─► crossing (each line: who went over) ─┬─► line crossing ───────────────────┘
//!                                                      └─► counts
//! ```
//!
//! Each kind of rule has a file that opens with exactly when it fires. All share `gate.rs` (schedule, labels, scores,
//! sizes), and those about stays share `parked.rs`, which keeps a parked car from alerting again.
//!
//! **Looking and waiting.** [`Rules::step`] is for a frame that was looked at, by detector and tracker: a track that is not
//! sighted in it was not there to be seen. [`Rules::tick`] is for time that passes without: what was away stays away and
//! ends in its time, what was there stays there, for up to [`PresenceSettings::blind`]. Media time never runs backwards
//! here; should it do so outside, it stands still.
//!
//! **Happenings pair up.** For each rule and key there is a `Start`, then `Update`s, then exactly one `End`, whose time is
//! not before the start's, and then perhaps a next `Start`. [`Rules::reset`] and [`Rules::stop`] end all that are open.

mod counts;
mod crossing;
mod gate;
mod intrusion;
mod labels;
mod line_crossing;
mod loitering;
mod occupancy;
mod parked;
mod presence;
mod rules;
mod schedule;
mod settings;
mod stay;
#[cfg(test)]
mod tests;

pub use counts::{Count, Counts, LabelCount, Passages};
pub use rules::Rules;
pub use schedule::{Schedule, ScheduleError};
pub use settings::{
    Anchor, Direction, Fault, Line, ParkedSettings, PresenceSettings, Rule, RuleKind, ScoreOf, Settings, Zone,
};
