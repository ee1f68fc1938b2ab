//! What a rule says when it fires: the way from `behaviour` to `event`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Id, MediaTime, Place, Severity, Track};

/// One thing a rule has to say. A happening that lasts is a `Start`, any number of `Update`s and exactly one `End`, all
/// with the same `key`; one without duration, such as a crossing, is an `Instant`.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    /// The rule that fired.
    pub rule: Id,
    /// What kind of rule it is.
    pub kind: FiringKind,
    /// Whether the rule wants somebody to look now.
    pub severity: Severity,
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

/// Why a happening ended. It travels in the measures of an `End`, as a measure of that name with the value 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// It was seen to leave, or to become fewer.
    Left,
    /// It was not seen any more.
    Unseen,
    /// The rule's schedule closed.
    Schedule,
    /// The stream was cut: tracks before and after cannot be told to be the same.
    Discontinuity,
    /// The program, the camera or the rule was stopped.
    Stopped,
}

impl EndReason {
    const ALL: [Self; 5] = [Self::Left, Self::Unseen, Self::Schedule, Self::Discontinuity, Self::Stopped];

    /// The name of its measure, such as `ended_left`.
    pub fn measure_name(self) -> &'static str {
        match self {
            Self::Left => "ended_left",
            Self::Unseen => "ended_unseen",
            Self::Schedule => "ended_schedule",
            Self::Discontinuity => "ended_discontinuity",
            Self::Stopped => "ended_stopped",
        }
    }

    /// The measure that carries it.
    pub fn measure(self) -> Measure {
        Measure::plain(self.measure_name(), 1.0)
    }

    /// The reason that stands among `measures`, if one does.
    pub fn among(measures: &[Measure]) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| measures.iter().any(|m| m.name == reason.measure_name()))
    }
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
    /// Seconds that an object has been in a zone.
    pub const DWELL: &str = "dwell_s";
    /// The score that was compared: best or mean, as the rule says.
    pub const SCORE: &str = "score";
    /// Height of the box in pictures.
    pub const HEIGHT: &str = "height";
    /// Width of the box in pictures.
    pub const WIDTH: &str = "width";
    /// Area of the box in pictures.
    pub const AREA: &str = "area";
    /// How many objects are in a zone. `count.<label>` stands beside it for each label among them.
    pub const COUNT: &str = "count";
    /// The most objects that were in a zone during the happening.
    pub const PEAK: &str = "peak";
    /// Seconds that a count was held.
    pub const HELD: &str = "held_s";
    /// How a line was crossed: 1 from left to right, -1 from right to left, seen along the line.
    pub const DIRECTION: &str = "direction";

    /// A value that was compared with a limit.
    pub fn against(name: &str, value: f64, limit: f64) -> Self {
        Self { name: name.to_owned(), value, limit: Some(limit) }
    }

    /// A value that is told but was compared with nothing.
    pub fn plain(name: &str, value: f64) -> Self {
        Self { name: name.to_owned(), value, limit: None }
    }
}
