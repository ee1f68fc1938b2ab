//! The points that belong to the detections of a look: of faces, and of bodies.
//!
//! A decoder tells them for every candidate. They are sought by the candidate's box for those that suppression has left, and
//! brought from the tensor to the picture.

use crate::vocab::{Detection, FacePoints, Rect, Trunk};

use super::families::{Decode, TrunkEnds};
use super::letterbox::Geometry;

/// Takes the five points of each face in `found` out of what `decoder` told, in their order, into `faces`, which is emptied
/// first. The boxes are still in pixels of the tensor, in which the picture lies as `geometry` says.
pub(super) fn take_faces(decoder: &dyn Decode, found: &[Detection], geometry: &Geometry, faces: &mut Vec<FacePoints>) {
    faces.clear();
    let told = decoder.points().unwrap_or_default();
    let points = found.iter().filter_map(|detection| of(told, &detection.bbox));
    faces.extend(points.map(|points| points.map(|point| geometry.point_to_picture(point))));
}

/// Gives each person in `found` the trunk that `decoder` told. The boxes are still in pixels of the tensor, in which a picture
/// of `size` (width, height) lies as `geometry` says.
pub(super) fn take_trunks(decoder: &dyn Decode, found: &mut [Detection], geometry: &Geometry, size: (u32, u32)) {
    let Some(told) = decoder.trunks() else { return };
    let trunk = |ends: TrunkEnds| {
        let [shoulders, hips] = [ends.shoulders, ends.hips].map(|end| geometry.point_to_picture(end));
        Trunk::between(shoulders, hips, size)
    };
    for detection in found {
        detection.trunk = of(told, &detection.bbox).flatten().and_then(trunk);
    }
}

/// What was told of the candidate with this box.
fn of<T: Copy>(told: &[(Rect, T)], bbox: &Rect) -> Option<T> {
    told.iter().find(|(of, _)| of == bbox).map(|(_, points)| *points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::families::{Implausible, Tensor};
    use crate::detect::letterbox::Fit;
    use crate::vocab::{Point, Rect};

    #[derive(Default)]
    struct Told {
        trunks: Vec<(Rect, Option<TrunkEnds>)>,
        faces: Vec<(Rect, FacePoints)>,
    }

    impl Decode for Told {
        fn decode(&mut self, _: &[Tensor<'_>], _: f32, _: &mut Vec<Detection>) {}

        fn trunks(&self) -> Option<&[(Rect, Option<TrunkEnds>)]> {
            Some(&self.trunks)
        }

        fn points(&self) -> Option<&[(Rect, FacePoints)]> {
            Some(&self.faces)
        }

        fn plausible(&mut self, _: &[Tensor<'_>]) -> Result<(), Implausible> {
            Ok(())
        }
    }

    fn ends(shoulders: (f32, f32), hips: (f32, f32)) -> TrunkEnds {
        let [shoulders, hips] = [shoulders, hips].map(|(x, y)| Point::new(x, y));
        TrunkEnds { shoulders, hips }
    }

    #[test]
    fn trunks_go_to_their_detections_with_the_angle_that_they_have_in_the_picture_however_it_lies_in_the_tensor() {
        let [left, right, gone] = [10.0, 300.0, 310.0].map(|x| Rect::new(x, 50.0, x + 80.0, 250.0));
        let seen = |bbox| Detection::new(0, 0.9, bbox);
        // Three across and four down, in the tensor.
        let trunks = vec![(gone, None), (right, Some(ends((130.0, 100.0), (100.0, 140.0)))), (left, None)];
        let decoder = Told { trunks, ..Told::default() };
        for (size, fit, inclination) in [
            ((1920, 1080), Fit::Centre(114.0), (3.0f32 / 4.0).atan()),
            ((500, 1000), Fit::Centre(114.0), (3.0f32 / 4.0).atan()),
            ((1280, 640), Fit::Stretch, (6.0f32 / 4.0).atan()),
        ] {
            let geometry = Geometry::new(size, (640, 640), fit);
            let mut found = [seen(right), seen(left)];
            take_trunks(&decoder, &mut found, &geometry, size);
            let [Some(trunk), None] = found.map(|detection| detection.trunk) else { panic!("{found:?}") };
            assert!((trunk.inclination - inclination.to_degrees()).abs() < 0.2, "{size:?}: {trunk:?}");
        }
    }
    #[test]
    fn a_look_has_the_points_of_its_own_faces_and_none_of_the_look_before() {
        let [left, right] = [10.0, 300.0].map(|x| Rect::new(x, 50.0, x + 80.0, 130.0));
        let points = |bbox: Rect| [Point::new(bbox.x1 + 20.0, bbox.y1 + 30.0); 5];
        let decoder = Told { faces: vec![(left, points(left)), (right, points(right))], ..Told::default() };
        let geometry = Geometry::new((1280, 1280), (640, 640), Fit::Stretch);
        let mut faces = Vec::new();
        take_faces(&decoder, &[right, left].map(|bbox| Detection::new(0, 0.9, bbox)), &geometry, &mut faces);
        assert_eq!(
            faces,
            [right, left].map(|bbox| points(bbox).map(|point| Point::new(point.x / 640.0, point.y / 640.0)))
        );
        take_faces(&Told::default(), &[], &geometry, &mut faces);
        assert_eq!(faces, [] as [FacePoints; 0]);
    }
}
