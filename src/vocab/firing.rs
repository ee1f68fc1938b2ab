//! What a rule says when it fires: the way from `behaviour` to `event`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Id, MediaTime, Place, Track};

/// One thing a rule has to say. A happening that lasts is a `Start`, any number of `Update`s and exactly one `End`, all
/// with the same `key`; one without duration, such as a crossing, is an `Instant`.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    /// The rule that fired.
    pub rule: Id,
    /// What kind of rule it is.
    pub kind: FiringKind,
    /// Which part of the happening this is.
    pub phase: FiringPhase,
    /// Tells apart happenings of one rule that go on at the same time: the track's number, or 0 for the zone as a whole.
    pub key: u64,
    /// Where.
    pub place: Option<Place>,
    /// Who, as the track was when the rule fired; none where the rule is about a zone as a whole.
    pub track: Option<Track>,
    /// When, on the camera's media clock.
    pub at: MediaTime,
    /// Every quantity that the rule compared, so that the alert can be explained.
    pub measures: Vec<Measure>,
}

/// The kinds of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FiringKind {
    /// Somebody or something is in a zone.
    Intrusion,
    /// Somebody or something stays in a zone.
    Loitering,
    /// A line is crossed.
    LineCrossing,
    /// A zone holds as many objects as the rule names, or ceases to.
    Occupancy,
}

/// Which part of a happening a [`Firing`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FiringPhase {
    /// It begins.
    Start,
    /// It goes on, and something worth telling has changed.
    Update,
    /// It is over.
    End,
    /// It began and ended in the same moment.
    Instant,
}

/// A measured value beside the limit it was compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measure {
    /// What was measured, such as `dwell_s`, `score`, `height`, `count`, `direction`.
    pub name: String,
    /// The value found.
    pub value: f64,
    /// The limit from the configuration, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
}

impl Measure {
    /// A value that was compared with a limit.
    pub fn against(name: &str, value: f64, limit: f64) -> Self {
        Self { name: name.to_owned(), value, limit: Some(limit) }
    }

    /// A value that is told but was compared with nothing.
    pub fn plain(name: &str, value: f64) -> Self {
        Self { name: name.to_owned(), value, limit: None }
    }
}
