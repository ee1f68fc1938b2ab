//! Tracks become rule firings: one camera's zones, lines and rules. Pure: time and tracks in, firings and counts out.
//!
//! ```text
//!             ┌─► presence (each zone: who is in it)  ─┬─► stays: intrusion, loitering, stopped
//!             │                                        ├─► numbers: occupancy, crowding, queue, gathering, scattering
//!             │                                        ├─► conduct: wrong way, speed, running, near vehicle, fall  ──► firings
//!   tracks ───┤                                        ├─► repeated passing
//!             │                                        └─► counts
//!             ├─► crossing (each line: who went over) ─┬─► line crossing, tailgating, journey
//!             │                                        └─► counts
//!             └─► motion (each track: how it moves)  ────► to all that ask for speeds
//!   regions ──────► objects left and removed ───────────────────────────────────────────────────────────────────► firings
//! ```
//!
//! Each kind of rule has a file that opens with exactly when it fires. All share `gate.rs` (schedule, labels, scores,
//! sizes, whether it ever moved, and, by `who.rs`, who it is), and `suppression.rs` holds back what they start where somebody said so; `stay.rs`, `conduct.rs` and `standing.rs` are the machines of those that are alike, `collapse.rs` says what of a fall is seen, and `parked.rs` keeps a parked
//! car from alerting again. Distances are measured in `scale.rs`, in metres on the ground that `ground.rs` projects, or in
//! body heights, and `height.rs` tells how high in metres somebody is who stands there.
//!
//! **Looking and waiting.** [`Rules::step`] is for a frame that was looked at, by detector and tracker: a track that is not
//! sighted in it was not there to be seen. [`Rules::tick`] is for time that passes without: what was away stays away and
//! ends in its time, what was there stays there, for up to [`PresenceSettings::blind`]. Media time never runs backwards
//! here; should it do so outside, it stands still.
//!
//! **Happenings pair up.** For each rule and key there is a `Start`, then `Update`s, then exactly one `End`, whose time is
//! not before the start's, and then perhaps a next `Start`. [`Rules::reset`] and [`Rules::stop`] end all that are open.

mod alike;
mod collapse;
mod conduct;
mod counts;
mod crossing;
mod crowding;
mod employ;
mod fall;
mod gate;
mod gathering;
mod ground;
mod groups;
mod heat;
mod height;
mod intrusion;
mod journey;
mod kind;
mod labels;
mod line_crossing;
mod loitering;
mod motion;
mod near_vehicle;
mod objects;
mod occupancy;
mod parked;
mod presence;
mod queue;
mod repeated_passing;
mod rules;
mod running;
mod scale;
mod scattering;
mod schedule;
mod scores;
mod settings;
mod speed;
mod standing;
mod stay;
mod stopped;
mod suppression;
mod tailgating;
#[cfg(test)]
mod tests;
mod who;
mod wrong_way;

pub use counts::{Count, Counts, LabelCount, Passages};
pub use ground::{Ground, GroundError};
pub use heat::{Heat, SavedHeat};
pub use kind::{ObjectLimits, RuleKind};
pub use rules::Rules;
pub use scale::{Distance, Speed};
pub use schedule::{Schedule, ScheduleError};
pub use settings::{Anchor, Direction, Fault, Line, ParkedSettings, PresenceSettings, Rule, ScoreOf, Settings, Zone};
pub use suppression::{Suppressed, Suppression};
pub use who::Who;
