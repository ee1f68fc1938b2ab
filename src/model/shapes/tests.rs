//! Shape inference on small graphs, each a few nodes of one kind.

use super::*;
use crate::model::proto::{AttributeProto, TensorProto};

/// A node whose attributes are lists of integers, or single ones where the name ends in `!`.
fn node(operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, &[i64])]) -> NodeProto {
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

fn infer(nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> Shapes {
    let graph = GraphProto { node: nodes, initializer: constants, ..GraphProto::default() };
    Shapes::infer(&graph, &[("x".to_owned(), vec![1, 6, 10, 20])])
}

/// The sizes of `y`, which one node makes of `x` [1,6,10,20] and constants of integers.
fn sizes(operator: &str, attributes: &[(&str, &[i64])], constants: &[&[i64]]) -> Option<Vec<usize>> {
    let names: Vec<String> = (0..constants.len()).map(|at| format!("c{at}")).collect();
    let inputs: Vec<&str> = std::iter::once("x").chain(names.iter().map(String::as_str)).collect();
    let tensors =
        names.iter().zip(constants).map(|(name, c)| TensorProto::from_ints(name, &[c.len() as i64], c)).collect();
    infer(vec![node(operator, &inputs, &["y"], attributes)], tensors).of("y").map(Vec::from)
}

fn weighted(operator: &str, attributes: &[(&str, &[i64])], weight: &[i64]) -> Option<Vec<usize>> {
    let weight = TensorProto::raw("w", weight, 1, Vec::new());
    infer(vec![node(operator, &["x", "w"], &["y"], attributes)], vec![weight]).of("y").map(Vec::from)
}

#[test]
fn windows_follow_strides_dilations_and_padding() {
    let plain = weighted("Conv", &[("strides", &[2, 2]), ("pads", &[1, 1, 1, 1])], &[8, 6, 3, 3]);
    assert_eq!(plain, Some(vec![1, 8, 5, 10]));
    let dilated = weighted("Conv", &[("dilations", &[2, 2])], &[8, 6, 3, 3]);
    assert_eq!(dilated, Some(vec![1, 8, 6, 16]));
    let pooled = sizes("MaxPool", &[("kernel_shape", &[3, 3]), ("strides", &[2, 2]), ("ceil_mode!", &[1])], &[]);
    assert_eq!(pooled, Some(vec![1, 6, 5, 10]));
    let wider = weighted("ConvTranspose", &[("strides", &[2, 2])], &[6, 4, 2, 2]);
    assert_eq!(wider, Some(vec![1, 4, 20, 40]));
    assert_eq!(weighted("Conv", &[], &[8, 6, 30, 3]), None, "the window is larger than the picture");
    assert_eq!(sizes("GlobalAveragePool", &[], &[]), Some(vec![1, 6, 1, 1]));
}

#[test]
fn shapes_are_rearranged() {
    assert_eq!(sizes("Transpose", &[("perm", &[0, 2, 3, 1])], &[]), Some(vec![1, 10, 20, 6]));
    assert_eq!(sizes("Reshape", &[], &[&[0, 2, 3, -1]]), Some(vec![1, 2, 3, 200]));
    assert_eq!(sizes("Reshape", &[], &[&[7, -1]]), None, "1200 elements are no rows of 7");
    assert_eq!(sizes("Flatten", &[], &[]), Some(vec![1, 1200]));
    assert_eq!(sizes("Squeeze", &[("axes", &[0])], &[]), Some(vec![6, 10, 20]));
    assert_eq!(sizes("Unsqueeze", &[], &[&[0, -1]]), Some(vec![1, 1, 6, 10, 20, 1]));
    assert_eq!(sizes("DepthToSpace", &[("blocksize!", &[1])], &[]), Some(vec![1, 6, 10, 20]));
    assert_eq!(sizes("Pad", &[], &[&[0, 0, 1, 2, 0, 0, 3, 4]]), Some(vec![1, 6, 14, 26]));
}

#[test]
fn parts_are_taken_and_joined() {
    assert_eq!(sizes("Slice", &[], &[&[1], &[i64::MAX], &[1]]), Some(vec![1, 5, 10, 20]));
    assert_eq!(sizes("Slice", &[], &[&[0], &[-1], &[3], &[2]]), Some(vec![1, 6, 10, 10]));
    assert_eq!(sizes("Gather", &[("axis!", &[1])], &[&[0, 3]]), Some(vec![1, 2, 10, 20]));
    let split = infer(vec![node("Split", &["x"], &["a", "b"], &[("axis!", &[1]), ("split", &[4, 2])])], vec![]);
    assert_eq!((split.of("a"), split.of("b")), (Some(&[1, 4, 10, 20][..]), Some(&[1, 2, 10, 20][..])));
    let joined = infer(vec![node("Concat", &["x", "x"], &["y"], &[("axis!", &[-1])])], vec![]);
    assert_eq!(joined.of("y"), Some(&[1, 6, 10, 40][..]));
    assert_eq!(sizes("ReduceMean", &[("axes", &[2, 3]), ("keepdims!", &[0])], &[]), Some(vec![1, 6]));
}

#[test]
fn smaller_operands_are_stretched_and_matrices_multiplied() {
    let stretched = |dims: &[i64]| weighted("Add", &[], dims);
    assert_eq!(stretched(&[6, 1, 1]), Some(vec![1, 6, 10, 20]));
    assert_eq!(stretched(&[4, 1, 1, 1, 20]), Some(vec![4, 1, 6, 10, 20]));
    assert_eq!(stretched(&[7, 1, 1]), None);
    assert_eq!(weighted("MatMul", &[], &[20, 3]), Some(vec![1, 6, 10, 3]));
}

#[test]
fn a_shape_that_the_graph_computes_is_followed() {
    let nodes = vec![
        node("Shape", &["x"], &["shape"], &[]),
        node("Slice", &["shape", "zero", "two"], &["head"], &[]),
        node("Concat", &["head", "rest"], &["wanted"], &[("axis!", &[0])]),
        node("Reshape", &["x", "wanted"], &["y"], &[]),
    ];
    let number = |name, value| TensorProto::from_ints(name, &[1], &[value]);
    let shapes = infer(nodes, vec![number("zero", 0), number("two", 2), number("rest", -1)]);
    assert_eq!(shapes.numbers("wanted"), Some(&[1, 6, -1][..]));
    assert_eq!(shapes.of("y"), Some(&[1, 6, 200][..]));
}

#[test]
fn scales_of_a_resize_are_found_where_each_operator_set_has_them() {
    let scales = || TensorProto::from_floats("s", &[4], &[1.0, 1.0, 2.0, 2.0]);
    let doubled = Some(&[1, 6, 20, 40][..]);
    assert_eq!(infer(vec![node("Resize", &["x", "s"], &["y"], &[])], vec![scales()]).of("y"), doubled);
    assert_eq!(infer(vec![node("Resize", &["x", "", "s"], &["y"], &[])], vec![scales()]).of("y"), doubled);
    let wanted = TensorProto::from_ints("w", &[4], &[1, 6, 20, 40]);
    assert_eq!(infer(vec![node("Resize", &["x", "", "", "w"], &["y"], &[])], vec![wanted]).of("y"), doubled);
}

#[test]
fn what_an_unknown_operator_makes_is_unknown_and_so_is_all_behind_it() {
    let nodes = vec![node("NonZero", &["x"], &["a"], &[]), node("Relu", &["a"], &["b"], &[])];
    let shapes = infer(nodes, vec![]);
    assert_eq!((shapes.of("a"), shapes.of("b")), (None, None));
    let mut foreign = node("Relu", &["x"], &["a"], &[]);
    foreign.domain = Some("com.example".into());
    assert_eq!(infer(vec![foreign], vec![]).of("a"), None);
}

proptest::proptest! {
    #[test]
    fn any_attributes_are_followed_or_given_up(
        operator in proptest::sample::select(vec!["Slice", "Reshape", "Pad", "Tile", "Gather", "TopK", "Split", "Expand"]),
        first in proptest::collection::vec(proptest::num::i64::ANY, 0..5),
        second in proptest::collection::vec(-3i64..30, 0..5),
        kernel in proptest::collection::vec(-3i64..30, 0..4),
    ) {
        let attributes: [(&str, &[i64]); 3] = [("kernel_shape", &kernel), ("strides", &second), ("pads", &kernel)];
        let _ = sizes(operator, &[("axis!", &[1])], &[&first, &second, &kernel]);
        let _ = sizes("MaxPool", &attributes, &[]);
        let _ = weighted("Conv", &attributes, &[8, 6, 3, 3]);
    }
}
