//! The trunk out of the keypoints of a person.
//!
//! Of COCO's 17 keypoints four make the trunk: both shoulders, 5 and 6, and both hips, 11 and 12 (Lin et al. 2014, *Microsoft
//! COCO*; the order is that of `person_keypoints`). Each is x and y in pixels of the input, and in most models its visibility,
//! 0..1. Other keypoints, such as those of hands or animals, have no trunk.

use crate::vocab::Point;

/// How many keypoints COCO has.
const COCO: usize = 17;
const SHOULDERS: [usize; 2] = [5, 6];
const HIPS: [usize; 2] = [11, 12];
/// A point that is less certain than this is none.
const SURE: f32 = 0.5;
/// A trunk shorter than this, in pixels of the input, points anywhere.
const SHORTEST: f32 = 4.0;

/// The middle of the shoulders and that of the hips, in pixels of the model's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::detect) struct TrunkEnds {
    pub(in crate::detect) shoulders: Point,
    pub(in crate::detect) hips: Point,
}

/// How the keypoints of a person are laid out: so many values for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Body {
    values: usize,
}

impl Body {
    /// For so many keypoints of so many values; none where these are not COCO's.
    pub(super) fn of((keypoints, values): (usize, usize)) -> Option<Self> {
        (keypoints == COCO && matches!(values, 2 | 3)).then_some(Self { values })
    }

    /// The trunk of a person, where all four points are certain. `value` tells each value of the keypoints, counted from 0;
    /// where they have no visibility they are as certain as the person is, `score`.
    pub(super) fn trunk(self, score: f32, value: impl Fn(usize) -> f32) -> Option<TrunkEnds> {
        let point = |keypoint: usize| {
            let at = keypoint * self.values;
            (Point::new(value(at), value(at + 1)), if self.values == 3 { value(at + 2) } else { score })
        };
        let middle = |pair: [usize; 2]| {
            let [(a, sure_of_a), (b, sure_of_b)] = pair.map(point);
            (Point::new((a.x + b.x) / 2.0, (a.y + b.y) / 2.0), [sure_of_a, sure_of_b])
        };
        let ((shoulders, upper), (hips, lower)) = (middle(SHOULDERS), middle(HIPS));
        // A confidence that is no number is none either.
        let are_sure = upper.iter().chain(&lower).all(|confidence| *confidence >= SURE);
        let length = (shoulders.x - hips.x).hypot(shoulders.y - hips.y);
        (are_sure && length.is_finite() && length >= SHORTEST).then_some(TrunkEnds { shoulders, hips })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 17 keypoints, of which those of the trunk lie at (10 k, 20 k) and are so certain.
    fn keypoints(values: usize, confidence: f32) -> Vec<f32> {
        (0..COCO).flat_map(|k| [10.0 * k as f32, 20.0 * k as f32, confidence].into_iter().take(values)).collect()
    }

    #[test]
    fn the_trunk_lies_between_the_middles_of_shoulders_and_hips() {
        for values in [3, 2] {
            let points = keypoints(values, 0.8);
            let found = Body::of((COCO, values)).unwrap().trunk(0.9, |at| points[at]);
            let expected = TrunkEnds { shoulders: Point::new(55.0, 110.0), hips: Point::new(115.0, 230.0) };
            assert_eq!(found, Some(expected));
        }
    }

    #[test]
    fn one_point_that_is_not_seen_and_points_that_fall_together_make_none() {
        let body = Body::of((COCO, 3)).unwrap();
        for keypoint in SHOULDERS.into_iter().chain(HIPS) {
            for confidence in [0.49, 0.0, f32::NAN] {
                let mut points = keypoints(3, 0.8);
                points[3 * keypoint + 2] = confidence;
                assert_eq!(body.trunk(0.9, |at| points[at]), None, "{keypoint}: {confidence}");
            }
        }
        let mut points = keypoints(3, 0.8);
        points[..3].fill(0.0);
        assert!(body.trunk(0.9, |at| points[at]).is_some(), "a nose that is not seen is no trunk's");
        assert_eq!(body.trunk(0.9, |at| if at % 3 == 2 { 0.9 } else { 50.0 }), None);
        assert_eq!(body.trunk(0.9, |at| if at % 3 == 2 { 0.9 } else { f32::NAN }), None);
    }

    #[test]
    fn only_cocos_keypoints_have_a_trunk() {
        assert!(Body::of((17, 3)).is_some() && Body::of((17, 2)).is_some());
        assert!([(21, 3), (5, 2), (17, 1), (17, 4), (3, 17)].into_iter().all(|shape| Body::of(shape).is_none()));
    }
}
