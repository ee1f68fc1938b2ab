//! The kinds of rules with what each is told, where it looks, and whom it is usually about.

use std::time::Duration;

use super::scale::{Distance, Speed};
use super::settings::Direction;
use crate::vocab::{FiringKind, Id, Place, Segment};

/// What a rule watches for. Each kind has a file of its own that says exactly when it fires.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleKind {
    /// Something is in a zone.
    Intrusion {
        /// The zone.
        zone: Id,
    },
    /// Something stays in a zone.
    Loitering {
        /// The zone.
        zone: Id,
        /// How long is too long.
        seconds: Duration,
    },
    /// Something crosses a line.
    LineCrossing {
        /// The line.
        line: Id,
        /// Which way.
        direction: Direction,
    },
    /// A zone holds at least so many objects.
    Occupancy {
        /// The zone.
        zone: Id,
        /// How many, at least 1.
        at_least: u32,
        /// For how long before it is said. 0 says it as soon as it is so.
        seconds: Duration,
    },
    /// Something moves against the way of a zone.
    WrongWay {
        /// The zone.
        zone: Id,
        /// From anywhere to anywhere in the picture: the permitted way is that of the arrow.
        way: Segment,
        /// For how long before it is said.
        seconds: Duration,
    },
    /// Something is too fast.
    Speed {
        /// The zone.
        zone: Id,
        /// Kilometres per hour on the ground, above 0.
        over_kmh: f32,
        /// For how long before it is said.
        seconds: Duration,
    },
    /// Somebody runs.
    Running {
        /// The zone.
        zone: Id,
        /// How fast running is.
        over: Speed,
        /// For how long before it is said.
        seconds: Duration,
    },
    /// A vehicle has stopped where it must not.
    Stopped {
        /// The zone.
        zone: Id,
        /// How long is too long.
        seconds: Duration,
    },
    /// A zone holds too many, or stands too thick.
    Crowding {
        /// The zone.
        zone: Id,
        /// How many are too many, at least 1. 0 where only the density counts.
        at_least: u32,
        /// How many for each square metre, or for an area as large as the picture where there is no ground; 0 where only
        /// the number counts.
        density: f32,
        /// For how long before it is said.
        seconds: Duration,
    },
    /// Somebody crosses a line right behind somebody else.
    Tailgating {
        /// The line.
        line: Id,
        /// Which way.
        direction: Direction,
        /// How soon after the one before is too soon.
        seconds: Duration,
    },
    /// Somebody falls and stays down.
    Fall {
        /// The zone.
        zone: Id,
        /// How long he must lie still.
        seconds: Duration,
    },
    /// Somebody is close to a vehicle.
    NearVehicle {
        /// The zone in which the person is.
        zone: Id,
        /// What counts as a vehicle, by the model's class names; empty for `vehicle`.
        near: Vec<String>,
        /// How close is too close.
        within: Distance,
        /// For how long before it is said.
        seconds: Duration,
    },
    /// A queue is too long, or takes too long.
    Queue {
        /// The zone.
        zone: Id,
        /// How many waiting are too many; 0 where only the waiting time counts.
        at_least: u32,
        /// How long a wait is too long; 0 where only the length counts.
        wait: Duration,
        /// For how long before it is said.
        seconds: Duration,
    },
    /// Something crosses one line and then another.
    Journey {
        /// The first line.
        line: Id,
        /// Which way it is crossed.
        direction: Direction,
        /// The second line.
        then: Id,
        /// Which way that is crossed.
        then_direction: Direction,
        /// Within how long of the first.
        seconds: Duration,
    },
    /// People stand together.
    Gathering {
        /// The zone.
        zone: Id,
        /// How many make a group, at least 2.
        at_least: u32,
        /// How close to the next one of a group one stands.
        within: Distance,
        /// For how long before it is said.
        seconds: Duration,
    },
    /// A group runs apart.
    Scattering {
        /// The zone.
        zone: Id,
        /// How many must run, at least 2.
        at_least: u32,
        /// How close to the next one of a group one stands.
        within: Distance,
        /// How fast running is.
        over: Speed,
        /// How soon after they stood together they must all run.
        seconds: Duration,
    },
    /// The same object comes to a zone again and again.
    RepeatedPassing {
        /// The zone.
        zone: Id,
        /// How often is too often, at least 2.
        at_least: u32,
        /// Within how long.
        seconds: Duration,
    },
    /// Something was left.
    ObjectLeft {
        /// The zone.
        zone: Id,
        /// How long it must have been there, and how large it may be.
        limits: ObjectLimits,
    },
    /// Something was taken away.
    ObjectRemoved {
        /// The zone.
        zone: Id,
        /// How long it must have been missing, and how large it may be.
        limits: ObjectLimits,
    },
}

/// Which objects count that were left or removed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ObjectLimits {
    /// For how long before it is said.
    pub seconds: Duration,
    /// For how long its owner must have been away, where one was seen.
    pub owner_away: Duration,
    /// The most of the picture that it may cover, 0..1.
    pub max_area: f32,
}

impl RuleKind {
    /// The kind of its firings.
    pub fn of_firings(&self) -> FiringKind {
        match self {
            Self::Intrusion { .. } => FiringKind::Intrusion,
            Self::Loitering { .. } => FiringKind::Loitering,
            Self::LineCrossing { .. } => FiringKind::LineCrossing,
            Self::Occupancy { .. } => FiringKind::Occupancy,
            Self::WrongWay { .. } => FiringKind::WrongWay,
            Self::Speed { .. } => FiringKind::Speed,
            Self::Running { .. } => FiringKind::Running,
            Self::Stopped { .. } => FiringKind::Stopped,
            Self::Crowding { .. } => FiringKind::Crowding,
            Self::Tailgating { .. } => FiringKind::Tailgating,
            Self::Fall { .. } => FiringKind::Fall,
            Self::NearVehicle { .. } => FiringKind::NearVehicle,
            Self::Queue { .. } => FiringKind::Queue,
            Self::Journey { .. } => FiringKind::Journey,
            Self::Gathering { .. } => FiringKind::Gathering,
            Self::Scattering { .. } => FiringKind::Scattering,
            Self::RepeatedPassing { .. } => FiringKind::RepeatedPassing,
            Self::ObjectLeft { .. } => FiringKind::ObjectLeft,
            Self::ObjectRemoved { .. } => FiringKind::ObjectRemoved,
        }
    }

    /// Where it looks: its zone, or its line, the last one where it has two.
    pub(super) fn place(&self) -> Place {
        match self {
            Self::LineCrossing { line, .. } | Self::Tailgating { line, .. } => Place::Line(line.clone()),
            Self::Journey { then, .. } => Place::Line(then.clone()),
            Self::Intrusion { zone }
            | Self::Loitering { zone, .. }
            | Self::Occupancy { zone, .. }
            | Self::WrongWay { zone, .. }
            | Self::Speed { zone, .. }
            | Self::Running { zone, .. }
            | Self::Stopped { zone, .. }
            | Self::Crowding { zone, .. }
            | Self::Fall { zone, .. }
            | Self::NearVehicle { zone, .. }
            | Self::Queue { zone, .. }
            | Self::Gathering { zone, .. }
            | Self::Scattering { zone, .. }
            | Self::RepeatedPassing { zone, .. }
            | Self::ObjectLeft { zone, .. }
            | Self::ObjectRemoved { zone, .. } => Place::Zone(zone.clone()),
        }
    }

    /// The line that is crossed first, of a kind that has two.
    pub(super) fn first_line(&self) -> Option<&Id> {
        match self {
            Self::Journey { line, .. } => Some(line),
            _ => None,
        }
    }

    /// The label that it is about where the rule names none; none for all.
    pub(super) fn usual_label(&self) -> Option<&'static str> {
        match self {
            Self::Running { .. }
            | Self::Crowding { .. }
            | Self::Tailgating { .. }
            | Self::Fall { .. }
            | Self::NearVehicle { .. }
            | Self::Queue { .. }
            | Self::Gathering { .. }
            | Self::Scattering { .. } => Some("person"),
            Self::Stopped { .. } | Self::Speed { .. } => Some("vehicle"),
            _ => None,
        }
    }

    /// The labels that it names beside those that it is about.
    pub(super) fn other_labels(&self) -> &[String] {
        match self {
            Self::NearVehicle { near, .. } => near,
            _ => &[],
        }
    }

    /// How long after one happening the next may start, where the rule does not say.
    pub(super) fn usual_cooldown(&self) -> Duration {
        match self {
            Self::Occupancy { .. } | Self::Crowding { .. } | Self::Queue { .. } | Self::Gathering { .. } => {
                Duration::ZERO
            }
            _ => Duration::from_secs(10),
        }
    }

    /// Whether it goes on where somebody was last who is recognised again by how he looks.
    pub fn follows_people(&self) -> bool {
        matches!(self, Self::Journey { .. } | Self::RepeatedPassing { .. })
    }

    /// Whether it is about what the background model finds.
    pub fn needs_background(&self) -> bool {
        matches!(self, Self::ObjectLeft { .. } | Self::ObjectRemoved { .. })
    }

    /// Whether it measures metres, and so needs the camera's ground.
    pub fn needs_ground(&self) -> bool {
        match self {
            Self::Speed { .. } => true,
            Self::Running { over, .. } => matches!(over, Speed::Kmh(_)),
            Self::NearVehicle { within, .. } | Self::Gathering { within, .. } => matches!(within, Distance::Metres(_)),
            Self::Scattering { within, over, .. } => {
                matches!(within, Distance::Metres(_)) || matches!(over, Speed::Kmh(_))
            }
            _ => false,
        }
    }

    /// The numbers that must not be below a least value: the key, the value, the least.
    pub(super) fn least(&self) -> Option<(&'static str, u32, u32)> {
        match *self {
            Self::Occupancy { at_least, .. } => Some(("at_least", at_least, 1)),
            Self::Gathering { at_least, .. }
            | Self::Scattering { at_least, .. }
            | Self::RepeatedPassing { at_least, .. } => Some(("at_least", at_least, 2)),
            _ => None,
        }
    }
}
