//! SSD-MobileNet and other detectors of TensorFlow's Object Detection API: outputs `detection_boxes` [1, rows, 4],
//! `detection_scores` [1, rows], `detection_classes` [1, rows] and `num_detections` [1], already suppressed.
//!
//! Boxes are normalised `ymin xmin ymax xmax`. Classes are numbers from 1: COCO's category numbers, or those of a label map
//! whose names the settings give in order (tensorflow/models, `research/object_detection/exporter.py`). Other outputs, such
//! as `raw_detection_boxes`, are not read. Input: RGB, bytes or 0..255, in any size, since the graph scales by itself;
//! stretched to 300 by 300 where the file leaves the size open.

use crate::vocab::{Detection, Labels, Rect};

use super::super::labels;
use super::super::letterbox::{Fit, Order, Preprocess};
use super::values::{check_finite, form, is_score, share};
use super::{Decode, Evidence, Family, Implausible, Kind, Ports, Reading, Tensor, candidate, data};

pub(super) const KIND: Kind = Kind {
    family: Family::SsdMobilenet,
    name: "ssd-mobilenet",
    shapes: "outputs detection_boxes [1, rows, 4], detection_scores, detection_classes [1, rows] and num_detections [1]",
    usual: Some(super::Usual {
        outputs: &["detection_boxes", "detection_scores", "detection_classes", "num_detections"],
        size: (300, 300),
    }),
    fits: reading,
};

fn reading(ports: &Ports<'_>) -> Option<Reading> {
    let decoder = SsdMobilenet {
        boxes: ports.named("detection_boxes")?,
        scores: ports.named("detection_scores")?,
        classes: ports.named("detection_classes")?,
        count: ports.named("num_detections")?,
        size: [ports.width, ports.height].map(|side| side as f32),
        is_coco: ports.labels.is_none_or(|labels| labels.len() == labels::COCO.len()),
    };
    let preprocess = Preprocess { fit: Fit::Stretch, order: Order::Rgb, mean: [0.0; 3], std: [1.0; 3] };
    let labels = decoder.is_coco.then(|| Labels::new(labels::COCO));
    let reading = Reading::new(preprocess, decoder).suppressed().if_by(true, Evidence::Names);
    Some(Reading { labels, ..reading })
}

struct SsdMobilenet {
    boxes: usize,
    scores: usize,
    classes: usize,
    count: usize,
    size: [f32; 2],
    /// Whether classes are COCO's category numbers.
    is_coco: bool,
}

impl SsdMobilenet {
    /// Box, score and class number of each row that is in use.
    fn rows<'a>(&self, outputs: &[Tensor<'a>]) -> impl Iterator<Item = (&'a [f32; 4], f32, f32)> + use<'a> {
        let count = data(outputs, self.count).first().map_or(0, |count| *count as usize);
        let scored = data(outputs, self.scores).iter().zip(data(outputs, self.classes));
        let boxes = data(outputs, self.boxes).as_chunks::<4>().0.iter();
        boxes.zip(scored).take(count).map(|(edges, (score, class))| (edges, *score, *class))
    }
}

impl Decode for SsdMobilenet {
    fn decode(&mut self, outputs: &[Tensor<'_>], threshold: f32, found: &mut Vec<Detection>) {
        let [w, h] = self.size;
        for (&[top, left, bottom, right], score, number) in
            self.rows(outputs).filter(|(_, score, _)| *score >= threshold)
        {
            let number = if number >= 1.0 { number as usize } else { continue };
            let class = if self.is_coco { labels::coco_class(number) } else { number.checked_sub(1) };
            let bbox = Rect::new(left * w, top * h, right * w, bottom * h);
            found.extend(class.and_then(|class| candidate(class, score, bbox)));
        }
    }

    fn plausible(&mut self, outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
        check_finite(outputs)?;
        let is_row = |(edges, score, class): (&[f32; 4], f32, f32)| {
            let is_box =
                edges.iter().all(|edge| (-0.5..=1.5).contains(edge)) && edges[0] <= edges[2] && edges[1] <= edges[3];
            is_box && is_score(score) && class >= 0.0 && class.fract() == 0.0
        };
        let rows = share(self.rows(outputs).map(is_row));
        form(rows > 0.98, || format!("{:.0} % of the rows are a normalised box, a score and a class", rows * 100.0))
    }
}
