//! YOLOX: one output [1, cells, 5 + classes], each row `x y w h objectness class…`, scores already through a sigmoid.
//!
//! By default the first four are offsets in a grid: `cx = (x + column) * stride`, `w = exp(w) * stride`. Exported with
//! `--decode_in_inference` they are pixels. Both have the same name and shape, so the values decide which it is. Input:
//! BGR, 0..255, scaled into the upper left corner, padding 114 (Megvii-BaseDetection/YOLOX, `yolox/data/data_augment.py`
//! and `yolox/models/yolo_head.py`).

use crate::vocab::{Detection, Rect};

use super::super::letterbox::{Fit, Order, Preprocess};
use super::grid::{self, STRIDES};
use super::values::{best, check_scores, form, mean};
use super::{Decode, Family, Implausible, Kind, Ports, Reading, Tensor, candidate};

pub(super) const RAW: Kind = Kind {
    family: Family::Yolox,
    name: "yolox",
    usual: None,
    shapes: "one output [1, cells, 5 + classes] with offsets in a grid",
    fits: |ports| reading(ports, Form::Offsets),
};

pub(super) const DECODED: Kind = Kind {
    family: Family::YoloxDecoded,
    name: "yolox-decoded",
    usual: None,
    shapes: "one output [1, cells, 5 + classes] with boxes in pixels",
    fits: |ports| reading(ports, Form::Pixels),
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Offsets,
    Pixels,
}

fn reading(ports: &Ports<'_>, form: Form) -> Option<Reading> {
    let (rows, columns) = ports.single_table()?;
    let classes = columns.checked_sub(5).filter(|&classes| classes > 0)?;
    let cells = grid::cells(&grid::levels(ports.width, ports.height, &STRIDES));
    if cells.len() != rows {
        return None;
    }
    let preprocess = Preprocess { fit: Fit::TopLeft(114.0), order: Order::Bgr, mean: [0.0; 3], std: [1.0; 3] };
    Some(Reading::new(preprocess, Yolox { form, columns, cells }).classes(classes))
}

struct Yolox {
    form: Form,
    columns: usize,
    cells: Vec<[f32; 3]>,
}

impl Yolox {
    fn rows<'a>(&'a self, output: &Tensor<'a>) -> impl Iterator<Item = (&'a [f32], &'a [f32; 3])> {
        output.data.chunks_exact(self.columns).zip(&self.cells)
    }

    fn bbox(&self, row: &[f32], &[column, line, stride]: &[f32; 3]) -> Rect {
        match self.form {
            Form::Pixels => Rect::from_centre(row[0], row[1], row[2], row[3]),
            Form::Offsets => Rect::from_centre(
                (row[0] + column) * stride,
                (row[1] + line) * stride,
                row[2].exp() * stride,
                row[3].exp() * stride,
            ),
        }
    }
}

impl Decode for Yolox {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        let Some(output) = outputs.first() else { return };
        for (row, cell) in self.rows(output) {
            let objectness = row[4];
            // A class score is at most 1, so most cells are done here.
            if objectness < threshold {
                continue;
            }
            if let Some((class, best)) = best(&row[5..], threshold) {
                let score = objectness * best;
                if score >= threshold {
                    found.extend(candidate(class, score, self.bbox(row, cell)));
                }
            }
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        let output = outputs.first().copied().unwrap_or_default();
        let scores = self.rows(&output).flat_map(|(row, _)| row[4..].iter().copied());
        check_scores(outputs, scores)?;
        // As offsets, places lie around the cell and sizes are small logarithms. As pixels, places follow the grid and
        // sizes are positive.
        let offset = mean(self.rows(&output).map(|(row, _)| (row[0].abs() + row[1].abs()) / 2.0));
        let size = mean(self.rows(&output).map(|(row, _)| f32::midpoint(row[2].abs(), row[3].abs())));
        let from_grid = mean(self.rows(&output).map(|(row, &[column, line, stride])| {
            ((row[0] / stride - column - 0.5).abs() + (row[1] / stride - line - 0.5).abs()) / 2.0
        }));
        let is_offsets = offset < 4.0 && size < 8.0;
        let is_pixels =
            from_grid < 4.0 && size >= 1.0 && self.rows(&output).all(|(row, _)| row[2] >= 0.0 && row[3] >= 0.0);
        let fits = match self.form {
            Form::Offsets => is_offsets && !is_pixels,
            Form::Pixels => is_pixels && !is_offsets,
        };
        form(fits, || {
            format!("places average {offset:.1}, sizes {size:.1}, and places lie {from_grid:.1} cells from the grid")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 32x32 input has 16 + 4 + 1 cells; two classes.
    fn decoder(form: Form) -> Yolox {
        Yolox { form, columns: 7, cells: cells() }
    }

    fn cells() -> Vec<[f32; 3]> {
        grid::cells(&grid::levels(32, 32, &STRIDES))
    }

    fn empty() -> Vec<f32> {
        (0..21).flat_map(|_| [0.5, 0.5, 0.0, 0.0, 0.01, 0.3, 0.2]).collect()
    }

    #[test]
    fn an_offset_is_placed_in_its_cell() {
        let mut data = empty();
        // Cell 17 is column 1, row 0 of stride 16.
        data[17 * 7..18 * 7].copy_from_slice(&[0.25, 0.5, 2f32.ln(), 0.0, 0.9, 0.1, 0.8]);
        let mut found = Vec::new();
        decoder(Form::Offsets).decode(&[Tensor { data: &data }], 0.5, &mut found);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].class, found[0].score), (1, 0.9 * 0.8));
        let expected = Rect::from_centre(20.0, 8.0, 32.0, 16.0);
        let edges = |r: Rect| <[f32; 4]>::from(r);
        for (found, expected) in edges(found[0].bbox).into_iter().zip(edges(expected)) {
            assert!((found - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn values_tell_offsets_from_pixels() {
        let offsets = empty();
        let pixels: Vec<f32> = cells()
            .iter()
            .flat_map(|[x, y, s]| [(x + 0.5) * s, (y + 0.5) * s, 2.0 * s, 3.0 * s, 0.01, 0.3, 0.2])
            .collect();
        let plausible = |form, data: &[f32]| decoder(form).plausible(&[Tensor { data }]).is_ok();
        assert!(plausible(Form::Offsets, &offsets) && !plausible(Form::Pixels, &offsets));
        assert!(plausible(Form::Pixels, &pixels) && !plausible(Form::Offsets, &pixels));
    }

    #[test]
    fn dead_or_impossible_scores_are_named() {
        let verdict = |score: f32| {
            let data: Vec<f32> = (0..21).flat_map(|_| [0.5, 0.5, 0.0, 0.0, score, score, score]).collect();
            decoder(Form::Offsets).plausible(&[Tensor { data: &data }])
        };
        assert_eq!(verdict(0.1), Ok(()));
        assert!(matches!(verdict(0.0), Err(Implausible::Broken(reason)) if reason.contains("exactly 0")));
        assert!(matches!(verdict(1.5), Err(Implausible::Broken(reason)) if reason.contains("1.5")));
        assert!(matches!(verdict(f32::NAN), Err(Implausible::Broken(reason)) if reason.contains("NaN")));
    }
}
