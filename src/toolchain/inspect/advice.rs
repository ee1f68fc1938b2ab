//! What whoever runs a model should know of it before measuring: pure, from what the file says.

use crate::model::cost::{Cost, LayerKind};
use crate::model::proto::{GraphProto, ModelProto, data_type};
use crate::model::{Dimension, ElementType, Facts};

/// The oldest operator set with scales per channel.
const PER_CHANNEL: i64 = 13;
/// From this share of depthwise layers on, 8-bit arithmetic hardly pays.
const MANY_DEPTHWISE: f64 = 0.2;

/// What is to be known of a model. `inputs` are the sizes at which it runs.
pub(super) fn for_model(
    facts: &Facts,
    model: Option<&ModelProto>,
    cost: Option<&Cost>,
    inputs: Option<&[(String, Vec<usize>)]>,
) -> Vec<String> {
    let graph = model.and_then(|model| model.graph.as_ref());
    [
        opset(facts),
        cost.and_then(depthwise),
        cost.and_then(unknown_layers),
        cost.and_then(|cost| partly_8_bit(facts, cost)),
        graph.and_then(signed_activations),
        open_sides(facts, inputs),
        half_precision(facts, graph),
        graph.and_then(|graph| weights_among_inputs(facts, graph)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn opset(facts: &Facts) -> Option<String> {
    let found = facts.opset();
    (1..PER_CHANNEL).contains(&found).then(|| {
        format!(
            "operator set {found}: scales per channel, which 8 bits need, came with {PER_CHANNEL}; export it with that"
        )
    })
}

/// Measured on a CPU with 8-bit dot products at one thread: dense 3x3 convolutions 3.4 times as fast in 8 bits, depthwise
/// ones 1.6 times; YOLOX-nano, of which a third of the layers are depthwise, 1.3 times.
fn depthwise(cost: &Cost) -> Option<String> {
    let (layers, all) = (cost.kind(LayerKind::Depthwise).layers, cost.layers());
    (all > 0 && layers as f64 >= MANY_DEPTHWISE * all as f64).then(|| {
        format!(
            "{layers} of {all} layers are depthwise convolutions, which wait for memory: 8 bits will hardly pay \
             (dense ones run some 3 times as fast, networks like this 1.1 to 1.3 times)"
        )
    })
}

fn unknown_layers(cost: &Cost) -> Option<String> {
    let unknown = cost.unknown();
    (unknown > 0).then(|| format!("the cost of {unknown} of {} layers cannot be told and is left out", cost.layers()))
}

fn partly_8_bit(facts: &Facts, cost: &Cost) -> Option<String> {
    let (found, all) = (cost.in_8_bits(), cost.layers());
    (facts.is_quantised() && found < all).then(|| format!("{} of {all} layers are left in floats", all - found))
}

/// A quantiser with a signed zero point makes signed activations.
fn signed_activations(graph: &GraphProto) -> Option<String> {
    let is_signed = |name: &str| {
        graph.initializer.iter().any(|tensor| tensor.name() == name && tensor.data_type() == data_type::INT8)
    };
    let quantisers = graph.node.iter().filter(|node| node.operator() == "QuantizeLinear");
    let signed = quantisers.filter(|node| node.input_name(2).is_some_and(is_signed)).count();
    (signed > 0).then(|| {
        "activations are signed: on x86 such files run up to 3 times slower than unsigned ones; they are meant for TensorRT"
            .to_owned()
    })
}

fn open_sides(facts: &Facts, inputs: Option<&[(String, Vec<usize>)]>) -> Option<String> {
    let is_open = |side: &Dimension| matches!(side, Dimension::Free(_));
    let port = facts.inputs.iter().find(|port| port.shape.iter().skip(1).any(is_open))?;
    let at = inputs.and_then(|inputs| inputs.iter().find(|(name, _)| *name == port.name));
    Some(match at {
        Some((_, sizes)) => {
            let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
            format!(
                "{} leaves sides open: they are fixed to [{}] at load; `input:` sets others",
                port.name,
                sizes.join(",")
            )
        }
        None => format!("{} leaves sides open, and nothing says how large it is", port.name),
    })
}

fn half_precision(facts: &Facts, graph: Option<&GraphProto>) -> Option<String> {
    let of_inputs = facts.inputs.iter().any(|port| port.element == ElementType::F16);
    let of_weights =
        graph.is_some_and(|graph| graph.initializer.iter().any(|tensor| tensor.data_type() == data_type::FLOAT16));
    (of_inputs || of_weights).then(|| {
        "16-bit floats: meant for GPUs; on the CPU most operators are computed in 32 bits with conversions around them"
            .to_owned()
    })
}

fn weights_among_inputs(facts: &Facts, graph: &GraphProto) -> Option<String> {
    let listed = graph.input.len().saturating_sub(facts.inputs.len());
    (listed > 0).then(|| {
        format!("{listed} weights are listed as inputs too, so that ONNX Runtime cannot fold them; export it with IR version 4 or later")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Port;
    use crate::model::cost::Share;
    use crate::model::proto::{NodeProto, TensorProto, ValueInfoProto};

    fn facts(opset: i64, side: Dimension) -> Facts {
        let shape = vec![Dimension::Fixed(1), Dimension::Fixed(3), side.clone(), side];
        let inputs = vec![Port { name: "images".into(), element: ElementType::F32, shape }];
        Facts { opsets: [(String::new(), opset)].into(), inputs, ..Facts::default() }
    }

    fn cost(depthwise: usize, dense: usize) -> Cost {
        let share = |layers| Share { layers, ..Share::default() };
        Cost { kinds: [(LayerKind::Depthwise, share(depthwise)), (LayerKind::Dense, share(dense))].into() }
    }

    #[test]
    fn a_dense_float_model_of_a_recent_operator_set_needs_no_advice() {
        let facts = facts(17, Dimension::Fixed(416));
        assert_eq!(for_model(&facts, Some(&ModelProto::default()), Some(&cost(0, 60)), None), [""; 0]);
    }

    #[test]
    fn each_hindrance_is_told() {
        let mut facts = facts(11, Dimension::Free("height".into()));
        facts.inputs[0].element = ElementType::F16;
        facts.operators.insert("QuantizeLinear".into(), 1);
        let quantiser = NodeProto {
            op_type: Some("QuantizeLinear".into()),
            input: ["x", "s", "z"].map(String::from).to_vec(),
            ..NodeProto::default()
        };
        let graph = GraphProto {
            node: vec![quantiser],
            initializer: vec![TensorProto::raw("z", &[], data_type::INT8, vec![0])],
            input: vec![ValueInfoProto::default(), ValueInfoProto::default()],
            ..GraphProto::default()
        };
        let model = ModelProto { graph: Some(graph), ..ModelProto::default() };
        let sizes = [("images".to_owned(), vec![1, 3, 384, 640])];
        let told = for_model(&facts, Some(&model), Some(&cost(20, 40)), Some(&sizes));
        let expected = [
            "operator set 11",
            "20 of 60 layers are depthwise",
            "60 of 60 layers are left in floats",
            "signed",
            "fixed to [1,3,384,640]",
            "16-bit floats",
            "1 weights are listed as inputs",
        ];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told}");
        }
    }
}
