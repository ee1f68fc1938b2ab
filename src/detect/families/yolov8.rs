//! Ultralytics YOLOv8, 9, 11, 12 and YOLOv5u: one output [1, 4 + classes, cells], channel by channel.
//!
//! The first four channels are `cx cy w h` in pixels of the input, the others class scores already through a sigmoid;
//! there is no objectness. Input: RGB, 0..1, scaled into the middle, padding 114 (the exporter's own metadata says
//! `task`, `names`, `stride`).

use crate::vocab::{Detection, Labels, Rect};

use super::super::labels;
use super::{
    Decode, Family, Implausible, Kind, Ports, Reading, STRIDES, Tensor, candidate, check_scores, grid, mean,
    ultralytics_input,
};

pub(super) const KIND: Kind =
    Kind { family: Family::Yolov8, shapes: "one output [1, 4 + classes, cells]", fits: reading };

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    let (rows, cells) = ports.single_matrix()?;
    let classes = rows.checked_sub(4).filter(|&classes| classes > 0)?;
    if ports.cells(&STRIDES)? != cells {
        return None;
    }
    // Poses and oriented boxes have the same rank, and channels that are no classes.
    if ports.facts.metadata("task").is_some_and(|task| task != "detect") {
        return None;
    }
    let names = ports.facts.metadata("names").and_then(labels::from_python_dict);
    let labels = names.filter(|names| names.len() == classes).map(Labels::new);
    let decoder = Yolov8 { classes, cells, best: vec![(0, 0.0); cells], grid: grid(ports.width, ports.height) };
    Some(Reading { preprocess: ultralytics_input(), classes: Some(classes), labels, decoder: Box::new(decoder) })
}

struct Yolov8 {
    classes: usize,
    cells: usize,
    /// The best class of each cell so far and its score; kept to save the allocation.
    best: Vec<(usize, f32)>,
    grid: Vec<[f32; 3]>,
}

impl Decode for Yolov8 {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        let Some(output) = outputs.first().filter(|o| o.data.len() == (4 + self.classes) * self.cells) else { return };
        let (places, scores) = output.data.split_at(4 * self.cells);
        self.best.fill((0, f32::NEG_INFINITY));
        for (class, channel) in scores.chunks_exact(self.cells).enumerate() {
            for (best, &score) in self.best.iter_mut().zip(channel) {
                if score > best.1 {
                    *best = (class, score);
                }
            }
        }
        for (cell, &(class, score)) in self.best.iter().enumerate() {
            if score >= threshold {
                let [cx, cy, w, h] = [0, 1, 2, 3].map(|channel| places[channel * self.cells + cell]);
                found.extend(candidate(class, score, Rect::from_centre(cx, cy, w, h)));
            }
        }
    }

    fn plausible(&self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        let data = outputs.first().map_or(&[][..], |output| output.data);
        let (places, scores) = data.split_at_checked(4 * self.cells).unwrap_or((data, &[]));
        check_scores(outputs, scores.iter().copied())?;
        let channel = |index: usize| places.chunks_exact(self.cells).nth(index).unwrap_or_default().iter();
        let far = |index: usize, axis: usize| {
            mean(channel(index).zip(&self.grid).map(|(v, cell)| (v / cell[2] - cell[axis] - 0.5).abs()))
        };
        let from_grid = f32::midpoint(far(0, 0), far(1, 1));
        // Distances from a cell reach 16 strides; on average they are much nearer. Normalised boxes would lie as far
        // from the grid as the grid is wide.
        let is_positive = channel(2).chain(channel(3)).all(|&size| size >= -1.0);
        if from_grid < 8.0 && is_positive {
            return Ok(());
        }
        Err(Implausible::OtherForm(format!("on the golden picture boxes lie {from_grid:.1} cells from the grid")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_gathered_into_boxes() {
        let mut decoder = Yolov8 { classes: 2, cells: 3, best: vec![(0, 0.0); 3], grid: Vec::new() };
        let data = [
            [10.0, 20.0, 30.0], // cx
            [11.0, 21.0, 31.0], // cy
            [4.0, 6.0, 8.0],    // w
            [2.0, 4.0, 6.0],    // h
            [0.1, 0.9, 0.3],    // class 0
            [0.2, 0.1, 0.6],    // class 1
        ];
        let mut found = Vec::new();
        decoder.decode(&[Tensor { data: data.as_flattened() }], 0.5, &mut found);
        let first = Detection { class: 0, score: 0.9, bbox: Rect::from_centre(20.0, 21.0, 6.0, 4.0) };
        let second = Detection { class: 1, score: 0.6, bbox: Rect::from_centre(30.0, 31.0, 8.0, 6.0) };
        assert_eq!(found, [first, second]);
    }
}
