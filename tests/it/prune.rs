//! `model prune`: a small generated detector whose scores depend on the picture, and real ones.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use vedette::model::proto::{
    AttributeProto, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorType, TypeProto, TypeValue, ValueInfoProto,
};

use crate::support::data;
use crate::support::detectors::{library, vedette};

const SIDE: usize = 64;
const CLASSES: usize = 4;
/// Cells of strides 8, 16 and 32.
const CELLS: usize = 64 + 16 + 4;

fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, &[i64])]) -> NodeProto {
    let attribute = |(name, values): &(&str, &[i64])| match *name {
        "axis" => AttributeProto {
            name: Some((*name).into()),
            i: Some(values[0]),
            kind: Some(2),
            ..AttributeProto::default()
        },
        _ => AttributeProto {
            name: Some((*name).into()),
            ints: values.to_vec(),
            kind: Some(7),
            ..AttributeProto::default()
        },
    };
    NodeProto {
        op_type: Some(operator.into()),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute: attributes.iter().map(attribute).collect(),
        ..NodeProto::default()
    }
}

fn value(name: &str, sides: &[usize]) -> ValueInfoProto {
    let side = |&side: &usize| DimensionProto { value: Some(DimensionValue::Size(side as i64)), denotation: None };
    let shape = Some(TensorShapeProto { dim: sides.iter().map(side).collect() });
    let tensor = TypeValue::Tensor(TensorType { elem_type: Some(1), shape });
    let value_type = Some(TypeProto { value: Some(tensor), denotation: None });
    ValueInfoProto { name: Some(name.into()), value_type, ..ValueInfoProto::default() }
}

/// Small numbers, always the same.
fn noise(count: usize, seed: usize) -> Vec<f32> {
    let number = |at: usize| (((at + seed) as u32).wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0 - 0.5;
    (0..count).map(|at| number(at) * 0.1).collect()
}

fn floats(name: &str, sides: &[usize], values: &[f32]) -> TensorProto {
    let dims: Vec<i64> = sides.iter().map(|&side| side as i64).collect();
    TensorProto::from_floats(name, &dims, values)
}

/// A YOLOv8 head over a layer of four channels, the second and last of which never see anything. Boxes are constants.
fn detector() -> ModelProto {
    let mut stem = noise(4 * 3, 1);
    stem[3..6].fill(0.0);
    stem[9..12].fill(0.0);
    let mut constants = vec![floats("stem", &[4, 3, 1, 1], &stem), floats("bias", &[4], &[0.1, -1.0, 0.2, 0.0])];
    let mut nodes =
        vec![node("Conv", &["images", "stem", "bias"], "stemmed", &[]), node("Relu", &["stemmed"], "seen", &[])];
    let mut places = vec![vec![0f32; CELLS]; 4];
    let mut cell = 0;
    for (at, stride) in [8usize, 16, 32].into_iter().enumerate() {
        let [w, maps, shape, rows] = ["w", "maps", "shape", "rows"].map(|name| format!("{name}{at}"));
        let weights = noise(CLASSES * 4 * stride * stride, at);
        constants.push(floats(&w, &[CLASSES, 4, stride, stride], &weights));
        constants.push(TensorProto::from_ints(&shape, &[3], &[1, CLASSES as i64, -1]));
        let strides: &[i64] = &[stride as i64, stride as i64];
        nodes.push(node("Conv", &["seen", &w], &maps, &[("strides", strides)]));
        nodes.push(node("Reshape", &[&maps, &shape], &rows, &[]));
        let columns = SIDE / stride;
        for place in 0..columns * columns {
            let centre = [place % columns, place / columns].map(|at| (at as f32 + 0.5) * stride as f32);
            let size = stride as f32;
            for (channel, number) in places.iter_mut().zip([centre[0], centre[1], size, size]) {
                channel[cell] = number;
            }
            cell += 1;
        }
    }
    constants.push(floats("places", &[1, 4, CELLS], &places.concat()));
    nodes.push(node("Concat", &["rows0", "rows1", "rows2"], "logits", &[("axis", &[2])]));
    nodes.push(node("Sigmoid", &["logits"], "scores", &[]));
    nodes.push(node("Concat", &["places", "scores"], "output0", &[("axis", &[1])]));
    // Something that nobody needs.
    nodes.push(node("Relu", &["scores"], "unused", &[]));
    let pair = |key: &str, value: &str| StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) };
    ModelProto {
        ir_version: Some(8),
        producer_name: Some("vedette-tests".into()),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(13) }],
        metadata_props: vec![pair("task", "detect"), pair("names", "{0: 'cat', 1: 'dog', 2: 'fox', 3: 'owl'}")],
        graph: Some(GraphProto {
            name: Some("graph".into()),
            node: nodes,
            initializer: constants,
            input: vec![value("images", &[1, 3, SIDE, SIDE])],
            output: vec![value("output0", &[1, 4 + CLASSES, CELLS])],
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    }
}

/// A folder with this model.
struct Bench {
    library: PathBuf,
    folder: tempfile::TempDir,
}

fn bench(model: &ModelProto) -> Option<Bench> {
    let bench = Bench { library: library("VEDETTE_ORT")?, folder: tempfile::tempdir().unwrap() };
    std::fs::write(bench.path("in.onnx"), model.to_bytes()).unwrap();
    Some(bench)
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn prune(&self, more: &[&str]) -> Output {
        let [input, output] = ["in.onnx", "out.onnx"].map(|name| self.path(name).display().to_string());
        let arguments = ["model", "prune", &input, "-o", &output, "--seconds", "0.1"];
        vedette(&self.library, &[&arguments, more].concat())
    }

    fn refusal(&self, more: &[&str]) -> (Option<i32>, String) {
        let output = self.prune(more);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text[text.find("vedette: ").unwrap_or(0)..].to_owned())
    }
}

fn report(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn classes_channels_and_what_is_unused_go_and_the_rest_is_equal() {
    let Some(bench) = bench(&detector()) else { return };
    let found = report(&bench.prune(&["--classes", "owl,dog", "--json"]));
    assert_eq!(found["classes"], serde_json::json!(["dog", "owl"]), "they keep their order");
    assert_eq!((&found["silent_channels"], &found["removed_operators"]), (&2.into(), &1.into()));
    let proof = &found["proof"];
    assert_eq!(proof["values"], 3 * (4 + 2) * CELLS, "{proof}");
    assert!(proof["largest_difference"].as_f64().unwrap() <= 1e-4, "{proof}");
    let [before, after] = [&found["before"], &found["after"]].map(|it| it["multiply_adds"].as_u64().unwrap());
    // Half of the channels and half of the classes: each head is a quarter, the layer before it half.
    let heads = 3 * (CLASSES * 4 * SIDE * SIDE) as u64;
    let stem = (4 * 3 * SIDE * SIDE) as u64;
    assert_eq!((before, after), (stem + heads, stem / 2 + heads / 4));
    let pruned = ModelProto::parse(&std::fs::read(bench.path("out.onnx")).unwrap()).unwrap();
    let names = pruned.metadata_props.iter().find(|pair| pair.key() == "names").unwrap().value();
    assert_eq!(names, "{0: 'dog', 1: 'owl'}");
    let output = pruned.graph.unwrap().output.remove(0);
    assert_eq!(output, value("output0", &[1, 6, CELLS]));
    assert!(!bench.path("out.onnx.refused").exists());
    // Pruned again there is nothing to do.
    std::fs::rename(bench.path("out.onnx"), bench.path("in.onnx")).unwrap();
    let again = report(&bench.prune(&["--json"]));
    assert_eq!((&again["silent_channels"], &again["removed_operators"]), (&0.into(), &0.into()));
    assert_eq!(again["proof"]["differing"], 0);
}

#[test]
fn a_report_for_people_says_what_became_smaller() {
    let Some(bench) = bench(&detector()) else { return };
    let output = bench.prune(&["--classes", "fox"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in ["classes        1 of 4 are kept: fox", "channels       2 that were always zero are gone", "inference"]
    {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn what_cannot_be_pruned_is_refused_and_nothing_is_written() {
    let mut model = detector();
    let Some(bench) = bench(&model) else { return };
    let (status, text) = bench.refusal(&["--classes", "cat,unicorn"]);
    assert_eq!(status, Some(2));
    assert!(text.contains("no class is called \"unicorn\"; there are cat, dog, fox, owl"), "{text}");
    let input = bench.path("in.onnx").display().to_string();
    let output = vedette(&bench.library, &["model", "prune", &input, "-o", &input]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is the file itself"));
    // The highest score of all classes is no score of a class.
    let graph = model.graph.as_mut().unwrap();
    let sigmoid = graph.node.iter().position(|node| node.op_type() == "Sigmoid").unwrap();
    graph.node[sigmoid] = node("InstanceNormalization", &["logits", "ones", "zeros"], "scores", &[]);
    graph.initializer.push(floats("ones", &[CLASSES], &[0.1; CLASSES]));
    graph.initializer.push(floats("zeros", &[CLASSES], &[0.4; CLASSES]));
    std::fs::write(bench.path("in.onnx"), model.to_bytes()).unwrap();
    let (status, text) = bench.refusal(&["--classes", "cat"]);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("InstanceNormalization \"scores\" stands in the way"), "{text}");
    std::fs::write(bench.path("in.onnx"), b"not a model\n").unwrap();
    assert_eq!(bench.refusal(&[]).0, Some(2));
    assert!(!bench.path("out.onnx").exists() && !bench.path("out.onnx.refused").exists());
}

#[test]
fn a_result_that_is_not_equal_is_kept_aside() {
    let mut model = detector();
    // What is left of the classes is told apart by their number: this node turns scores over only where there are two.
    let graph = model.graph.as_mut().unwrap();
    let last = graph.node.iter().position(|node| node.output == ["output0"]).unwrap();
    let more = [
        node("Shape", &["scores"], "sizes", &[]),
        node("Gather", &["sizes", "one"], "count", &[("axis", &[0])]),
        node("Cast", &["count"], "number", &[]),
        node("Div", &["number", "four"], "factor", &[]),
        node("Mul", &["scores", "factor"], "scaled", &[]),
    ];
    graph.node.splice(last..last, more);
    graph.node.iter_mut().find(|node| node.output == ["number"]).unwrap().attribute =
        vec![AttributeProto { name: Some("to".into()), i: Some(1), kind: Some(2), ..AttributeProto::default() }];
    graph.node.iter_mut().find(|node| node.output == ["output0"]).unwrap().input[1] = "scaled".into();
    graph.initializer.push(TensorProto::from_ints("one", &[1], &[1]));
    graph.initializer.push(floats("four", &[1], &[4.0]));
    let Some(bench) = bench(&model) else { return };
    let (status, text) = bench.refusal(&["--classes", "cat"]);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("the pruned model is not equal: outputs differ by"), "{text}");
    assert!(bench.path("out.onnx.refused").exists() && !bench.path("out.onnx").exists());
}

/// Prunes a real file to some of its classes; the report, or `None` where the file is not there.
fn real(name: &str, folder: &Path) -> Option<Value> {
    let (library, model) = (library("VEDETTE_ORT")?, data::find(&format!("models/detect/{name}.onnx"))?);
    let output = folder.join("out.onnx").display().to_string();
    let arguments = ["model", "prune", model.to_str().unwrap(), "-o", &output, "--seconds", "0.1"];
    Some(report(&vedette(&library, &[&arguments[..], &["--classes", "person,bicycle,car", "--json"]].concat())))
}

#[test]
fn classes_of_yolox_are_cut_and_those_of_fastestdet_dropped_behind_their_softmax() {
    let folder = tempfile::tempdir().unwrap();
    let Some(yolox) = real("yolox_nano_416", folder.path()) else { return };
    assert_eq!(yolox["family"], "yolox");
    assert_eq!(yolox["proof"]["values"], 3 * 3549 * 8);
    // 77 rows of 64 weights and a bias, three times.
    let parameters = |it: &Value| it["parameters"].as_u64().unwrap();
    let gone = parameters(&yolox["before"]) - parameters(&yolox["after"]);
    assert!((3 * 77 * 65..3 * 77 * 65 + 100).contains(&gone), "{gone}");
    let Some(fastest) = real("fastestdet_352", folder.path()) else { return };
    assert_eq!(fastest["family"], "fastestdet");
    assert_eq!(fastest["proof"]["values"], 3 * 8 * 22 * 22);
    assert!(fastest["still_computed_by"][0].as_str().unwrap().starts_with("Softmax"), "{fastest}");
}
