//! Small models whose answers are known.

use vedette::model::proto::{
    DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorType, TypeProto, TypeValue, ValueInfoProto,
};

use crate::support::networks::{node, with_int, with_ints};

/// Name, `TensorProto.DataType` and sizes of an input or output; -1 is the free size `batch`.
pub type Port<'a> = (&'a str, i32, &'a [i64]);

pub const FLOAT: i32 = 1;
pub const INT32: i32 = 6;

/// The datatypes of the protocol by their numbers in `TensorProto.DataType`.
pub const DATATYPES: [(&str, i32); 14] = [
    ("FP32", 1),
    ("UINT8", 2),
    ("INT8", 3),
    ("UINT16", 4),
    ("INT16", 5),
    ("INT32", 6),
    ("INT64", 7),
    ("BYTES", 8),
    ("BOOL", 9),
    ("FP16", 10),
    ("FP64", 11),
    ("UINT32", 12),
    ("UINT64", 13),
    ("BF16", 16),
];

fn port(&(name, element, shape): &Port<'_>) -> ValueInfoProto {
    let side = |&size: &i64| {
        let value = if size < 0 { DimensionValue::Name("batch".into()) } else { DimensionValue::Size(size) };
        DimensionProto { value: Some(value), denotation: None }
    };
    let shape = TensorShapeProto { dim: shape.iter().map(side).collect() };
    let tensor = TensorType { elem_type: Some(element), shape: Some(shape) };
    let value_type = TypeProto { value: Some(TypeValue::Tensor(tensor)), denotation: None };
    ValueInfoProto { name: Some(name.to_owned()), value_type: Some(value_type), ..ValueInfoProto::default() }
}

pub fn model(inputs: &[Port<'_>], outputs: &[Port<'_>], nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> Vec<u8> {
    let graph = GraphProto {
        node: nodes,
        name: Some("graph".into()),
        initializer: constants,
        input: inputs.iter().map(port).collect(),
        output: outputs.iter().map(port).collect(),
        ..GraphProto::default()
    };
    let import = OperatorSetIdProto { domain: Some(String::new()), version: Some(13) };
    let model =
        ModelProto { ir_version: Some(8), graph: Some(graph), opset_import: vec![import], ..ModelProto::default() };
    model.to_bytes()
}

/// `y = 2 x + offset`, rows of four.
pub fn doubled(offset: f32) -> Vec<u8> {
    let constants =
        vec![TensorProto::from_floats("two", &[1], &[2.0]), TensorProto::from_floats("off", &[1], &[offset])];
    let nodes = vec![node("Mul", &["x", "two"], "twice"), node("Add", &["twice", "off"], "y")];
    model(&[("x", FLOAT, &[-1, 4])], &[("y", FLOAT, &[-1, 4])], nodes, constants)
}

/// Triton's well-known example: two rows of 16 integers, their sum and their difference.
pub fn simple() -> Vec<u8> {
    let nodes = vec![node("Add", &["INPUT0", "INPUT1"], "OUTPUT0"), node("Sub", &["INPUT0", "INPUT1"], "OUTPUT1")];
    let inputs: [Port<'_>; 2] = [("INPUT0", INT32, &[-1, 16]), ("INPUT1", INT32, &[-1, 16])];
    let outputs: [Port<'_>; 2] = [("OUTPUT0", INT32, &[-1, 16]), ("OUTPUT1", INT32, &[-1, 16])];
    model(&inputs, &outputs, nodes, Vec::new())
}

/// Gives back what it is given, of one datatype.
pub fn echo(datatype: i32) -> Vec<u8> {
    model(&[("in", datatype, &[-1, 2])], &[("out", datatype, &[-1, 2])], vec![node("Identity", &["in"], "out")], vec![])
}

/// Adds to every row the sum of all rows, so that no row stands alone.
pub fn entangled() -> Vec<u8> {
    let sum = with_ints(with_int(node("ReduceMean", &["x"], "mean"), "keepdims", 1), "axes", &[0]);
    let nodes = vec![sum, node("Add", &["x", "mean"], "y")];
    model(&[("x", FLOAT, &[-1, 4])], &[("y", FLOAT, &[-1, 4])], nodes, Vec::new())
}

/// Rows of 256, multiplied `times` times by a matrix that turns them round: slow, and the answer is known.
pub fn slow(times: usize) -> Vec<u8> {
    let mut turn = vec![0f32; 256 * 256];
    for at in 0..256 {
        turn[at * 256 + (at + 1) % 256] = 1.0;
    }
    let name = |step: usize| match step {
        0 => "x".to_owned(),
        step if step == times => "y".to_owned(),
        step => format!("t{step}"),
    };
    let step = |step: usize| node("MatMul", &[&name(step), "turn"], &name(step + 1));
    let turn = TensorProto::from_floats("turn", &[256, 256], &turn);
    model(&[("x", FLOAT, &[-1, 256])], &[("y", FLOAT, &[-1, 256])], (0..times).map(step).collect(), vec![turn])
}
