//! What a rule says when it fires: the way from `behaviour` to `event`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EventKind, Id, Identity, MediaTime, Place, Rect, Severity, Side, Track};

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
    /// Tells apart happenings of one rule that go on at the same time: the track's or
    /// static region's number, or 0 for the zone as a whole.
    pub key: u64,
    /// Where.
    pub place: Option<Place>,
    /// Who, as the track was when the rule fired; none where the rule is about a zone as a whole.
    pub track: Option<Track>,
    /// Who that is taken for, where the rule asks and a face was good enough.
    pub identity: Option<Arc<Identity>>,
    /// Where in the picture, where it is about a place and no track.
    pub region: Option<Rect>,
    /// When, on the camera's media clock.
    pub at: MediaTime,
    /// Every quantity that the rule compared, so that the alert can be explained.
    pub measures: Vec<Measure>,
}

/// What a rule watches for: the kind of a rule in the configuration, and of its firings.
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
    /// Something moves against the way of a zone.
    WrongWay,
    /// Something is faster on the ground than it may be.
    Speed,
    /// Somebody runs.
    Running,
    /// A vehicle has stopped where it must not.
    Stopped,
    /// Somebody is close to a vehicle.
    NearVehicle,
    /// Somebody falls and stays down.
    Fall,
    /// A zone holds too many, or they stand too thick.
    Crowding,
    /// Somebody crosses a line right behind somebody else.
    Tailgating,
    /// A queue is too long, or takes too long.
    Queue,
    /// One line is crossed and then another.
    Journey,
    /// People stand together.
    Gathering,
    /// A group runs apart.
    Scattering,
    /// The same object comes to a zone again and again.
    RepeatedPassing,
    /// Something was left in a zone.
    ObjectLeft,
    /// Something was taken away from a zone.
    ObjectRemoved,
}

impl FiringKind {
    /// Every kind.
    pub const ALL: [Self; 19] = [
        Self::Intrusion,
        Self::Loitering,
        Self::LineCrossing,
        Self::Occupancy,
        Self::WrongWay,
        Self::Speed,
        Self::Running,
        Self::Stopped,
        Self::NearVehicle,
        Self::Fall,
        Self::Crowding,
        Self::Tailgating,
        Self::Queue,
        Self::Journey,
        Self::Gathering,
        Self::Scattering,
        Self::RepeatedPassing,
        Self::ObjectLeft,
        Self::ObjectRemoved,
    ];

    /// The kind as it stands in configurations and topics, such as `line-crossing`.
    pub fn as_str(self) -> &'static str {
        EventKind::from(self).as_str()
    }
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
    /// It is still there, and does no longer what the rule is about.
    Ceased,
    /// It was not seen any more.
    Unseen,
    /// The rule's schedule closed.
    Schedule,
    /// It was known who it is, or who somebody of them is: nobody the rule is about.
    Identity,
    /// The stream was cut: tracks before and after cannot be told to be the same.
    Discontinuity,
    /// The program, the camera or the rule was stopped.
    Stopped,
}

impl EndReason {
    const ALL: [Self; 7] =
        [Self::Left, Self::Ceased, Self::Unseen, Self::Schedule, Self::Identity, Self::Discontinuity, Self::Stopped];

    /// The name of its measure, such as `ended_left`.
    pub fn measure_name(self) -> &'static str {
        match self {
            Self::Left => "ended_left",
            Self::Ceased => "ended_ceased",
            Self::Unseen => "ended_unseen",
            Self::Schedule => "ended_schedule",
            Self::Identity => "ended_identity",
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
    /// The score that was compared: best, mean or fused, as the rule says.
    pub const SCORE: &str = "score";
    /// Height of the box in pictures.
    pub const HEIGHT: &str = "height";
    /// Height on the camera's ground in metres.
    pub const HEIGHT_M: &str = "height_m";
    /// Width of the box in pictures.
    pub const WIDTH: &str = "width";
    /// Area of the box in pictures.
    pub const AREA: &str = "area";
    /// How far an object has moved since it was first seen, in its own heights.
    pub const TRAVEL: &str = "travel_heights";
    /// How many objects are in a zone. `count.<label>` stands beside it for each label among them.
    pub const COUNT: &str = "count";
    /// The most objects that were in a zone during the happening.
    pub const PEAK: &str = "peak";
    /// Seconds that a count was held.
    pub const HELD: &str = "held_s";
    /// How a line was crossed: 1 from left to right, -1 from right to left, seen along the line.
    pub const DIRECTION: &str = "direction";

    /// People for each square metre of a zone.
    pub const DENSITY_M2: &str = "density_m2";
    /// People for an area as large as the picture.
    pub const DENSITY_PICTURE: &str = "density_picture";
    /// The longest that somebody has waited in a queue, in seconds.
    pub const WAIT: &str = "wait_s";
    /// How long those waited on average who left a queue lately, in seconds.
    pub const SERVED: &str = "served_s";
    /// Seconds between two who cross a line one behind the other.
    pub const GAP: &str = "gap_s";
    /// Seconds from one line to another.
    pub const JOURNEY: &str = "journey_s";
    /// How often something came to a zone.
    pub const VISITS: &str = "visits";
    /// Seconds from the first of these visits to the last.
    pub const WINDOW: &str = "window_s";
    /// By how much the upper edge of a box has dropped, of its height before.
    pub const DROP: &str = "drop";
    /// How far a trunk is from upright, in degrees.
    pub const INCLINATION: &str = "inclination_deg";
    /// How much wider than high a box is.
    pub const SHAPE: &str = "width_by_height";
    /// How like a person of the gallery, or one who was seen before, somebody is: a cosine, -1..1.
    pub const LIKENESS: &str = "likeness";
    /// By how much that exceeds the likeness to anybody else.
    pub const LIKENESS_MARGIN: &str = "likeness_margin";
    /// How many of those who are there a rule leaves out of its count for who they are.
    pub const LEFT_OUT: &str = "left_out";
    /// Seconds since somebody was seen before.
    pub const AWAY: &str = "away_s";
    /// Seconds that an object has stood still.
    pub const STILL: &str = "still_s";

    /// How far a place departs from what it looked like before, in luma levels.
    pub const CONTRAST: &str = "contrast";
    /// The number of the track that was there when something was left or removed.
    pub const OWNER: &str = "owner_track";
    /// Seconds since that track was last near.
    pub const OWNER_LEFT: &str = "owner_left_s";
    /// How far away that track was seen last, in its own heights.
    pub const OWNER_DISTANCE: &str = "owner_distance_heights";

    /// The measure that says how a line was crossed, by the side that was reached.
    pub fn direction(to: Side) -> Self {
        Self::plain(Self::DIRECTION, if to == Side::Right { 1.0 } else { -1.0 })
    }

    /// A value that was compared with a limit.
    pub fn against(name: &str, value: f64, limit: f64) -> Self {
        Self { name: name.to_owned(), value, limit: Some(limit) }
    }

    /// A value that is told but was compared with nothing.
    pub fn plain(name: &str, value: f64) -> Self {
        Self { name: name.to_owned(), value, limit: None }
    }
}
