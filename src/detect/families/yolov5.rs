//! YOLOv5 and YOLOv7: one output [1, 3 * cells, 5 + classes], each row `x y w h objectness class…`, for three anchors.
//!
//! Rows come stride by stride, within a stride anchor by anchor, then cell by cell. Exported by Ultralytics they are
//! pixels, everything else through a sigmoid. YOLOv5-Lite writes the same rows with the sigmoid alone, without grid and
//! anchors: `cx = (2x - 0.5 + column) * stride`, `w = (2w)^2 * anchor` (ultralytics/yolov5, `models/yolo.py`, `Detect`;
//! ppogg/YOLOv5-Lite, `models/yolo.py`). The values tell which it is. Old exports add the raw grids as further outputs,
//! which are not read. Input: RGB, 0..1, scaled into the middle, padding 114.

use crate::vocab::{Detection, Rect};

use super::grid::{self, FOUR_STRIDES, STRIDES};
use super::values::{best, check_scores, form, is_score, share};
use super::{
    Decode, Family, Implausible, Kind, OutputPort, Ports, Reading, Tensor, ULTRALYTICS_INPUT, candidate, data,
};

pub(super) const DECODED: Kind = Kind {
    family: Family::Yolov5,
    name: "yolov5",
    shapes: "one output [1, 3 * cells, 5 + classes] with boxes in pixels",
    usual: None,
    fits: |ports| reading(ports, Form::Pixels),
};

pub(super) const LITE: Kind = Kind {
    family: Family::Yolov5Lite,
    name: "yolov5-lite",
    shapes: "one output [1, 3 * cells, 5 + classes] through a sigmoid, without grid and anchors applied",
    usual: None,
    fits: |ports| reading(ports, Form::Shares),
};

/// Width and height of the anchors of each stride, in pixels (ultralytics/yolov5, `models/yolov5s.yaml`).
pub(super) const ANCHORS: [[[f32; 2]; 3]; 3] = [
    [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]],
    [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]],
    [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]],
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Pixels,
    Shares,
}

fn reading(ports: &Ports<'_>, form: Form) -> Option<Reading> {
    if ports.task().is_some_and(|task| task != "detect") {
        return None;
    }
    let (at, rows, columns) = table(ports)?;
    let classes = columns.checked_sub(5).filter(|&classes| classes > 0)?;
    // Models for large pictures have a fourth stride; their anchors are others, but pixels need none.
    let strides = [&STRIDES[..], &FOUR_STRIDES[..]].into_iter().find(|strides| {
        let is_known = form == Form::Pixels || strides.len() == ANCHORS.len();
        is_known && 3 * grid::count(&grid::levels(ports.width, ports.height, strides)) == rows
    })?;
    let decoder = Yolov5 { form, at, columns, places: places(ports, strides) };
    Some(Reading::new(ULTRALYTICS_INPUT, decoder).classes(classes).names_of(ports.facts))
}

/// The only output that is no grid: where it stands, its rows and columns.
fn table(ports: &Ports<'_>) -> Option<(usize, usize, usize)> {
    let is_grid = |port: &OutputPort| port.shape.len() == 5;
    let mut tables = ports.outputs.iter().enumerate().filter(|(_, port)| !is_grid(port));
    let (at, port) = tables.next().filter(|(_, port)| port.is_float())?;
    match (tables.next(), port.shape.as_slice()) {
        (None, [1, rows, columns] | [rows, columns]) => Some((at, *rows, *columns)),
        _ => None,
    }
}

/// Where the prediction of a row belongs.
#[derive(Debug, Clone, Copy)]
struct Place {
    column: f32,
    row: f32,
    stride: f32,
    /// Zero where a stride has no anchors that are known.
    anchor: [f32; 2],
}

fn places(ports: &Ports<'_>, strides: &[u32]) -> Vec<Place> {
    let levels = grid::levels(ports.width, ports.height, strides);
    let of_level = |(at, level): (usize, &grid::Level)| {
        let cells = grid::cells(std::slice::from_ref(level));
        let anchors = ANCHORS.get(at).copied().unwrap_or_default();
        anchors.into_iter().flat_map(move |anchor| {
            let place = move |[column, row, stride]: [f32; 3]| Place { column, row, stride, anchor };
            cells.clone().into_iter().map(place)
        })
    };
    levels.iter().enumerate().flat_map(of_level).collect()
}

struct Yolov5 {
    form: Form,
    at: usize,
    columns: usize,
    places: Vec<Place>,
}

impl Yolov5 {
    fn rows<'a>(&'a self, outputs: &[Tensor<'a>]) -> impl Iterator<Item = (&'a [f32], &'a Place)> {
        data(outputs, self.at).chunks_exact(self.columns).zip(&self.places)
    }

    fn bbox(&self, row: &[f32], place: &Place) -> Rect {
        match self.form {
            Form::Pixels => Rect::from_centre(row[0], row[1], row[2], row[3]),
            Form::Shares => {
                let cell = [place.column, place.row];
                anchored([row[0], row[1], row[2], row[3]], cell, place.stride, place.anchor)
            }
        }
    }
}

/// The box of a prediction whose four values went through a sigmoid.
pub(super) fn anchored([x, y, w, h]: [f32; 4], [column, row]: [f32; 2], stride: f32, anchor: [f32; 2]) -> Rect {
    let size = |share: f32, anchor: f32| (2.0 * share).powi(2) * anchor;
    let (cx, cy) = ((2.0 * x - 0.5 + column) * stride, (2.0 * y - 0.5 + row) * stride);
    Rect::from_centre(cx, cy, size(w, anchor[0]), size(h, anchor[1]))
}

impl Decode for Yolov5 {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        // A class score is at most 1, so most rows are done at their objectness.
        for (row, place) in self.rows(outputs).filter(|(row, _)| row[4] >= threshold) {
            if let Some((class, best)) = best(&row[5..], threshold) {
                let score = row[4] * best;
                if score >= threshold {
                    found.extend(candidate(class, score, self.bbox(row, place)));
                }
            }
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_scores(outputs, self.rows(outputs).flat_map(|(row, _)| row[4..].iter().copied()))?;
        // A sigmoid cannot move a box by more than a cell, and rounding not by much more.
        let is_near = |row: &[f32], place: &Place| {
            let off = |value: f32, cell: f32| (value / place.stride - cell - 0.5).abs();
            off(row[0], place.column) < 1.1 && off(row[1], place.row) < 1.1 && row[2] >= 0.0 && row[3] >= 0.0
        };
        let near = share(self.rows(outputs).map(|(row, place)| is_near(row, place)));
        let shares = share(self.rows(outputs).map(|(row, _)| row[..4].iter().all(|v| is_score(*v))));
        form(if self.form == Form::Pixels { near > 0.98 } else { shares > 0.999 }, || {
            format!("{:.0} % of the boxes lie at their cells, {:.0} % are no pixels", near * 100.0, shares * 100.0)
        })
    }
}
