//! Writes ONNX messages field by field, sound or not.

/// A field that holds bytes: a text or a nested message.
pub fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// A field that holds a nested message.
pub fn message(field: u64, fields: &[Vec<u8>]) -> Vec<u8> {
    bytes(field, &fields.concat())
}

/// A field that holds a text.
pub fn text(field: u64, text: &str) -> Vec<u8> {
    bytes(field, text.as_bytes())
}

/// A field that holds a number.
pub fn number(field: u64, value: i64) -> Vec<u8> {
    [varint(field << 3), varint(value.cast_unsigned())].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A model with format 8, operator set 13 and this graph.
pub fn model(graph: &[Vec<u8>]) -> Vec<u8> {
    [number(1, 8), message(8, &[number(2, 13)]), message(7, graph)].concat()
}

/// A node of the standard domain, called after its operator.
pub fn node(operator: &str, inputs: &[&str], outputs: &[&str], more: &[Vec<u8>]) -> Vec<u8> {
    let inputs = inputs.iter().map(|name| text(1, name));
    let outputs = outputs.iter().map(|name| text(2, name));
    let fields: Vec<Vec<u8>> = inputs.chain(outputs).chain([text(3, operator), text(4, operator)]).collect();
    message(1, &[fields, more.to_vec()].concat())
}

/// An attribute; `value` is the field that holds it.
pub fn attribute(name: &str, value: Vec<u8>) -> Vec<u8> {
    message(5, &[text(1, name), value])
}

/// A tensor in field `field` of its owner.
pub fn tensor(field: u64, name: &str, element: i64, shape: &[i64], data: Vec<u8>) -> Vec<u8> {
    let shape: Vec<Vec<u8>> = shape.iter().map(|&side| number(1, side)).collect();
    message(field, &[shape, vec![number(2, element), text(8, name), data]].concat())
}

/// A float tensor of the graph.
pub fn floats(name: &str, shape: &[i64], count: usize) -> Vec<u8> {
    tensor(5, name, 1, shape, bytes(9, &vec![0; 4 * count]))
}

/// An input (11), output (12) or other value (13) of floats.
pub fn value(field: u64, name: &str, shape: &[i64]) -> Vec<u8> {
    let sides: Vec<Vec<u8>> = shape.iter().map(|&side| message(1, &[number(1, side)])).collect();
    message(field, &[text(1, name), message(2, &[message(1, &[number(1, 1), message(2, &sides)])])])
}

/// A graph from `x` over `nodes` to `y`.
pub fn graph(nodes: &[Vec<u8>]) -> Vec<Vec<u8>> {
    [nodes.to_vec(), vec![value(11, "x", &[1, 3, 8, 8]), value(12, "y", &[1, 3, 8, 8])]].concat()
}
