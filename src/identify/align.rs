//! Where an aligned face lies in a picture: the similarity that brings its five points closest to those of a template.
//!
//! The template is ArcFace's for 112 by 112 pixels (deepinsight/insightface, `python-package/insightface/utils/
//! face_align.py`, `arcface_dst`), which SFace and MobileFaceNet are trained with too. The similarity (a turn, a scale and a
//! shift; never a mirror) is the one of least squares, for which two dimensions have a closed form (S. Umeyama, "Least-squares
//! estimation of transformation parameters between two point patterns", PAMI 13, 1991).

use crate::detect::letterbox::Affine;
use crate::vocab::{FacePoints, Point, Rect};

/// Pixels across and down of an aligned face.
pub const FACE_SIDE: u32 = 112;

/// Eyes, nose and corners of the mouth of an aligned face, in pixels.
const TEMPLATE: [[f32; 2]; 5] =
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];

/// Where the pixels of the aligned face lie, for points in pixels of the picture. `None` where they lie on one spot or are
/// no numbers.
pub fn face_map(points: &FacePoints) -> Option<Affine> {
    let template = TEMPLATE.map(|[x, y]| Point::new(x, y));
    let (from, to) = (mean(points), mean(&template));
    let (mut along, mut across, mut spread) = (0.0f64, 0.0f64, 0.0f64);
    for (point, target) in points.iter().zip(&template) {
        let (x, y) = (f64::from(point.x) - from.0, f64::from(point.y) - from.1);
        let (u, v) = (f64::from(target.x) - to.0, f64::from(target.y) - to.1);
        along += x * u + y * v;
        across += x * v - y * u;
        spread += x * x + y * y;
    }
    // From picture to template it is [along, -across; across, along] / spread; this is the way back.
    let length = along * along + across * across;
    if !(length.is_finite() && spread > 0.0 && length > 1e-9) {
        return None;
    }
    let (a, b) = (along * spread / length, across * spread / length);
    let x = [a, b, from.0 - a * to.0 - b * to.1].map(|value| value as f32);
    let y = [-b, a, from.1 + b * to.0 - a * to.1].map(|value| value as f32);
    Some(Affine { x, y })
}

/// Where the pixels of a tensor of `size` lie, for a box in pixels of the picture that fills it.
pub fn rect_map(bbox: &Rect, size: (u32, u32)) -> Affine {
    let (across, down) = (bbox.width() / size.0.max(1) as f32, bbox.height() / size.1.max(1) as f32);
    // Centres of pixels fall on centres of pixels.
    let x = [across, 0.0, bbox.x1 + across / 2.0 - 0.5];
    let y = [0.0, down, bbox.y1 + down / 2.0 - 0.5];
    Affine { x, y }
}

fn mean(points: &FacePoints) -> (f64, f64) {
    let count = points.len() as f64;
    let sum = points.iter().fold((0.0, 0.0), |(x, y), p| (x + f64::from(p.x), y + f64::from(p.y)));
    (sum.0 / count, sum.1 / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_face_that_is_the_template_is_taken_as_it_is() {
        let map = face_map(&TEMPLATE.map(|[x, y]| Point::new(x, y))).unwrap();
        let (x, y) = map.at(30.0, 70.0);
        assert!((x - 30.0).abs() < 1e-3 && (y - 70.0).abs() < 1e-3, "{x} {y}");
    }

    #[test]
    fn points_on_one_spot_or_without_numbers_are_no_face() {
        assert_eq!(face_map(&[Point::new(3.0, 4.0); 5]), None);
        assert_eq!(face_map(&[Point::new(f32::NAN, 4.0); 5]), None);
    }

    #[test]
    fn a_box_fills_the_tensor() {
        let map = rect_map(&Rect::new(10.0, 20.0, 138.0, 276.0), (128, 256));
        assert_eq!((map.at(0.0, 0.0), map.at(127.0, 255.0)), ((10.0, 20.0), (137.0, 275.0)));
    }

    proptest! {
        #[test]
        fn a_face_is_found_however_it_is_turned_scaled_and_moved(
            turn in -3.1f32..3.1, scale in 0.1f32..12.0, x in -200.0f32..2000.0, y in -200.0f32..2000.0,
        ) {
            let (sin, cos) = turn.sin_cos();
            let moved = |[u, v]: [f32; 2]| {
                Point::new(scale * (cos * u - sin * v) + x, scale * (sin * u + cos * v) + y)
            };
            let points = TEMPLATE.map(moved);
            let map = face_map(&points).unwrap();
            for (template, point) in TEMPLATE.iter().zip(&points) {
                let (found_x, found_y) = map.at(template[0], template[1]);
                let off = (found_x - point.x).hypot(found_y - point.y);
                prop_assert!(off < 0.01 * scale + 0.01, "{off}");
            }
        }

        #[test]
        fn no_other_similarity_comes_closer(
            jitter in proptest::array::uniform10(-9.0f32..9.0), other in -0.2f32..0.2, shift in -3.0f32..3.0,
        ) {
            let at = |i: usize| Point::new(TEMPLATE[i][0] * 2.0 + jitter[2 * i], TEMPLATE[i][1] * 2.0 + jitter[2 * i + 1]);
            let points: FacePoints = std::array::from_fn(at);
            let map = face_map(&points).unwrap();
            // How far the template's points lie from the aligned ones, on the template's scale.
            let miss = |map: &Affine| {
                let [a, b, c] = map.x.map(f64::from);
                let [d, e, f] = map.y.map(f64::from);
                let det = a * e - b * d;
                points.iter().zip(&TEMPLATE).map(|(point, target)| {
                    let (x, y) = (f64::from(point.x) - c, f64::from(point.y) - f);
                    let (u, v) = ((e * x - b * y) / det, (a * y - d * x) / det);
                    (u - f64::from(target[0])).powi(2) + (v - f64::from(target[1])).powi(2)
                }).sum::<f64>()
            };
            let (sin, cos) = other.sin_cos();
            let turned = Affine {
                x: [map.x[0] * cos - map.y[0] * sin, map.x[1] * cos - map.y[1] * sin, map.x[2] + shift],
                y: [map.x[0] * sin + map.y[0] * cos, map.x[1] * sin + map.y[1] * cos, map.y[2]],
            };
            prop_assert!(miss(&map) <= miss(&turned) + 1e-2);
        }
    }
}
