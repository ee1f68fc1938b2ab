//! Ultralytics YOLOv8, 9, 11, 12 and YOLOv5u: one output [1, 4 + classes, cells], channel by channel.
//!
//! The first four channels are `cx cy w h` in pixels of the input, the others class scores already through a sigmoid;
//! there is no objectness. Input: RGB, 0..1, scaled into the middle, padding 114 (the exporter's own metadata says
//! `task`, `names`, `stride`).

use crate::vocab::{Detection, Rect};

use super::grid::{self, STRIDES};
use super::values::{check_scores, form, mean};
use super::{Decode, Evidence, Family, Implausible, Kind, Ports, Reading, Tensor, ULTRALYTICS_INPUT, candidate, data};

pub(super) const KIND: Kind = Kind {
    family: Family::Yolov8,
    name: "yolov8",
    shapes: "one output [1, 4 + classes, cells]",
    usual: None,
    fits: reading,
};

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    // Poses and oriented boxes have the same rank, and channels that are no classes.
    if ports.task().is_some_and(|task| task != "detect") {
        return None;
    }
    let (channels, cells) = ports.single_table()?;
    let classes = channels.checked_sub(4).filter(|&classes| classes > 0)?;
    let decoder = Yolov8::new(ports, channels, classes).filter(|decoder| decoder.cells.len() == cells)?;
    let reading = Reading::new(ULTRALYTICS_INPUT, decoder).classes(classes).names_of(ports.facts);
    Some(reading.if_by(ports.task().is_some(), Evidence::Metadata))
}

/// Reads boxes and classes, which are the first channels, and leaves those behind them alone.
pub(super) struct Yolov8 {
    channels: usize,
    classes: usize,
    pub(super) cells: Vec<[f32; 3]>,
    /// The highest class score of each cell so far; kept to save the allocation.
    best: Vec<f32>,
}

impl Yolov8 {
    /// For outputs of so many channels, the first of which are a box and so many classes.
    pub(super) fn new(ports: &Ports<'_>, channels: usize, classes: usize) -> Option<Self> {
        let cells = grid::cells(&grid::levels(ports.width, ports.height, &STRIDES));
        (channels >= 4 + classes).then(|| Self { channels, classes, best: vec![0.0; cells.len()], cells })
    }

    /// Tells every candidate that reaches `threshold`, with its cell; none where `data` is not as long as it should be.
    pub(super) fn candidates(&mut self, data: &[f32], threshold: f32, mut tell: impl FnMut(usize, Detection)) {
        let cells = self.cells.len();
        if data.len() != self.channels * cells {
            return;
        }
        let (places, rest) = data.split_at(4 * cells);
        let scores = &rest[..self.classes * cells];
        self.best.fill(f32::NEG_INFINITY);
        for channel in scores.chunks_exact(cells) {
            for (best, &score) in self.best.iter_mut().zip(channel) {
                *best = if score > *best { score } else { *best };
            }
        }
        for (cell, &score) in self.best.iter().enumerate() {
            // Which class it was is looked for only where it counts.
            if score >= threshold {
                let class = scores.iter().skip(cell).step_by(cells).position(|s| *s == score).unwrap_or_default();
                let [cx, cy, w, h] = [0, 1, 2, 3].map(|channel| places[channel * cells + cell]);
                candidate(class, score, Rect::from_centre(cx, cy, w, h))
                    .into_iter()
                    .for_each(|found| tell(cell, found));
            }
        }
    }
}

impl Decode for Yolov8 {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        self.candidates(data(outputs, 0), threshold, |_, candidate| found.push(candidate));
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        let (data, cells) = (data(outputs, 0), self.cells.len());
        let channel = |index: usize| data.chunks_exact(cells).nth(index).unwrap_or_default().iter();
        let scores = (4..4 + self.classes).flat_map(|index| channel(index).copied());
        check_scores(outputs, scores)?;
        let far = |index: usize, axis: usize| {
            mean(channel(index).zip(&self.cells).map(|(v, cell)| (v / cell[2] - cell[axis] - 0.5).abs()))
        };
        let from_grid = f32::midpoint(far(0, 0), far(1, 1));
        // Distances from a cell reach 16 strides; on average they are much nearer. Normalised boxes would lie as far
        // from the grid as the grid is wide.
        let is_positive = channel(2).chain(channel(3)).all(|&size| size >= -1.0);
        form(from_grid < 8.0 && is_positive, || format!("boxes lie {from_grid:.1} cells from the grid"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_gathered_into_boxes() {
        let mut decoder = Yolov8 { channels: 7, classes: 2, cells: vec![[0.0; 3]; 3], best: vec![0.0; 3] };
        let data = [
            [10.0, 20.0, 30.0], // cx
            [11.0, 21.0, 31.0], // cy
            [4.0, 6.0, 8.0],    // w
            [2.0, 4.0, 6.0],    // h
            [0.1, 0.9, 0.3],    // class 0
            [0.2, 0.1, 0.6],    // class 1
            [9.0, 9.0, 9.0],    // a keypoint
        ];
        let mut found = Vec::new();
        decoder.decode(&[Tensor { data: data.as_flattened() }], 0.5, &mut found);
        let first = Detection::new(0, 0.9, Rect::from_centre(20.0, 21.0, 6.0, 4.0));
        let second = Detection::new(1, 0.6, Rect::from_centre(30.0, 31.0, 8.0, 6.0));
        assert_eq!(found, [first, second]);
    }
}
