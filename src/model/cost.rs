//! What one look costs: multiply-additions of the layers that do nearly all the work, by kind.
//!
//! Kinds are told apart because they run so differently: a dense convolution uses each number that it loads many times, a
//! depthwise one hardly, so that it waits for memory, and 8-bit arithmetic does not make it faster.

use std::collections::{BTreeMap, HashMap};

use super::proto::{GraphProto, NodeProto};
use super::shapes::Shapes;

/// A kind of layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LayerKind {
    /// A convolution over all channels with a kernel larger than a pixel.
    Dense,
    /// A convolution over all channels, pixel by pixel.
    Pointwise,
    /// A convolution of each channel by itself.
    Depthwise,
    /// A convolution of groups of channels.
    Grouped,
    /// A transposed convolution.
    Transposed,
    /// A product of matrices.
    Matrix,
}

impl LayerKind {
    /// The name of the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dense => "dense convolution",
            Self::Pointwise => "pointwise convolution",
            Self::Depthwise => "depthwise convolution",
            Self::Grouped => "grouped convolution",
            Self::Transposed => "transposed convolution",
            Self::Matrix => "matrix product",
        }
    }
}

/// The layers of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// How many there are.
    pub layers: usize,
    /// Their multiply-additions, of those that can be told.
    pub multiply_adds: u64,
    /// How many cannot be told.
    pub unknown: usize,
    /// How many compute in 8 bits.
    pub in_8_bits: usize,
}

/// What one look costs, of the main graph.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cost {
    /// By kind of layer.
    pub kinds: BTreeMap<LayerKind, Share>,
}

impl Cost {
    /// Counts the layers of `graph`, whose values have these shapes.
    pub fn of(graph: &GraphProto, shapes: &Shapes) -> Self {
        let makers: HashMap<&str, &NodeProto> =
            graph.node.iter().flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node))).collect();
        let mut cost = Self::default();
        for node in &graph.node {
            let Some((kind, multiply_adds)) = layer(node, shapes) else { continue };
            let share = cost.kinds.entry(kind).or_default();
            share.layers += 1;
            share.in_8_bits += usize::from(is_in_8_bits(node, &makers));
            match multiply_adds {
                Some(count) => share.multiply_adds = share.multiply_adds.saturating_add(count),
                None => share.unknown += 1,
            }
        }
        cost
    }

    /// Multiply-additions of all layers that can be told.
    pub fn multiply_adds(&self) -> u64 {
        self.kinds.values().map(|share| share.multiply_adds).fold(0, u64::saturating_add)
    }

    /// How many layers cannot be told.
    pub fn unknown(&self) -> usize {
        self.kinds.values().map(|share| share.unknown).sum()
    }

    /// How many layers there are.
    pub fn layers(&self) -> usize {
        self.kinds.values().map(|share| share.layers).sum()
    }

    /// How many layers compute in 8 bits.
    pub fn in_8_bits(&self) -> usize {
        self.kinds.values().map(|share| share.in_8_bits).sum()
    }

    /// The layers of one kind.
    pub fn kind(&self, kind: LayerKind) -> Share {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }
}

/// The kind of a node and its multiply-additions, where they can be told; none for what is no such layer.
fn layer(node: &NodeProto, shapes: &Shapes) -> Option<(LayerKind, Option<u64>)> {
    let sizes = |at: usize| shapes.of(node.input_name(at)?);
    let output = || shapes.of(node.output.first()?);
    match node.operator() {
        "Conv" | "ConvInteger" => Some(convolution(node, sizes(0), sizes(1), output())),
        "QLinearConv" => Some(convolution(node, sizes(0), sizes(3), output())),
        "ConvTranspose" => {
            // Every element of the input meets every weight of its channel.
            let count = sizes(0).zip(sizes(1)).and_then(|(input, weight)| product(&[input, weight.get(1..)?]));
            Some((LayerKind::Transposed, count))
        }
        "MatMul" | "MatMulInteger" | "QLinearMatMul" => {
            let count = sizes(0).zip(output()).and_then(|(left, out)| product(&[out, left.last_chunk::<1>()?]));
            Some((LayerKind::Matrix, count))
        }
        "Gemm" => {
            let depth = |left: &[usize]| left.get(usize::from(node.int("transA") != Some(1))).copied();
            let count = sizes(0).and_then(depth).zip(output()).and_then(|(depth, out)| product(&[out, &[depth]]));
            Some((LayerKind::Matrix, count))
        }
        _ => None,
    }
}

fn convolution(
    node: &NodeProto,
    input: Option<&[usize]>,
    weight: Option<&[usize]>,
    output: Option<&[usize]>,
) -> (LayerKind, Option<u64>) {
    let groups = node.int("group").unwrap_or(1);
    let per_output = weight.and_then(|weight| weight.get(1..)).unwrap_or_default();
    let channels = input.and_then(|input| input.get(1)).copied();
    let is_each_by_itself = match channels {
        Some(channels) => usize::try_from(groups) == Ok(channels),
        None => per_output.first() == Some(&1),
    };
    let kind = match groups {
        2.. if is_each_by_itself => LayerKind::Depthwise,
        2.. => LayerKind::Grouped,
        _ if per_output.iter().skip(1).all(|&side| side == 1) => LayerKind::Pointwise,
        _ => LayerKind::Dense,
    };
    (kind, weight.zip(output).and_then(|_| product(&[output?, per_output])))
}

fn product(all: &[&[usize]]) -> Option<u64> {
    all.iter().copied().flatten().try_fold(1u64, |product, &side| product.checked_mul(u64::try_from(side).ok()?))
}

/// Whether a layer takes 8-bit integers, said aloud or by operators around it that stand for them.
fn is_in_8_bits(node: &NodeProto, makers: &HashMap<&str, &NodeProto>) -> bool {
    let comes_from_8_bits = |at: usize| {
        let maker = node.input_name(at).and_then(|name| makers.get(name));
        maker.is_some_and(|maker| maker.op_type() == "DequantizeLinear")
    };
    node.op_type().starts_with("QLinear")
        || node.op_type().ends_with("Integer")
        || (comes_from_8_bits(0) && comes_from_8_bits(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::proto::{AttributeProto, TensorProto};

    fn node(operator: &str, inputs: &[&str], output: &str, group: i64) -> NodeProto {
        let group = AttributeProto { name: Some("group".into()), i: Some(group), ..AttributeProto::default() };
        NodeProto {
            op_type: Some(operator.into()),
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute: vec![group],
            ..NodeProto::default()
        }
    }

    fn cost(nodes: Vec<NodeProto>, weights: &[(&str, &[i64])]) -> Cost {
        let initializer = weights.iter().map(|(name, dims)| TensorProto::raw(*name, dims, 1, Vec::new())).collect();
        let graph = GraphProto { node: nodes, initializer, ..GraphProto::default() };
        Cost::of(&graph, &Shapes::infer(&graph, &[("x".to_owned(), vec![1, 4, 8, 8])]))
    }

    #[test]
    fn multiply_additions_are_counted_by_kind() {
        let nodes = vec![
            node("Conv", &["x", "dense"], "a", 1),
            node("Conv", &["a", "deep"], "b", 8),
            node("Conv", &["b", "point"], "c", 1),
            node("Conv", &["c", "pairs"], "d", 2),
        ];
        let weights: [(&str, &[i64]); 4] =
            [("dense", &[8, 4, 3, 3]), ("deep", &[8, 1, 1, 1]), ("point", &[4, 8, 1, 1]), ("pairs", &[4, 2, 1, 1])];
        let cost = cost(nodes, &weights);
        // Without padding a 3x3 kernel leaves 6x6.
        assert_eq!(cost.kind(LayerKind::Dense).multiply_adds, 8 * 36 * 4 * 9);
        assert_eq!(cost.kind(LayerKind::Depthwise).multiply_adds, 8 * 36);
        assert_eq!(cost.kind(LayerKind::Pointwise).multiply_adds, 4 * 36 * 8);
        assert_eq!(cost.kind(LayerKind::Grouped).multiply_adds, 4 * 36 * 2);
        assert_eq!((cost.layers(), cost.unknown(), cost.in_8_bits()), (4, 0, 0));
    }

    #[test]
    fn what_cannot_be_told_is_counted_as_unknown() {
        let nodes = vec![node("Strange", &["x"], "a", 1), node("Conv", &["a", "w"], "b", 1)];
        let cost = cost(nodes, &[("w", &[8, 4, 3, 3])]);
        assert_eq!((cost.layers(), cost.unknown(), cost.multiply_adds()), (1, 1, 0));
    }

    #[test]
    fn a_layer_between_quantisers_computes_in_8_bits() {
        let nodes = vec![
            node("DequantizeLinear", &["x", "s"], "a", 1),
            node("DequantizeLinear", &["w", "s"], "v", 1),
            node("Conv", &["a", "v"], "b", 1),
            node("Conv", &["b", "v"], "c", 1),
        ];
        let cost = cost(nodes, &[("w", &[4, 4, 1, 1]), ("s", &[])]);
        assert_eq!((cost.layers(), cost.in_8_bits()), (2, 1));
        assert_eq!(cost.multiply_adds(), 2 * 4 * 64 * 4);
    }
}
