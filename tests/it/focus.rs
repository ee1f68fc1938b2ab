//! A folded Focus gives what the file's own gives, through the real runtime.

use std::path::Path;

use proptest::prelude::*;
use vedette::base::clock::SystemClock;
use vedette::detect::tensors::{Datatype, Elements, Tensor, TensorModel};
use vedette::model::proto::{ModelProto, NodeProto, TensorProto};
use vedette::model::{Facts, focus};

use crate::support::data;
use crate::support::detectors::{load, settings};
use crate::support::networks::{model, node, with_int, with_ints};

/// What a model makes of an input of floats.
fn outputs(bytes: Vec<u8>, shape: &[i64], values: &[f32]) -> Vec<f32> {
    let model = TensorModel::from_bytes(bytes, &settings(Path::new("focus.onnx")), &SystemClock).unwrap();
    let mut session = model.open().unwrap();
    let name = session.inputs()[0].name.clone();
    let packed: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let elements = Elements::Packed(packed.into());
    let input = Tensor { name, datatype: Datatype::Fp32, shape: shape.to_vec(), elements };
    let all: Vec<usize> = (0..session.outputs().len()).collect();
    let tensors = session.run(&[input], &all).unwrap();
    let floats = |tensor: &Tensor| match &tensor.elements {
        Elements::Packed(bytes) => bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
        other => panic!("{other:?}"),
    };
    tensors.iter().flat_map::<Vec<f32>, _>(floats).collect()
}

fn noise(count: usize, seed: u32) -> Vec<f32> {
    let number = |at: usize| ((at as u32).wrapping_add(seed).wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0 - 0.5;
    (0..count).map(number).collect()
}

/// A Focus of 3 channels over 12 x 16 whose quarters are stacked in `order`.
fn with_focus(order: &[usize], in_one: bool, kernel: i64, pad: i64, stride: i64) -> ModelProto {
    let ints = |name: &str, values: &[i64]| TensorProto::from_ints(name, &[values.len() as i64], values);
    let mut constants = vec![
        ints("zero", &[0]),
        ints("one", &[1]),
        ints("end", &[i64::MAX]),
        ints("rows", &[2]),
        ints("columns", &[3]),
        ints("two", &[2]),
        ints("ends", &[i64::MAX; 2]),
        ints("both", &[3, 2]),
        ints("twos", &[2, 2]),
        TensorProto::from_floats("w", &[5, 12, kernel, kernel], &noise((5 * 12 * kernel * kernel) as usize, 1)),
        TensorProto::from_floats("b", &[5], &noise(5, 7)),
    ];
    let start = |second: bool| if second { "one" } else { "zero" };
    let mut nodes: Vec<NodeProto> = Vec::new();
    for &quarter in order {
        let (dy, dx) = (quarter / 2, quarter % 2);
        let (half, whole) = (format!("h{quarter}"), format!("q{quarter}"));
        if in_one {
            let starts = format!("s{quarter}");
            constants.push(ints(&starts, &[dx as i64, dy as i64]));
            nodes.push(node("Slice", &["images", &starts, "ends", "both", "twos"], &whole));
        } else {
            nodes.push(node("Slice", &["images", start(dy == 1), "end", "rows", "two"], &half));
            nodes.push(node("Slice", &[&half, start(dx == 1), "end", "columns", "two"], &whole));
        }
    }
    let names: Vec<String> = order.iter().map(|quarter| format!("q{quarter}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    nodes.push(with_int(node("Concat", &names, "stack"), "axis", 1));
    let conv = with_ints(node("Conv", &["stack", "w", "b"], "output"), "pads", &[pad; 4]);
    nodes.push(with_ints(conv, "strides", &[stride; 2]));
    let side = |half: i64| (half + 2 * pad - kernel) / stride + 1;
    model(13, &[1, 3, 12, 16], ("output", &[1, 5, side(6), side(8)]), nodes, constants)
}

fn differ(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(a, b)| (a - b).abs() / (1.0 + a.abs())).fold(0.0, f32::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_focus_folded_makes_the_same_sums(
        order in Just(vec![0usize, 1, 2, 3]).prop_shuffle(),
        in_one: bool,
        kernel in 1..4i64,
        pad in 0..2i64,
        stride in 1..3i64,
    ) {
        if !load() { return Ok(()) }
        let bytes = with_focus(&order, in_one, kernel, pad, stride).to_bytes();
        let folded = focus::folded(&bytes, &Facts::parse(&bytes).unwrap());
        let folded = folded.expect("it is a Focus");
        let (shape, values) = ([1, 3, 12, 16], noise(3 * 12 * 16, 3));
        let [own, other] = [bytes, folded].map(|bytes| outputs(bytes, &shape, &values));
        prop_assert!(differ(&own, &other) < 1e-5, "{own:?} {other:?}");
    }
}

#[test]
fn a_real_yolox_sees_the_same_through_its_folded_focus() {
    if !load() {
        return;
    }
    let Some(path) = data::find("models/detect/yolox_nano_416.onnx") else { return };
    let bytes = std::fs::read(path).unwrap();
    let folded = focus::folded(&bytes, &Facts::parse(&bytes).unwrap()).expect("it begins with a Focus");
    let slices = |bytes: &[u8]| Facts::parse(bytes).unwrap().operators.get("Slice").copied().unwrap_or(0);
    assert_eq!(slices(&bytes) - slices(&folded), 8);
    let (shape, values) = ([1, 3, 416, 416], noise(3 * 416 * 416, 3));
    let values: Vec<f32> = values.iter().map(|value| (value + 0.5) * 255.0).collect();
    let [own, other] = [bytes, folded].map(|bytes| outputs(bytes, &shape, &values));
    assert!(differ(&own, &other) < 1e-4, "{}", differ(&own, &other));
}
