//! Ultralytics poses: one output [1, 4 + classes + values of keypoints, cells], channel by channel as YOLOv8, or, with
//! suppression inside, [1, rows, 6 + values of keypoints].
//!
//! Boxes are read and keypoints are not: nothing behind the detector asks for them. Metadata says `task: pose`, `names` and
//! `kpt_shape`; without it, COCO's 17 keypoints of a person with x, y and visibility are assumed, and the values have to
//! agree. Input as for YOLOv8 (ultralytics/ultralytics, `nn/modules/head.py`, `Pose`).

use crate::vocab::Detection;

use super::end_to_end::EndToEnd;
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

/// Values of COCO's 17 keypoints: x, y and visibility.
const COCO_KEYPOINTS: usize = 17 * 3;

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    if ports.task().is_some_and(|task| task != "pose") {
        return None;
    }
    let keypoints = ports.facts.metadata("kpt_shape").map_or(Some(COCO_KEYPOINTS), values)?;
    let (rows, columns) = ports.single_table()?;
    let is_told = ports.task().is_some();
    let reading = if columns == 6 + keypoints {
        Reading::new(ULTRALYTICS_INPUT, EndToEnd { columns }).suppressed()
    } else {
        let classes = rows.checked_sub(4 + keypoints).filter(|&classes| classes > 0)?;
        let boxes = Yolov8::new(ports, rows, classes).filter(|boxes| boxes.cells.len() == columns)?;
        // Without metadata, any number of classes of YOLOv8 would be a pose of fewer.
        if !is_told && classes != 1 {
            return None;
        }
        Reading::new(ULTRALYTICS_INPUT, Pose { boxes, first_keypoint: 4 + classes }).classes(classes)
    };
    let reading = if is_told { reading.names_of(ports.facts) } else { reading.only("person") };
    Some(reading.if_by(is_told, Evidence::Metadata))
}

/// How many values `[17, 3]` keypoints have.
fn values(shape: &str) -> Option<usize> {
    let (count, values) = shape.trim().strip_prefix('[')?.strip_suffix(']')?.split_once(',')?;
    let (count, values): (usize, usize) = (count.trim().parse().ok()?, values.trim().parse().ok()?);
    count.checked_mul(values).filter(|values| (1..=4096).contains(values))
}

struct Pose {
    boxes: Yolov8,
    first_keypoint: usize,
}

impl Decode for Pose {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        self.boxes.decode(outputs, threshold, found);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_keypoints_is_read_or_refused() {
        assert_eq!(values("[17, 3]"), Some(51));
        for wrong in ["", "17, 3", "[17]", "[0, 3]", "[-1, 3]", "[99999999999, 99999999999]"] {
            assert_eq!(values(wrong), None, "{wrong}");
        }
    }
}
