//! CenterNet and CenterFace: heat maps of a quarter of the input whose peaks are the middles of objects.
//!
//! CenterNet has `hm` [1, classes, rows, columns], `wh` [1, 2, …] and `reg` [1, 2, …]: `cx = (column + x) * 4`, `w = w * 4`,
//! and a peak is at least as high as its eight neighbours (xingyizhou/CenterNet, `src/lib/models/decode.py`, `ctdet_decode`;
//! the heat is a logit in most files, which the values tell). Input: BGR with its own mean and deviation, scaled into the
//! middle, padding 0.
//!
//! CenterFace has a heat map [1, 1, rows, columns] through a sigmoid, [1, 2, …] logarithms of height and width, [1, 2, …]
//! offsets of y and x, and [1, 10, …] keypoints, which are not read: `cx = (column + x + 0.5) * 4`, `w = exp(w) * 4`
//! (Star-Clouds/CenterFace, `prj-python/centerface.py`). Input: RGB, 0..255, stretched; sides are multiples of 32.

use crate::vocab::{Detection, Rect};

use super::super::letterbox::{Fit, Order, Preprocess};
use super::ports::Map;
use super::values::{check_finite, check_scores, form, is_score, logit, mean, sigmoid};
use super::{Decode, Evidence, Family, Implausible, Kind, Ports, Reading, Tensor, candidate, data};

pub(super) const NET: Kind = Kind {
    family: Family::Centernet,
    name: "centernet",
    shapes: "outputs hm [1, classes, rows, columns], wh and reg [1, 2, rows, columns] of a quarter of the input",
    usual: Some(super::Usual { outputs: &["hm", "wh", "reg"], size: (512, 512) }),
    fits: net,
};

pub(super) const FACE: Kind = Kind {
    family: Family::Centerface,
    name: "centerface",
    shapes: "outputs [1, 1, rows, columns], two [1, 2, rows, columns] and [1, 10, rows, columns] of a quarter of the input",
    usual: None,
    fits: face,
};

/// Pixels of the input per cell.
const STRIDE: f32 = 4.0;

/// CenterNet's mean and deviation (`src/lib/datasets/dataset/coco.py`), in the order BGR, on the scale 0..255.
const MEAN: [f32; 3] = [0.408 * 255.0, 0.447 * 255.0, 0.470 * 255.0];
const STD: [f32; 3] = [0.289 * 255.0, 0.274 * 255.0, 0.278 * 255.0];

/// Every output as a map, if all are of a quarter of the input.
fn quarter_maps(ports: &Ports<'_>) -> Option<Vec<Map>> {
    let size = (ports.height.div_ceil(4) as usize, ports.width.div_ceil(4) as usize);
    ports.maps().filter(|maps| maps.iter().all(|map| (map.rows, map.columns) == size))
}

fn net(ports: &Ports<'_>) -> Option<Reading> {
    let maps = quarter_maps(ports)?;
    let [first, second, third] = *maps.as_slice() else { return None };
    let is_named = ["hm", "wh", "reg"].iter().all(|name| ports.named(name).is_some());
    let [heat, sizes, offsets] = if is_named {
        ["hm", "wh", "reg"].map(|name| maps[ports.named(name).unwrap_or_default()])
    } else {
        [first, second, third]
    };
    if heat.channels == 0 || sizes.channels != 2 || offsets.channels != 2 {
        return None;
    }
    let preprocess = Preprocess { fit: Fit::Centre(0.0), order: Order::Bgr, mean: MEAN, std: STD };
    let decoder = HeatMap { is_face: false, is_logits: true, heat, sizes: sizes.at, offsets: offsets.at };
    let reading = Reading::new(preprocess, decoder).classes(heat.channels).names_of(ports.facts);
    Some(reading.if_by(is_named, Evidence::Names))
}

fn face(ports: &Ports<'_>) -> Option<Reading> {
    let maps = quarter_maps(ports)?;
    let [_, _, _, _] = maps.as_slice() else { return None };
    let heat = *maps.iter().find(|map| map.channels == 1)?;
    maps.iter().find(|map| map.channels == 10)?;
    // Sizes come before offsets in every export.
    let mut pairs = maps.iter().filter(|map| map.channels == 2);
    let (sizes, offsets) = (pairs.next()?.at, pairs.next()?.at);
    let preprocess = Preprocess { fit: Fit::Stretch, order: Order::Rgb, mean: [0.0; 3], std: [1.0; 3] };
    let decoder = HeatMap { is_face: true, is_logits: false, heat, sizes, offsets };
    Some(Reading::new(preprocess, decoder).only("face"))
}

struct HeatMap {
    is_face: bool,
    /// As it was on the golden picture.
    is_logits: bool,
    heat: Map,
    sizes: usize,
    offsets: usize,
}

impl HeatMap {
    fn cells(&self) -> usize {
        self.heat.rows * self.heat.columns
    }

    fn heat<'a>(&self, outputs: &[Tensor<'a>]) -> &'a [f32] {
        data(outputs, self.heat.at)
    }

    /// Two values of a cell; none where the output is shorter than its shape said.
    fn pair(&self, outputs: &[Tensor<'_>], at: usize, cell: usize) -> Option<[f32; 2]> {
        let data = data(outputs, at);
        Some([*data.get(cell)?, *data.get(self.cells() + cell)?])
    }

    fn bbox(&self, outputs: &[Tensor<'_>], cell: usize) -> Option<Rect> {
        let (sizes, offsets) = (self.pair(outputs, self.sizes, cell)?, self.pair(outputs, self.offsets, cell)?);
        let (column, row) = ((cell % self.heat.columns) as f32, (cell / self.heat.columns) as f32);
        let ([w, h], [x, y]) = if self.is_face {
            ([sizes[1].exp(), sizes[0].exp()], [offsets[1] + 0.5, offsets[0] + 0.5])
        } else {
            (sizes, offsets)
        };
        Some(Rect::from_centre((column + x) * STRIDE, (row + y) * STRIDE, w * STRIDE, h * STRIDE))
    }

    /// Whether no neighbour is higher.
    fn is_peak(&self, channel: &[f32], cell: usize) -> bool {
        let (columns, rows) = (self.heat.columns, self.heat.rows);
        let (column, row) = (cell % columns, cell / columns);
        let mut near = (row.saturating_sub(1)..(row + 2).min(rows)).flat_map(|row| {
            &channel[row * columns + column.saturating_sub(1)..row * columns + (column + 2).min(columns)]
        });
        !near.any(|value| *value > channel[cell])
    }
}

impl Decode for HeatMap {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        let least = if self.is_logits { logit(threshold) } else { threshold };
        for (class, channel) in self.heat(outputs).chunks_exact(self.cells()).enumerate() {
            for (cell, &heat) in channel.iter().enumerate().filter(|(_, heat)| **heat >= least) {
                let score = if self.is_logits { sigmoid(heat) } else { heat };
                if score >= threshold && (self.is_face || self.is_peak(channel, cell)) {
                    found.extend(self.bbox(outputs, cell).and_then(|bbox| candidate(class, score, bbox)));
                }
            }
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_finite(outputs)?;
        let heat = self.heat(outputs);
        self.is_logits = !self.is_face && heat.iter().any(|value| !is_score(*value));
        let score = |value: &f32| if self.is_logits { sigmoid(*value) } else { *value };
        check_scores(&[], heat.iter().map(score))?;
        let average = mean(heat.iter().map(score));
        // Most of any picture is no middle of anything. Offsets are parts of a cell.
        let offset = mean(data(outputs, self.offsets).iter().map(|value| value.abs()));
        form(average < 0.3 && offset < 2.0, || format!("the heat averages {average:.2} and offsets {offset:.1} cells"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(channels: usize) -> Map {
        Map { at: 0, channels, rows: 2, columns: 3 }
    }

    #[test]
    fn a_peak_is_an_object_and_its_slope_is_not() {
        let mut net = HeatMap { is_face: false, is_logits: false, heat: map(1), sizes: 1, offsets: 2 };
        let heat = [0.1, 0.6, 0.9, 0.1, 0.1, 0.7];
        let mut sizes = [0.0; 12];
        (sizes[2], sizes[8]) = (2.0, 5.0);
        let mut offsets = [0.0; 12];
        (offsets[2], offsets[8]) = (0.25, 0.5);
        let mut found = Vec::new();
        net.decode(&[&heat[..], &sizes, &offsets].map(|data| Tensor { data }), 0.5, &mut found);
        assert_eq!(found, [Detection::new(0, 0.9, Rect::from_centre(9.0, 2.0, 8.0, 20.0))]);
    }

    #[test]
    fn a_face_has_its_height_first_and_lies_in_the_middle_of_its_cell() {
        let mut face = HeatMap { is_face: true, is_logits: false, heat: map(1), sizes: 1, offsets: 2 };
        let heat = [0.0, 0.0, 0.0, 0.0, 0.9, 0.0];
        let mut sizes = [0.0; 12];
        (sizes[4], sizes[10]) = (5f32.ln(), 2f32.ln());
        let mut found = Vec::new();
        face.decode(&[&heat[..], &sizes, &[0.0; 12]].map(|data| Tensor { data }), 0.5, &mut found);
        assert_eq!(found.len(), 1);
        assert!(found[0].bbox.iou(&Rect::from_centre(6.0, 6.0, 8.0, 20.0)) > 0.999);
    }
}
