//! SCRFD: faces, for each stride scores [cells * anchors, 1], distances [.., 4] and, in some files, keypoints [.., 10].
//!
//! Six or nine outputs are strides 8, 16 and 32 with two anchors per cell, ten or fifteen strides 8 to 128 with one. Names
//! are numbers and the batch may be missing, so outputs are known by their shapes. Sides are distances from the cell's
//! corner in strides, and so are points; scores are through a sigmoid already (deepinsight/insightface,
//! `python-package/insightface/model_zoo/scrfd.py`). Input: RGB, `(x - 127.5) / 128`, scaled into the upper left corner,
//! padding 0.

use crate::vocab::{Detection, FacePoints, Point, Rect};

use super::super::letterbox::{Fit, Order, Preprocess};
use super::grid::{self, Level};
use super::values::check_scores;
use super::{Decode, Family, Implausible, Kind, Ports, Reading, Tensor, candidate, data};

pub(super) const KIND: Kind = Kind {
    family: Family::Scrfd,
    name: "scrfd",
    shapes: "for each of three or five strides outputs [cells * anchors, 1], [cells * anchors, 4] and perhaps \
             [cells * anchors, 10]",
    usual: None,
    fits: reading,
};

const STRIDES: [u32; 5] = [8, 16, 32, 64, 128];

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    let (strides, anchors, has_keypoints) = match ports.outputs.len() {
        6 => (&STRIDES[..3], 2, false),
        9 => (&STRIDES[..3], 2, true),
        10 => (&STRIDES[..], 1, false),
        15 => (&STRIDES[..], 1, true),
        _ => return None,
    };
    let tables = ports.tables()?;
    let layer = |level: Level| {
        let rows = anchors * level.cells();
        let find = |columns: usize| tables.iter().find(|t| (t.rows, t.columns) == (rows, columns)).map(|t| t.at);
        let points = if has_keypoints { Some(find(10)?) } else { None };
        Some(Layer { level, scores: find(1)?, distances: find(4)?, points })
    };
    let layers = grid::levels(ports.width, ports.height, strides).into_iter().map(layer).collect::<Option<_>>()?;
    let preprocess = Preprocess { fit: Fit::TopLeft(0.0), order: Order::Rgb, mean: [127.5; 3], std: [128.0; 3] };
    Some(Reading::new(preprocess, Scrfd { layers, anchors, points: Vec::new() }).only("face"))
}

struct Scrfd {
    layers: Vec<Layer>,
    anchors: usize,
    /// Of the last candidates.
    points: Vec<(Rect, FacePoints)>,
}

/// Where the outputs of one stride stand.
struct Layer {
    level: Level,
    scores: usize,
    distances: usize,
    points: Option<usize>,
}

impl Decode for Scrfd {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        self.points.clear();
        for Layer { level, scores, distances, points } in &self.layers {
            let points = points.map_or(&[][..], |at| data(outputs, at).as_chunks::<10>().0);
            let stride = level.stride as f32;
            let rows = data(outputs, *scores).iter().zip(data(outputs, *distances).as_chunks::<4>().0);
            for (row, (&score, &[left, top, right, bottom])) in rows.enumerate().filter(|(_, (s, _))| **s >= threshold)
            {
                let cell = row / self.anchors;
                let (x, y) = ((cell % level.columns) as f32, (cell / level.columns) as f32);
                let bbox = Rect::new(x - left, y - top, x + right, y + bottom);
                let bbox = Rect::from(<[f32; 4]>::from(bbox).map(|edge| edge * stride));
                found.extend(candidate(0, score, bbox));
                if let Some(from) = points.get(row) {
                    let place = |at: usize| Point::new((x + from[2 * at]) * stride, (y + from[2 * at + 1]) * stride);
                    self.points.push((bbox, std::array::from_fn(place)));
                }
            }
        }
    }

    fn points(&self) -> Option<&[(Rect, FacePoints)]> {
        self.layers.iter().all(|layer| layer.points.is_some()).then_some(self.points.as_slice())
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_scores(outputs, self.layers.iter().flat_map(|layer| data(outputs, layer.scores).iter().copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoder(points: Option<usize>) -> Scrfd {
        let level = |stride, columns, rows| Level { stride, columns, rows };
        let layers = vec![
            Layer { level: level(8, 2, 2), scores: 0, distances: 1, points },
            Layer { level: level(16, 1, 1), scores: 3, distances: 4, points: points.map(|_| 5) },
        ];
        Scrfd { layers, anchors: 2, points: Vec::new() }
    }

    #[test]
    fn boxes_and_points_are_placed_by_the_cell_of_their_anchor_and_scaled_by_its_stride() {
        // Of the fine stride row 5, the second anchor of cell 2: column 0, row 1. Of the coarse one row 0.
        let mut fine_scores = [0.1f32; 8];
        fine_scores[5] = 0.9;
        let mut fine_distances = [0.0f32; 32];
        fine_distances[20..24].copy_from_slice(&[0.5, 0.25, 2.0, 3.0]);
        let mut fine_points = [0.0f32; 80];
        fine_points[50..60].copy_from_slice(&[0.25, 0.5, 1.25, 0.5, 0.75, 1.0, 0.25, 1.5, 1.25, -0.5]);
        let (coarse_scores, coarse_distances) = ([0.6f32, 0.2], [0.0f32, 0.0, 1.0, 0.5, 9.0, 9.0, 9.0, 9.0]);
        let coarse_points: Vec<f32> = (0..20).map(|at| at as f32 / 8.0).collect();
        let outputs: [&[f32]; 6] =
            [&fine_scores, &fine_distances, &fine_points, &coarse_scores, &coarse_distances, &coarse_points];
        let outputs = outputs.map(|data| Tensor { data });
        let (mut found, mut decoder) = (Vec::new(), decoder(Some(2)));
        decoder.decode(&outputs, 0.5, &mut found);
        let seen: Vec<_> = found.iter().map(|d| (d.score, <[f32; 4]>::from(d.bbox))).collect();
        assert_eq!(seen, [(0.9, [-4.0, 6.0, 16.0, 32.0]), (0.6, [0.0, 0.0, 16.0, 8.0])]);
        let [(fine, near), (coarse, far)] = decoder.points().unwrap() else { panic!("two faces have points") };
        assert_eq!((*fine, *coarse), (found[0].bbox, found[1].bbox));
        let expected = [[2.0, 12.0], [10.0, 12.0], [6.0, 16.0], [2.0, 20.0], [10.0, 4.0]];
        assert_eq!(*near, expected.map(Point::from));
        // Point i of the coarse stride is (2i, 2i + 1) eighths of 16 pixels from the corner of its cell.
        assert_eq!((far[0], far[4]), (Point::new(0.0, 2.0), Point::new(16.0, 18.0)));
        decoder.decode(&outputs, 0.95, &mut found);
        assert_eq!(decoder.points(), Some(&[][..]), "those of the last picture are gone");
    }

    #[test]
    fn a_file_without_keypoints_tells_none() {
        let outputs: [&[f32]; 5] = [&[0.9; 8], &[1.0; 32], &[], &[0.9; 2], &[1.0; 8]];
        let (mut found, mut decoder) = (Vec::new(), decoder(None));
        decoder.decode(&outputs.map(|data| Tensor { data }), 0.5, &mut found);
        assert_eq!((found.len(), decoder.points()), (10, None));
    }
}
