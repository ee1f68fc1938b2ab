//! How badly a detection fits a track.

use super::motion::{Expected, Measured};

/// Degrees of freedom of the heavy tails: a single coordinate that is far off, as that of a half-hidden person's feet,
/// costs little more than one that is off by some standard deviations.
const TAIL: f64 = 3.0;

/// The price of taking one edge to be right and the opposite one to be hidden.
const HIDDEN_EDGE_PRICE: f64 = 0.5;

/// The price of another class of the same set.
pub(super) const OTHER_CLASS_PRICE: f64 = 3.0;

/// Pairs at this price or above are never matched. With nothing vague, one coordinate may be nine standard deviations off,
/// or all four may be two; vagueness takes its part of that.
pub(super) const LIMIT: f64 = 14.0;

/// The price of matching: negative logarithm of the likelihood of the detection, up to a constant, under a Student
/// distribution around the expectation. The vaguer the expectation, the less likely any one detection, so that a track
/// lost for long does not take what belongs to one that is sure.
///
/// Along each axis the best of three explanations counts: the whole box is seen, only its left (upper) edge is where it
/// should be, or only its right (lower) one, the rest being hidden behind something.
pub(super) fn price(expected: &Expected, seen: &Measured) -> f64 {
    let hidden = (HIDDEN_EDGE_PRICE / (TAIL + 1.0)).exp();
    let axis = |off: f64, size: f64, seen_size: f64, variance: f64, log_off: f64, log_variance: f64| {
        let shrunk = (size - seen_size) / 2.0;
        let nearer_edge = (off.abs() - shrunk.abs()).abs();
        let edge_variance = variance + size * size * log_variance / 4.0;
        let whole = 1.0 + off * off / (TAIL * variance);
        let edge = hidden * (1.0 + nearer_edge * nearer_edge / (TAIL * edge_variance));
        whole.min(edge) * (1.0 + log_off * log_off / (TAIL * log_variance))
    };
    let at = &expected.at;
    let x = axis(
        seen.centre.0 - at.centre.0,
        at.size.0,
        seen.size.0,
        expected.centre_variance.0,
        seen.log_size.0 - at.log_size.0,
        expected.log_size_variance.0,
    );
    let y = axis(
        seen.centre.1 - at.centre.1,
        at.size.1,
        seen.size.1,
        expected.centre_variance.1,
        seen.log_size.1 - at.log_size.1,
        expected.log_size_variance.1,
    );
    (TAIL + 1.0) * (x * y).ln() + expected.vagueness
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::track::motion::Motion;
    use crate::vocab::Rect;

    /// A track of something that stands at (0.5, 0.5) and was seen for a second.
    fn standing() -> Motion {
        let bbox = Rect::from_centre(0.5, 0.5, 0.1, 0.3);
        let mut motion = Motion::new(&bbox);
        for _ in 0..10 {
            motion.predict(Duration::from_millis(100));
            motion.correct(&bbox);
        }
        motion
    }

    fn priced(motion: &Motion, cx: f32, cy: f32, w: f32, h: f32) -> f64 {
        price(&motion.expected(), &Measured::from(&Rect::from_centre(cx, cy, w, h)))
    }

    #[test]
    fn nearer_and_more_alike_is_cheaper() {
        let motion = standing();
        let here = priced(&motion, 0.5, 0.5, 0.1, 0.3);
        assert!(here < priced(&motion, 0.52, 0.5, 0.1, 0.3));
        assert!(priced(&motion, 0.52, 0.5, 0.1, 0.3) < priced(&motion, 0.54, 0.5, 0.1, 0.3));
        assert!(here < priced(&motion, 0.5, 0.5, 0.1, 0.25));
        assert!(here < LIMIT && priced(&motion, 0.7, 0.5, 0.1, 0.3) > LIMIT);
    }

    #[test]
    fn a_box_cut_off_at_one_edge_is_cheaper_than_one_moved_and_shrunk_elsewhere() {
        let motion = standing();
        let legs_hidden = priced(&motion, 0.5, 0.45, 0.1, 0.2);
        let elsewhere = priced(&motion, 0.5, 0.40, 0.1, 0.2);
        assert!(legs_hidden + 1.0 < elsewhere, "{legs_hidden} {elsewhere}");
        assert!(legs_hidden < LIMIT);
    }

    #[test]
    fn who_was_lost_for_long_pays_more_for_a_perfect_fit() {
        let sure = standing();
        let mut lost = sure;
        lost.predict(Duration::from_secs(1));
        assert!(priced(&sure, 0.5, 0.5, 0.1, 0.3) + 2.0 < priced(&lost, 0.5, 0.5, 0.1, 0.3));
    }
}
