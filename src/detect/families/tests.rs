//! What holds for all families together: shapes tell them apart, and no output makes any decoder panic.

use proptest::prelude::*;

use super::*;
use crate::model::ElementType::{self, F32, I64};

type Example = (&'static str, &'static [(&'static str, &'static [usize], ElementType)]);

/// Outputs of each kind, for an input of 64 by 64.
const EXAMPLES: &[Example] = &[
    ("yolox", &[("output", &[1, 84, 85], F32)]),
    ("yolox-decoded", &[("output", &[1, 84, 7], F32)]),
    ("yolov5", &[("output0", &[1, 252, 7], F32), ("a", &[1, 3, 8, 8, 7], F32)]),
    ("yolov5-lite", &[("output", &[1, 252, 7], F32)]),
    ("yolov5-grids", &[("a", &[1, 3, 8, 8, 7], F32), ("b", &[1, 3, 4, 4, 7], F32), ("c", &[1, 3, 2, 2, 7], F32)]),
    ("yolov7-grids", &[("a", &[1, 21, 2, 2], F32), ("b", &[1, 21, 4, 4], F32), ("c", &[1, 21, 8, 8], F32)]),
    ("yolov8", &[("output0", &[1, 6, 84], F32)]),
    ("yolo-pose", &[("output0", &[1, 56, 84], F32)]),
    ("end-to-end", &[("output0", &[1, 9, 6], F32)]),
    ("rt-detr", &[("labels", &[1, 9], I64), ("boxes", &[1, 9, 4], F32), ("scores", &[1, 9], F32)]),
    ("rt-detr-raw", &[("pred_logits", &[1, 9, 3], F32), ("pred_boxes", &[1, 9, 4], F32)]),
    ("rt-detr-rows", &[("output0", &[1, 300, 7], F32)]),
    ("rf-detr", &[("dets", &[1, 9, 4], F32), ("labels", &[1, 9, 91], F32)]),
    (
        "nanodet",
        &[
            ("a", &[1, 64, 3], F32),
            ("b", &[1, 16, 3], F32),
            ("c", &[1, 4, 3], F32),
            ("d", &[64, 32], F32),
            ("e", &[16, 32], F32),
            ("f", &[4, 32], F32),
        ],
    ),
    ("nanodet-plus", &[("output", &[1, 85, 35], F32)]),
    (
        "picodet",
        &[
            ("a", &[1, 64, 3], F32),
            ("b", &[1, 16, 3], F32),
            ("c", &[1, 4, 3], F32),
            ("d", &[1, 1, 3], F32),
            ("e", &[1, 64, 32], F32),
            ("f", &[1, 16, 32], F32),
            ("g", &[1, 4, 32], F32),
            ("h", &[1, 1, 32], F32),
        ],
    ),
    ("picodet-rows", &[("rows", &[9, 6], F32), ("count", &[1], I64)]),
    ("ppyoloe-rows", &[("rows", &[0, 6], F32), ("count", &[1], I64)]),
    (
        "ssd-mobilenet",
        &[
            ("detection_boxes:0", &[1, 9, 4], F32),
            ("detection_scores:0", &[1, 9], F32),
            ("detection_classes:0", &[1, 9], F32),
            ("num_detections:0", &[1], F32),
        ],
    ),
    ("damo-yolo", &[("output", &[1, 84, 3], F32), ("952", &[1, 84, 4], F32)]),
    ("fastestdet", &[("758", &[1, 85, 4, 4], F32)]),
    (
        "yolo-fastest-v2",
        &[
            ("a", &[1, 12, 4, 4], F32),
            ("b", &[1, 3, 4, 4], F32),
            ("c", &[1, 5, 4, 4], F32),
            ("d", &[1, 12, 2, 2], F32),
            ("e", &[1, 3, 2, 2], F32),
            ("f", &[1, 5, 2, 2], F32),
        ],
    ),
    ("ultraface", &[("scores", &[1, 100, 2], F32), ("boxes", &[1, 100, 4], F32)]),
    ("ultraface-raw", &[("scores", &[1, 235, 2], F32), ("boxes", &[1, 235, 4], F32)]),
    (
        "yunet",
        &[
            ("cls_8", &[1, 64, 1], F32),
            ("cls_16", &[1, 16, 1], F32),
            ("cls_32", &[1, 4, 1], F32),
            ("obj_8", &[1, 64, 1], F32),
            ("obj_16", &[1, 16, 1], F32),
            ("obj_32", &[1, 4, 1], F32),
            ("bbox_8", &[1, 64, 4], F32),
            ("bbox_16", &[1, 16, 4], F32),
            ("bbox_32", &[1, 4, 4], F32),
            ("kps_8", &[1, 64, 10], F32),
            ("kps_16", &[1, 16, 10], F32),
            ("kps_32", &[1, 4, 10], F32),
        ],
    ),
    (
        "scrfd",
        &[
            ("a", &[128, 1], F32),
            ("b", &[32, 1], F32),
            ("c", &[8, 1], F32),
            ("d", &[128, 4], F32),
            ("e", &[32, 4], F32),
            ("f", &[8, 4], F32),
        ],
    ),
    ("centernet", &[("hm", &[1, 3, 16, 16], F32), ("wh", &[1, 2, 16, 16], F32), ("reg", &[1, 2, 16, 16], F32)]),
    (
        "centerface",
        &[
            ("537", &[1, 1, 16, 16], F32),
            ("538", &[1, 2, 16, 16], F32),
            ("539", &[1, 2, 16, 16], F32),
            ("540", &[1, 10, 16, 16], F32),
        ],
    ),
];

/// The kinds that fit an input of 64 by 64 and these outputs, with their readings.
fn fitting(outputs: &[(&str, &[usize], ElementType)]) -> Vec<(&'static str, Reading)> {
    let port = |&(name, shape, element): &(&str, &[usize], ElementType)| OutputPort {
        name: name.into(),
        shape: shape.to_vec(),
        element,
    };
    let outputs: Vec<_> = outputs.iter().map(port).collect();
    let facts = Facts::default();
    let ports = Ports { width: 64, height: 64, outputs: &outputs, facts: &facts, labels: None };
    KINDS.iter().filter_map(|kind| (kind.fits)(&ports).map(|reading| (kind.name, reading))).collect()
}

fn names(shapes: &[&[usize]]) -> Vec<&'static str> {
    let outputs: Vec<_> = shapes.iter().map(|&shape| ("output", shape, F32)).collect();
    fitting(&outputs).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn shapes_leave_only_the_forms_of_one_family() {
    assert_eq!(names(&[&[1, 84, 85]]), ["yolox", "yolox-decoded"]);
    assert_eq!(names(&[&[84, 85]]), ["yolox", "yolox-decoded"], "the batch may be missing");
    assert_eq!(names(&[&[1, 6, 84]]), ["yolov8"]);
    assert_eq!(names(&[&[1, 200, 6]]), ["end-to-end"]);
    // Queries of two classes, or rows; the values tell.
    assert_eq!(names(&[&[1, 300, 6]]), ["end-to-end", "rt-detr-rows"]);
    assert_eq!(names(&[&[1, 252, 85]]), ["yolov5", "yolov5-lite"]);
    assert_eq!(names(&[&[1, 85, 85]]), ["nanodet-plus"]);
    assert_eq!(names(&[&[1, 20, 85]]), ["yolo-fastest-v2"]);
    // With a row per cell it may also be a YOLOX of one class; the values tell.
    assert_eq!(names(&[&[1, 84, 6]]), ["yolox", "yolox-decoded", "end-to-end"]);
    for strange in [&[1usize, 84, 5][..], &[1, 84, 4], &[2, 84, 85], &[1, 84, 0], &[1, 85, 7, 7], &[1, 85, 0, 4], &[]] {
        assert_eq!(names(&[strange]), [""; 0], "{strange:?}");
    }
    assert_eq!(fitting(&[("output", &[1, 84, 85], I64)]).len(), 0, "integers are no boxes");
}

#[test]
fn every_kind_fits_its_example() {
    for kind in KINDS {
        let example = EXAMPLES.iter().find(|(name, _)| *name == kind.name);
        let (_, outputs) = example.unwrap_or_else(|| panic!("{} has no example here", kind.name));
        assert!(fitting(outputs).iter().any(|(name, _)| *name == kind.name), "{} does not fit", kind.name);
    }
}

#[test]
fn names_and_families_go_both_ways() {
    for kind in KINDS {
        assert_eq!(kind.name.parse(), Ok(kind.family));
        assert_eq!(kind.family.to_string(), kind.name);
    }
    let unknown = "yolov99".parse::<Family>().unwrap_err().to_string();
    assert!(unknown.contains("yolov99") && unknown.contains("yolox-decoded"), "{unknown}");
}

proptest! {
    #[test]
    fn no_output_makes_a_decoder_panic(
        values in proptest::collection::vec(prop_oneof![proptest::num::f32::ANY, 0f32..1.0], 0..8000),
        example in 0..EXAMPLES.len(), cut in 0usize..20, threshold in 0f32..1.0,
    ) {
        let (_, shapes) = EXAMPLES[example];
        // Outputs as long as their shapes say, or one of them shorter, as a provider might give that has gone mad.
        let tensor = |(at, (_, shape, _)): (usize, &(&str, &[usize], ElementType))| {
            let len = shape.iter().product::<usize>().min(values.len());
            Tensor { data: &values[..if at == cut { len / 2 } else { len }] }
        };
        let outputs: Vec<Tensor<'_>> = shapes.iter().enumerate().map(tensor).collect();
        for (_, mut reading) in fitting(shapes) {
            let mut found = Vec::new();
            let _ = reading.decoder.plausible(&outputs);
            reading.decoder.decode(&outputs, threshold, &mut found);
            reading.decoder.decode(&[], threshold, &mut found);
            prop_assert!(found.iter().all(|d| d.score >= threshold));
        }
    }
}
