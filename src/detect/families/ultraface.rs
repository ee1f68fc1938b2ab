//! UltraFace and other SSDs with two outputs: scores [1, boxes, classes] and boxes [1, boxes, 4].
//!
//! Column 0 of the scores is the background. Boxes are normalised corners, or, in files called
//! `_without_postprocessing`, offsets from priors with the same name and shape; the values decide which. Input: RGB,
//! `(x - 127) / 128`, stretched (Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB, `vision/ssd/config/fd_config.py` and
//! `vision/utils/box_utils.py` for priors and variances).

use crate::vocab::{Detection, Rect};

use super::super::letterbox::{Fit, Order, Preprocess};
use super::values::{check_scores, form, share};
use super::{Decode, Evidence, Family, Implausible, Kind, Ports, Reading, Tensor, candidate, data};

pub(super) const DECODED: Kind = Kind {
    family: Family::Ultraface,
    name: "ultraface",
    usual: None,
    shapes: "outputs [1, boxes, 1 + classes] and [1, boxes, 4] with normalised boxes",
    fits: |ports| reading(ports, false),
};

pub(super) const RAW: Kind = Kind {
    family: Family::UltrafaceRaw,
    name: "ultraface-raw",
    usual: None,
    shapes: "outputs [1, boxes, 2] and [1, boxes, 4] with offsets from UltraFace's priors",
    fits: |ports| reading(ports, true),
};

/// Strides and box sizes in pixels of each layer.
const LAYERS: [(u32, &[f32]); 4] =
    [(8, &[10.0, 16.0, 24.0]), (16, &[32.0, 48.0]), (32, &[64.0, 96.0]), (64, &[128.0, 192.0, 256.0])];
const CENTRE_VARIANCE: f32 = 0.1;
const SIZE_VARIANCE: f32 = 0.2;

fn reading(ports: &Ports<'_>, is_raw: bool) -> Option<Reading> {
    let (scores, boxes) = ports.scores_and_boxes()?;
    if scores.columns < 2 {
        return None;
    }
    let priors = if is_raw { priors(ports.width, ports.height) } else { Vec::new() };
    if is_raw && (scores.columns != 2 || priors.len() != boxes.rows) {
        return None;
    }
    let size = (ports.width as f32, ports.height as f32);
    let preprocess = Preprocess { fit: Fit::Stretch, order: Order::Rgb, mean: [127.0; 3], std: [128.0; 3] };
    let decoder = Ultraface { is_raw, boxes_at: boxes.at, scores_at: scores.at, columns: scores.columns, size, priors };
    let reading = Reading::new(preprocess, decoder).classes(scores.columns - 1);
    let reading = if scores.columns == 2 { reading.only("face") } else { reading };
    Some(reading.if_by(ports.named("scores") == Some(scores.at) && ports.named("boxes").is_some(), Evidence::Names))
}

/// The prior boxes as normalised `cx cy w h`.
fn priors(width: u32, height: u32) -> Vec<[f32; 4]> {
    let (w, h) = (width as f32, height as f32);
    let mut priors = Vec::new();
    for (stride, sizes) in LAYERS {
        // Cells share the picture evenly, also where the stride does not divide it.
        let (columns, rows) = (width.div_ceil(stride), height.div_ceil(stride));
        for row in 0..rows {
            for column in 0..columns {
                let (cx, cy) = ((column as f32 + 0.5) / columns as f32, (row as f32 + 0.5) / rows as f32);
                priors.extend(sizes.iter().map(|size| [cx, cy, size / w, size / h].map(|v| v.clamp(0.0, 1.0))));
            }
        }
    }
    priors
}

struct Ultraface {
    is_raw: bool,
    boxes_at: usize,
    scores_at: usize,
    columns: usize,
    /// Width and height of the input.
    size: (f32, f32),
    priors: Vec<[f32; 4]>,
}

impl Ultraface {
    /// The box of row `index`, in pixels of the input.
    fn bbox(&self, row: &[f32], index: usize) -> Rect {
        let normalised = match self.priors.get(index) {
            Some([cx, cy, w, h]) if self.is_raw => Rect::from_centre(
                row[0] * CENTRE_VARIANCE * w + cx,
                row[1] * CENTRE_VARIANCE * h + cy,
                (row[2] * SIZE_VARIANCE).exp() * w,
                (row[3] * SIZE_VARIANCE).exp() * h,
            ),
            _ => Rect::new(row[0], row[1], row[2], row[3]),
        };
        let (w, h) = self.size;
        Rect::new(normalised.x1 * w, normalised.y1 * h, normalised.x2 * w, normalised.y2 * h)
    }
}

impl Decode for Ultraface {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        let scores = data(outputs, self.scores_at).chunks_exact(self.columns);
        let rows = scores.zip(data(outputs, self.boxes_at).chunks_exact(4));
        for (index, (scores, row)) in rows.enumerate() {
            for (class, &score) in scores[1..].iter().enumerate().filter(|(_, score)| **score >= threshold) {
                found.extend(candidate(class, score, self.bbox(row, index)));
            }
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        let rows = data(outputs, self.scores_at).chunks_exact(self.columns);
        check_scores(outputs, rows.flat_map(|row| row[1..].iter().copied()))?;
        // Decoded corners are ordered and near the picture. Offsets are neither; about one in four is ordered by chance.
        let is_corners =
            |row: &[f32]| row[0] <= row[2] && row[1] <= row[3] && row.iter().all(|edge| (-2.0..=3.0).contains(edge));
        let corners = share(data(outputs, self.boxes_at).chunks_exact(4).map(is_corners));
        form(if self.is_raw { corners < 0.8 } else { corners > 0.98 }, || {
            format!("{:.0} % of the boxes are ordered, normalised corners", corners * 100.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_priors_are_as_many_as_the_file_has_boxes() {
        assert_eq!(priors(320, 240).len(), 4420);
        assert_eq!(priors(640, 480).len(), 17_640);
        assert_eq!(priors(320, 240)[0], [4.0 / 320.0, 4.0 / 240.0, 10.0 / 320.0, 10.0 / 240.0]);
    }

    #[test]
    fn corners_are_taken_as_they_are_and_offsets_from_their_prior() {
        let scores = [0.9, 0.1, 0.2, 0.8];
        let corners = [0.0, 0.0, 0.1, 0.1, 0.25, 0.5, 0.5, 0.75];
        let ultraface =
            |is_raw, priors| Ultraface { is_raw, boxes_at: 1, scores_at: 0, columns: 2, size: (320.0, 240.0), priors };
        let mut found = Vec::new();
        ultraface(false, Vec::new()).decode(&[Tensor { data: &scores }, Tensor { data: &corners }], 0.5, &mut found);
        assert_eq!(found, [Detection::new(0, 0.8, Rect::new(80.0, 120.0, 160.0, 180.0))]);

        found.clear();
        let priors = vec![[0.5, 0.5, 0.1, 0.2]; 2];
        ultraface(true, priors).decode(&[Tensor { data: &scores }, Tensor { data: &[0.0; 8] }], 0.5, &mut found);
        let expected = Rect::from_centre(160.0, 120.0, 32.0, 48.0);
        assert!(found[0].bbox.iou(&expected) > 0.999);
    }
}
