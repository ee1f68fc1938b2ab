//! A graph seen as values: who makes each, who uses it, which are constants, and how large they are.

use std::collections::{HashMap, HashSet};

use crate::model::proto::{GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeValue, ValueInfoProto};
use crate::model::shapes::Shapes;

/// Where each value of a graph comes from and goes to. Nodes are told by their index.
pub(super) struct Wiring<'a> {
    pub(super) graph: &'a GraphProto,
    pub(super) shapes: Shapes,
    makers: HashMap<&'a str, (usize, usize)>,
    users: HashMap<&'a str, Vec<usize>>,
    constants: HashMap<&'a str, &'a TensorProto>,
    outputs: HashSet<&'a str>,
}

impl<'a> Wiring<'a> {
    /// Of a graph that runs at these sizes of its inputs.
    pub(super) fn of(graph: &'a GraphProto, inputs: &[(String, Vec<usize>)]) -> Self {
        let mut makers = HashMap::new();
        let mut users: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut constants: HashMap<&str, &TensorProto> =
            graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).collect();
        for (at, node) in graph.node.iter().enumerate() {
            for (place, output) in node.output.iter().enumerate() {
                makers.insert(output.as_str(), (at, place));
            }
            for name in used_by(node) {
                users.entry(name).or_default().push(at);
            }
            if let ("Constant", Some(tensor)) = (node.operator(), node.attribute("value").and_then(|v| v.t.as_ref())) {
                constants.extend(node.output.first().map(|name| (name.as_str(), tensor)));
            }
        }
        let outputs = graph.output.iter().map(ValueInfoProto::name).collect();
        Self { graph, shapes: Shapes::infer(graph, inputs), makers, users, constants, outputs }
    }

    pub(super) fn node(&self, at: usize) -> &'a NodeProto {
        &self.graph.node[at]
    }

    /// The node that makes a value, and which of its outputs it is.
    pub(super) fn maker(&self, value: &str) -> Option<(usize, usize)> {
        self.makers.get(value).copied()
    }

    /// The nodes that use a value, graphs within them included.
    pub(super) fn users(&self, value: &str) -> &[usize] {
        self.users.get(value).map_or(&[], Vec::as_slice)
    }

    pub(super) fn constant(&self, value: &str) -> Option<&'a TensorProto> {
        self.constants.get(value).copied()
    }

    pub(super) fn is_output(&self, value: &str) -> bool {
        self.outputs.contains(value)
    }
}

/// Every value that a node uses, and that graphs within it use: those may reach for what is around them.
pub(super) fn used_by(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    let mut waiting = vec![node];
    while let Some(node) = waiting.pop() {
        names.extend(node.input.iter().map(String::as_str).filter(|name| !name.is_empty()));
        let inner = node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
        for graph in inner {
            names.extend(graph.output.iter().map(ValueInfoProto::name));
            waiting.extend(&graph.node);
        }
    }
    names
}

/// The part of a constant that is kept along an axis; none where it is not laid out as its sizes say.
pub(super) fn take(tensor: &TensorProto, axis: usize, keep: &[usize]) -> Option<TensorProto> {
    let sizes: Vec<usize> = tensor.dims.iter().map(|&side| usize::try_from(side).ok()).collect::<Option<_>>()?;
    let (side, count) = (*sizes.get(axis)?, tensor.count()?);
    if keep.iter().any(|&at| at >= side) || count == 0 {
        return None;
    }
    let inner: usize = sizes[axis + 1..].iter().product();
    let mut kept = tensor.clone();
    kept.dims[axis] = i64::try_from(keep.len()).ok()?;
    kept.float_data = rows(&tensor.float_data, count, side, inner, keep)?;
    kept.int32_data = rows(&tensor.int32_data, count, side, inner, keep)?;
    kept.int64_data = rows(&tensor.int64_data, count, side, inner, keep)?;
    if let Some(raw) = &tensor.raw_data {
        let width = raw.len() / count;
        kept.raw_data = Some(rows(raw, count * width, side, inner * width, keep)?);
    }
    let is_other = !tensor.double_data.is_empty() || !tensor.uint64_data.is_empty() || !tensor.string_data.is_empty();
    (!is_other).then_some(kept)
}

/// Of elements in blocks of `side` rows of `inner` elements each, the rows that are kept; nothing of nothing.
fn rows<T: Clone>(all: &[T], count: usize, side: usize, inner: usize, keep: &[usize]) -> Option<Vec<T>> {
    if all.is_empty() {
        return Some(Vec::new());
    }
    if all.len() != count {
        return None;
    }
    let block = side * inner;
    let row = |start: usize, at: usize| &all[start + at * inner..start + (at + 1) * inner];
    let kept = (0..all.len()).step_by(block).flat_map(|start| keep.iter().map(move |&at| row(start, at)));
    Some(kept.flatten().cloned().collect())
}

/// The shape that a value is declared to have.
pub(super) fn declared_shape(value: &mut ValueInfoProto) -> Option<&mut TensorShapeProto> {
    match value.value_type.as_mut()?.value.as_mut()? {
        TypeValue::Tensor(tensor) => tensor.shape.as_mut(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_along_any_axis_and_from_any_field() {
        let raw = TensorProto::from_ints("a", &[2, 3], &[0, 1, 2, 10, 11, 12]);
        assert_eq!(take(&raw, 1, &[0, 2]).unwrap().ints().unwrap(), [0, 2, 10, 12]);
        assert_eq!(take(&raw, 0, &[1]).unwrap().ints().unwrap(), [10, 11, 12]);
        let listed = TensorProto { dims: vec![3], data_type: Some(1), float_data: vec![1.0, 2.0, 3.0], ..raw.clone() };
        let listed = TensorProto { raw_data: None, ..listed };
        assert_eq!(take(&listed, 0, &[2, 1]).unwrap().floats().unwrap(), [3.0, 2.0]);
        assert_eq!(take(&raw, 1, &[3]), None, "there is no such row");
        let short = TensorProto { raw_data: Some(vec![0; 8]), ..raw };
        assert!(take(&short, 1, &[0]).is_none_or(|kept| kept.ints().is_none()));
    }
}
