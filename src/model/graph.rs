//! ONNX graphs as those see them who change them: who makes and who takes each tensor, and what a node's parameters are.

use std::collections::{BTreeMap, BTreeSet};

use super::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// An index over a graph. Names are those of tensors.
#[derive(Debug)]
pub struct View<'a> {
    /// The graph.
    pub graph: &'a GraphProto,
    producers: BTreeMap<&'a str, usize>,
    consumers: BTreeMap<&'a str, Vec<usize>>,
    constants: BTreeMap<&'a str, &'a TensorProto>,
    outputs: BTreeSet<&'a str>,
}

impl<'a> View<'a> {
    /// Indexes `graph`.
    pub fn of(graph: &'a GraphProto) -> Self {
        let (mut producers, mut consumers) = (BTreeMap::new(), BTreeMap::<&str, Vec<usize>>::new());
        for (at, node) in graph.node.iter().enumerate() {
            node.output.iter().filter(|name| !name.is_empty()).for_each(|name| {
                producers.insert(name.as_str(), at);
            });
            for name in node.input.iter().filter(|name| !name.is_empty()) {
                let takers = consumers.entry(name.as_str()).or_default();
                if takers.last() != Some(&at) {
                    takers.push(at);
                }
            }
        }
        let constants = graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).collect();
        let outputs = graph.output.iter().map(|port| port.name()).collect();
        Self { graph, producers, consumers, constants, outputs }
    }

    /// The node that makes a tensor; none for inputs and constants.
    pub fn producer(&self, tensor: &str) -> Option<usize> {
        self.producers.get(tensor).copied()
    }

    /// The nodes that take a tensor, each once, in the order of the graph.
    pub fn consumers(&self, tensor: &str) -> &[usize] {
        self.consumers.get(tensor).map_or(&[], Vec::as_slice)
    }

    /// The constant of that name.
    pub fn constant(&self, tensor: &str) -> Option<&'a TensorProto> {
        self.constants.get(tensor).copied()
    }

    /// Whether a tensor is an output of the graph.
    pub fn is_output(&self, tensor: &str) -> bool {
        self.outputs.contains(tensor)
    }

    /// The inputs of a node that are computed or fed, not constants.
    pub fn activations(&self, node: usize) -> impl Iterator<Item = &'a str> {
        let inputs = self.graph.node[node].input.iter().map(String::as_str);
        inputs.filter(|name| !name.is_empty() && !self.constants.contains_key(name))
    }
}

/// The attribute `name` of a node.
pub fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name() == name)
}

/// The integer attribute `name` of a node, or `default` where it has none.
pub fn int(node: &NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).and_then(|attribute| attribute.i).unwrap_or(default)
}

/// A node of the standard operator set.
pub fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        name: Some(format!("{output}_{operator}")),
        op_type: Some(operator.to_owned()),
        ..NodeProto::default()
    }
}

/// An integer attribute.
pub fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), i: Some(value), kind: Some(2), ..AttributeProto::default() }
}

/// An attribute that is a list of integers.
pub fn ints_attribute(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), ints: values.to_vec(), kind: Some(7), ..AttributeProto::default() }
}

/// A text attribute.
pub fn text_attribute(name: &str, value: &str) -> AttributeProto {
    let text = Some(value.as_bytes().to_vec());
    AttributeProto { name: Some(name.to_owned()), s: text, kind: Some(3), ..AttributeProto::default() }
}
