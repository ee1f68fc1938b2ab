//! Ultralytics poses: one output [1, 4 + classes + values of keypoints, cells], channel by channel as YOLOv8, or, with
//! suppression inside, [1, rows, 6 + values of keypoints].
//!
//! Of the keypoints of a person the four of the trunk are read (see `trunk.rs`): x and y in pixels of the input, and the
//! visibility already through a sigmoid. Those of anything else are not: nothing behind the detector asks for them. Metadata
//! says `task: pose`, `names` and `kpt_shape`; without it, COCO's 17 keypoints of a person with x, y and visibility are
//! assumed, and the values have to agree. Input as for YOLOv8 (ultralytics/ultralytics, `nn/modules/head.py`, `Pose`).

use crate::vocab::{Detection, Rect};

use super::end_to_end::EndToEnd;
use super::trunk::{Body, TrunkEnds};
use super::values::{form, mean};
use super::yolov8::Yolov8;
use super::{Decode, Evidence, Family, Implausible, Kind, Ports, Reading, Tensor, ULTRALYTICS_INPUT, data};

pub(super) const KIND: Kind = Kind {
    family: Family::YoloPose,
    name: "yolo-pose",
    shapes: "one output [1, 4 + classes + values of keypoints, cells] or [1, rows, 6 + values of keypoints]",
    usual: None,
    fits: reading,
};

/// COCO's 17 keypoints, and their values: x, y and visibility.
const COCO_SHAPE: (usize, usize) = (17, 3);

/// What stands before the keypoints of a row.
const ROW: usize = 6;

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    if ports.task().is_some_and(|task| task != "pose") {
        return None;
    }
    let shape = ports.facts.metadata("kpt_shape").map_or(Some(COCO_SHAPE), shape)?;
    let (keypoints, trunks) = (shape.0 * shape.1, Trunks { body: Body::of(shape), told: Vec::new() });
    let (rows, columns) = ports.single_table()?;
    let is_told = ports.task().is_some();
    let reading = if columns == ROW + keypoints {
        Reading::new(ULTRALYTICS_INPUT, PoseRows { rows: EndToEnd { columns }, trunks }).suppressed()
    } else {
        let classes = rows.checked_sub(4 + keypoints).filter(|&classes| classes > 0)?;
        let boxes = Yolov8::new(ports, rows, classes).filter(|boxes| boxes.cells.len() == columns)?;
        // Without metadata, any number of classes of YOLOv8 would be a pose of fewer.
        if !is_told && classes != 1 {
            return None;
        }
        Reading::new(ULTRALYTICS_INPUT, Pose { boxes, first_keypoint: 4 + classes, trunks }).classes(classes)
    };
    let reading = if is_told { reading.names_of(ports.facts) } else { reading.only("person") };
    Some(reading.if_by(is_told, Evidence::Metadata))
}

/// How many keypoints `[17, 3]` are, and how many values each has.
fn shape(text: &str) -> Option<(usize, usize)> {
    let (count, values) = text.trim().strip_prefix('[')?.strip_suffix(']')?.split_once(',')?;
    let (count, values): (usize, usize) = (count.trim().parse().ok()?, values.trim().parse().ok()?);
    count.checked_mul(values).filter(|all| (1..=4096).contains(all)).map(|_| (count, values))
}

/// The trunks of the last run's candidates.
struct Trunks {
    /// None where the keypoints are not those of a person.
    body: Option<Body>,
    told: Vec<(Rect, Option<TrunkEnds>)>,
}

impl Trunks {
    fn take(&mut self, candidate: &Detection, value: impl Fn(usize) -> f32) {
        if let Some(body) = self.body {
            self.told.push((candidate.bbox, body.trunk(candidate.score, value)));
        }
    }

    fn told(&self) -> Option<&[(Rect, Option<TrunkEnds>)]> {
        self.body.map(|_| self.told.as_slice())
    }
}

/// Channel by channel.
struct Pose {
    boxes: Yolov8,
    first_keypoint: usize,
    trunks: Trunks,
}

impl Decode for Pose {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        let (data, cells) = (data(outputs, 0), self.boxes.cells.len());
        let (trunks, first) = (&mut self.trunks, self.first_keypoint);
        trunks.told.clear();
        self.boxes.candidates(data, threshold, |cell, candidate| {
            trunks.take(&candidate, |value| data[(first + value) * cells + cell]);
            found.push(candidate);
        });
    }

    fn trunks(&self) -> Option<&[(Rect, Option<TrunkEnds>)]> {
        self.trunks.told()
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        self.boxes.plausible(outputs)?;
        // The x of a keypoint lies near its cell; in a model of more classes this is a score.
        let cells = &self.boxes.cells;
        let xs = data(outputs, 0).chunks_exact(cells.len()).nth(self.first_keypoint).unwrap_or_default();
        let off = mean(xs.iter().zip(cells).map(|(x, [column, _, stride])| (x / stride - column - 0.5).abs()));
        form(off < 8.0 && mean(xs.iter().copied()) > 2.0, || format!("keypoints lie {off:.1} cells from the grid"))
    }
}

/// Row by row, already suppressed.
struct PoseRows {
    rows: EndToEnd,
    trunks: Trunks,
}

impl Decode for PoseRows {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        let trunks = &mut self.trunks;
        trunks.told.clear();
        self.rows.candidates(outputs, threshold, |row, candidate| {
            trunks.take(&candidate, |value| row[ROW + value]);
            found.push(candidate);
        });
    }

    fn trunks(&self) -> Option<&[(Rect, Option<TrunkEnds>)]> {
        self.trunks.told()
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        self.rows.plausible(outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::Point;

    #[test]
    fn the_shape_of_keypoints_is_read_or_refused() {
        assert_eq!(shape("[17, 3]"), Some((17, 3)));
        for wrong in ["", "17, 3", "[17]", "[0, 3]", "[-1, 3]", "[99999999999, 99999999999]"] {
            assert_eq!(shape(wrong), None, "{wrong}");
        }
    }

    /// The keypoints of somebody who leans to the right by 45 degrees, all so visible.
    fn leaning(values: usize, visibility: f32) -> Vec<f32> {
        let point = |k: usize| match k {
            5 => [80.0, 40.0, visibility],
            6 => [60.0, 40.0, visibility],
            11 => [50.0, 60.0, visibility],
            12 => [50.0, 60.0, visibility],
            _ => [-7.0, 900.0, 0.0],
        };
        (0..17).flat_map(|k| point(k).into_iter().take(values)).collect()
    }

    const ENDS: TrunkEnds = TrunkEnds { shoulders: Point::new(70.0, 40.0), hips: Point::new(50.0, 60.0) };

    fn trunks(shape: (usize, usize)) -> Trunks {
        Trunks { body: Body::of(shape), told: Vec::new() }
    }

    #[test]
    fn each_row_has_its_trunk_where_its_points_are_seen() {
        for values in [3, 2] {
            let columns = ROW + 17 * values;
            let row = |score: f32, visibility: f32| {
                [vec![8.0, 9.0, 90.0, 99.0, score, 0.0], leaning(values, visibility)].concat()
            };
            let table = [row(0.9, 0.7), row(0.4, 0.3), row(0.2, 0.9), vec![0.0; columns]].concat();
            let mut decoder = PoseRows { rows: EndToEnd { columns }, trunks: trunks((17, values)) };
            for _ in 0..2 {
                let mut found = Vec::new();
                decoder.decode(&[Tensor { data: &table }], 0.3, &mut found);
                assert_eq!(found.len(), 2);
                let told: Vec<_> = decoder.trunks().unwrap().iter().map(|(_, ends)| *ends).collect();
                // Nobody is surer of the second one's points than of himself.
                assert_eq!(told, [Some(ENDS), None], "{values} values");
            }
        }
    }

    #[test]
    fn other_keypoints_than_cocos_give_boxes_and_no_trunks() {
        let row = [vec![8.0, 9.0, 90.0, 99.0, 0.9, 0.0], vec![50.0; 63]].concat();
        let mut decoder = PoseRows { rows: EndToEnd { columns: ROW + 63 }, trunks: trunks((21, 3)) };
        let mut found = Vec::new();
        decoder.decode(&[Tensor { data: &row }], 0.3, &mut found);
        assert_eq!((found.len(), decoder.trunks()), (1, None));
    }
}
