//! Every family on the real runtime: a network that has written known objects in the family's own way is recognised without
//! being named, and the objects are found.

#![expect(clippy::unwrap_used, reason = "this whole file is tests; Clippy sees only the functions marked so")]

use std::path::Path;

use serde_json::json;

use vedette::detect::{COCO, DetectError, LabelSource, Settings};
use vedette::vocab::{Detection, Frame, Trunk};

use crate::support::detectors::{json_lines, library, load, open, settings, vedette, written};
use crate::support::heads::{self, Body, FastestForm, Object, Scene};
use crate::support::onnx::{Element, Model};

/// Wide, so that a mistake of rows for columns shows.
const WIDTH: usize = 320;
const HEIGHT: usize = 256;

/// A person, a car and a small dog of COCO; every class is below 11, where COCO's numbers have no gap.
const OBJECTS: [Object; 3] = [
    Object { class: 0, score: 0.9, edges: [41.0, 30.0, 89.0, 159.0] },
    Object { class: 2, score: 0.8, edges: [150.5, 100.0, 260.0, 181.0] },
    Object { class: 7, score: 0.7, edges: [21.0, 200.0, 53.0, 227.0] },
];

fn scene(classes: usize, objects: &[Object]) -> Scene<'_> {
    Scene { width: WIDTH, height: HEIGHT, classes, objects }
}

/// The same objects as the only class.
fn of_one_class() -> [Object; 3] {
    OBJECTS.map(|object| Object { class: 0, ..object })
}

fn look(model: &Model, change: impl FnOnce(Settings) -> Settings) -> Result<(String, Vec<Detection>), DetectError> {
    let (_dir, path) = written(model);
    let mut detector = open(&change(settings(&path)))?;
    // Of the shape of the input, so that every way to fit a picture is the same.
    let bytes = vec![128; WIDTH * HEIGHT * 3 / 2];
    let frame = Frame::from_i420(WIDTH as u32, HEIGHT as u32, bytes).unwrap();
    let mut found = Vec::new();
    detector.detect(&frame, &mut found)?;
    Ok((detector.family().to_string(), found))
}

fn with_coco(settings: Settings) -> Settings {
    Settings { labels: Some(LabelSource::Names(COCO.map(String::from).to_vec())), ..settings }
}

/// Opens `model` without naming a family and expects it to be `family` and to see `objects`, to within `off` pixels.
#[track_caller]
fn assert_sees(family: &str, model: &Model, objects: &[Object], off: f32) {
    assert_sees_with(family, model, objects, off, |settings| settings);
}

#[track_caller]
fn assert_sees_with(
    family: &str,
    model: &Model,
    objects: &[Object],
    off: f32,
    change: impl FnOnce(Settings) -> Settings,
) {
    let (recognised, found) = look(model, change).unwrap_or_else(|error| panic!("{family}: {error}"));
    assert_eq!(recognised, family);
    assert_eq!(found.len(), objects.len(), "{family}: {found:?}");
    for (found, object) in found.iter().zip(objects) {
        assert_eq!(usize::from(found.class), object.class, "{family}");
        assert!((found.score - object.score).abs() < 0.004, "{family}: {found:?}, expected {object:?}");
        let (w, h) = (WIDTH as f32, HEIGHT as f32);
        let edges = [found.bbox.x1 * w, found.bbox.y1 * h, found.bbox.x2 * w, found.bbox.y2 * h];
        for (edge, expected) in edges.into_iter().zip(object.edges) {
            assert!((edge - expected).abs() < off, "{family}: {edges:?}, expected {object:?}");
        }
    }
}

#[test]
fn yolox_is_read_with_and_without_its_grid_applied() {
    if load() {
        assert_sees("yolox", &heads::yolox(&scene(80, &OBJECTS), false), &OBJECTS, 0.1);
        assert_sees("yolox-decoded", &heads::yolox(&scene(80, &OBJECTS), true), &OBJECTS, 0.1);
    }
}

#[test]
fn yolov5_is_read_in_pixels_with_grids_behind_them_and_without_its_anchors_applied() {
    if load() {
        assert_sees("yolov5", &heads::yolov5(&scene(80, &OBJECTS), false), &OBJECTS, 0.1);
        assert_sees("yolov5", &heads::yolov5(&scene(80, &OBJECTS), true), &OBJECTS, 0.1);
        assert_sees("yolov5-lite", &heads::yolov5_lite(&scene(80, &OBJECTS)), &OBJECTS, 0.1);
    }
}

#[test]
fn yolov5_grids_are_read_in_four_forms_and_told_from_yolov7s_only_by_metadata_or_the_settings() {
    if !load() {
        return;
    }
    for (is_map, is_logits) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut model = heads::yolov5_grids(&scene(80, &OBJECTS), &heads::V5_ANCHORS, is_map, is_logits);
        let refusal = look(&model, |settings| settings).unwrap_err().to_string();
        assert!(refusal.contains("yolov5-grids, yolov7-grids") && refusal.contains("set `family:`"), "{refusal}");
        assert!(refusal.contains("[1,"), "the shapes are named: {refusal}");
        let names = "{".to_owned()
            + &COCO.iter().enumerate().map(|(i, n)| format!("{i}: '{n}'")).collect::<Vec<_>>().join(", ")
            + "}";
        model.metadata = vec![("stride", "32"), ("names", names.leak())];
        assert_sees("yolov5-grids", &model, &OBJECTS, 0.1);
        let model = heads::yolov5_grids(&scene(80, &OBJECTS), &heads::V7_ANCHORS, is_map, is_logits);
        assert_sees_with("yolov7-grids", &model, &OBJECTS, 0.1, |settings| Settings {
            family: Some("yolov7-grids".parse().unwrap()),
            ..settings
        });
    }
}

#[test]
fn yolov8_and_rows_that_are_suppressed_already_are_read() {
    if load() {
        assert_sees("yolov8", &heads::yolov8(&scene(80, &OBJECTS), 0), &OBJECTS, 0.1);
        assert_sees_with("end-to-end", &heads::end_to_end(&scene(80, &OBJECTS), 0), &OBJECTS, 0.1, with_coco);
    }
}

#[test]
fn boxes_of_poses_are_read_with_and_without_metadata() {
    if !load() {
        return;
    }
    let people = of_one_class();
    let mut model = heads::yolov8(&scene(1, &people), 51);
    assert_sees("yolo-pose", &model, &people, 0.1);
    model.metadata = vec![("task", "pose"), ("kpt_shape", "[17, 3]"), ("names", "{0: 'person'}")];
    assert_sees("yolo-pose", &model, &people, 0.1);
    assert_sees("yolo-pose", &heads::end_to_end(&scene(1, &people), 51), &people, 0.1);
    // As many channels as a pose has, but they are classes.
    let names = Some(LabelSource::Names((0..52).map(|class| class.to_string()).collect()));
    let model = heads::yolov8(&scene(52, &OBJECTS), 0);
    assert_sees_with("yolov8", &model, &OBJECTS, 0.1, |settings| Settings { labels: names, ..settings });
}

/// The trunk of each person that the detector in `model`, a file of its own, sees in a picture of this size.
fn trunks(model: &Model, (width, height): (u32, u32)) -> Vec<Option<Trunk>> {
    let (_dir, path) = written(model);
    let mut detector = open(&settings(&path)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(detector.family().to_string(), "yolo-pose");
    let frame = Frame::from_i420(width, height, vec![128; (width * height * 3 / 2) as usize]).unwrap();
    let mut found = Vec::new();
    detector.detect(&frame, &mut found).unwrap();
    found.iter().map(|detection| detection.trunk).collect()
}

#[test]
fn the_trunks_of_people_are_told_in_degrees_of_the_picture_whatever_its_shape() {
    if !load() {
        return;
    }
    let people = of_one_class();
    // Leans by 45 degrees to the left; lies, with one hip that is hardly seen; hangs with the head down.
    let bodies: [Body; 3] = [
        [[40.0, 60.0, 0.9], [60.0, 60.0, 0.8], [80.0, 90.0, 0.7], [80.0, 90.0, 0.9]],
        [[160.0, 120.0, 0.9], [160.0, 140.0, 0.9], [220.0, 120.0, 0.4], [220.0, 140.0, 0.9]],
        [[30.0, 220.0, 0.9], [40.0, 220.0, 0.9], [30.0, 205.0, 0.6], [40.0, 205.0, 0.9]],
    ];
    let assert_told = |model: &Model, expected: [Option<f32>; 3]| {
        // As the input, wide, and high, with a letterbox below, above or beside it.
        for size in [(320, 256), (1280, 360), (200, 400)] {
            let told = trunks(model, size);
            assert_eq!(told.len(), 3, "{size:?}");
            for (trunk, expected) in told.iter().zip(expected) {
                let Some(degrees) = expected else {
                    assert_eq!(*trunk, None, "{size:?}");
                    continue;
                };
                let trunk = trunk.unwrap_or_else(|| panic!("{size:?}: no trunk, expected {degrees} degrees"));
                assert!((trunk.inclination - degrees).abs() < 0.3, "{size:?}: {trunk:?}, expected {degrees}");
            }
        }
    };
    // Without visibilities each point is as certain as the person, and the hip counts.
    let [seen, scores] = [[Some(45.0), None, Some(180.0)], [Some(45.0), Some(90.0), Some(180.0)]];
    let three = vec![("task", "pose"), ("kpt_shape", "[17, 3]"), ("names", "{0: 'person'}")];
    let two = vec![("task", "pose"), ("kpt_shape", "[17, 2]"), ("names", "{0: 'person'}")];
    for make in [heads::yolov8_pose, heads::end_to_end_pose] {
        let mut model = make(&scene(1, &people), &bodies, 3);
        assert_told(&model, seen);
        model.metadata = three.clone();
        assert_told(&model, seen);
        let mut model = make(&scene(1, &people), &bodies, 2);
        model.metadata = two.clone();
        assert_told(&model, scores);
    }
    // As many values, but those of something else.
    let mut model = heads::end_to_end(&scene(1, &people), 63);
    model.metadata = vec![("task", "pose"), ("kpt_shape", "[21, 3]"), ("names", "{0: 'hand'}")];
    assert_eq!(trunks(&model, (320, 256)), [None; 3]);
}

#[test]
fn the_command_detect_prints_how_trunks_stand_of_those_that_have_one() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let upright = [[40.0, 60.0, 0.9], [60.0, 60.0, 0.9], [40.0, 124.0, 0.9], [60.0, 124.0, 0.9]];
    let (dir, path) =
        written(&heads::yolov8_pose(&scene(1, &of_one_class()), &[upright, [[0.0; 3]; 4], [[0.0; 3]; 4]], 3));
    let picture = dir.path().join("people.png");
    image::RgbImage::new(320, 256).save(&picture).unwrap();
    let text = |path: &Path| path.display().to_string();
    let records = json_lines(&vedette(&library, &["detect", "--model", &text(&path), &text(&picture)]));
    let trunks: Vec<_> = records[0]["detections"].as_array().unwrap().iter().map(|d| d.get("trunk")).collect();
    assert_eq!(trunks, [Some(&json!({"inclination": 0.0, "length": 0.25})), None, None]);
}

#[test]
fn rt_detr_is_read_with_its_sizes_fed_without_post_processing_and_as_rows() {
    if load() {
        assert_sees_with("rt-detr", &heads::rt_detr(&scene(80, &OBJECTS)), &OBJECTS, 0.1, with_coco);
        assert_sees("rt-detr-raw", &heads::rt_detr_raw(&scene(80, &OBJECTS)), &OBJECTS, 0.1);
        assert_sees("rt-detr-rows", &heads::rt_detr_rows(&scene(80, &OBJECTS)), &OBJECTS, 0.1);
    }
}

#[test]
fn rf_detr_counts_in_cocos_category_numbers() {
    if load() {
        assert_sees("rf-detr", &heads::rf_detr(&scene(80, &OBJECTS)), &OBJECTS, 0.1);
    }
}

#[test]
fn what_names_do_not_tell_apart_is_refused_with_the_shapes_and_the_key_to_set() {
    if !load() {
        return;
    }
    let model = heads::nameless_queries(&scene(80, &OBJECTS));
    let refusal = look(&model, |settings| settings).unwrap_err().to_string();
    for word in ["rt-detr-raw, rf-detr", "a f32 [1,300,80]", "b f32 [1,300,4]", "set `family:`"] {
        assert!(refusal.contains(word), "{refusal}");
    }
    for family in ["rt-detr-raw", "rf-detr"] {
        let named = |settings| Settings { family: Some(family.parse().unwrap()), ..settings };
        assert_sees_with(family, &model, &OBJECTS, 0.1, named);
    }
}

#[test]
fn nanodet_and_picodet_are_known_by_shapes_whatever_their_outputs_are_called() {
    if !load() {
        return;
    }
    assert_sees("nanodet", &heads::nanodet(&scene(80, &OBJECTS)), &OBJECTS, 0.1);
    assert_sees("nanodet-plus", &heads::nanodet_plus(&scene(80, &OBJECTS)), &OBJECTS, 0.1);
    assert_sees("nanodet-plus", &heads::nanodet_plus_in_pairs(&scene(80, &OBJECTS)), &OBJECTS, 0.1);
    assert_sees("picodet", &heads::picodet(&scene(80, &OBJECTS)), &OBJECTS, 0.1);
    let nobodys = Model { producer: "", ..heads::picodet(&scene(80, &OBJECTS)) };
    let refusal = look(&nobodys, |settings| settings).unwrap_err().to_string();
    assert!(refusal.contains("nanodet-plus, picodet"), "{refusal}");
}

#[test]
fn rows_of_paddle_detection_are_read_once_it_is_said_how_they_were_fed() {
    if !load() {
        return;
    }
    let model = heads::paddle_rows(&scene(80, &OBJECTS));
    let refusal = look(&model, with_coco).unwrap_err().to_string();
    assert!(refusal.contains("picodet-rows, ppyoloe-rows"), "{refusal}");
    for family in ["picodet-rows", "ppyoloe-rows"] {
        let named = |settings| Settings { family: Some(family.parse().unwrap()), ..with_coco(settings) };
        assert_sees_with(family, &model, &OBJECTS, 0.1, named);
    }
}

#[test]
fn ssd_mobilenet_takes_bytes_in_a_size_of_its_own() {
    if !load() {
        return;
    }
    assert_sees("ssd-mobilenet", &heads::ssd_mobilenet(&scene(80, &OBJECTS)), &OBJECTS, 0.1);
    let (_dir, path) = written(&heads::ssd_mobilenet(&scene(80, &OBJECTS)));
    let spec = open(&settings(&path)).unwrap().input();
    assert_eq!((spec.width, spec.height), (300, 300));
}

#[test]
fn damo_yolo_is_told_from_an_ssd_by_its_pixels() {
    if load() {
        assert_sees("damo-yolo", &heads::damo_yolo(&scene(80, &OBJECTS)), &OBJECTS, 0.1);
    }
}

#[test]
fn fastestdet_and_every_form_of_yolo_fastest_v2_are_read() {
    if !load() {
        return;
    }
    assert_sees("fastestdet", &heads::fastestdet(&scene(80, &OBJECTS), 16), &OBJECTS, 0.1);
    for form in [FastestForm::Maps, FastestForm::SideBySide, FastestForm::InOne] {
        assert_sees("yolo-fastest-v2", &heads::yolo_fastest(&scene(80, &OBJECTS), form), &OBJECTS, 0.1);
    }
}

#[test]
fn every_family_of_faces_is_read() {
    if !load() {
        return;
    }
    let faces = of_one_class();
    assert_sees("ultraface", &heads::ultraface(&scene(1, &faces), false), &faces, 0.1);
    assert_sees("ultraface-raw", &heads::ultraface(&scene(1, &faces), true), &faces, 0.1);
    assert_sees("yunet", &heads::yunet(&scene(1, &faces)), &faces, 0.1);
    for (has_five, has_keypoints) in [(false, false), (false, true), (true, false), (true, true)] {
        assert_sees("scrfd", &heads::scrfd(&scene(1, &faces), has_five, has_keypoints), &faces, 0.1);
    }
    assert_sees("centerface", &heads::centerface(&scene(1, &faces)), &faces, 0.1);
}

#[test]
fn centernet_is_read_as_logits_and_as_scores() {
    if load() {
        assert_sees("centernet", &heads::centernet(&scene(80, &OBJECTS), true), &OBJECTS, 0.1);
        assert_sees("centernet", &heads::centernet(&scene(80, &OBJECTS), false), &OBJECTS, 0.1);
    }
}

#[test]
fn half_precision_costs_half_a_pixel_and_nothing_else() {
    if !load() {
        return;
    }
    let halves = |model: Model| Model { element: Element::F16, output_element: Element::F16, ..model };
    assert_sees("yolov8", &halves(heads::yolov8(&scene(80, &OBJECTS), 0)), &OBJECTS, 0.5);
    assert_sees("yolox", &halves(heads::yolox(&scene(80, &OBJECTS), false)), &OBJECTS, 0.5);
    assert_sees("rt-detr-raw", &halves(heads::rt_detr_raw(&scene(80, &OBJECTS))), &OBJECTS, 0.5);
}

#[test]
fn sides_that_a_file_leaves_open_are_the_configured_ones() {
    if !load() {
        return;
    }
    let mut model = heads::yolov8(&scene(80, &OBJECTS), 0);
    model.input = vec![0, 3, 0, 0];
    let sized = |settings| Settings { input: Some((WIDTH as u32, HEIGHT as u32)), ..settings };
    assert_sees_with("yolov8", &model, &OBJECTS, 0.1, sized);
}
