//! Lifts a graph to operator set 13, the first in which a weight has a scale per channel.
//!
//! What changed from 9 to 13 and occurs in exported detectors: the axes of `Squeeze`, `Unsqueeze` and `ReduceSum` and the
//! parts of `Split` became inputs (13), as the limits of `Clip` (11) and the paddings of `Pad` (11); `Upsample` and the
//! `Resize` of set 10 became the `Resize` of set 11; `Softmax` and its kin work along one axis instead of on a matrix that
//! begins there (13); the ratio of `Dropout` (12), the limits of `Slice` and the count of `TopK` (10) became inputs.
//! (`docs/Changelog.md` of ONNX.) Operators with graphs
//! inside would need all of this again inside and are refused.

use std::collections::BTreeMap;

use crate::model::proto::{GraphProto, ModelProto, NodeProto, TensorProto};

use super::{attribute, int, int_attribute, node, text_attribute};

/// The operator set that graphs are lifted to.
pub const TARGET: i64 = 13;
/// The oldest that is lifted.
pub const OLDEST: i64 = 9;

/// Why a graph cannot be lifted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpsetError {
    /// The file does not import the standard operator set, or one older than [`OLDEST`].
    #[error("the model's operator set is {found}; {OLDEST} and newer can be lifted to {TARGET}: export it again")]
    TooOld {
        /// Its version.
        found: i64,
    },
    /// An operator whose change cannot be expressed.
    #[error(
        "cannot lift the {operator} called {name:?} to operator set {TARGET}: {reason}; export the model again with opset {TARGET} or later"
    )]
    Operator {
        /// Its kind.
        operator: String,
        /// Its name.
        name: String,
        /// What is in the way.
        reason: &'static str,
    },
}

/// Lifts `model` in place to [`TARGET`], if it is older. `ranks` says how many dimensions each tensor has.
///
/// # Errors
/// When the model is too old or an operator cannot be lifted.
pub fn lift(model: &mut ModelProto, ranks: &BTreeMap<String, usize>) -> Result<(), OpsetError> {
    let standard = |domain: &str| domain.is_empty() || domain == "ai.onnx";
    let import = model.opset_import.iter_mut().find(|import| standard(import.domain.as_deref().unwrap_or("")));
    let found = import.as_ref().and_then(|import| import.version).unwrap_or(0);
    if found >= TARGET {
        return Ok(());
    }
    if found < OLDEST {
        return Err(OpsetError::TooOld { found });
    }
    if let Some(import) = import {
        import.version = Some(TARGET);
    }
    let Some(graph) = model.graph.as_mut() else { return Ok(()) };
    let mut lifted = Vec::with_capacity(graph.node.len());
    for node in std::mem::take(&mut graph.node) {
        lift_node(node, found, ranks, graph, &mut lifted)?;
    }
    graph.node = lifted;
    Ok(())
}

fn lift_node(
    mut node: NodeProto,
    from: i64,
    ranks: &BTreeMap<String, usize>,
    graph: &mut GraphProto,
    lifted: &mut Vec<NodeProto>,
) -> Result<(), OpsetError> {
    let refuse = |node: &NodeProto, reason| {
        let (operator, name) = (node.op_type().to_owned(), node.name().to_owned());
        Err(OpsetError::Operator { operator, name, reason })
    };
    if node.attribute.iter().any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty()) {
        return refuse(&node, "it has a graph inside");
    }
    match node.op_type() {
        "Squeeze" | "Unsqueeze" | "ReduceSum" => ints_to_input(&mut node, "axes", 1, graph),
        "Split" => ints_to_input(&mut node, "split", 1, graph),
        "Slice" if from < 10 => {
            ["starts", "ends", "axes"].iter().zip(1..).for_each(|(name, at)| ints_to_input(&mut node, name, at, graph));
        }
        "TopK" if from < 10 => {
            if let Some(count) = take(&mut node, "k") {
                let tensor = TensorProto::from_ints(constant_name(&node, "k"), &[1], &[count.i()]);
                give(&mut node, 1, tensor, graph);
            }
        }
        "Pad" if from < 11 => {
            ints_to_input(&mut node, "pads", 1, graph);
            float_to_input(&mut node, "value", 2, graph);
        }
        "Clip" if from < 11 => {
            float_to_input(&mut node, "min", 1, graph);
            float_to_input(&mut node, "max", 2, graph);
        }
        "Dropout" if from < 12 => float_to_input(&mut node, "ratio", 1, graph),
        "Upsample" => lift_resize(&mut node, graph),
        "Resize" if from < 11 => lift_resize(&mut node, graph),
        "Softmax" | "LogSoftmax" | "Hardmax" => {
            let Some(&rank) = node.input.first().and_then(|input| ranks.get(input)) else {
                return refuse(&node, "the number of dimensions of its input is not known");
            };
            lift_softmax(node, rank, lifted);
            return Ok(());
        }
        _ => {}
    }
    lifted.push(node);
    Ok(())
}

fn take(node: &mut NodeProto, name: &str) -> Option<crate::model::proto::AttributeProto> {
    let at = node.attribute.iter().position(|attribute| attribute.name() == name)?;
    Some(node.attribute.remove(at))
}

/// Puts `tensor` where input `at` of `node` is expected.
fn give(node: &mut NodeProto, at: usize, tensor: TensorProto, graph: &mut GraphProto) {
    while node.input.len() <= at {
        node.input.push(String::new());
    }
    node.input[at] = tensor.name().to_owned();
    graph.initializer.push(tensor);
}

/// A name for a constant of `node` that no other has: outputs are named once in a graph.
fn constant_name(node: &NodeProto, what: &str) -> String {
    format!("{}_{what}", node.output.first().map_or("", String::as_str))
}

fn ints_to_input(node: &mut NodeProto, name: &str, at: usize, graph: &mut GraphProto) {
    if let Some(attribute) = take(node, name) {
        let dims = [i64::try_from(attribute.ints.len()).unwrap_or(0)];
        let tensor = TensorProto::from_ints(constant_name(node, name), &dims, &attribute.ints);
        give(node, at, tensor, graph);
    }
}

fn float_to_input(node: &mut NodeProto, name: &str, at: usize, graph: &mut GraphProto) {
    if let Some(attribute) = take(node, name) {
        let tensor = TensorProto::from_floats(constant_name(node, name), &[], &[attribute.f()]);
        give(node, at, tensor, graph);
    }
}

/// `Upsample` and `Resize` before set 11 map coordinates by division alone and take the element below.
fn lift_resize(node: &mut NodeProto, graph: &mut GraphProto) {
    node.op_type = Some("Resize".to_owned());
    if let Some(scales) = take(node, "scales") {
        let dims = [i64::try_from(scales.floats.len()).unwrap_or(0)];
        let tensor = TensorProto::from_floats(constant_name(node, "scales"), &dims, &scales.floats);
        give(node, 1, tensor, graph);
    }
    // Between the picture and its scales now stands a region, which is left out.
    node.input.insert(1, String::new());
    node.attribute.push(text_attribute("coordinate_transformation_mode", "asymmetric"));
    if attribute(node, "mode").is_none_or(|mode| mode.s() == b"nearest") {
        node.attribute.push(text_attribute("nearest_mode", "floor"));
    }
}

/// Up to set 12 all dimensions from the axis on are one. Where the axis is the last, that is the same as today;
/// elsewhere the tensor is made a matrix for the operator and gets its shape back behind it.
fn lift_softmax(mut softmax: NodeProto, rank: usize, lifted: &mut Vec<NodeProto>) {
    let rank = i64::try_from(rank).unwrap_or(i64::MAX);
    let axis = int(&softmax, "axis", 1);
    let axis = if axis < 0 { axis + rank } else { axis };
    take(&mut softmax, "axis");
    softmax.attribute.push(int_attribute("axis", -1));
    if axis + 1 >= rank {
        lifted.push(softmax);
        return;
    }
    let (input, output) = (softmax.input[0].clone(), softmax.output[0].clone());
    let [shape, matrix, result] = ["shape", "matrix", "rows"].map(|what| format!("{output}_{what}"));
    lifted.push(node("Shape", &[&input], &shape));
    let mut flatten = node("Flatten", &[&input], &matrix);
    flatten.attribute.push(int_attribute("axis", axis));
    lifted.push(flatten);
    softmax.input[0] = matrix;
    softmax.output[0].clone_from(&result);
    lifted.push(softmax);
    lifted.push(node("Reshape", &[&result, &shape], &output));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::proto::{AttributeProto, OperatorSetIdProto};
    use crate::toolchain::graph::ints_attribute;

    fn lifted(opset: i64, node: NodeProto, rank: usize) -> Result<GraphProto, OpsetError> {
        let graph = GraphProto { node: vec![node], ..GraphProto::default() };
        let import = OperatorSetIdProto { domain: None, version: Some(opset) };
        let mut model = ModelProto { graph: Some(graph), opset_import: vec![import], ..ModelProto::default() };
        lift(&mut model, &BTreeMap::from([("x".to_owned(), rank)]))?;
        assert_eq!(model.opset_import[0].version, Some(opset.max(TARGET)));
        Ok(model.graph.unwrap())
    }

    fn with_ints(mut node: NodeProto, name: &str, ints: &[i64]) -> NodeProto {
        node.attribute.push(ints_attribute(name, ints));
        node
    }

    #[test]
    fn axes_and_limits_become_inputs() {
        let graph = lifted(11, with_ints(node("Unsqueeze", &["x"], "y"), "axes", &[0, 2]), 2).unwrap();
        assert_eq!(graph.node[0].input, ["x", "y_axes"]);
        assert_eq!(graph.initializer[0].ints().unwrap(), [0, 2]);
        let mut clip = node("Clip", &["x"], "y");
        clip.attribute.push(AttributeProto { name: Some("max".into()), f: Some(6.0), ..AttributeProto::default() });
        let graph = lifted(9, clip, 2).unwrap();
        assert_eq!(graph.node[0].input, ["x", "", "y_max"]);
        assert_eq!(graph.initializer[0].floats().unwrap(), [6.0]);
    }

    #[test]
    fn a_softmax_over_several_dimensions_keeps_its_meaning() {
        let operators = |graph: &GraphProto| graph.node.iter().map(|n| n.op_type().to_owned()).collect::<Vec<_>>();
        assert_eq!(operators(&lifted(11, node("Softmax", &["x"], "y"), 2).unwrap()), ["Softmax"]);
        let over_all = lifted(11, node("Softmax", &["x"], "y"), 4).unwrap();
        assert_eq!(operators(&over_all), ["Shape", "Flatten", "Softmax", "Reshape"]);
        assert_eq!(over_all.node[3].output, ["y"]);
    }

    #[test]
    fn what_cannot_be_lifted_is_refused_and_what_is_new_enough_left_alone() {
        assert_eq!(lifted(8, node("Relu", &["x"], "y"), 2), Err(OpsetError::TooOld { found: 8 }));
        let mut branch = node("If", &["x"], "y");
        let inside = Some(GraphProto::default());
        branch.attribute.push(AttributeProto {
            name: Some("then_branch".into()),
            g: inside,
            ..AttributeProto::default()
        });
        assert!(lifted(11, branch, 2).unwrap_err().to_string().contains("graph inside"));
        let new = with_ints(node("Squeeze", &["x"], "y"), "axes", &[0]);
        assert_eq!(lifted(14, new.clone(), 2).unwrap().node, [new]);
    }
}
