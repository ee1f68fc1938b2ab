//! Finds channels that are zero whatever the picture, and takes them out where layers are all that use them.
//!
//! A convolution whose weights for a channel are all zero gives its bias everywhere; what a ReLU makes of a bias that is
//! not positive is zero everywhere, padding included, so that the layers behind it lose nothing when it goes. A constant
//! that is not zero cannot go: it differs from the padding around it.

use std::collections::{BTreeMap, HashMap};

use crate::model::proto::{GraphProto, NodeProto};

use super::cut::{self, Cut, Edit, Plan};
use super::wiring::{Wiring, take};

/// Channels (along axis 1) that are the same number in every place and for every picture.
type Fixed = BTreeMap<usize, f32>;

/// Operators that make zero of zero, for each channel by itself.
const KEEPS_ZERO: &[&str] = &[
    "Abs",
    "AveragePool",
    "Dropout",
    "Elu",
    "Erf",
    "Gelu",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "MaxPool",
    "Mish",
    "Neg",
    "PRelu",
    "Relu",
    "Resize",
    "Selu",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tanh",
    "Upsample",
];

/// A plan to take the silent channels out of one value, and how many these are; none where there is no such value.
pub(super) fn next(wiring: &Wiring<'_>, opset: i64) -> Option<(Plan, usize)> {
    let fixed = fixed_channels(wiring);
    let mut values: Vec<(&String, &Fixed)> = fixed.iter().collect();
    values.sort_by_key(|(name, _)| *name);
    values.into_iter().find_map(|(value, fixed)| {
        let silent = |channel: &usize| fixed.get(channel).is_some_and(|value| *value == 0.0);
        let keep: Vec<usize> = (0..*wiring.shapes.of(value)?.get(1)?).filter(|channel| !silent(channel)).collect();
        let gone = wiring.shapes.of(value)?[1] - keep.len();
        if gone == 0 || keep.is_empty() || wiring.is_output(value) {
            return None;
        }
        let users = wiring.users(value);
        let columns = users.iter().map(|&user| columns(wiring, user, value, &keep)).collect::<Option<Vec<_>>>()?;
        let mut plan = cut::plan(wiring, opset, value, Cut { axis: 1, keep }, users).ok()?;
        plan.edits.extend(columns);
        (!users.is_empty()).then_some((plan, gone))
    })
}

/// The change that makes a convolution do without the channels of its input that are not kept.
fn columns(wiring: &Wiring<'_>, user: usize, value: &str, keep: &[usize]) -> Option<Edit> {
    let node = wiring.node(user);
    let is_dense = node.operator() == "Conv" && node.int("group").unwrap_or(1) == 1;
    if !is_dense || node.input_name(0) != Some(value) || node.input.iter().skip(1).any(|name| name == value) {
        return None;
    }
    let weight = wiring.constant(node.input_name(1)?)?;
    Some(Edit::Operand { node: user, at: 1, tensor: Box::new(take(weight, 1, keep)?) })
}

fn fixed_channels(wiring: &Wiring<'_>) -> HashMap<String, Fixed> {
    let graph: &GraphProto = wiring.graph;
    let mut all: HashMap<String, Fixed> = HashMap::new();
    for node in &graph.node {
        let fixed = match node.operator() {
            "Conv" => convolution(wiring, node, &all),
            "Relu" => mapped(node, &all, |value| Some(value.max(0.0))),
            "Sigmoid" => mapped(node, &all, |value| Some(1.0 / (1.0 + (-value).exp()))),
            "Add" => joined(node, &all, |a, b| a + b),
            "Mul" => joined(node, &all, |a, b| a * b),
            "Concat" => concat(wiring, node, &all),
            name if KEEPS_ZERO.contains(&name) => mapped(node, &all, |value| (value == 0.0).then_some(0.0)),
            _ => None,
        };
        if let (Some(output), Some(fixed)) = (node.output.first(), fixed.filter(|fixed| !fixed.is_empty())) {
            all.insert(output.clone(), fixed);
        }
    }
    all
}

/// Channels whose weights are all zero, but for those that meet an input channel that is zero.
fn convolution(wiring: &Wiring<'_>, node: &NodeProto, all: &HashMap<String, Fixed>) -> Option<Fixed> {
    let weight = wiring.constant(node.input_name(1)?)?;
    let (values, nothing) = (weight.floats()?, Fixed::new());
    let bias = match node.input_name(2) {
        Some(name) => Some(wiring.constant(name)?.floats()?),
        None => None,
    };
    let side = |at: usize| weight.dims.get(at).and_then(|&side| usize::try_from(side).ok()).filter(|side| *side > 0);
    let (rows, per_row) = (side(0)?, side(1)?);
    let groups = usize::try_from(node.int("group").unwrap_or(1)).ok().filter(|groups| *groups > 0)?;
    let kernel = values.len() / rows / per_row;
    let input = all.get(node.input_name(0)?).unwrap_or(&nothing);
    let is_zero = |row: usize| {
        let first = row * groups / rows * per_row;
        (0..per_row).all(|column| {
            let weights = &values[(row * per_row + column) * kernel..(row * per_row + column + 1) * kernel];
            let meets_zero = input.get(&(first + column)) == Some(&0.0);
            weights.iter().all(|weight| *weight == 0.0 || (meets_zero && weight.is_finite()))
        })
    };
    let of_row = |row: usize| bias.as_ref().map_or(Some(0.0), |bias| bias.get(row).copied());
    Some((0..rows).filter(|&row| is_zero(row)).filter_map(|row| Some((row, of_row(row)?))).collect())
}

fn mapped(node: &NodeProto, all: &HashMap<String, Fixed>, map: impl Fn(f32) -> Option<f32>) -> Option<Fixed> {
    let input = all.get(node.input_name(0)?)?;
    Some(input.iter().filter_map(|(channel, value)| Some((*channel, map(*value)?))).collect())
}

fn joined(node: &NodeProto, all: &HashMap<String, Fixed>, join: impl Fn(f32, f32) -> f32) -> Option<Fixed> {
    let (left, right) = (all.get(node.input_name(0)?)?, all.get(node.input_name(1)?)?);
    let both = left.iter().filter_map(|(channel, a)| Some((*channel, join(*a, *right.get(channel)?))));
    Some(both.collect())
}

fn concat(wiring: &Wiring<'_>, node: &NodeProto, all: &HashMap<String, Fixed>) -> Option<Fixed> {
    if node.int("axis") != Some(1) {
        return None;
    }
    let (mut fixed, mut start) = (Fixed::new(), 0);
    for input in &node.input {
        fixed.extend(all.get(input).into_iter().flatten().map(|(channel, value)| (start + channel, *value)));
        start += wiring.shapes.of(input)?.get(1)?;
    }
    Some(fixed)
}
