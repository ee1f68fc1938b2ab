//! Which tensors of a graph can be 8-bit, which share their steps, and which operators then compute in integers.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::proto::NodeProto;
use crate::toolchain::graph::shapes::Shape;
use crate::toolchain::graph::{View, int};

use super::profile::Profile;

/// Operators whose output is a choice or an order of their input's elements: they share its steps.
const CARRIERS: [&str; 14] = [
    "MaxPool",
    "Reshape",
    "Transpose",
    "Slice",
    "Gather",
    "Resize",
    "Split",
    "Squeeze",
    "Unsqueeze",
    "Flatten",
    "DepthToSpace",
    "SpaceToDepth",
    "Identity",
    "Expand",
];

/// Operators that ONNX Runtime has kernels for which take and give 8-bit integers (`qdq_selectors.cc`).
const KERNELS: [&str; 12] = [
    "Conv",
    "ConvTranspose",
    "Gemm",
    "MatMul",
    "Add",
    "Mul",
    "Sigmoid",
    "LeakyRelu",
    "Concat",
    "AveragePool",
    "GlobalAveragePool",
    "Softmax",
];

/// Of both lists, those that only some targets have.
const RARE: [&str; 4] = ["ConvTranspose", "DepthToSpace", "MaxPool", "SpaceToDepth"];

/// Operators with weights.
pub const WEIGHTED: [&str; 4] = ["Conv", "ConvTranspose", "Gemm", "MatMul"];

/// A graph seen as tensors to be quantised.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The graph.
    pub view: View<'a>,
    /// Nodes that stay floats: those behind the last convolutions.
    pub tail: BTreeSet<usize>,
    /// The last convolutions, whose outputs only the tail takes.
    pub heads: BTreeSet<usize>,
    /// Tensors that may be quantised, in the order of the graph, each with the one whose steps it has.
    pub tensors: BTreeMap<&'a str, &'a str>,
    /// How many multiplications each operator with weights takes.
    multiplications: BTreeMap<usize, f64>,
    profile: Profile,
}

impl<'a> Plan<'a> {
    /// Looks through the graph.
    pub fn of(view: View<'a>, shapes: &BTreeMap<String, Shape>, profile: Profile) -> Self {
        let (tail, heads) = tail(&view);
        let multiplications = multiplications(&view, shapes);
        let mut plan = Self { view, tail, heads, tensors: BTreeMap::new(), multiplications, profile };
        let graph = plan.view.graph;
        // Inputs beside the picture are pairs of numbers.
        plan.offer(plan.picture(), plan.picture());
        for (at, node) in graph.node.iter().enumerate() {
            if plan.tail.contains(&at) {
                continue;
            }
            let carried = plan.carries(node).then(|| plan.tensors.get(node.input[0].as_str())).flatten().copied();
            for output in node.output.iter().filter(|name| shapes.get(*name).is_some_and(|shape| shape.is_f32)) {
                plan.offer(output, carried.unwrap_or(output));
            }
        }
        plan
    }

    fn has_kernel(&self, node: &NodeProto) -> bool {
        self.profile.all_kernels || !RARE.contains(&node.op_type())
    }

    /// Whether a node only moves values about.
    fn carries(&self, node: &NodeProto) -> bool {
        CARRIERS.contains(&node.op_type()) && self.has_kernel(node)
    }

    /// Takes a tensor in, unless only the tail takes it or the operator behind it swallows it.
    fn offer(&mut self, tensor: &'a str, steps_of: &'a str) {
        let takers = self.view.consumers(tensor);
        let is_inside = takers.iter().any(|taker| !self.tail.contains(taker));
        let is_swallowed = self.rectifier_behind(tensor).is_some();
        if is_inside && !is_swallowed {
            self.tensors.insert(tensor, steps_of);
        }
    }

    /// The only taker of a tensor, if it is a `Relu` or `Clip` behind an operator that computes in integers: such a pair
    /// is one, since cutting off at a limit of the steps costs nothing.
    fn rectifier_behind(&self, tensor: &str) -> Option<usize> {
        let maker = self.view.graph.node.get(self.view.producer(tensor)?)?;
        let &[taker] = self.view.consumers(tensor) else { return None };
        let is_rectifier = matches!(self.view.graph.node[taker].op_type(), "Relu" | "Clip");
        let fits = is_rectifier && KERNELS.contains(&maker.op_type()) && !self.view.is_output(tensor);
        (fits && !self.tail.contains(&taker)).then_some(taker)
    }

    /// The tensor in which a node's output leaves it, behind the rectifier that belongs to it.
    fn leaves_as(&self, output: &'a str) -> &'a str {
        self.rectifier_behind(output).map_or(output, |taker| self.view.graph.node[taker].output[0].as_str())
    }

    /// The input that takes the picture: the only one that nothing is known of but its values.
    pub fn picture(&self) -> &'a str {
        self.view.graph.input.first().map_or("", |port| port.name())
    }

    /// Tensors whose steps are their own.
    pub fn roots(&self) -> BTreeSet<&'a str> {
        self.tensors.values().copied().collect()
    }

    /// Whether node `at` has weights that can be quantised.
    pub fn has_weights(&self, at: usize) -> bool {
        let node = &self.view.graph.node[at];
        let weight = node.input.get(1).and_then(|name| self.view.constant(name));
        WEIGHTED.contains(&node.op_type())
            && self.has_kernel(node)
            && weight.is_some_and(|w| {
                w.floats().is_some() && w.dims.get(1).is_none_or(|&c| c * group(node) >= self.profile.fewest_channels)
            })
    }

    /// Which tensors are quantised when the roots in `left_out` are not, and which nodes then compute in integers. A
    /// tensor that no such node makes or takes stays as it is: two conversions for nothing.
    pub fn choose(&self, left_out: &BTreeSet<&str>) -> (BTreeSet<&'a str>, BTreeSet<usize>) {
        let chosen = self.tensors.iter().filter(|(_, root)| !left_out.contains(*root));
        let mut chosen: BTreeSet<&str> = chosen.map(|(tensor, _)| *tensor).collect();
        loop {
            let nodes = self.integer_nodes(&chosen);
            // Whoever merely carries values on is no reason to convert them.
            let working = |at: &&usize| !self.carries(&self.view.graph.node[**at]);
            let reasons: BTreeSet<usize> = nodes.iter().filter(working).copied().collect();
            let useful: BTreeSet<&str> =
                chosen.iter().copied().filter(|tensor| self.is_useful(tensor, &reasons)).collect();
            let roots: BTreeSet<&str> = useful.iter().map(|tensor| self.tensors[tensor]).collect();
            let shares = |tensor: &&str| self.profile.outputs && roots.contains(self.tensors[tensor]);
            let useful: BTreeSet<&str> =
                chosen.iter().copied().filter(|tensor| useful.contains(tensor) || shares(tensor)).collect();
            if useful.len() == chosen.len() {
                return (chosen, nodes);
            }
            chosen = useful;
        }
    }

    /// Which share of all multiplications is done by `nodes`.
    pub fn share_of_work(&self, nodes: &BTreeSet<usize>) -> f64 {
        let done: f64 = self.multiplications.iter().filter(|(at, _)| nodes.contains(at)).map(|(_, count)| count).sum();
        done / self.multiplications.values().sum::<f64>().max(1.0)
    }

    /// How many operators with weights compute in integers when no tensor is left out.
    pub fn weighted_integers(&self) -> usize {
        let (_, nodes) = self.choose(&BTreeSet::new());
        nodes.iter().filter(|at| self.has_weights(**at)).count()
    }

    fn is_useful(&self, tensor: &str, nodes: &BTreeSet<usize>) -> bool {
        let maker = self.maker(tensor).filter(|_| self.profile.outputs);
        let takers = self.view.consumers(tensor).iter().copied();
        takers.chain(maker).any(|node| nodes.contains(&node))
    }

    /// The node that makes a tensor; of a rectifier that belongs to the operator before it, that operator.
    pub fn maker(&self, tensor: &str) -> Option<usize> {
        let at = self.view.producer(tensor)?;
        let before = self.view.graph.node[at].input.first().and_then(|input| Some((input, self.view.producer(input)?)));
        match before {
            Some((input, before)) if self.rectifier_behind(input) == Some(at) => Some(before),
            _ => Some(at),
        }
    }

    fn integer_nodes(&self, chosen: &BTreeSet<&str>) -> BTreeSet<usize> {
        let graph = self.view.graph;
        let is_integer = |at: &usize| {
            let node = &graph.node[*at];
            let operator = node.op_type();
            let inputs_fit = || self.view.activations(*at).all(|name| chosen.contains(name));
            let outputs_fit = || node.output.iter().all(|name| chosen.contains(self.leaves_as(name)));
            if self.tail.contains(at) {
                return false;
            }
            if WEIGHTED.contains(&operator) {
                let is_head = self.heads.contains(at);
                let output_fits = if is_head { self.profile.heads } else { !self.profile.outputs || outputs_fit() };
                return self.has_weights(*at) && inputs_fit() && output_fits;
            }
            let has_constant = || self.view.activations(*at).count() < node.input.len();
            let is_kernel = KERNELS.contains(&operator) && !has_constant();
            // Beside its data a carrier takes shapes and indices.
            let carries = self.carries(node) && chosen.contains(node.input[0].as_str());
            self.profile.outputs && (carries || (is_kernel && inputs_fit())) && outputs_fit()
        };
        (0..graph.node.len()).filter(is_integer).collect()
    }
}

/// The multiplications of every operator with constant weights, from the shapes of what it makes or takes.
fn multiplications(view: &View<'_>, shapes: &BTreeMap<String, Shape>) -> BTreeMap<usize, f64> {
    let count = |dims: &[i64]| dims.iter().map(|&dim| dim as f64).product::<f64>();
    let of = |(at, node): (usize, &NodeProto)| {
        let weight = view.constant(node.input.get(1)?).filter(|_| WEIGHTED.contains(&node.op_type()))?;
        // Each of the output's elements takes as many as a channel has weights; of a transposed convolution each of the
        // input's does.
        let (tensor, channels) = match node.op_type() {
            "Conv" => (&node.output[0], weight.dims.first()),
            "ConvTranspose" => (&node.input[0], weight.dims.first()),
            _ if int(node, "transB", 0) != 0 => (&node.output[0], weight.dims.first()),
            _ => (&node.output[0], weight.dims.last()),
        };
        let channels = channels.filter(|channels| **channels > 0)?;
        Some((at, count(&shapes.get(tensor)?.dims) * count(&weight.dims) / *channels as f64))
    };
    view.graph.node.iter().enumerate().filter_map(of).collect()
}

/// How many groups a convolution has.
pub fn group(node: &NodeProto) -> i64 {
    int(node, "group", 1)
}

/// Walks back from the outputs to the first operators with weights: what lies behind them is the tail, they are the
/// heads. A convolution behind a `Softmax` is part of the tail: it takes the mean of a distribution over distances (DFL).
fn tail(view: &View<'_>) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let (mut tail, mut heads) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<usize> = view.graph.output.iter().filter_map(|output| view.producer(output.name())).collect();
    let mut seen = BTreeSet::new();
    while let Some(at) = open.pop() {
        if !seen.insert(at) {
            continue;
        }
        let node = &view.graph.node[at];
        let weight = node.input.get(1).is_some_and(|name| view.constant(name).is_some());
        if WEIGHTED.contains(&node.op_type()) && weight && !follows_softmax(view, at) {
            heads.insert(at);
            continue;
        }
        tail.insert(at);
        open.extend(view.activations(at).filter_map(|name| view.producer(name)));
    }
    // A convolution that feeds more than the tail is one like all others.
    let tail_only = |head: &usize| {
        let takers = view.graph.node[*head].output.iter().flat_map(|output| view.consumers(output));
        takers.copied().all(|taker| tail.contains(&taker))
    };
    let heads = heads.into_iter().filter(tail_only).collect();
    (tail, heads)
}

fn follows_softmax(view: &View<'_>, at: usize) -> bool {
    let mut at = at;
    loop {
        let Some(before) = view.activations(at).next().and_then(|name| view.producer(name)) else { return false };
        match view.graph.node[before].op_type() {
            "Softmax" => return true,
            "Reshape" | "Transpose" => at = before,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::proto::{GraphProto, TensorProto, ValueInfoProto};
    use crate::toolchain::graph::node;
    use crate::toolchain::quantize::Target;

    fn port(name: &str) -> ValueInfoProto {
        ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() }
    }

    /// Two convolutions, a pooling, an upsampling one and a last one with a sigmoid behind it.
    fn graph() -> GraphProto {
        let weight = |name: &str| TensorProto::from_floats(name, &[4, 4, 1, 1], &[0.5; 16]);
        GraphProto {
            node: vec![
                node("Conv", &["x", "w1"], "a"),
                node("Relu", &["a"], "b"),
                node("MaxPool", &["b"], "c"),
                node("Conv", &["c", "w2"], "d"),
                node("ConvTranspose", &["d", "w3"], "e"),
                node("Conv", &["e", "w4"], "f"),
                node("Sigmoid", &["f"], "y"),
            ],
            initializer: ["w1", "w2", "w3", "w4"].map(weight).to_vec(),
            input: vec![port("x")],
            output: vec![port("y")],
            ..GraphProto::default()
        }
    }

    fn plan(graph: &GraphProto, target: Target) -> Plan<'_> {
        let names = graph.node.iter().flat_map(|node| &node.output);
        let shapes = names.map(|name| (name.clone(), Shape { dims: vec![1, 4, 8, 8], is_f32: true })).collect();
        Plan::of(View::of(graph), &shapes, target.profile())
    }

    fn operators(plan: &Plan<'_>, left_out: &[&'static str]) -> Vec<String> {
        let (_, nodes) = plan.choose(&left_out.iter().copied().collect());
        nodes.iter().map(|at| plan.view.graph.node[*at].output[0].clone()).collect()
    }

    #[test]
    fn the_tail_is_what_stands_behind_the_last_convolutions() {
        let graph = graph();
        let plan = plan(&graph, Target::CpuX86);
        assert_eq!((plan.tail.iter().collect::<Vec<_>>(), plan.heads.iter().collect::<Vec<_>>()), (vec![&6], vec![&5]));
    }

    #[test]
    fn a_rectifier_belongs_to_its_convolution_and_a_pooling_shares_steps() {
        let graph = graph();
        let plan = plan(&graph, Target::Qnn);
        assert!(!plan.tensors.contains_key("a"));
        assert_eq!(plan.tensors["c"], "b");
        assert_eq!(plan.maker("b"), Some(0));
    }

    #[test]
    fn a_processor_computes_in_integers_what_it_has_kernels_for() {
        let graph = graph();
        assert_eq!(operators(&plan(&graph, Target::CpuX86), &[]), ["a", "d"]);
        assert_eq!(operators(&plan(&graph, Target::Qnn), &[]), ["a", "c", "d", "e", "f"]);
        assert_eq!(operators(&plan(&graph, Target::OpenVino), &[]), ["a", "d", "e", "f"]);
        // Four channels are too few for it.
        assert_eq!(plan(&graph, Target::TensorRt).weighted_integers(), 0);
    }

    #[test]
    fn work_is_counted_in_multiplications() {
        let graph = graph();
        let plan = plan(&graph, Target::CpuX86);
        // Four convolutions of four by four channels over maps of one size.
        assert!((plan.share_of_work(&BTreeSet::from([0, 3])) - 0.5).abs() < 1e-9);
        assert_eq!(plan.share_of_work(&BTreeSet::from([2])), 0.0);
    }

    #[test]
    fn a_tensor_left_in_floats_takes_the_operators_on_both_sides_with_it() {
        let graph = graph();
        let plan = plan(&graph, Target::Qnn);
        assert_eq!(operators(&plan, &["b"]), ["e", "f"]);
        assert_eq!(operators(&plan, &["d"]), ["a", "c", "f"]);
        let (chosen, _) = plan.choose(&BTreeSet::from(["b", "d", "e"]));
        assert!(chosen.is_empty(), "nobody would use {chosen:?}");
    }
}
