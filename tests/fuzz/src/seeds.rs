//! Small inputs of every kind that are in order, so that fuzzing does not begin with guessing a format.

use crate::identify::gallery::{self, Gallery, Key, Person, Template, audit};
use crate::model::Facts;
use crate::model::keys::{NamedKey, SecretKey, SignedList};
use crate::model::manifest::{
    Compatible, Expected, Golden, GoldenPicture, Limits, Manifest, Preprocess, Profile, SCHEMA, SessionOptions, Task,
    Tensor, Thresholds, Version,
};
use crate::model::package::{self, Blob};
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

/// Inputs and what to call them.
pub type Named = Vec<(String, Vec<u8>)>;

/// What comes to the agent `gate`, made of the golden messages.
pub fn commands(golden: &Named) -> Named {
    let mut letters = Vec::new();
    let mut letter = |name: &str, topic: &str, payload: &[u8]| {
        letters.push((name.to_owned(), [b"vedette/v1/gate/", topic.as_bytes(), b"\n", payload].concat()));
    };
    for (name, payload) in golden {
        match name.as_str() {
            "ack" => letter(name, "ack", payload),
            "desired" | "desired_payload" => letter(name, "desired", payload),
            _ => {}
        }
    }
    let wish = r#"{"agent":"gate","revision":7,"models":{"people":{"rollout":"r-1","package":{"model":"people","version":4,
        "sha256":"00","size":9},"proof":{"trial_seconds":60}}},"config":{"rollout":"c-2"}}"#;
    letter("wish", "desired", wish.as_bytes());
    for (name, args) in [
        ("snapshot", r#"{"camera":"door"}"#),
        ("camera/enable", r#"{"camera":"door","enabled":false}"#),
        ("reload", "{}"),
        ("restart-camera", r#"{"camera":"door"}"#),
        ("status", "{}"),
        ("clip", r#"{"episode":"door-17","upload":false}"#),
        ("clip", r#"{"camera":"door","from":"2026-11-23T14:30:00Z","to":"2026-11-23T14:31:00+01:00"}"#),
        ("none", "{}"),
    ] {
        let payload = format!(r#"{{"id":"a-1","expires":"2026-11-23T14:30:00Z","args":{args}}}"#);
        let file = format!("{}-{}", name.replace('/', "-"), args.len());
        letter(&file, &format!("command/{name}"), payload.as_bytes());
    }
    letters
}

/// What comes to a hub, made of the golden messages.
pub fn wire(golden: &Named) -> Named {
    let topic = |name: &str| match name {
        "health" => "health",
        "status" => "status",
        "reply" => "reply/a-1",
        "reported" => "reported",
        name if name.starts_with("camera_state") => "camera/door/state",
        _ => "alert/door/yard",
    };
    let letter = |(name, payload): &(String, Vec<u8>)| {
        (name.clone(), [b"vedette/v1/gate/", topic(name).as_bytes(), b"\n", payload].concat())
    };
    golden.iter().filter(|(name, _)| !name.starts_with("desired")).map(letter).collect()
}

/// A gallery as it is sealed, what is sealed in it, and its log.
pub fn gallery() -> Named {
    let entry = audit::Entry {
        at: "2026-11-23T14:30:00Z".into(),
        who: "root".into(),
        action: audit::Action::Enrol,
        person: Some(Id::new("e-1").expect("an id")),
        detail: "1 vector".into(),
        revision: 1,
        previous: String::new(),
    };
    let line = audit::Line::of(entry);
    let template = Template { vector: vec![0.6, 0.8], worth: 0.5, source: "ada.jpg".into() };
    let person = Person {
        id: Id::new("e-1").expect("an id"),
        name: "Ada Lovelace".into(),
        lists: vec![Id::new("staff").expect("an id")],
        created: 1_795_444_073,
        expires: Some(1_895_444_073),
        templates: vec![template],
    };
    let people = Gallery { space: "space-2".into(), revision: 1, people: vec![person], last: vec![line.clone()] };
    let sealed = gallery::seal(&people, &Key::from_bytes([1; 32]), [7; 12]).expect("a gallery");
    let text = serde_json::to_vec(&people).expect("a gallery");
    vec![("sealed".into(), sealed), ("people".into(), text), ("log".into(), line.to_text().into_bytes())]
}

/// Scripts for the ring, see `src/spool/ring/fuzzed.rs`: 0 appends, 1 commits, 2 acknowledges, 3 saves, 4 opens anew, 5 damages, 6
/// reseals, 7 cuts.
pub fn spool() -> Named {
    let appended = |class: u8, count: usize| [0, class, 200].repeat(count);
    let some = [appended(0, 3), vec![1], appended(1, 5), vec![1], appended(2, 2), vec![1, 3]].concat();
    let full = [appended(0, 2), vec![1], appended(1, 60), vec![1], appended(2, 60), vec![1]].concat();
    let with = |steps: &[u8]| [some.as_slice(), steps].concat();
    let named = [
        ("nothing", some.clone()),
        ("full", full.clone()),
        ("acknowledged", with(&[2, 1, 3, 3, 4, 2, 0, 9, 4])),
        ("not-committed", with(&[0, 0, 9, 0, 1, 9, 4])),
        ("slot", with(&[5, 0, 40, 0, 1, b'9'])),
        ("both-slots", with(&[5, 0, 0, 0, 1, 0, 5, 1, 0, 0, 1, 0])),
        ("head", with(&[5, 2, 4, 0, 2, 1, 1, 5, 2, 4, 2, 2, 1, 1])),
        ("record", with(&[5, 3, 0, 5, 3, 1, 2, 3, 4, 0, 1, 9, 1, 4])),
        ("resealed-record", with(&[5, 3, 8, 4, 8, 255, 0, 0, 0, 0, 0, 0, 0, 6, 4, 0, 1, 9, 1, 4])),
        ("resealed-slot", with(&[5, 0, 27, 0, 1, b'9', 6, 4, 0, 1, 9, 1, 4])),
        ("resealed-head", with(&[5, 2, 16, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255, 6, 4, 0, 0, 9, 1, 4])),
        ("cut", [full.as_slice(), &[7, 4, 0, 3, 4, 0, 1, 9, 1, 4]].concat()),
    ];
    named.into_iter().map(|(name, script)| (name.to_owned(), script)).collect()
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(format!("key {number}"), [number; 32])
}
