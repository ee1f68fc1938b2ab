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
