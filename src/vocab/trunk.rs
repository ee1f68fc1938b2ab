//! How the trunk of a body stands in a picture.

use super::Point;

/// The way from the middle of somebody's hips to the middle of his shoulders, as a picture of square pixels shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trunk {
    /// How far from upright it is, in degrees, 0..180: 0 upright, 90 lying, more with the head down. To which side is not told.
    pub inclination: f32,
    /// How long it is, in heights of the picture; above 0. Less than it was where it has turned to the camera or away from it.
    pub length: f32,
}

impl Trunk {
    /// The trunk between two points of a picture of `size` (width, height) in pixels, normalised as all points are. The angle is
    /// that of the pixels: normalised, the two axes have different scales. None where the points are one, or no numbers.
    pub fn between(shoulders: Point, hips: Point, size: (u32, u32)) -> Option<Self> {
        let (width, height) = (size.0 as f32, size.1 as f32);
        let (across, up) = ((shoulders.x - hips.x) * width, (hips.y - shoulders.y) * height);
        let length = across.hypot(up) / height;
        let inclination = across.abs().atan2(up).to_degrees();
        (length.is_finite() && length > 0.0).then_some(Self { inclination, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inclination(shoulders: (f32, f32), hips: (f32, f32), size: (u32, u32)) -> f32 {
        let point = |(x, y): (f32, f32)| Point::new(x / size.0 as f32, y / size.1 as f32);
        Trunk::between(point(shoulders), point(hips), size).unwrap().inclination
    }

    #[test]
    fn upright_lying_and_head_down_are_told_in_pixels_whatever_the_shape_of_the_picture() {
        for size in [(1920, 1080), (1080, 1920), (640, 640)] {
            for (shoulders, expected) in [
                ((300.0, 200.0), 0.0),
                ((400.0, 200.0), 45.0),
                ((200.0, 200.0), 45.0),
                ((400.0, 300.0), 90.0),
                ((400.0, 400.0), 135.0),
                ((300.0, 400.0), 180.0),
            ] {
                let found = inclination(shoulders, (300.0, 300.0), size);
                assert!((found - expected).abs() < 0.01, "{shoulders:?} in {size:?}: {found}");
            }
        }
        let trunk = Trunk::between(Point::new(0.5, 0.25), Point::new(0.5, 0.5), (1920, 1080)).unwrap();
        assert_eq!(trunk, Trunk { inclination: 0.0, length: 0.25 });
    }

    #[test]
    fn two_points_that_are_one_or_no_numbers_make_no_trunk() {
        let at = |x: f32| Trunk::between(Point::new(x, 0.5), Point::new(0.5, 0.5), (640, 360));
        assert!(at(0.5).is_none() && at(f32::NAN).is_none() && at(f32::INFINITY).is_none() && at(0.6).is_some());
        assert!(Trunk::between(Point::new(0.1, 0.1), Point::new(0.2, 0.2), (0, 0)).is_none());
    }

    proptest! {
        #[test]
        fn it_lies_in_half_a_circle_and_a_mirror_changes_nothing(
            points in prop::array::uniform4(-1.0f32..2.0), width in 1u32..4000, height in 1u32..4000,
        ) {
            let [x1, y1, x2, y2] = points;
            let told = |x1: f32, x2: f32| Trunk::between(Point::new(x1, y1), Point::new(x2, y2), (width, height));
            let (Some(trunk), Some(mirrored)) = (told(x1, x2), told(-x1, -x2)) else { return Ok(()) };
            prop_assert!((0.0..=180.0).contains(&trunk.inclination));
            prop_assert_eq!(trunk, mirrored);
        }
    }
}
