//! The points that belong to the detections of a look: of faces, and of bodies.
//!
//! A decoder tells them for every candidate. They are sought by the candidate's box for those that suppression has left, and
//! brought from the tensor to the picture.

use crate::vocab::{Detection, FacePoints, Trunk};

use super::families::{Decode, TrunkEnds};
use super::letterbox::Geometry;

/// What of them the last look found, in the order of its detections. Kept for its memory.
#[derive(Debug, Default)]
pub(super) struct Keypoints {
    /// Those of each face; empty where the model tells none.
    pub faces: Vec<FacePoints>,
    /// The trunk of each person; empty where the model tells none.
    pub trunks: Vec<Option<Trunk>>,
}

impl Keypoints {
    /// Takes those of `found` out of what `decoder` told. Their boxes are still in pixels of the tensor, in which a picture of
    /// `size` (width, height) lies as `geometry` says.
    pub(super) fn take(&mut self, decoder: &dyn Decode, found: &[Detection], geometry: &Geometry, size: (u32, u32)) {
        self.faces.clear();
        if let Some(pointed) = decoder.points() {
            let of = |detection: &Detection| pointed.iter().find(|(bbox, _)| *bbox == detection.bbox);
            let points = found.iter().filter_map(|detection| of(detection).map(|(_, points)| points));
            self.faces.extend(points.map(|points| points.map(|point| geometry.point_to_picture(point))));
        }
        self.trunks.clear();
        if let Some(told) = decoder.trunks() {
            let of = |detection: &Detection| told.iter().find(|(bbox, _)| *bbox == detection.bbox)?.1;
            let trunk = |ends: TrunkEnds| {
                let [shoulders, hips] = [ends.shoulders, ends.hips].map(|end| geometry.point_to_picture(end));
                Trunk::between(shoulders, hips, size, ends.confidence)
            };
            self.trunks.extend(found.iter().map(|detection| of(detection).and_then(trunk)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::families::{Implausible, Tensor};
    use crate::detect::letterbox::Fit;
    use crate::vocab::{Point, Rect};

    struct Told(Vec<(Rect, Option<TrunkEnds>)>);

    impl Decode for Told {
        fn decode(&mut self, _: &[Tensor<'_>], _: f32, _: &mut Vec<Detection>) {}

        fn trunks(&self) -> Option<&[(Rect, Option<TrunkEnds>)]> {
            Some(&self.0)
        }

        fn plausible(&mut self, _: &[Tensor<'_>]) -> Result<(), Implausible> {
            Ok(())
        }
    }

    fn ends(shoulders: (f32, f32), hips: (f32, f32)) -> TrunkEnds {
        let [shoulders, hips] = [shoulders, hips].map(|(x, y)| Point::new(x, y));
        TrunkEnds { shoulders, hips, confidence: 0.8 }
    }

    #[test]
    fn trunks_go_to_their_detections_with_the_angle_that_they_have_in_the_picture_however_it_lies_in_the_tensor() {
        let [left, right, gone] = [10.0, 300.0, 310.0].map(|x| Rect::new(x, 50.0, x + 80.0, 250.0));
        let seen = |bbox| Detection { class: 0, score: 0.9, bbox };
        // Three across and four down, in the tensor.
        let decoder = Told(vec![(gone, None), (right, Some(ends((130.0, 100.0), (100.0, 140.0)))), (left, None)]);
        let mut keypoints = Keypoints::default();
        for (size, fit, inclination) in [
            ((1920, 1080), Fit::Centre(114.0), (3.0f32 / 4.0).atan()),
            ((500, 1000), Fit::Centre(114.0), (3.0f32 / 4.0).atan()),
            ((1280, 640), Fit::Stretch, (6.0f32 / 4.0).atan()),
        ] {
            let geometry = Geometry::new(size, (640, 640), fit);
            keypoints.take(&decoder, &[seen(right), seen(left)], &geometry, size);
            let [Some(trunk), None] = keypoints.trunks[..] else { panic!("{:?}", keypoints.trunks) };
            assert!((trunk.inclination - inclination.to_degrees()).abs() < 0.2, "{size:?}: {trunk:?}");
            assert_eq!(trunk.confidence, 0.8);
        }
        keypoints.take(&Told(Vec::new()), &[], &Geometry::new((64, 64), (64, 64), Fit::Stretch), (64, 64));
        assert!(keypoints.trunks.is_empty() && keypoints.faces.is_empty());
    }
}
