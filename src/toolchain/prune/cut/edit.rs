//! The changes that a cut takes, and carrying them out.

use crate::model::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// One change of a graph. Constants are never changed in place: others may use them.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Edit {
    /// Input `at` of a node becomes this constant.
    Operand { node: usize, at: usize, tensor: Box<TensorProto> },
    /// An attribute of integers becomes these.
    Ints { node: usize, name: &'static str, values: Vec<i64> },
    /// An attribute of one integer becomes this one.
    Int { node: usize, name: &'static str, value: i64 },
    /// Only some places of output `place` of a node are handed on.
    Drop { node: usize, place: usize, axis: usize, keep: Vec<usize> },
}

/// `AttributeProto.AttributeType` of an integer and of a list of them.
const INT: i32 = 2;
const INTS: i32 = 7;

/// Carries the changes out.
pub(in super::super) fn apply(graph: &mut GraphProto, edits: Vec<Edit>) {
    let mut behind: Vec<(usize, NodeProto)> = Vec::new();
    for edit in edits {
        match edit {
            Edit::Operand { node, at, mut tensor } => {
                let name = fresh(graph, tensor.name());
                tensor.name = Some(name.clone());
                graph.initializer.push(*tensor);
                let inputs = &mut graph.node[node].input;
                inputs.resize(inputs.len().max(at + 1), String::new());
                inputs[at] = name;
            }
            Edit::Ints { node, name, values } => {
                let attribute = AttributeProto { ints: values, kind: Some(INTS), ..named(name) };
                set(&mut graph.node[node], attribute);
            }
            Edit::Int { node, name, value } => {
                set(&mut graph.node[node], AttributeProto { i: Some(value), kind: Some(INT), ..named(name) });
            }
            Edit::Drop { node, place, axis, keep } => behind.push((node, drop_behind(graph, node, place, axis, &keep))),
        }
    }
    // From the last to the first, so that the places of the others stay.
    behind.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (at, node) in behind {
        graph.node.insert(at + 1, node);
    }
}

/// A Gather that takes the value's name, while the value itself gets another one.
fn drop_behind(graph: &mut GraphProto, node: usize, place: usize, axis: usize, keep: &[usize]) -> NodeProto {
    let value = graph.node[node].output[place].clone();
    let whole = fresh(graph, &value);
    graph.node[node].output[place].clone_from(&whole);
    let kept: Vec<i64> = keep.iter().filter_map(|&at| i64::try_from(at).ok()).collect();
    let indices = fresh(graph, &format!("{value}_places"));
    graph.initializer.push(TensorProto::from_ints(indices.clone(), &[kept.len() as i64], &kept));
    NodeProto {
        input: vec![whole, indices],
        output: vec![value],
        op_type: Some("Gather".to_owned()),
        attribute: vec![AttributeProto { i: i64::try_from(axis).ok(), kind: Some(INT), ..named("axis") }],
        ..NodeProto::default()
    }
}

fn named(name: &str) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() }
}

fn set(node: &mut NodeProto, attribute: AttributeProto) {
    node.attribute.retain(|other| other.name() != attribute.name());
    node.attribute.push(attribute);
}

/// A name that no value of the graph has, like `name`.
fn fresh(graph: &GraphProto, name: &str) -> String {
    let is_taken = |name: &str| {
        graph.initializer.iter().any(|tensor| tensor.name() == name)
            || graph.node.iter().any(|node| node.output.iter().any(|output| output == name))
            || graph.input.iter().any(|input| input.name() == name)
    };
    (1..).map(|number| format!("{name}_kept{number}")).find(|name| !is_taken(name)).unwrap_or_default()
}
