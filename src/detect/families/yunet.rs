//! YuNet: faces on strides 8, 16 and 32; for each a class score, an objectness, a box and five keypoints per cell.
//!
//! `score = sqrt(class * objectness)`, both cut to 0..1, `cx = (column + x) * stride`, `w = exp(w) * stride`
//! (opencv/opencv, `modules/objdetect/src/face_detect.cpp`, `postProcess`). Which of the two single columns of a stride is
//! which does not matter to the product, so the outputs are known by shape alone. A point is `(column + x) * stride`; the eye
//! on the left of the picture comes first. Input: BGR, 0..255, scaled into the upper left corner, padding 0; it sees faces of about 10 to 300 pixels of the input. Files with
//! an open size are run at 640 by 384, which fits cameras; with `input: [320, 192]` they miss far faces and are four times
//! as fast.

use crate::vocab::{Detection, FacePoints, Point, Rect};

use super::super::letterbox::{Fit, Order, Preprocess};
use super::grid::{self, Level, STRIDES};
use super::values::{check_finite, check_scores};
use super::{Decode, Evidence, Family, Implausible, Kind, Ports, Reading, Tensor, candidate, data};

pub(super) const KIND: Kind = Kind {
    family: Family::Yunet,
    name: "yunet",
    shapes: "for strides 8, 16 and 32 two outputs [1, cells, 1], one [1, cells, 4] and one [1, cells, 10]",
    usual: Some(super::Usual { outputs: &["cls_8", "obj_8", "bbox_8", "kps_8"], size: (640, 384) }),
    fits: reading,
};

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    let mut tables = ports.tables()?;
    let layer = |level: Level| {
        let mut take = |columns: usize| {
            let at = tables.iter().position(|t| (t.rows, t.columns) == (level.cells(), columns))?;
            Some(tables.swap_remove(at).at)
        };
        Some(Layer { scores: [take(1)?, take(1)?], boxes: take(4)?, points: take(10)?, level })
    };
    let layers: Vec<Layer> =
        grid::levels(ports.width, ports.height, &STRIDES).into_iter().map(layer).collect::<Option<_>>()?;
    if !tables.is_empty() {
        return None;
    }
    let preprocess = Preprocess { fit: Fit::TopLeft(0.0), order: Order::Bgr, mean: [0.0; 3], std: [1.0; 3] };
    let is_named = ports.named("cls_8").is_some() && ports.named("obj_8").is_some();
    Some(Reading::new(preprocess, Yunet { layers, points: Vec::new() }).only("face").if_by(is_named, Evidence::Names))
}

struct Yunet {
    layers: Vec<Layer>,
    /// Of the last candidates.
    points: Vec<(Rect, FacePoints)>,
}

/// Where the outputs of one stride stand.
struct Layer {
    level: Level,
    /// Class score and objectness, in either order.
    scores: [usize; 2],
    boxes: usize,
    points: usize,
}

impl Decode for Yunet {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        self.points.clear();
        for Layer { level, scores, boxes, points } in &self.layers {
            let stride = level.stride as f32;
            let scores = data(outputs, scores[0]).iter().zip(data(outputs, scores[1]));
            let points = data(outputs, *points).as_chunks::<10>().0;
            let cells = scores.zip(data(outputs, *boxes).as_chunks::<4>().0).zip(points).take(level.cells());
            for (cell, (((a, b), [x, y, w, h]), points)) in cells.enumerate() {
                let score = (a.clamp(0.0, 1.0) * b.clamp(0.0, 1.0)).sqrt();
                if score >= threshold {
                    let (column, row) = ((cell % level.columns) as f32, (cell / level.columns) as f32);
                    let (cx, cy) = ((column + x) * stride, (row + y) * stride);
                    let bbox = Rect::from_centre(cx, cy, w.exp() * stride, h.exp() * stride);
                    found.extend(candidate(0, score, bbox));
                    let place =
                        |at: usize| Point::new((column + points[2 * at]) * stride, (row + points[2 * at + 1]) * stride);
                    self.points.push((bbox, std::array::from_fn(place)));
                }
            }
        }
    }

    fn points(&self) -> Option<&[(Rect, FacePoints)]> {
        Some(&self.points)
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_finite(outputs)?;
        let all = self.layers.iter().flat_map(|layer| layer.scores);
        check_scores(&[], all.flat_map(|at| data(outputs, at).iter().copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_is_placed_by_its_cell_and_sized_by_the_exponential() {
        let level = Level { stride: 8, columns: 2, rows: 1 };
        let layers = vec![Layer { level, scores: [0, 1], boxes: 2, points: 3 }];
        let mut decoder = Yunet { layers, points: Vec::new() };
        let points: Vec<f32> = (0..20).map(|at| at as f32 / 4.0).collect();
        let outputs: [&[f32]; 4] =
            [&[0.0, 0.81], &[0.9, 1.2], &[0.0, 0.0, 0.0, 0.0, 0.5, 0.25, 3f32.ln(), 0.0], &points];
        let mut found = Vec::new();
        decoder.decode(&outputs.map(|data| Tensor { data }), 0.5, &mut found);
        assert_eq!((found.len(), found[0].score), (1, 0.9));
        assert!(found[0].bbox.iou(&Rect::from_centre(12.0, 2.0, 24.0, 8.0)) > 0.999);
        let [(bbox, points)] = decoder.points().unwrap() else { panic!("one face has points") };
        assert_eq!(*bbox, found[0].bbox);
        // Cell 1 of stride 8: its points are 2.5, 2.75, … strides from it.
        assert_eq!((points[0], points[4]), (Point::new(28.0, 22.0), Point::new(44.0, 38.0)));
    }
}
