//! Small networks of real convolutions whose values are known, as ONNX models.

use vedette::model::proto::{
    AttributeProto, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorType, TypeProto, TypeValue, ValueInfoProto, data_type,
};

/// A node of the standard operator set.
pub fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    let name = Some(output.to_owned());
    NodeProto { op_type: Some(operator.to_owned()), name, ..vedette::toolchain::graph::node(operator, inputs, output) }
}

/// The node with an attribute of integers.
pub fn with_ints(mut node: NodeProto, name: &str, values: &[i64]) -> NodeProto {
    node.attribute.push(vedette::toolchain::graph::ints_attribute(name, values));
    node
}

/// The node with an integer attribute.
pub fn with_int(mut node: NodeProto, name: &str, value: i64) -> NodeProto {
    node.attribute.push(vedette::toolchain::graph::int_attribute(name, value));
    node
}

/// The node with an attribute of type float.
pub fn with_float(mut node: NodeProto, name: &str, value: f32) -> NodeProto {
    let (name, f) = (Some(name.to_owned()), Some(value));
    node.attribute.push(AttributeProto { name, f, kind: Some(1), ..AttributeProto::default() });
    node
}

/// An input or output of 32-bit floats.
fn port(name: &str, shape: &[i64]) -> ValueInfoProto {
    let side = |&size: &i64| DimensionProto { value: Some(DimensionValue::Size(size)), denotation: None };
    let shape = TensorShapeProto { dim: shape.iter().map(side).collect() };
    let tensor = TensorType { elem_type: Some(data_type::FLOAT), shape: Some(shape) };
    let value_type = TypeProto { value: Some(TypeValue::Tensor(tensor)), denotation: None };
    ValueInfoProto { name: Some(name.to_owned()), value_type: Some(value_type), ..ValueInfoProto::default() }
}

/// A model that takes `images` and gives `output`.
pub fn model(
    opset: i64,
    input: &[i64],
    output: (&str, &[i64]),
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
) -> ModelProto {
    let graph = GraphProto {
        node: nodes,
        name: Some("graph".into()),
        initializer: constants,
        input: vec![port("images", input)],
        output: vec![port(output.0, output.1)],
        ..GraphProto::default()
    };
    let import = OperatorSetIdProto { domain: Some(String::new()), version: Some(opset) };
    let ir_version = Some(if opset < 13 { 6 } else { 8 });
    ModelProto { ir_version, graph: Some(graph), opset_import: vec![import], ..ModelProto::default() }
}

/// Channels of its convolutions; TensorRT is given none with fewer.
const WIDTH: usize = 16;

/// Cells of the grids of an input of 64 by 64: 8x8, 4x4 and 2x2.
const CELLS: usize = 84;

/// A detector in YOLOv8's form of `dark` and `bright` that says `bright` where a cell of 8 by 8 pixels and what surrounds
/// it is bright: three convolutions of 16 channels that each take means, one of them through batch normalisation, and
/// one that decides. Of operator set 11, as many files are.
pub fn bright_spots() -> ModelProto {
    let mean = |inputs: usize, channel: usize| 1.0 / (9 * inputs) as f32 * (1.0 + 0.02 * (channel as f32 - 7.5));
    let kernels = |name: &str, inputs: usize| {
        let values: Vec<f32> = (0..WIDTH).flat_map(|channel| vec![mean(inputs, channel); 9 * inputs]).collect();
        TensorProto::from_floats(name, &[WIDTH as i64, inputs as i64, 3, 3], &values)
    };
    let halving = |input: &str, weight: &str, output: &str| {
        with_ints(with_ints(node("Conv", &[input, weight], output), "pads", &[1, 1, 1, 1]), "strides", &[2, 2])
    };
    let mut boxes = vec![0f32; 4 * 64];
    for cell in 0..64 {
        [boxes[cell], boxes[64 + cell]] = [(cell % 8) as f32 * 8.0 + 4.0, (cell / 8) as f32 * 8.0 + 4.0];
        [boxes[128 + cell], boxes[192 + cell]] = [16.0, 16.0];
    }
    // The coarser grids see nothing, in boxes of their own.
    let mut nothing = vec![0.01f32; 6 * 20];
    nothing[..80].fill(16.0);
    let decide: Vec<f32> = [vec![-0.05; WIDTH], vec![1.25; WIDTH]].concat();
    let ones = |name: &str, value: f32| TensorProto::from_floats(name, &[WIDTH as i64], &[value; WIDTH]);
    let nodes = vec![
        halving("images", "w1", "c1"),
        node("BatchNormalization", &["c1", "gain", "shift", "average", "variance"], "n1"),
        node("Relu", &["n1"], "r1"),
        halving("r1", "w2", "c2"),
        node("Relu", &["c2"], "r2"),
        halving("r2", "w3", "c3"),
        node("Relu", &["c3"], "r3"),
        node("Conv", &["r3", "decide", "doubt"], "logits"),
        node("Sigmoid", &["logits"], "map"),
        node("Reshape", &["map", "flat"], "scores"),
        with_int(node("Concat", &["boxes", "scores"], "fine"), "axis", 1),
        with_int(node("Concat", &["fine", "nothing"], "output0"), "axis", 2),
    ];
    let constants = vec![
        kernels("w1", 3),
        kernels("w2", WIDTH),
        kernels("w3", WIDTH),
        ones("gain", 1.0),
        ones("shift", 0.0),
        ones("average", 0.0),
        ones("variance", 1.0),
        TensorProto::from_floats("decide", &[2, WIDTH as i64, 1, 1], &decide),
        TensorProto::from_floats("doubt", &[2], &[-4.0, -8.0]),
        TensorProto::from_ints("flat", &[3], &[1, 2, 64]),
        TensorProto::from_floats("boxes", &[1, 4, 64], &boxes),
        TensorProto::from_floats("nothing", &[1, 6, 20], &nothing),
    ];
    let mut model = model(11, &[1, 3, 64, 64], ("output0", &[1, 6, CELLS as i64]), nodes, constants);
    let entry =
        |(key, value): (&str, &str)| StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) };
    let facts = [("task", "detect"), ("names", "{0: 'dark', 1: 'bright'}"), ("stride", "32")];
    model.metadata_props = facts.into_iter().map(entry).collect();
    model
}
