//! Whether something was left where something has changed, or removed.
//!
//! An object has edges in the picture in which it is there, and none in the other. So whichever of what stands there now and
//! the background has the more of those steps in which the two differ shows it (Connell et al. 2004, "Detection and tracking
//! in the IBM PeopleVision system", and Tian et al. 2011, "Robust detection of abandoned and removed objects in complex
//! surveillance videos", IEEE SMC-C 41(5)).

use super::pieces::Span;
use super::place::{BESIDE, Place};
use crate::vocab::RegionChange;

/// How much more of an edge one picture must have than the other.
const CLEARLY: f32 = 1.25;

/// Judges what has changed in `span`; none where that is not clear.
pub(super) fn judge(place: &Place, span: Span) -> Option<RegionChange> {
    let (columns, all) = (place.ground.columns, place.ground.back.len());
    let (mut now, mut before) = (0.0f32, 0.0f32);
    for row in span.rows[0].saturating_sub(BESIDE)..span.rows[1] {
        for column in span.columns[0].saturating_sub(BESIDE)..span.columns[1] {
            let at = row * columns + column;
            let right = (column + BESIDE < columns).then_some(at + BESIDE);
            let below = Some(at + BESIDE * columns).filter(|below| *below < all);
            for beside in right.into_iter().chain(below) {
                if place.is_changed(at) || place.is_changed(beside) {
                    let (step_now, step_before, unexplained) = place.difference(at, beside);
                    let counts = if unexplained > 0.0 { 1.0 } else { 0.0 };
                    now += step_now.abs() * counts;
                    before += step_before.abs() * counts;
                }
            }
        }
    }
    match (now, before) {
        (now, before) if now > before * CLEARLY => Some(RegionChange::Left),
        (now, before) if before > now * CLEARLY => Some(RegionChange::Removed),
        _ => None,
    }
}
