//! Small inputs of every kind that are in order, so that fuzzing does not begin with guessing a format.

use crate::model::keys::{NamedKey, SecretKey, SignedList};
use crate::model::manifest::{
    Compatible, Expected, Golden, GoldenPicture, Limits, Manifest, Preprocess, Profile, SCHEMA, SessionOptions, Task,
    Tensor, Thresholds, Version,
};
use crate::model::package::{self, Blob};
use crate::model::Facts;
use crate::onnx::Model;
use crate::vocab::Id;

/// A model of one output.
pub fn onnx() -> Vec<u8> {
    let mut model = Model::new(&[1, 3, 32, 32], vec![("output", vec![1, 6, 21], vec![0.5; 126])]);
    model.metadata = vec![("names", "{0: 'person', 1: 'vehicle'}")];
    model.bytes()
}

/// The manifest of a package with one model and one golden picture, without its files.
pub fn manifest(model: &[u8]) -> Manifest {
    let facts = Facts::parse(model).expect("the model was made here");
    Manifest {
        schema: SCHEMA,
        name: Id::new("seed").expect("an id"),
        version: Version::new(1, 2, 3),
        release: 7,
        security_version: 2,
        created: "2026-01-01T00:00:00Z".parse().expect("a moment"),
        expires: Some("2030-01-01T00:00:00Z".parse().expect("a moment")),
        compatible: Compatible {
            architectures: vec!["x86_64".into(), "aarch64".into()],
            agent_min: Some(Version::new(0, 1, 0)),
            agent_max: None,
        },
        task: Task::Detect,
        family: "yolov8".into(),
        labels: vec!["person".into(), "vehicle".into()],
        thresholds: Thresholds { score: 0.4, nms_iou: 0.45, max_detections: 300 },
        preprocess: Preprocess {
            fit: "centre".into(),
            padding: 114.0,
            order: "rgb".into(),
            mean: [0.0; 3],
            std: [255.0; 3],
        },
        profiles: vec![Profile {
            provider: "any".into(),
            file: "model.onnx".into(),
            inputs: Tensor::of(&facts.inputs),
            outputs: Tensor::of(&facts.outputs),
            session: SessionOptions { disabled_optimizers: vec!["WeightBiasQuantization".into()] },
        }],
        files: Vec::new(),
        golden: Golden {
            score_tolerance: 0.05,
            min_iou: 0.9,
            pictures: vec![GoldenPicture {
                picture: "street.png".into(),
                model: "model.onnx".into(),
                detections: vec![Expected { label: "person".into(), score: 0.91, bbox: [0.1, 0.2, 0.3, 0.4] }],
            }],
        },
        limits: Some(Limits { memory_mib: 64, inference_ms: 20.0 }),
        metrics: [("map".to_owned(), 0.335)].into(),
        calibration: [("pictures".to_owned(), "256 of the street".to_owned())].into(),
        training: [("parent".to_owned(), "none".to_owned())].into(),
        licence: "Apache-2.0".into(),
    }
}

/// A package, signed by two keys.
pub fn package() -> Vec<u8> {
    let model = onnx();
    let manifest = manifest(&model);
    let blobs = [
        Blob { name: "model.onnx".into(), content: model },
        Blob { name: "street.png".into(), content: b"no real picture".to_vec() },
    ];
    package::write(manifest, &blobs, &[key(1), key(2)]).expect("the manifest is in order")
}

/// A list of keys in two versions.
pub fn keys() -> String {
    let named = |n: u8| NamedKey { name: format!("key {n}"), key: key(n).public() };
    let mut list = SignedList::default();
    list.append(vec![named(1), named(2)], 1, &[key(1)]).expect("a list");
    list.append(vec![named(2), named(3)], 1, &[key(1), key(2)]).expect("a list");
    list.to_json()
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(format!("key {number}"), [number; 32])
}
