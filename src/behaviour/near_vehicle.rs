//! **Near vehicle**: somebody is close to a vehicle.
//!
//! - The condition is met while the person's feet are within the distance of the nearest vehicle: of its box, in body heights
//!   of the person, or, on a ground, of the lower edge of its box, in metres. It is clearly not met beyond one and a
//!   quarter of that. Whoever passes far behind a vehicle may seem close to its box; a ground tells the two apart.
//! - A vehicle that is `Lost` has a predicted box, which neither starts nor ends anything.
//! - **Start**, **Update**, **End**, cooldown and schedule are those of `conduct.rs`, with `seconds` as its `hold`. The `End`
//!   tells the least distance. Label, score and size of the rule are the person's; `near` names the labels of vehicles.

use std::time::Duration;

use super::conduct::{Condition, Conduct, Level, Reading};
use super::employ::Post;
use super::gate::Moment;
use super::labels::Wanted;
use super::presence::{Presence, is_sighting};
use super::scale::{Distance, Scale};
use crate::vocab::{Point, Rect, TrackState};

/// Beyond so many times the distance somebody is clearly not near.
const AWAY: f32 = 1.25;

/// What is watched for.
#[derive(Debug)]
pub(super) struct NearVehicle {
    vehicles: Wanted,
    within: Distance,
}

/// The rule at work.
pub(super) fn at(post: &Post, near: &[String], within: Distance, seconds: Duration) -> Conduct<NearVehicle> {
    let usual = ["vehicle".to_owned()];
    let vehicles = Wanted::new(if near.is_empty() { &usual } else { near }, post.labels);
    Conduct::new(post, NearVehicle { vehicles, within }, seconds)
}

impl Condition for NearVehicle {
    fn read(&mut self, moment: &Moment, presence: &Presence) -> Option<Reading> {
        let person = &presence.track;
        let (mut seen, mut predicted) = (f32::INFINITY, f32::INFINITY);
        for track in moment.tracks.iter().filter(|t| t.id != person.id && self.vehicles.has(t.class)) {
            let nearest = match track.state {
                TrackState::Confirmed if is_sighting(track, moment.now) => &mut seen,
                TrackState::Lost if track.bbox.is_finite() => &mut predicted,
                _ => continue,
            };
            if let Some(distance) = self.distance(moment.scale, &person.bbox, &track.bbox) {
                *nearest = nearest.min(distance);
            }
        }
        let limit = self.within.value();
        let level = match seen.min(predicted) {
            _ if seen <= limit => Level::On,
            nearest if nearest > limit * AWAY => Level::Off,
            _ => Level::Between,
        };
        Some(Reading { level, value: seen.min(predicted) })
    }

    fn compared(&self) -> (&'static str, f32) {
        (self.within.measure_name(), self.within.value())
    }

    fn is_worse(&self, a: f32, b: f32) -> bool {
        a < b
    }
}

impl NearVehicle {
    fn distance(&self, scale: &Scale, person: &Rect, vehicle: &Rect) -> Option<f32> {
        let feet = person.foot();
        let top = if matches!(self.within, Distance::Metres(_)) { vehicle.y2 } else { vehicle.y1 };
        let nearest = Point::new(feet.x.clamp(vehicle.x1, vehicle.x2), feet.y.clamp(top, vehicle.y2));
        scale.apart(feet, nearest, person.height(), self.within)
    }
}
