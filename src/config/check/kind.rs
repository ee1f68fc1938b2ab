//! The kinds of rules: the keys that only some have, what they are where they are not written, and what they need.

use std::time::Duration;

use super::rule::{Places, place};
use super::{Check, place as geometry};
use crate::behaviour::{Distance, Ground, ObjectLimits, RuleKind, Speed, Zone};
use crate::config::document;
use crate::config::fault::Path;
use crate::config::phrase;
use crate::vocab::{FiringKind as Kind, Id};

/// How near is near, where nothing is said.
const NEAR: (Distance, Distance) = (Distance::Metres(1.5), Distance::Heights(0.8));

/// What else of its camera a rule may depend on; none where that is faulty, which is told already.
pub(super) struct Surroundings<'c> {
    pub zones: Option<&'c [Zone]>,
    pub ground: Option<Option<&'c Ground>>,
}

impl Surroundings<'_> {
    /// Whether there is a ground, or would be if it were not faulty.
    fn has_ground(&self) -> bool {
        !matches!(self.ground, Some(None))
    }
}

/// Reads what a rule watches for.
pub(super) fn read(
    check: &mut Check,
    places: &Places,
    surroundings: &Surroundings,
    rule: &document::Rule,
    path: &Path,
) -> Option<RuleKind> {
    let seconds = |default: f64| Duration::from_secs_f64(rule.seconds.unwrap_or(default));
    Reader { check, surroundings, rule, path }.heights();
    if watches_line(rule.kind) {
        return read_of_line(check, places, rule, path);
    }
    let zone = place(check, places, rule.zone.as_ref(), ("zone", "zone"), path);
    // Every part is read before any is missed, so that all faults are told.
    let mut reader = Reader { check, surroundings, rule, path };
    Some(match rule.kind {
        Kind::Loitering => RuleKind::Loitering { zone: zone?, seconds: seconds(60.0) },
        Kind::Occupancy => {
            RuleKind::Occupancy { zone: zone?, at_least: rule.at_least.unwrap_or(1), seconds: seconds(0.0) }
        }
        Kind::WrongWay => {
            let way = reader.way();
            RuleKind::WrongWay { zone: zone?, way: way?, seconds: seconds(1.0) }
        }
        Kind::Speed => {
            let over = reader.kmh();
            RuleKind::Speed { zone: zone?, over_kmh: over?, seconds: seconds(0.5) }
        }
        Kind::Running => {
            let over = reader.running();
            RuleKind::Running { zone: zone?, over: over?, seconds: seconds(1.0) }
        }
        Kind::Stopped => RuleKind::Stopped { zone: zone?, seconds: seconds(30.0) },
        Kind::Crowding => reader.crowding(zone, seconds(10.0))?,
        Kind::Fall => RuleKind::Fall { zone: zone?, seconds: seconds(0.7) },
        Kind::NearVehicle => {
            let (within, near) = (reader.within(), rule.near.clone());
            RuleKind::NearVehicle { zone: zone?, near, within: within?, seconds: seconds(3.0) }
        }
        Kind::Queue => reader.queue(zone, seconds(10.0))?,
        Kind::Gathering => {
            let (at_least, within) = (reader.several(), reader.within());
            RuleKind::Gathering { zone: zone?, at_least: at_least?, within: within?, seconds: seconds(10.0) }
        }
        Kind::Scattering => {
            let (at_least, within, over) = (reader.several(), reader.within(), reader.running());
            RuleKind::Scattering {
                zone: zone?,
                at_least: at_least?,
                within: within?,
                over: over?,
                seconds: seconds(3.0),
            }
        }
        Kind::RepeatedPassing => {
            let at_least = reader.several();
            RuleKind::RepeatedPassing { zone: zone?, at_least: at_least?, seconds: seconds(600.0) }
        }
        Kind::ObjectLeft => RuleKind::ObjectLeft { zone: zone?, limits: object_limits(rule) },
        Kind::ObjectRemoved => RuleKind::ObjectRemoved { zone: zone?, limits: object_limits(rule) },
        Kind::Intrusion | Kind::LineCrossing | Kind::Tailgating | Kind::Journey => RuleKind::Intrusion { zone: zone? },
    })
}

fn object_limits(rule: &document::Rule) -> ObjectLimits {
    ObjectLimits {
        seconds: Duration::from_secs_f64(rule.seconds.unwrap_or(30.0)),
        owner_away: Duration::from_secs_f64(rule.owner_seconds.unwrap_or(0.0)),
        max_area: rule.max_area.unwrap_or(0.1) as f32,
    }
}

fn watches_line(kind: Kind) -> bool {
    matches!(kind, Kind::LineCrossing | Kind::Tailgating | Kind::Journey)
}

fn read_of_line(check: &mut Check, places: &Places, rule: &document::Rule, path: &Path) -> Option<RuleKind> {
    let seconds = |default: f64| Duration::from_secs_f64(rule.seconds.unwrap_or(default));
    let direction = rule.direction.unwrap_or_default();
    let line = place(check, places, rule.line.as_ref(), ("line", "line"), path);
    match rule.kind {
        Kind::Tailgating => Some(RuleKind::Tailgating { line: line?, direction, seconds: seconds(2.0) }),
        Kind::Journey => {
            let then = place(check, places, rule.then.as_ref(), ("line", "then"), path)?;
            let then_direction = rule.then_direction.unwrap_or_default();
            Some(RuleKind::Journey { line: line?, direction, then, then_direction, seconds: seconds(60.0) })
        }
        _ => Some(RuleKind::LineCrossing { line: line?, direction }),
    }
}

/// Reads keys of one rule.
struct Reader<'r, 'c> {
    check: &'r mut Check<'c>,
    surroundings: &'r Surroundings<'r>,
    rule: &'r document::Rule,
    path: &'r Path,
}

impl Reader<'_, '_> {
    /// Heights in metres, which any rule about tracks may ask for.
    fn heights(&mut self) {
        let (least, most) = (self.rule.min_height_m, self.rule.max_height_m);
        for (key, is_given) in [("min_height_m", least > 0.0), ("max_height_m", most.is_some())] {
            if is_given && !self.needs_ground(key) {
                return;
            }
        }
        if let Some(most) = most.filter(|most| *most <= least) {
            let problem = format!("found {most}, must be more than `min_height_m`, which is {least}");
            self.check.error(&self.path.key("max_height_m"), problem, "raise it, or lower `min_height_m`");
        }
    }

    fn way(&mut self) -> Option<crate::vocab::Segment> {
        let path = self.path.key("way");
        let Some(ends) = &self.rule.way else {
            let problem = "found nothing, must be the permitted way as an arrow";
            self.check.error(&path, problem, "add `way: [[x, y], [x, y]]`, from one point of the picture to another");
            return None;
        };
        geometry::arrow(self.check, ends, &path)
    }

    fn kmh(&mut self) -> Option<f32> {
        match self.rule.over_kmh {
            Some(over) => self.needs_ground("over_kmh").then_some(over as f32),
            None => {
                let problem = "found nothing, must be a number of kilometres per hour";
                self.check.error(&self.path.key("over_kmh"), problem, "add `over_kmh: NUMBER`");
                None
            }
        }
    }

    fn running(&mut self) -> Option<Speed> {
        match (self.rule.over_kmh, self.rule.over_heights) {
            (Some(_), Some(_)) => {
                self.one_of("over_kmh", "over_heights");
                None
            }
            (Some(over), None) => self.needs_ground("over_kmh").then_some(Speed::Kmh(over as f32)),
            (None, Some(over)) => Some(Speed::Heights(over as f32)),
            (None, None) => Some(Speed::usual_running(self.surroundings.has_ground())),
        }
    }

    fn within(&mut self) -> Option<Distance> {
        match (self.rule.within_m, self.rule.within_heights) {
            (Some(_), Some(_)) => {
                self.one_of("within_m", "within_heights");
                None
            }
            (Some(within), None) => self.needs_ground("within_m").then_some(Distance::Metres(within as f32)),
            (None, Some(within)) => Some(Distance::Heights(within as f32)),
            (None, None) => Some(if self.surroundings.has_ground() { NEAR.0 } else { NEAR.1 }),
        }
    }

    /// A number of at least two.
    fn several(&mut self) -> Option<u32> {
        match self.rule.at_least {
            Some(1) => {
                let problem = "found 1, must be 2 to 1000 for a rule of this kind";
                self.check.error(&self.path.key("at_least"), problem, "set it to 2 or more");
                None
            }
            at_least => Some(at_least.unwrap_or(3)),
        }
    }

    fn crowding(&mut self, zone: Option<Id>, seconds: Duration) -> Option<RuleKind> {
        let (at_least, density) = (self.rule.at_least, self.rule.over_density);
        if at_least.is_none() && density.is_none() {
            self.neither("at_least", "over_density");
            return None;
        }
        let zone = zone?;
        if density.is_some() && !self.has_area(&zone) {
            let problem = "found a zone that reaches to the horizon of the ground, must have an area";
            self.check.error(&self.path.key("over_density"), problem, "keep the zone nearer to the camera");
            return None;
        }
        let density = density.unwrap_or(0.0) as f32;
        Some(RuleKind::Crowding { zone, at_least: at_least.unwrap_or(0), density, seconds })
    }

    fn queue(&mut self, zone: Option<Id>, seconds: Duration) -> Option<RuleKind> {
        let (at_least, wait) = (self.rule.at_least, self.rule.wait_seconds);
        if at_least.is_none() && wait.is_none() {
            self.neither("at_least", "wait_seconds");
            return None;
        }
        let wait = Duration::from_secs_f64(wait.unwrap_or(0.0));
        Some(RuleKind::Queue { zone: zone?, at_least: at_least.unwrap_or(0), wait, seconds })
    }

    /// Whether the zone has an area where the camera has a ground.
    fn has_area(&self, zone: &Id) -> bool {
        let (Some(zones), Some(Some(ground))) = (self.surroundings.zones, self.surroundings.ground) else {
            return true;
        };
        zones.iter().find(|z| z.id == *zone).is_none_or(|zone| ground.area(&zone.polygon).is_some())
    }

    fn needs_ground(&mut self, key: &str) -> bool {
        let has_ground = self.surroundings.has_ground();
        if !has_ground {
            let problem = "found it for a camera without a ground, must be one with a `ground`";
            let remedy = "describe the camera's `ground`, or measure in body heights where the kind of rule can";
            self.check.error(&self.path.key(key), problem, remedy);
        }
        has_ground
    }

    fn one_of(&mut self, one: &str, other: &str) {
        let problem = format!("found it beside `{one}`, must be one of them");
        self.check.error(&self.path.key(other), problem, "remove one of them");
    }

    fn neither(&mut self, one: &str, other: &str) {
        let problem = format!("found neither `{one}` nor `{other}`, must be one of them or both");
        self.check.error(&self.path.key(one), problem, format!("add `{one}: NUMBER` or `{other}: NUMBER`"));
    }
}

/// Tells every key that belongs to other kinds of rules.
pub(super) fn refuse_keys_of_other_kinds(check: &mut Check, rule: &document::Rule, path: &Path) {
    use Kind::{Crowding, Gathering, Journey, LineCrossing, NearVehicle, Occupancy, Queue};
    use Kind::{RepeatedPassing, Running, Scattering, Speed, Tailgating, WrongWay};
    const OBJECTS: &[Kind] = &[Kind::ObjectLeft, Kind::ObjectRemoved];
    const WITH_LINE: &[Kind] = &[LineCrossing, Tailgating, Journey];
    const COUNTING: &[Kind] = &[Occupancy, Crowding, Queue, Gathering, Scattering, RepeatedPassing];
    const GROUPING: &[Kind] = &[NearVehicle, Gathering, Scattering];
    let zones: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| !watches_line(*kind)).collect();
    let lasting: Vec<Kind> =
        Kind::ALL.into_iter().filter(|kind| !matches!(kind, Kind::Intrusion | LineCrossing)).collect();
    let of_tracks: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| !OBJECTS.contains(kind)).collect();
    let keys: [(&str, bool, &[Kind]); 21] = [
        ("min_height_m", rule.min_height_m > 0.0, &of_tracks),
        ("max_height_m", rule.max_height_m.is_some(), &of_tracks),
        ("labels", !rule.labels.is_empty(), &of_tracks),
        ("who", rule.who.is_some(), &of_tracks),
        ("max_area", rule.max_area.is_some(), OBJECTS),
        ("owner_seconds", rule.owner_seconds.is_some(), OBJECTS),
        ("zone", rule.zone.is_some(), &zones),
        ("line", rule.line.is_some(), WITH_LINE),
        ("seconds", rule.seconds.is_some(), &lasting),
        ("direction", rule.direction.is_some(), WITH_LINE),
        ("then", rule.then.is_some(), &[Journey]),
        ("then_direction", rule.then_direction.is_some(), &[Journey]),
        ("at_least", rule.at_least.is_some(), COUNTING),
        ("over_density", rule.over_density.is_some(), &[Crowding]),
        ("wait_seconds", rule.wait_seconds.is_some(), &[Queue]),
        ("way", rule.way.is_some(), &[WrongWay]),
        ("over_kmh", rule.over_kmh.is_some(), &[Speed, Running, Scattering]),
        ("over_heights", rule.over_heights.is_some(), &[Running, Scattering]),
        ("within_m", rule.within_m.is_some(), GROUPING),
        ("within_heights", rule.within_heights.is_some(), GROUPING),
        ("near", !rule.near.is_empty(), &[NearVehicle]),
    ];
    for (key, is_given, kinds) in keys {
        if is_given && !kinds.contains(&rule.kind) {
            let kinds: Vec<&str> = kinds.iter().map(|k| k.as_str()).collect();
            let problem = format!(
                "found it in a rule of kind {}, must be one of kind {}",
                rule.kind.as_str(),
                phrase::either(&kinds)
            );
            check.error(&path.key(key), problem, "remove it, or change `kind`");
        }
    }
}
