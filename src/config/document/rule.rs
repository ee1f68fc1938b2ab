//! A camera's rule as it is written. Which keys may stand depends on the kind; `check/rule.rs` says which.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Corners;
use crate::behaviour::{Direction, ScoreOf};
use crate::vocab::{FiringKind, Id, Severity};

/// When to say something. Which keys may stand depends on the kind.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in topics and events, unique among the camera's rules.
    #[schemars(example = &"night-yard")]
    pub id: Id,
    /// What it watches for.
    #[schemars(example = &"intrusion")]
    pub kind: FiringKind,
    /// A zone of this camera; line-crossing, tailgating and journey refuse it, all other kinds need it. Default: none.
    #[schemars(example = &"yard")]
    pub zone: Option<Id>,
    /// A line of this camera; line-crossing, tailgating and journey need it, other kinds refuse it. Default: none.
    pub line: Option<Id>,
    /// The labels it is about, as the model names them; `vehicle` and `animal` stand for all such labels. Default:
    /// for speed and stopped, vehicle; for running, crowding, tailgating, fall, near-vehicle, queue, gathering and
    /// scattering, person; else all. Object-left and object-removed refuse them: they are about what no model need know.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(min = 1, max = 64)))]
    pub labels: Vec<String>,
    /// Whom it is about, by whom their faces are recognised as, which needs the camera's `identify`. A face is usually
    /// recognised some time after somebody came, and what goes on ends then where the rule is not about him. Object-left and
    /// object-removed refuse it. Default: whoever it is.
    pub who: Option<Who>,
    /// Whether somebody should look now (topic `alert/…`) or it is kept for the record (topic `event/…`).
    #[serde(default)]
    pub severity: Severity,
    /// When it is in force, such as `22:00-06:00` or `mon-fri 08:00-12:00,13:00-18:00; sat 09:00-12:00`, in
    /// `agent.timezone`. Default: always.
    #[schemars(length(max = 400))]
    pub schedule: Option<String>,
    /// The score that an object must have, 0..1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_score: f64,
    /// Which score of an object that is.
    #[serde(default)]
    pub score_of: ScoreOf,
    /// The height that an object must have, as a share of the picture's.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_height: f64,
    /// How high in metres an object must be, from its foot on the camera's `ground`, which it needs. It takes a picture with
    /// square pixels that was not cut, and a camera that does not look straight down; one whose height cannot be told is not
    /// held back.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub min_height_m: f64,
    /// How high in metres it may be, in the same way. Default: any height.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub max_height_m: Option<f64>,
    /// The width that an object must have, as a share of the picture's.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_width: f64,
    /// The area that an object must have, as a share of the picture's: that of its box, or, of what was left or removed, what
    /// it really covers.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_area: f64,
    /// How far an object must have moved since it was first seen, in its own heights: a statue, a poster or a coat never
    /// does. 0.3 leaves the jitter of boxes behind; whoever walked in and stands still has moved.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub min_travel: f64,
    /// How many seconds after one happening of an object (of the zone, where the rule is about it as a whole) the next one
    /// may start. Default: 10, for occupancy, crowding, queue and gathering 0.
    #[schemars(range(min = 0.0, max = 86400.0))]
    pub cooldown_seconds: Option<f64>,
    /// Object-left and object-removed only: the most of the picture that it may cover, as a share. Default: 0.1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_area: Option<f64>,
    /// Object-left and object-removed only: how many seconds whoever was there when it began must have been away, where
    /// somebody was seen. Default: 0.
    #[schemars(range(min = 0.0, max = 86400.0))]
    pub owner_seconds: Option<f64>,
    /// How many seconds it must go on before it is told; for tailgating, journey, scattering and repeated-passing, within how
    /// many it must happen. Not for intrusion and line-crossing. Default: for loitering 60, occupancy 0, wrong-way 1,
    /// speed 0.5, running 1, stopped 30, crowding 10, tailgating 2, fall 0.7, near-vehicle 3, queue 10, journey 60,
    /// gathering 10, scattering 3, repeated-passing 600, object-left and object-removed 30.
    #[schemars(range(min = 0.0, max = 86400.0))]
    pub seconds: Option<f64>,
    /// Line-crossing, tailgating and journey only: the way the line must be crossed, seen while walking from `from` to `to`.
    /// Default: any.
    pub direction: Option<Direction>,
    /// Journey only, which needs it: the line that is crossed after `line`. Default: none.
    pub then: Option<Id>,
    /// Journey only: the way that line must be crossed. Default: any.
    pub then_direction: Option<Direction>,
    /// How many: for occupancy, crowding, gathering and scattering objects or people, for queue those who wait, for
    /// repeated-passing visits. Default: for occupancy 1, gathering, scattering and repeated-passing 3; crowding needs it or
    /// `over_density`, queue needs it or `wait_seconds`.
    #[schemars(range(min = 1, max = 1000))]
    pub at_least: Option<u32>,
    /// Crowding only: how many people there may be for each square metre of the zone on the camera's `ground`; without a
    /// ground, for an area as large as the picture. Default: any number.
    #[schemars(range(min = 0.01, max = 1000.0))]
    pub over_density: Option<f64>,
    /// Queue only: how many seconds somebody may wait in the zone. Default: any number.
    #[schemars(range(min = 1.0, max = 86400.0))]
    pub wait_seconds: Option<f64>,
    /// Wrong-way only, which needs it: the permitted way, as an arrow in the picture from one point to another,
    /// `[[x, y], [x, y]]`. Default: none.
    #[schemars(length(min = 2, max = 2))]
    pub way: Option<Corners>,
    /// Speed, running and scattering only, and needs the camera's `ground`: kilometres per hour. Speed needs it. Default: for
    /// running and scattering 9 where there is a ground.
    #[schemars(range(min = 0.5, max = 500.0))]
    pub over_kmh: Option<f64>,
    /// Running and scattering only: how fast running is without a `ground`, in the runner's own heights per second.
    /// Default: 1.3 where there is no ground.
    #[schemars(range(min = 0.2, max = 20.0))]
    pub over_heights: Option<f64>,
    /// Near-vehicle, gathering and scattering only, and needs the camera's `ground`: how many metres apart is near.
    /// Default: 1.5 where there is a ground.
    #[schemars(range(min = 0.1, max = 100.0))]
    pub within_m: Option<f64>,
    /// Near-vehicle, gathering and scattering only: the same without a `ground`, in body heights. Default: 0.8 where there is
    /// no ground.
    #[schemars(range(min = 0.05, max = 20.0))]
    pub within_heights: Option<f64>,
    /// Near-vehicle only: the labels of what counts as a vehicle. Default: vehicle.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(min = 1, max = 64)))]
    pub near: Vec<String>,
}

/// Whom a rule is about: one of the two. Each name is that of a watch list of the gallery, or the id of a person.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// Only people who are recognised as one of these watch lists or persons, from then on: `[banned]`. Default: none.
    #[schemars(length(max = 32))]
    pub only: Option<Vec<Id>>,
    /// Everybody and everything but people who are recognised as one of these watch lists or persons: `[staff, e-1042]`. Until
    /// somebody is recognised he counts. Default: none.
    #[schemars(length(max = 32))]
    pub except: Option<Vec<Id>>,
}
