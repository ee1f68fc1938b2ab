//! `model quantize`: the figures of another tool, a small detector from file to file, every refusal, real detectors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use vedette::model::Facts;
use vedette::model::proto::{ModelProto, TensorProto};
use vedette::toolchain::graph::prepare::prepare;
use vedette::toolchain::quantize::Target;
use vedette::toolchain::quantize::calibrate::Ranges;
use vedette::toolchain::quantize::material::TensorFile;
use vedette::toolchain::quantize::profile::Profile;
use vedette::toolchain::quantize::run::Method;

use crate::support::data;
use crate::support::detectors::{json_lines, library, load, vedette};
use crate::support::networks::{bright_spots, model, node, with_float, with_int, with_ints};

const SIDE: i64 = 16;

/// The formula of `tests/reference/quantize.py`.
fn values(seed: i64, shape: &[i64]) -> Vec<f32> {
    let count: i64 = shape.iter().product();
    let value = |at: i64| {
        let step = (at * at * 7 + at * (31 + seed) + at / 13 * 3 + at / 7 + seed * 5) % 13 - 6;
        let channel = at / (count / shape[0]);
        step as f32 / 8.0 * [1.0, 2.0, 0.5][(channel % 3) as usize]
    };
    (0..count).map(value).collect()
}

/// The network of `tests/reference/quantize.py`.
fn reference_network() -> ModelProto {
    let weight = |name: &str, seed, shape: &[i64]| TensorProto::from_floats(name, shape, &values(seed, shape));
    let padded = |node| with_ints(node, "pads", &[1, 1, 1, 1]);
    let pool = with_ints(node("MaxPool", &["sum"], "pooled"), "kernel_shape", &[2, 2]);
    let nodes = vec![
        padded(node("Conv", &["images", "stem.weight", "stem.bias"], "stem")),
        node("Relu", &["stem"], "rectified"),
        with_int(padded(node("Conv", &["rectified", "deep.weight", "deep.bias"], "deep")), "group", 8),
        node("Add", &["rectified", "deep"], "sum"),
        with_ints(pool, "strides", &[2, 2]),
        node("Conv", &["pooled", "wide.weight"], "wide"),
        with_float(node("LeakyRelu", &["wide"], "leaky"), "alpha", 0.125),
        with_int(node("Concat", &["pooled", "leaky"], "both"), "axis", 1),
        node("Conv", &["both", "head.weight", "head.bias"], "output"),
    ];
    let constants = vec![
        weight("stem.weight", 1, &[8, 3, 3, 3]),
        weight("stem.bias", 2, &[8]),
        weight("deep.weight", 3, &[8, 1, 3, 3]),
        weight("deep.bias", 4, &[8]),
        weight("wide.weight", 5, &[16, 8, 1, 1]),
        weight("head.weight", 6, &[6, 24, 1, 1]),
        weight("head.bias", 7, &[6]),
    ];
    model(13, &[1, 3, SIDE, SIDE], ("output", &[1, 6, SIDE / 2, SIDE / 2]), nodes, constants)
}

/// Constants of a model by name.
fn constants(model: &ModelProto) -> BTreeMap<&str, &TensorProto> {
    model.graph.as_ref().unwrap().initializer.iter().map(|tensor| (tensor.name(), tensor)).collect()
}

/// How many floats lie between two, themselves counted once.
fn ulps(a: f32, b: f32) -> u32 {
    a.to_bits().abs_diff(b.to_bits())
}

fn assert_scales(name: &str, found: &[f32], expected: &Value) {
    let expected: Vec<f32> = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(&expected) {
        assert!(ulps(*found, *expected) <= 1, "{name}: {found}, expected {expected}");
    }
}

#[test]
fn scales_zero_points_and_weights_are_those_of_onnxruntime_quantization() {
    if !load() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let shape = [1, 3, SIDE, SIDE];
    let pictures: Vec<Vec<f32>> = (0..6).map(|seed| values(100 + seed, &shape)).collect();
    let mut tensors = TensorFile::create(&dir.path().join("tensors"), pictures[0].len()).unwrap();
    pictures.iter().for_each(|picture| tensors.push(picture).unwrap());
    let bytes = reference_network().to_bytes();
    let prepared = prepare(&bytes, (16, 16), &pictures[0], &dir.path().join("simplified")).unwrap();
    // The other tool knows no rule about few channels, nor about slow kernels.
    let profile = Profile { fewest_channels: 0, all_kernels: true, ..Target::CpuX86.profile() };
    let method = Method { target: Target::CpuX86, profile, ranges: Ranges::MinMax, weight_limit: 127 };
    let quantised = method.everything(&prepared, &tensors, (16, 16)).unwrap().unwrap();
    let constants = constants(&quantised);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/quantize.json");
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut tensors, mut weights) = (0, 0);
    for (name, expected) in golden["tensors"].as_object().unwrap() {
        let scale = constants[format!("{name}_scale").as_str()].floats().unwrap();
        let zero_point = constants[format!("{name}_zero_point").as_str()].raw_data.clone().unwrap();
        assert_scales(name, &scale, &serde_json::json!([expected["scale"]]));
        assert_eq!(u64::from(zero_point[0]), expected["zero_point"].as_u64().unwrap(), "{name}");
        tensors += 1;
    }
    let quantised = |name: &str, what: &str| {
        let is_it = |key: &&&str| key.starts_with(name) && key.ends_with(what);
        let key = constants.keys().find(is_it).unwrap_or_else(|| panic!("no {what} of {name}: {:?}", constants.keys()));
        constants[*key]
    };
    for (name, expected) in golden["weights"].as_object().unwrap() {
        let steps: Vec<i8> = serde_json::from_value(expected["steps"].clone()).unwrap();
        let found = quantised(name, "_q").raw_data.clone().unwrap();
        assert_eq!(found.into_iter().map(u8::cast_signed).collect::<Vec<_>>(), steps, "{name}");
        let scale = quantised(name, "_q").name().trim_end_matches("_q").to_owned() + "_scale";
        assert_scales(name, &constants[scale.as_str()].floats().unwrap(), &expected["scales"]);
        weights += 1;
    }
    for (name, expected) in golden["biases"].as_object().unwrap() {
        let steps: Vec<i64> = serde_json::from_value(expected["steps"].clone()).unwrap();
        let weight = name.replace("bias", "weight");
        assert_eq!(quantised(&weight, "_bias").ints().unwrap(), steps, "{name}");
    }
    assert_eq!((tensors, weights), (8, 3));
}

/// Twelve pictures of a bright spot on dark ground, each elsewhere.
fn spots(folder: &Path) {
    for number in 0..12u32 {
        let (left, top) = (number % 4 * 14 + 2, number / 4 * 18 + 4);
        let pixel = |x: u32, y: u32| {
            let is_bright = (left..left + 18).contains(&x) && (top..top + 18).contains(&y);
            image::Rgb([if is_bright { 250 } else { (x * 3 % 40) as u8 }; 3])
        };
        image::RgbImage::from_fn(64, 64, pixel).save(folder.join(format!("spot-{number:02}.png"))).unwrap();
    }
}

/// A folder with the detector of bright spots and pictures for it.
struct Place {
    library: PathBuf,
    folder: tempfile::TempDir,
}

fn place() -> Option<Place> {
    let library = library("VEDETTE_ORT")?;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("float.onnx"), bright_spots().to_bytes()).unwrap();
    std::fs::create_dir(folder.path().join("spots")).unwrap();
    spots(&folder.path().join("spots"));
    Some(Place { library, folder })
}

impl Place {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn quantize(&self, model: &str, pictures: &str, extra: &[&str]) -> Output {
        let (model, pictures, output) = (self.path(model), self.path(pictures), self.path("int8.onnx"));
        let arguments = ["model", "quantize", &model, "--calibrate", &pictures, "-o", &output];
        vedette(&self.library, &[&arguments[..], extra].concat())
    }

    /// The files there, less what was there before.
    fn new_files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name != "float.onnx" && name != "spots");
        names.sort();
        names
    }
}

const PATIENT: [&str; 4] = ["--target", "cpu-x86", "--max-latency", "1000"];

#[test]
fn a_small_detector_is_quantised_and_seen_with_no_family_named() {
    let Some(place) = place() else { return };
    let report = place.path("report");
    let output = place.quantize("float.onnx", "spots", &[&PATIENT[..], &["--json", "--report", &report]].concat());
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{log}");
    let outcome = json_lines(&output).pop().unwrap();
    assert_eq!((&outcome["passed"], &outcome["family"]), (&true.into(), &"yolov8".into()));
    assert!(outcome["int8"]["agreement"].as_f64().unwrap() >= 0.9, "{outcome}");
    assert_eq!((&outcome["calibrated_with"], &outcome["judged_by"]), (&8.into(), &4.into()));
    assert_eq!(place.new_files(), ["int8.onnx", "report"]);
    let bytes = std::fs::read(place.path("int8.onnx")).unwrap();
    let facts = Facts::parse(&bytes).unwrap();
    assert_eq!((facts.sha256.as_str(), facts.opset()), (outcome["sha256"].as_str().unwrap(), 13));
    assert!(facts.is_quantised() && !facts.operators.contains_key("BatchNormalization"), "{:?}", facts.operators);
    let key = vedette::detect::DISABLED_OPTIMIZERS_KEY;
    assert_eq!(facts.metadata(key), Some("WeightBiasQuantization;QDQPropagationTransformer"));
    let arguments = ["detect", "--model", &place.path("int8.onnx"), &place.path("spots/spot-05.png")];
    let seen = json_lines(&vedette(&place.library, &arguments)).pop().unwrap();
    assert_eq!(seen["detections"][0]["label"], "bright", "{seen}");
    let page = std::fs::read_to_string(place.path("report/report.html")).unwrap();
    assert!(page.contains("data:image/jpeg;base64,") && page.contains("<svg") && page.contains("passed"));
}

#[test]
fn labels_are_what_counts_where_there_are_any() {
    let Some(place) = place() else { return };
    let labels = place.path("labels");
    std::fs::create_dir(&labels).unwrap();
    for number in 0..12u32 {
        let centre = |at: u32| f64::from(at + 9) / 64.0;
        let (x, y) = (centre(number % 4 * 14 + 2), centre(number / 4 * 18 + 4));
        std::fs::write(format!("{labels}/spot-{number:02}.txt"), format!("1 {x} {y} 0.25 0.25\n")).unwrap();
    }
    let output = place.quantize("float.onnx", "spots", &[&PATIENT[..], &["--json", "--labels", &labels]].concat());
    let outcome = json_lines(&output).pop().unwrap();
    let [float, int8] = ["float", "int8"].map(|side| outcome[side]["map50"].as_f64().unwrap());
    assert!(float > 0.0 && (float - int8).abs() < 0.1, "{outcome}");
    std::fs::write(format!("{labels}/spot-02.txt"), "7 0.5 0.5 0.25 0.25\n").unwrap();
    let output = place.quantize("float.onnx", "spots", &[&PATIENT[..], &["--labels", &labels]].concat());
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && log.contains("spot-02.txt:1"), "{log}");
}

#[test]
fn what_does_not_pass_is_kept_aside_and_told() {
    let Some(place) = place() else { return };
    let output = place.quantize("float.onnx", "spots", &["--target", "cpu-x86", "--max-latency", "0.0001"]);
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("times as long as the float model") && log.contains("int8.rejected.onnx"), "{log}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("rejected: "));
    assert_eq!(place.new_files(), ["int8.rejected.onnx"]);
    let other = place.quantize("float.onnx", "spots", &["--target", "tensorrt", "--min-agreement", "1.1"]);
    assert_eq!(other.status.code(), Some(1));
    let table = String::from_utf8_lossy(&other.stdout);
    assert!(table.lines().any(|line| line.starts_with("p50") && line.ends_with('-')), "{table}");
}

#[test]
fn every_target_has_a_model_that_sees_the_same() {
    let Some(place) = place() else { return };
    for target in ["cpu-arm", "tensorrt", "openvino", "qnn"] {
        let output = place.quantize("float.onnx", "spots", &["--target", target, "--json", "--max-latency", "1000"]);
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{target}: {log}");
        let bytes = std::fs::read(place.path("int8.onnx")).unwrap();
        let facts = Facts::parse(&bytes).unwrap();
        let count = |operator: &str| facts.operators.get(operator).copied().unwrap_or(0);
        assert!(count("DequantizeLinear") > count("QuantizeLinear"), "{target}: {:?}", facts.operators);
    }
}

#[test]
fn what_cannot_be_quantised_is_refused_by_name_and_nothing_is_left_behind() {
    let Some(place) = place() else { return };
    let write = |name: &str, bytes: &[u8]| std::fs::write(place.path(name), bytes).unwrap();
    let mut old = bright_spots();
    old.opset_import[0].version = Some(8);
    write("old.onnx", &old.to_bytes());
    let mut bare = crate::detect::yolov8();
    bare.producer = "tests";
    write("bare.onnx", &bare.bytes());
    write("text.onnx", b"not a model\n");
    std::fs::create_dir(place.path("empty")).unwrap();
    std::fs::create_dir(place.path("few")).unwrap();
    std::fs::copy(place.path("spots/spot-01.png"), place.path("few/one.png")).unwrap();
    std::fs::create_dir(place.path("damaged")).unwrap();
    std::fs::write(place.path("damaged/a.jpg"), [0xff, 0xd8, 0xff, 0xe0, 1]).unwrap();
    std::fs::create_dir(place.path("dark")).unwrap();
    for number in 0..9 {
        image::RgbImage::new(64, 64).save(place.path(&format!("dark/{number}.png"))).unwrap();
    }
    assert_eq!(place.quantize("float.onnx", "spots", &PATIENT).status.code(), Some(0));
    std::fs::rename(place.path("int8.onnx"), place.path("again.onnx")).unwrap();
    let before = place.new_files();
    let cases = [
        ("missing.onnx", "spots", "cannot read the model"),
        ("text.onnx", "spots", "not an ONNX model"),
        ("again.onnx", "spots", "is 8-bit already: it has QuantizeLinear"),
        ("old.onnx", "spots", "operator set is 8"),
        ("bare.onnx", "spots", "nothing of the model"),
        ("float.onnx", "nowhere", "cannot calibrate with"),
        ("float.onnx", "empty", "holds no .jpg, .jpeg or .png file"),
        ("float.onnx", "damaged", "cannot decode"),
        ("float.onnx", "few", "found 1 pictures to calibrate with; at least 8"),
        ("float.onnx", "dark", "sees nothing in the 3 pictures"),
    ];
    let [float, pictures] = ["float.onnx", "spots"].map(|name| place.path(name));
    let arguments = ["model", "quantize", &float, "--calibrate", &pictures, "-o", &float];
    let output = vedette(&place.library, &[&arguments[..], &PATIENT].concat());
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && log.contains("would overwrite the float model"), "{log}");
    for (model, pictures, expected) in cases {
        let output = place.quantize(model, pictures, &PATIENT);
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{model} {pictures}: {log}");
        let word = log.split("vedette: ").last().unwrap();
        assert!(word.contains(expected), "{model} {pictures}: {word}");
        assert_eq!(place.new_files(), before, "{model} {pictures}");
    }
}

/// AP of a model on the 64 COCO pictures.
fn precision(library: &Path, model: &str) -> f64 {
    let pictures = data::find("images/coco_val64").unwrap();
    let [images, labels] = ["images", "labels"].map(|part| pictures.join(part).display().to_string());
    let output = vedette(library, &["eval", "detect", "--model", model, "--images", &images, "--labels", &labels]);
    json_lines(&output).pop().unwrap()["map"].as_f64().unwrap()
}

#[test]
fn a_real_detector_keeps_its_precision() {
    let Some(library) = library("VEDETTE_ORT") else { return };
    let (Some(model), Some(pictures)) =
        (data::find("models/detect/fastestdet_352.onnx"), data::find("images/coco_train128"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let [model, pictures] = [model, pictures].map(|path| path.display().to_string());
    let result = folder.path().join("int8.onnx").display().to_string();
    let arguments = ["model", "quantize", &model, "--calibrate", &pictures, "-o", &result, "--json"];
    let output = vedette(&library, &[&arguments[..], &PATIENT].concat());
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{log}");
    let (float, int8) = (precision(&library, &model), precision(&library, &result));
    println!("FastestDet: AP {float:.4}, in 8 bits {int8:.4}: {}", String::from_utf8_lossy(&output.stdout));
    assert!(float - int8 <= 0.015, "AP {float} became {int8}");
}
