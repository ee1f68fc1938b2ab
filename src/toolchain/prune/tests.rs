//! Cuts of small graphs, each with one thing on the way.

use super::cut::{Blocked, Cut, Plan, apply, plan};
use super::wiring::Wiring;
use super::{silent, unreachable};
use crate::model::proto::{AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto};
use crate::model::shapes::Shapes;

/// A node whose attributes are lists of integers, or single ones where the name ends in `!`.
pub(super) fn node(operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, &[i64])]) -> NodeProto {
    let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
    let attribute = |(name, values): &(&str, &[i64])| match name.strip_suffix('!') {
        Some(name) => AttributeProto { name: Some(name.into()), i: Some(values[0]), ..AttributeProto::default() },
        None => AttributeProto { name: Some((*name).into()), ints: values.to_vec(), ..AttributeProto::default() },
    };
    NodeProto {
        op_type: Some(operator.into()),
        input: names(inputs),
        output: names(outputs),
        attribute: attributes.iter().map(attribute).collect(),
        ..NodeProto::default()
    }
}

pub(super) fn graph(node: Vec<NodeProto>, initializer: Vec<TensorProto>, outputs: &[&str]) -> GraphProto {
    let value = |name: &&str| ValueInfoProto { name: Some((*name).into()), ..ValueInfoProto::default() };
    GraphProto { node, initializer, output: outputs.iter().map(value).collect(), ..GraphProto::default() }
}

/// A picture of 2 channels.
fn inputs() -> Vec<(String, Vec<usize>)> {
    vec![("x".to_owned(), vec![1, 2, 4, 4])]
}

/// Weights of a pointwise layer of `rows` channels over `columns`, each row its own number.
fn weights(name: &str, rows: usize, columns: usize) -> TensorProto {
    let values: Vec<f32> = (0..rows).flat_map(|row| vec![row as f32 + 1.0; columns]).collect();
    TensorProto::from_floats(name, &[rows as i64, columns as i64, 1, 1], &values)
}

fn ints(name: &str, values: &[i64]) -> TensorProto {
    TensorProto::from_ints(name, &[values.len() as i64], values)
}

/// Cuts the output `y` of a graph.
fn cut(graph: &mut GraphProto, axis: usize, keep: &[usize]) -> Result<Plan, Blocked> {
    let planned = plan(&Wiring::of(graph, &inputs()), 17, "y", Cut { axis, keep: keep.to_vec() }, &[])?;
    apply(graph, planned.edits.clone());
    unreachable::remove(graph);
    Ok(planned)
}

fn sizes(graph: &GraphProto, value: &str) -> Option<Vec<usize>> {
    Shapes::infer(graph, &inputs()).of(value).map(Vec::from)
}

/// The weights that the first convolution of the graph has now.
fn first_weights(graph: &GraphProto) -> Vec<f32> {
    let layer = graph.node.iter().find(|node| node.operator() == "Conv").unwrap();
    graph.initializer.iter().find(|tensor| tensor.name() == layer.input[1]).unwrap().floats().unwrap()
}

#[test]
fn rows_of_a_layer_are_taken_through_sigmoid_concat_reshape_and_transpose() {
    let nodes = vec![
        node("Conv", &["x", "box"], &["boxes"], &[]),
        node("Conv", &["x", "class", "bias"], &["logits"], &[]),
        node("Sigmoid", &["logits"], &["scores"], &[]),
        node("Concat", &["boxes", "scores"], &["all"], &[("axis!", &[1])]),
        node("Reshape", &["all", "shape"], &["table"], &[]),
        node("Transpose", &["table"], &["y"], &[("perm", &[0, 2, 1])]),
    ];
    let bias = TensorProto::from_floats("bias", &[5], &[1.0, 2.0, 3.0, 4.0, 5.0]);
    let constants = vec![weights("box", 4, 2), weights("class", 5, 2), bias, ints("shape", &[1, 9, 16])];
    let mut graph = graph(nodes, constants, &["y"]);
    assert_eq!(sizes(&graph, "y"), Some(vec![1, 16, 9]));
    cut(&mut graph, 2, &[0, 1, 2, 3, 5, 8]).unwrap();
    assert_eq!(sizes(&graph, "y"), Some(vec![1, 16, 6]));
    assert_eq!(sizes(&graph, "logits"), Some(vec![1, 2, 4, 4]));
    let kept = graph.initializer.iter().find(|c| c.dims == [2]).unwrap().floats().unwrap();
    assert_eq!(kept, [2.0, 5.0], "of the bias the same rows as of the weights");
    assert_eq!(first_weights(&graph), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0], "boxes stay");
}

#[test]
fn channels_of_several_anchors_are_taken_from_each() {
    let nodes = vec![
        node("Conv", &["x", "w"], &["maps"], &[]),
        node("Reshape", &["maps", "shape"], &["grids"], &[]),
        node("Transpose", &["grids"], &["y"], &[("perm", &[0, 1, 3, 4, 2])]),
    ];
    let constants = vec![weights("w", 6, 2), ints("shape", &[1, 2, 3, 4, 4])];
    let mut graph = graph(nodes, constants, &["y"]);
    cut(&mut graph, 4, &[0, 2]).unwrap();
    assert_eq!(sizes(&graph, "y"), Some(vec![1, 2, 4, 4, 2]));
    assert_eq!(first_weights(&graph), [1.0, 1.0, 3.0, 3.0, 4.0, 4.0, 6.0, 6.0]);
}

#[test]
fn parts_that_are_sliced_or_split_off_before_the_classes_stay() {
    // As YOLOX decodes: boxes are taken from the front, the classes from the middle to the end.
    let nodes = vec![
        node("Conv", &["x", "w"], &["all"], &[]),
        node("Slice", &["all", "zero", "two", "one"], &["boxes"], &[]),
        node("Slice", &["all", "two", "six", "one"], &["rest"], &[]),
        node("Exp", &["boxes"], &["decoded"], &[]),
        node("Concat", &["decoded", "rest"], &["y"], &[("axis!", &[1])]),
    ];
    let constants =
        vec![weights("w", 6, 2), ints("zero", &[0]), ints("one", &[1]), ints("two", &[2]), ints("six", &[6])];
    let mut sliced = graph(nodes, constants, &["y"]);
    cut(&mut sliced, 1, &[0, 1, 3, 5]).unwrap();
    assert_eq!((sizes(&sliced, "y"), sizes(&sliced, "boxes")), (Some(vec![1, 4, 4, 4]), Some(vec![1, 2, 4, 4])));
    assert_eq!(first_weights(&sliced), [1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 6.0, 6.0]);
    let nodes = vec![
        node("Conv", &["x", "w"], &["all"], &[]),
        node("Split", &["all", "parts"], &["boxes", "rest"], &[("axis!", &[1])]),
        node("Sigmoid", &["rest"], &["scores"], &[]),
        node("Concat", &["boxes", "scores"], &["y"], &[("axis!", &[1])]),
    ];
    let mut parted = graph(nodes, vec![weights("w", 6, 2), ints("parts", &[2, 4])], &["y"]);
    cut(&mut parted, 1, &[0, 1, 3, 5]).unwrap();
    assert_eq!((sizes(&parted, "y"), sizes(&parted, "rest")), (Some(vec![1, 4, 4, 4]), Some(vec![1, 2, 4, 4])));
}

#[test]
fn classes_that_share_a_softmax_are_dropped_behind_it() {
    let nodes =
        vec![node("Conv", &["x", "w"], &["logits"], &[]), node("Softmax", &["logits"], &["y"], &[("axis!", &[1])])];
    let mut graph = graph(nodes, vec![weights("w", 5, 2)], &["y"]);
    let planned = cut(&mut graph, 1, &[1, 4]).unwrap();
    assert_eq!(planned.dropped_after, ["Softmax \"y\""]);
    assert_eq!((sizes(&graph, "y"), sizes(&graph, "logits")), (Some(vec![1, 2, 4, 4]), Some(vec![1, 5, 4, 4])));
    assert_eq!(graph.node.last().unwrap().operator(), "Gather");
}

#[test]
fn rows_of_8_bit_weights_are_taken_with_their_scales() {
    let nodes = vec![
        node("DequantizeLinear", &["w8", "scales", "zeros"], &["w"], &[("axis!", &[0])]),
        node("Conv", &["x", "w"], &["a"], &[]),
        node("QuantizeLinear", &["a", "s", "z"], &["b"], &[]),
        node("DequantizeLinear", &["b", "s", "z"], &["y"], &[]),
    ];
    let constants = vec![
        TensorProto::raw("w8", &[3, 2, 1, 1], 3, vec![1, 1, 2, 2, 3, 3]),
        TensorProto::from_floats("scales", &[3], &[0.1, 0.2, 0.3]),
        TensorProto::raw("zeros", &[3], 3, vec![0; 3]),
        TensorProto::from_floats("s", &[], &[0.5]),
        TensorProto::raw("z", &[], 2, vec![0]),
    ];
    let mut graph = graph(nodes, constants, &["y"]);
    cut(&mut graph, 1, &[2]).unwrap();
    assert_eq!(sizes(&graph, "y"), Some(vec![1, 1, 4, 4]));
    assert!(graph.initializer.iter().any(|c| c.floats() == Some(vec![0.3])), "{:?}", graph.initializer);
}

#[test]
fn what_stands_in_the_way_is_named() {
    let refusal = |nodes: Vec<NodeProto>, outputs: &[&str]| {
        let mut graph = graph(nodes, vec![weights("w", 5, 2), ints("three", &[3])], outputs);
        let before = graph.clone();
        let error = cut(&mut graph, 1, &[0, 1]).unwrap_err().to_string();
        assert_eq!(graph, before, "nothing is changed");
        error
    };
    let layer = || node("Conv", &["x", "w"], &["a"], &[]);
    let text = refusal(vec![layer(), node("LayerNormalization", &["a"], &["y"], &[])], &["y"]);
    assert!(text.contains("LayerNormalization \"y\" stands in the way"), "{text}");
    let both = vec![layer(), node("Sigmoid", &["a"], &["y"], &[]), node("ReduceMax", &["a"], &["best"], &[])];
    assert!(refusal(both, &["y", "best"]).contains("ReduceMax \"best\" needs the value \"a\" whole"));
    assert!(refusal(vec![layer(), node("Sigmoid", &["a"], &["y"], &[])], &["y", "a"]).contains("an output needs"));
    assert!(refusal(vec![node("Sigmoid", &["x"], &["y"], &[])], &["y"]).contains("\"x\" is an input"));
    let unknown = vec![layer(), node("NonZero", &["a"], &["b"], &[]), node("Add", &["a", "b"], &["y"], &[])];
    assert!(refusal(unknown, &["y"]).contains("cannot be told"));
}

/// A layer whose channels 1 and 3 are silent (weights zero, bias not positive), 0 a constant that is not zero.
fn with_silent_channels(last: Vec<NodeProto>, more: Vec<TensorProto>) -> GraphProto {
    let rows = [[0.0, 0.0], [0.0, 0.0], [1.0, 2.0], [0.0, 0.0]];
    let constants = vec![
        TensorProto::from_floats("w", &[4, 2, 1, 1], rows.as_flattened()),
        TensorProto::from_floats("b", &[4], &[0.5, -0.5, 0.0, 0.0]),
    ];
    let nodes = vec![node("Conv", &["x", "w", "b"], &["a"], &[]), node("Relu", &["a"], &["r"], &[])];
    graph([nodes, last].concat(), [constants, more].concat(), &["y"])
}

fn silence(graph: &mut GraphProto) -> usize {
    let mut all = 0;
    while let Some((plan, channels)) = silent::next(&Wiring::of(graph, &inputs()), 17) {
        apply(graph, plan.edits);
        all += channels;
    }
    all
}

#[test]
fn channels_that_are_always_zero_go_and_constants_stay() {
    let last = vec![node("Conv", &["r", "v"], &["y"], &[])];
    let mut graph = with_silent_channels(last, vec![weights("v", 3, 4)]);
    assert_eq!(silence(&mut graph), 2);
    assert_eq!((sizes(&graph, "r"), sizes(&graph, "y")), (Some(vec![1, 2, 4, 4]), Some(vec![1, 3, 4, 4])));
    assert_eq!(first_weights(&graph), [0.0, 0.0, 1.0, 2.0]);
}

#[test]
fn silent_channels_go_through_depthwise_layers_and_concat() {
    let last = vec![
        node("Conv", &["r", "d"], &["deep"], &[("group!", &[4])]),
        node("Concat", &["x", "deep"], &["both"], &[("axis!", &[1])]),
        node("Conv", &["both", "v"], &["y"], &[]),
    ];
    let mut graph = with_silent_channels(last, vec![weights("d", 4, 1), weights("v", 3, 6)]);
    assert_eq!(silence(&mut graph), 2);
    assert_eq!((sizes(&graph, "both"), sizes(&graph, "y")), (Some(vec![1, 4, 4, 4]), Some(vec![1, 3, 4, 4])));
}

#[test]
fn silent_channels_that_others_need_stay() {
    let last = vec![node("Add", &["r", "other"], &["sum"], &[]), node("Conv", &["r", "v"], &["y"], &[])];
    let other = TensorProto::from_floats("other", &[1, 4, 1, 1], &[1.0; 4]);
    let mut graph = with_silent_channels(last, vec![weights("v", 3, 4), other]);
    graph.output.push(ValueInfoProto { name: Some("sum".into()), ..ValueInfoProto::default() });
    let before = graph.clone();
    assert_eq!(silence(&mut graph), 0);
    assert_eq!(graph, before);
}
