//! Shapes of every value of a graph, worked out without running it: what can be told from the sizes of its inputs.
//!
//! ```text
//!   inputs, constants ──▶ node by node ──▶ sizes (`rules`) and, of small integers, the values too (`numbers`),
//!                                          because exporters compute the shapes of what they reshape
//! ```
//!
//! A shape is known in full or not at all. What an operator here makes of an unknown one is unknown too; nothing is
//! guessed. Graphs within nodes (If, Loop) are not entered.

mod numbers;
mod rules;
#[cfg(test)]
mod tests;
mod window;

use std::collections::HashMap;

use super::proto::{GraphProto, NodeProto, TensorProto};

/// The shapes of a graph's values, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shapes {
    sizes: HashMap<String, Vec<usize>>,
    numbers: HashMap<String, Vec<i64>>,
}

/// A constant of more elements than this is no shape.
const MOST_NUMBERS: usize = 64;
/// More elements than any value of a detector has; a product beyond is a mistake of the file.
const MOST_ELEMENTS: usize = 1 << 40;

impl Shapes {
    /// Works out what can be told when the inputs have these sizes.
    pub fn infer(graph: &GraphProto, inputs: &[(String, Vec<usize>)]) -> Self {
        let mut shapes = Self::default();
        for (name, sizes) in inputs {
            shapes.add(name, sizes.clone());
        }
        let mut constants: HashMap<&str, &TensorProto> = HashMap::new();
        for tensor in &graph.initializer {
            shapes.add_constant(tensor.name(), tensor);
            constants.insert(tensor.name(), tensor);
        }
        for node in &graph.node {
            let constant = node.attribute("value").and_then(|value| value.t.as_ref());
            if let ("Constant", Some(tensor), Some(output)) = (node.operator(), constant, node.output.first()) {
                shapes.add_constant(output, tensor);
                constants.insert(output, tensor);
                continue;
            }
            let operands = Operands { node, shapes: &shapes, constants: &constants };
            let (sizes, numbers) = (rules::outputs(&operands), numbers::of(&operands));
            for (output, sizes) in node.output.iter().zip(sizes.into_iter().flatten()) {
                shapes.add(output, sizes);
            }
            if let (Some(output), Some(numbers)) = (node.output.first(), numbers.filter(|n| n.len() <= MOST_NUMBERS)) {
                shapes.numbers.insert(output.clone(), numbers);
            }
        }
        shapes
    }

    /// The sizes of the value `name`, where they can be told.
    pub fn of(&self, name: &str) -> Option<&[usize]> {
        self.sizes.get(name).map(Vec::as_slice)
    }

    /// The elements of the value `name`, where it is a few integers that do not depend on the picture.
    pub fn numbers(&self, name: &str) -> Option<&[i64]> {
        self.numbers.get(name).map(Vec::as_slice)
    }

    /// Sides of an empty value are bounded too: parts of it need not be empty.
    fn add(&mut self, name: &str, sizes: Vec<usize>) {
        let elements = sizes.iter().try_fold(1usize, |all, &side| all.checked_mul(side.max(1)));
        if elements.is_some_and(|elements| elements <= MOST_ELEMENTS) {
            self.sizes.insert(name.to_owned(), sizes);
        }
    }

    fn add_constant(&mut self, name: &str, tensor: &TensorProto) {
        let sizes: Option<Vec<usize>> = tensor.dims.iter().map(|&side| usize::try_from(side).ok()).collect();
        if let Some(sizes) = sizes {
            self.add(name, sizes);
        }
        if let Some(numbers) = tensor.ints().filter(|numbers| numbers.len() <= MOST_NUMBERS) {
            self.numbers.insert(name.to_owned(), numbers);
        }
    }
}

/// What is known of a node's operands.
struct Operands<'a> {
    node: &'a NodeProto,
    shapes: &'a Shapes,
    constants: &'a HashMap<&'a str, &'a TensorProto>,
}

impl Operands<'_> {
    fn sizes(&self, at: usize) -> Option<&[usize]> {
        self.shapes.of(self.node.input_name(at)?)
    }

    fn numbers(&self, at: usize) -> Option<&[i64]> {
        self.shapes.numbers(self.node.input_name(at)?)
    }

    /// A constant of floats.
    fn floats(&self, at: usize) -> Option<Vec<f32>> {
        self.constants.get(self.node.input_name(at)?)?.floats()
    }

    /// Integers that were an attribute in early operator sets and are an input in later ones.
    fn ints(&self, attribute: &str, at: usize) -> Option<&[i64]> {
        self.node.ints(attribute).or_else(|| self.numbers(at))
    }
}

/// An axis as ONNX counts it, from the end where it is negative; none beyond the rank.
fn axis(axis: i64, rank: usize) -> Option<usize> {
    let rank_i = i64::try_from(rank).ok()?;
    let from_start = if axis < 0 { axis.checked_add(rank_i)? } else { axis };
    usize::try_from(from_start).ok().filter(|axis| *axis < rank)
}
