//! What a camera's zones, lines and rules are, and what is wrong with them.

use std::collections::HashSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Schedule;
use super::ground::Ground;
use super::kind::RuleKind;
use super::labels::Wanted;
use super::suppression::Suppression;
use super::who::Who;
use crate::vocab::{Id, Labels, Place, Point, Polygon, Rect, Segment, Severity, Side};

/// Everything that one camera's rules need to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Areas of the picture. Each has a live occupancy, whether a rule names it or not. Default: none.
    pub zones: Vec<Zone>,
    /// Lines in the picture. Each is counted in both directions, whether a rule names it or not. Default: none.
    pub lines: Vec<Line>,
    /// The rules. Default: none.
    pub rules: Vec<Rule>,
    /// Where nothing is raised for a while. Default: nowhere.
    pub suppress: Vec<Suppression>,
    /// The ground that the camera sees. Default: none, and then nothing is measured in metres.
    pub ground: Option<Ground>,
    /// How a track is believed to be in a zone, and to have left it.
    pub presence: PresenceSettings,
    /// How parked objects are remembered.
    pub parked: ParkedSettings,
    /// The least time between two `Update`s of one happening. `event` thins them out further. Default 1 s.
    pub update_every: Duration,
}

/// How a track is believed to be in a zone, and to have left it. The same for all zones of a camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PresenceSettings {
    /// How many sightings inside it takes to be there. Default 2.
    pub sightings: u32,
    /// How long it must have been inside to be there. Default 0.3 s.
    pub enter: Duration,
    /// How long it must be seen outside to have left. Default 0.5 s.
    pub exit: Duration,
    /// How long it may be unseen, counted from the first frame that was looked at without it. Default 2 s.
    pub grace: Duration,
    /// How long no frame at all may be looked at before everything in the zone is gone. Default 60 s.
    pub blind: Duration,
}

/// How parked objects are remembered. See the file `parked.rs`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParkedSettings {
    /// How long something must stand still, in sum, to count as parked. Default 10 s.
    pub after: Duration,
    /// How long after its last sighting a parked object is remembered. 0 switches the memory off. Default 300 s.
    pub keep: Duration,
    /// How much the boxes must overlap to be in the same place: intersection over union, 0..1. Default 0.6.
    pub overlap: f32,
}

/// An area of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Its name.
    pub id: Id,
    /// Where it is.
    pub polygon: Polygon,
    /// Which point of an object must be inside. Default: the foot.
    pub anchor: Anchor,
}

/// A line in the picture. Left and right are those of someone who walks from its start to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name.
    pub id: Id,
    /// Where it is.
    pub segment: Segment,
    /// Which point of an object must cross. Default: the foot.
    pub anchor: Anchor,
    /// How far beyond the line that point must come to have crossed it, in pictures (0..1). Default 0.01.
    pub margin: f32,
}

/// The point of a box that stands for the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Anchor {
    /// The middle of the lower edge: where something stands, seen from the side.
    #[default]
    Foot,
    /// The middle of the box, for cameras that look straight down.
    Centre,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name.
    pub id: Id,
    /// What it watches for.
    pub kind: RuleKind,
    /// Which objects it is about, by the model's class names. `vehicle` and `animal` stand for every such class where the
    /// model has none of that name. Default: empty, which means those that its kind is usually about, such as people for a
    /// fall; else all.
    pub labels: Vec<String>,
    /// Whom it is about, by who they are recognised to be. Default: whoever it is.
    pub who: Option<Who>,
    /// Whether somebody should look now. Default: an alert.
    pub severity: Severity,
    /// When it is awake. Default: always.
    pub schedule: Option<Schedule>,
    /// The score an object must have, 0..1. Default 0.
    pub min_score: f32,
    /// Which score of an object that is. Default: its best.
    pub score_of: ScoreOf,
    /// The height an object's box must have, in pictures (0..1). Default 0.
    pub min_height: f32,
    /// How high an object must be on the camera's ground, in metres; one whose height cannot be told is not held back.
    /// Default 0.
    pub min_height_m: f32,
    /// How high it may be, in the same way. Default: as high as it likes.
    pub max_height_m: Option<f32>,
    /// The width an object's box must have, in pictures (0..1). Default 0.
    pub min_width: f32,
    /// The area an object's box must have, in pictures (0..1). Default 0.
    pub min_area: f32,
    /// How far an object must have moved since it was first seen, in its own heights: a statue never does. Default 0.
    pub min_travel: f32,
    /// How long after one happening of a track the same track starts no other; for a line, in the same direction; for
    /// what is told of a zone as a whole, of the zone. Default: 10 s, for occupancy, crowding, queue and gathering 0.
    pub cooldown: Option<Duration>,
}

/// Which score of an object a rule compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScoreOf {
    /// The best that it ever had.
    #[default]
    Best,
    /// The mean of its sightings where the rule looks: one lucky picture is not enough.
    Mean,
    /// The chance that it is real after all looks where the rule looks, those without it included: grows with every good
    /// sighting and sinks with every bad one, by time and not by pictures.
    Fused,
}

/// The way in which a line is crossed, seen while walking from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Either way.
    #[default]
    Any,
    /// From the left hand to the right hand.
    LeftToRight,
    /// From the right hand to the left hand.
    RightToLeft,
}

/// Something wrong with [`Settings`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// Two zones, two lines or two rules have the same name.
    #[error("there are two {what}s called {id}")]
    Twice {
        /// `zone`, `line` or `rule`.
        what: &'static str,
        /// The name.
        id: Id,
    },
    /// A rule names a zone or a line that is not there.
    #[error("rule {rule}: there is no {what} called {id}")]
    NoPlace {
        /// The rule.
        rule: Id,
        /// `zone` or `line`.
        what: &'static str,
        /// The name that was not found.
        id: Id,
    },
    /// A rule measures metres, and the camera's ground is not known.
    #[error("rule {rule}: it measures metres, and the ground is not described")]
    NoGround {
        /// The rule.
        rule: Id,
    },
    /// A rule names a label that the model does not have.
    #[error("rule {rule}: the model has no label {label:?}")]
    NoLabel {
        /// The rule.
        rule: Id,
        /// The label that was not found.
        label: String,
    },
    /// A number is not one that can be compared with.
    #[error("{of}: {key} is {found}; allowed is {allowed}")]
    Number {
        /// `rule x` or `line x`.
        of: String,
        /// The setting.
        key: &'static str,
        /// Its value.
        found: f32,
        /// What it may be.
        allowed: &'static str,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            zones: Vec::new(),
            lines: Vec::new(),
            rules: Vec::new(),
            suppress: Vec::new(),
            ground: None,
            presence: PresenceSettings::default(),
            parked: ParkedSettings::default(),
            update_every: Duration::from_secs(1),
        }
    }
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self {
            sightings: 2,
            enter: Duration::from_millis(300),
            exit: Duration::from_millis(500),
            grace: Duration::from_secs(2),
            blind: Duration::from_secs(60),
        }
    }
}

impl Default for ParkedSettings {
    fn default() -> Self {
        Self { after: Duration::from_secs(10), keep: Duration::from_secs(300), overlap: 0.6 }
    }
}

impl Zone {
    /// A zone that objects are in with their feet.
    pub fn new(id: Id, polygon: Polygon) -> Self {
        Self { id, polygon, anchor: Anchor::default() }
    }
}

impl Line {
    /// A line that objects cross with their feet, by a hundredth of the picture.
    pub fn new(id: Id, segment: Segment) -> Self {
        Self { id, segment, anchor: Anchor::default(), margin: 0.01 }
    }
}

impl Rule {
    /// A rule with every default: all labels, always awake, an alert.
    pub fn new(id: Id, kind: RuleKind) -> Self {
        Self {
            id,
            kind,
            labels: Vec::new(),
            who: None,
            severity: Severity::default(),
            schedule: None,
            min_score: 0.0,
            score_of: ScoreOf::default(),
            min_height: 0.0,
            min_height_m: 0.0,
            max_height_m: None,
            min_width: 0.0,
            min_area: 0.0,
            min_travel: 0.0,
            cooldown: None,
        }
    }

    /// Whether it asks how high an object is in metres.
    pub(super) fn measures_height(&self) -> bool {
        self.min_height_m > 0.0 || self.max_height_m.is_some()
    }

    pub(super) fn cooldown(&self) -> Duration {
        self.cooldown.unwrap_or_else(|| self.kind.usual_cooldown())
    }
}

impl Anchor {
    pub(super) fn of(self, bbox: &Rect) -> Point {
        match self {
            Self::Foot => bbox.foot(),
            Self::Centre => bbox.centre(),
        }
    }
}

impl Direction {
    /// Whether going over to `side` is this way.
    pub(super) fn admits(self, side: Side) -> bool {
        match self {
            Self::Any => true,
            Self::LeftToRight => side == Side::Right,
            Self::RightToLeft => side == Side::Left,
        }
    }
}

impl Settings {
    /// Everything that is wrong, in the order of the settings. `labels` are the class names of the camera's model; leave
    /// them empty where they are not known yet, and labels are not checked. A rule with a fault never fires.
    pub fn faults(&self, labels: &Labels) -> Vec<Fault> {
        let mut faults = Vec::new();
        twice("zone", self.zones.iter().map(|z| &z.id), &mut faults);
        twice("line", self.lines.iter().map(|l| &l.id), &mut faults);
        twice("rule", self.rules.iter().map(|r| &r.id), &mut faults);
        for line in &self.lines {
            let of = || format!("line {}", line.id);
            number(of, "margin", line.margin, (0.0..=0.5).contains(&line.margin), "0 to 0.5", &mut faults);
        }
        for rule in &self.rules {
            self.rule_faults(rule, labels, &mut faults);
        }
        faults
    }

    fn rule_faults(&self, rule: &Rule, labels: &Labels, faults: &mut Vec<Fault>) {
        let last = rule.kind.place();
        for place in rule.kind.first_line().map(|line| Place::Line(line.clone())).iter().chain([&last]) {
            let (what, id, found) = match place {
                Place::Zone(id) => ("zone", id, self.zones.iter().any(|z| z.id == *id)),
                Place::Line(id) => ("line", id, self.lines.iter().any(|l| l.id == *id)),
            };
            if !found {
                faults.push(Fault::NoPlace { rule: rule.id.clone(), what, id: id.clone() });
            }
        }
        if (rule.kind.needs_ground() || rule.measures_height()) && self.ground.is_none() {
            faults.push(Fault::NoGround { rule: rule.id.clone() });
        }
        let of = || format!("rule {}", rule.id);
        if let Some((key, found, least)) = rule.kind.least() {
            let allowed = if least == 1 { "1 or more" } else { "2 or more" };
            number(of, key, found as f32, found >= least, allowed, faults);
        }
        let shares = [("min_score", rule.min_score), ("min_height", rule.min_height), ("min_width", rule.min_width)];
        number(of, "min_travel", rule.min_travel, (0.0..=100.0).contains(&rule.min_travel), "0 to 100", faults);
        let heights = [("min_height_m", Some(rule.min_height_m)), ("max_height_m", rule.max_height_m)];
        for (key, value) in heights.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            number(of, key, value, (0.0..=100.0).contains(&value), "0 to 100", faults);
        }
        for (key, value) in shares.into_iter().chain([("min_area", rule.min_area)]) {
            number(of, key, value, (0.0..=1.0).contains(&value), "0 to 1", faults);
        }
        if !labels.is_empty() {
            let named = rule.labels.iter().chain(rule.kind.other_labels());
            let unknown = named.filter(|l| !Wanted::is_known(l, labels));
            faults.extend(unknown.map(|l| Fault::NoLabel { rule: rule.id.clone(), label: l.clone() }));
        }
    }
}

fn twice<'a>(what: &'static str, ids: impl Iterator<Item = &'a Id>, faults: &mut Vec<Fault>) {
    let mut seen = HashSet::new();
    faults.extend(ids.filter(|id| !seen.insert(*id)).map(|id| Fault::Twice { what, id: id.clone() }));
}

fn number(
    of: impl Fn() -> String,
    key: &'static str,
    found: f32,
    fine: bool,
    allowed: &'static str,
    to: &mut Vec<Fault>,
) {
    if !fine {
        to.push(Fault::Number { of: of(), key, found, allowed });
    }
}
