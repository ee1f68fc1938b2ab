//! Writes the 8-bit model: conversions around every chosen tensor, weights and biases as integers.
//!
//! A tensor `t` becomes `t -> QuantizeLinear -> DequantizeLinear -> t_dq`, and whoever took `t` takes `t_dq`; runtimes
//! fuse an operator between such pairs into one that computes in integers. Graph outputs keep their names and stay floats.

use std::collections::{BTreeMap, BTreeSet};

use crate::detect::DISABLED_OPTIMIZERS_KEY;
use crate::model::proto::{ModelProto, NodeProto, StringStringEntryProto, TensorProto, data_type};
use crate::toolchain::graph::{int, int_attribute, node};

use super::grid::{self, Grid};
use super::plan::Plan;
use super::profile::{Profile, Steps};

/// Optimisers of ONNX Runtime that must not touch what is written. The first gives convolutions that are floats on purpose
/// 8-bit weights with a single scale; the second pulls conversions before a `MaxPool`, whose 8-bit kernel is the slow one.
const OFF: [&str; 2] = ["WeightBiasQuantization", "QDQPropagationTransformer"];

/// What a model is written from.
#[derive(Debug, Clone, Copy)]
pub struct Recipe<'a> {
    /// The steps of each root.
    pub grids: &'a BTreeMap<String, Grid>,
    /// The target's rules.
    pub profile: Profile,
    /// The highest step of a weight, 127 or 63.
    pub weight_limit: i8,
}

/// The model with every tensor quantised but the roots in `left_out`.
pub fn place(model: &ModelProto, plan: &Plan<'_>, recipe: Recipe<'_>, left_out: &BTreeSet<&str>) -> ModelProto {
    let (chosen, nodes) = plan.choose(left_out);
    let mut writer = Writer { plan, recipe, tensors: Vec::new(), replaced: BTreeMap::new() };
    let mut written = Vec::new();
    if chosen.contains(plan.picture()) {
        writer.convert(plan.picture(), &mut written);
    }
    for (at, original) in plan.view.graph.node.iter().enumerate() {
        let mut node = original.clone();
        for input in &mut node.input {
            // An operator in floats takes what an operator in floats made as it is; only what an operator in integers
            // made exists in 8 bits alone.
            let made = || plan.maker(input).is_some_and(|maker| nodes.contains(&maker));
            let takes = nodes.contains(&at) || (recipe.profile.outputs && made());
            if let Some(name) = writer.replaced.get(input.as_str()).filter(|_| takes) {
                input.clone_from(name);
            }
        }
        if nodes.contains(&at) && plan.has_weights(at) {
            writer.convert_weights(original, &mut node, &mut written);
        }
        let outputs = original.output.iter().filter(|name| chosen.contains(name.as_str()));
        let outputs: Vec<&str> = outputs.map(String::as_str).collect();
        written.push(node);
        outputs.into_iter().for_each(|output| writer.convert(output, &mut written));
    }
    finish(model, writer, written)
}

/// The model with the tensors of one root put through 8 bits and back, and all else in floats: what that alone costs.
pub fn only(model: &ModelProto, plan: &Plan<'_>, recipe: Recipe<'_>, root: &str) -> ModelProto {
    let mut writer = Writer { plan, recipe, tensors: Vec::new(), replaced: BTreeMap::new() };
    let shares = |tensor: &str| plan.tensors.get(tensor).is_some_and(|of| *of == root);
    let mut written = Vec::new();
    if shares(plan.picture()) {
        writer.convert(plan.picture(), &mut written);
    }
    for mut node in plan.view.graph.node.iter().cloned() {
        for input in &mut node.input {
            if let Some(name) = writer.replaced.get(input.as_str()) {
                input.clone_from(name);
            }
        }
        let outputs: Vec<String> = node.output.iter().filter(|name| shares(name)).cloned().collect();
        written.push(node);
        outputs.iter().for_each(|output| writer.convert(output, &mut written));
    }
    finish(model, writer, written)
}

fn finish(model: &ModelProto, writer: Writer<'_, '_>, nodes: Vec<NodeProto>) -> ModelProto {
    let mut quantised = model.clone();
    if let Some(graph) = quantised.graph.as_mut() {
        graph.node = nodes;
        graph.initializer.extend(writer.tensors);
        let used: BTreeSet<&str> = graph.node.iter().flat_map(|node| &node.input).map(String::as_str).collect();
        let keep: Vec<bool> = graph.initializer.iter().map(|tensor| used.contains(tensor.name())).collect();
        let mut keep = keep.into_iter();
        graph.initializer.retain(|_| keep.next().unwrap_or(true));
    }
    let off = if writer.recipe.profile.all_kernels { &OFF[..1] } else { &OFF[..] };
    set_metadata(&mut quantised, DISABLED_OPTIMIZERS_KEY, &off.join(";"));
    quantised
}

/// Sets a metadata entry, once.
pub fn set_metadata(model: &mut ModelProto, key: &str, value: &str) {
    model.metadata_props.retain(|pair| pair.key() != key);
    let pair = StringStringEntryProto { key: Some(key.to_owned()), value: Some(value.to_owned()) };
    model.metadata_props.push(pair);
}

struct Writer<'a, 'g> {
    plan: &'a Plan<'g>,
    recipe: Recipe<'a>,
    tensors: Vec<TensorProto>,
    /// Under which name a tensor comes back from 8 bits.
    replaced: BTreeMap<String, String>,
}

impl Writer<'_, '_> {
    fn grid_of(&self, tensor: &str) -> Option<Grid> {
        self.recipe.grids.get(*self.plan.tensors.get(tensor)?).copied()
    }

    /// Puts a tensor through 8 bits and back.
    fn convert(&mut self, tensor: &str, written: &mut Vec<NodeProto>) {
        let Some(grid) = self.grid_of(tensor) else { return };
        let [scale, zero, steps, back] = ["scale", "zero_point", "q", "dq"].map(|what| format!("{tensor}_{what}"));
        let element = if grid.steps == Steps::Unsigned { data_type::UINT8 } else { data_type::INT8 };
        self.tensors.push(TensorProto::from_floats(&scale, &[], &[grid.scale]));
        self.tensors.push(TensorProto::raw(&zero, &[], element, vec![grid.zero_point]));
        written.push(node("QuantizeLinear", &[tensor, &scale, &zero], &steps));
        written.push(node("DequantizeLinear", &[&steps, &scale, &zero], &back));
        self.replaced.insert(tensor.to_owned(), back);
    }

    /// Gives a node 8-bit weights, and a bias in their steps.
    fn convert_weights(&mut self, original: &NodeProto, node_out: &mut NodeProto, written: &mut Vec<NodeProto>) {
        let (Some(weight), Some(input)) =
            (self.plan.view.constant(&original.input[1]), self.grid_of(&original.input[0]))
        else {
            return;
        };
        let Some(values) = weight.floats() else { return };
        let axis = axis(original, weight.dims.len());
        let size = |dims: &[i64]| dims.iter().map(|&dim| usize::try_from(dim).unwrap_or(1)).product::<usize>();
        let (channels, inner) = (size(&weight.dims[axis..=axis]), size(&weight.dims[axis + 1..]));
        let bias = original.input.get(2).and_then(|name| self.plan.view.constant(name)).and_then(TensorProto::floats);
        let bias = bias.filter(|bias| self.recipe.profile.integer_bias && bias.len() == channels);
        let least: Vec<f32> = bias.iter().flatten().map(|value| grid::least_scale(*value, input.scale)).collect();
        let weights = grid::weights(&values, channels, inner, self.recipe.weight_limit, &least);
        // A weight that two nodes share is written for each: their inputs have different steps.
        let name = format!("{}_{}", weight.name(), original.output[0]);
        node_out.input[1] = self.constant_pair(&name, &weight.dims, axis, &weights, written);
        if let Some(bias) = bias {
            let steps: Vec<i32> =
                bias.iter().zip(&weights.scales).map(|(b, s)| grid::bias(*b, input.scale, *s)).collect();
            let scales: Vec<f32> = weights.scales.iter().map(|scale| input.scale * scale).collect();
            node_out.input[2] = self.bias_back(&format!("{name}_bias"), &steps, &scales, written);
        }
    }

    fn constant_pair(
        &mut self,
        name: &str,
        dims: &[i64],
        axis: usize,
        weights: &grid::Weights,
        written: &mut Vec<NodeProto>,
    ) -> String {
        let [scale, zero, steps, back] = ["scale", "zero_point", "q", "dq"].map(|what| format!("{name}_{what}"));
        let channels = [i64::try_from(weights.scales.len()).unwrap_or(0)];
        self.tensors.push(TensorProto::from_floats(&scale, &channels, &weights.scales));
        self.tensors.push(TensorProto::raw(&zero, &channels, data_type::INT8, vec![0; weights.scales.len()]));
        let bytes = weights.steps.iter().map(|step| step.cast_unsigned()).collect();
        self.tensors.push(TensorProto::raw(&steps, dims, data_type::INT8, bytes));
        let mut dequantize = node("DequantizeLinear", &[&steps, &scale, &zero], &back);
        dequantize.attribute.push(int_attribute("axis", i64::try_from(axis).unwrap_or(0)));
        written.push(dequantize);
        back
    }

    fn bias_back(&mut self, name: &str, steps: &[i32], scales: &[f32], written: &mut Vec<NodeProto>) -> String {
        let [scale, zero, back] = ["scale", "zero_point", "dq"].map(|what| format!("{name}_{what}"));
        let channels = [i64::try_from(steps.len()).unwrap_or(0)];
        self.tensors.push(TensorProto::from_floats(&scale, &channels, scales));
        self.tensors.push(TensorProto::from_i32(&zero, &channels, &vec![0; steps.len()]));
        self.tensors.push(TensorProto::from_i32(name, &channels, steps));
        let mut dequantize = node("DequantizeLinear", &[name, &scale, &zero], &back);
        dequantize.attribute.push(int_attribute("axis", 0));
        written.push(dequantize);
        back
    }
}

/// Along which axis of its weights a node's output channels lie.
fn axis(node: &NodeProto, rank: usize) -> usize {
    match node.op_type() {
        "ConvTranspose" => 1,
        "Gemm" => usize::from(int(node, "transB", 0) == 0),
        "MatMul" => rank - 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::proto::{GraphProto, ValueInfoProto};
    use crate::toolchain::graph::View;
    use crate::toolchain::graph::shapes::Shape;
    use crate::toolchain::quantize::Target;

    /// A convolution between the input and a sum that also takes the input, then one more.
    fn model() -> ModelProto {
        let port = |name: &str| ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() };
        let weight = |name: &str| TensorProto::from_floats(name, &[2, 2, 1, 1], &[1.27, -0.5, 12.7, 0.1]);
        let graph = GraphProto {
            node: vec![
                node("Conv", &["x", "w1", "b1"], "a"),
                node("Exp", &["a"], "s"),
                node("Conv", &["s", "w2"], "c"),
                node("Conv", &["c", "w3"], "y"),
            ],
            initializer: vec![
                weight("w1"),
                weight("w2"),
                weight("w3"),
                TensorProto::from_floats("b1", &[2], &[1.0, -1.0]),
            ],
            input: vec![port("x")],
            output: vec![port("y")],
            ..GraphProto::default()
        };
        ModelProto { ir_version: Some(8), graph: Some(graph), ..ModelProto::default() }
    }

    fn placed(target: Target) -> Vec<String> {
        let model = model();
        let graph = model.graph.as_ref().unwrap();
        let names = graph.node.iter().flat_map(|node| &node.output);
        let shapes = names.map(|name| (name.clone(), Shape { dims: vec![1, 2, 4, 4], is_f32: true })).collect();
        let profile = Profile { fewest_channels: 0, ..target.profile() };
        let plan = Plan::of(View::of(graph), &shapes, profile);
        let grids = plan.roots().into_iter().map(|name| (name.to_owned(), Grid::covering(-1.0, 1.0, profile.steps)));
        let grids = grids.collect();
        let placed = place(&model, &plan, Recipe { grids: &grids, profile, weight_limit: 127 }, &BTreeSet::new());
        let nodes = placed.graph.unwrap().node;
        let line = |node: &NodeProto| format!("{} {} > {}", node.op_type(), node.input.join(" "), node.output[0]);
        nodes.iter().filter(|node| !node.op_type().ends_with("Linear")).map(line).collect()
    }

    #[test]
    fn operators_take_from_8_bits_what_is_made_or_used_in_8_bits() {
        let expected = [
            "Conv x_dq w1_a_dq w1_a_bias_dq > a",
            "Exp a_dq > s",
            "Conv s_dq w2_c_dq > c",
            // What the last convolution takes exists in 8 bits alone; its weights are floats.
            "Conv c_dq w3 > y",
        ];
        assert_eq!(placed(Target::CpuX86), expected);
    }

    #[test]
    fn compilers_get_inputs_and_weights_in_8_bits_and_floats_elsewhere() {
        let expected = ["Conv x_dq w1_a_dq b1 > a", "Exp a > s", "Conv s_dq w2_c_dq > c", "Conv c_dq w3_y_dq > y"];
        assert_eq!(placed(Target::TensorRt), expected);
    }
}
