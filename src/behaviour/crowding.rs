//! **Crowding**: a zone holds too many people, or they stand too thick.
//!
//! - The **number** from which it is a crowd is `at_least`, or that with which the zone is as dense as `over_density`; the
//!   smaller of the two where both are set. Density is people per square metre of the zone on the camera's ground; where no
//!   ground is described, per area as large as the picture.
//! - Counting, **Start**, **Update** and **End** are those of an occupancy (see `occupancy.rs`), but a crowd ends only when it
//!   is smaller by a fifth, and by one at least: people at the fringe do not end and begin it. The density is among the
//!   measures where it is what counts.
//!
//! Without `labels` it is about people.

use std::time::Duration;

use super::employ::Post;
use super::occupancy::{Density, Limits, Occupancy};
use crate::vocab::Measure;

/// The rule at work. `at_least` or `density` may be 0, for one that does not count.
pub(super) fn at(post: &Post, at_least: u32, density: f32, seconds: Duration) -> Occupancy {
    let zone = &post.settings.zones[post.at].polygon;
    let (name, area) = match post.settings.ground.as_ref().and_then(|ground| ground.area(zone)) {
        Some(area) => (Measure::DENSITY_M2, area),
        None => (Measure::DENSITY_PICTURE, zone.area()),
    };
    let number = |n: u32| if n == 0 { u32::MAX } else { n };
    // A hair less, so that four people on four square metres are one for each in spite of rounding.
    let dense = (f64::from(density) * f64::from(area) - 1e-4).ceil().max(0.0) as u32;
    let enter = number(at_least).min(number(if density > 0.0 { dense.max(1) } else { 0 }));
    let density = (density > 0.0).then_some(Density { name, area, limit: density });
    Occupancy::new(post, Limits { enter, keep: kept(enter), hold: seconds, density })
}

/// The number from which a crowd of `enter` goes on.
fn kept(enter: u32) -> u32 {
    (enter - (enter / 5).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_crowd_ends_when_it_is_smaller_by_a_fifth_and_by_one_at_least() {
        assert_eq!([1, 2, 3, 5, 9, 10, 20].map(super::kept), [1, 1, 2, 4, 8, 8, 16]);
    }
}
