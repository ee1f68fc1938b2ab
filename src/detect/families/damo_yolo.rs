//! DAMO-YOLO: scores [1, cells, classes] through a sigmoid and boxes [1, cells, 4] as corners in pixels.
//!
//! SSDs with decoded boxes have the same shapes; theirs are normalised. Input: RGB, 0..255, stretched
//! (tinyvision/DAMO-YOLO, `damo/config/augmentations.py`, `keep_ratio = False` for tests, and `tools/onnx_inference.py`).

use crate::vocab::{Detection, Rect};

use super::super::letterbox::{Fit, Order, Preprocess};
use super::grid::{self, STRIDES};
use super::values::{best, check_scores, form, mean, share};
use super::{Decode, Family, Implausible, Kind, Ports, Reading, Tensor, candidate, data};

pub(super) const KIND: Kind = Kind {
    family: Family::DamoYolo,
    name: "damo-yolo",
    shapes: "outputs [1, cells, classes] and [1, cells, 4] with corners in pixels",
    usual: None,
    fits: reading,
};

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    let (scores, boxes) = ports.scores_and_boxes()?;
    let cells = grid::cells(&grid::levels(ports.width, ports.height, &STRIDES));
    if cells.len() != boxes.rows {
        return None;
    }
    let preprocess = Preprocess { fit: Fit::Stretch, order: Order::Rgb, mean: [0.0; 3], std: [1.0; 3] };
    let decoder = DamoYolo { scores: scores.at, columns: scores.columns, boxes: boxes.at, cells };
    Some(Reading::new(preprocess, decoder).classes(scores.columns))
}

struct DamoYolo {
    scores: usize,
    columns: usize,
    boxes: usize,
    cells: Vec<[f32; 3]>,
}

impl Decode for DamoYolo {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        let rows = data(outputs, self.scores).chunks_exact(self.columns);
        for (scores, &edges) in rows.zip(data(outputs, self.boxes).as_chunks::<4>().0) {
            if let Some((class, score)) = best(scores, threshold) {
                found.extend(candidate(class, score, Rect::from(edges)));
            }
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_scores(outputs, data(outputs, self.scores).iter().copied())?;
        let boxes = data(outputs, self.boxes).as_chunks::<4>().0;
        let corners = share(boxes.iter().map(|[x1, y1, x2, y2]| x1 <= x2 && y1 <= y2));
        // A box reaches 16 strides to each side of its cell; on average its middle is much nearer. Normalised boxes would
        // lie as far from the grid as the grid is wide.
        let off = mean(boxes.iter().zip(&self.cells).map(|([x1, y1, x2, y2], [column, row, stride])| {
            let off = |from: f32, to: f32, cell: f32| (f32::midpoint(from, to) / stride - cell - 0.5).abs();
            f32::midpoint(off(*x1, *x2, *column), off(*y1, *y2, *row))
        }));
        let reach = boxes.iter().flatten().copied().fold(0.0, f32::max);
        form(corners > 0.98 && off < 8.0 && reach > 4.0, || {
            format!("{:.0} % of the boxes are corners, {off:.1} cells from the grid", corners * 100.0)
        })
    }
}
