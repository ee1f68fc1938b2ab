//! Writes tiny ONNX models whose outputs are known: constants that do not depend on the picture.
//!
//! The graph reduces the input to one number, multiplies it by zero and adds each output's table, so that every provider
//! really runs it. Field numbers are those of `onnx.proto`.

/// A model to be written.
#[derive(Clone, Default)]
pub struct Model {
    /// Shape of the input; 0 stands for a free dimension.
    pub input: Vec<u64>,
    /// Type of the input's elements.
    pub element: Element,
    /// Name, shape and elements of each output.
    pub outputs: Vec<(&'static str, Vec<u64>, Vec<f32>)>,
    /// Type of the outputs, but for those that are integers.
    pub output_element: Element,
    /// Outputs that are 64-bit integers.
    pub integers: Vec<&'static str>,
    /// An input of two 64-bit integers, and the output whose rows of four are multiplied by them, twice in turn.
    pub scaled: Option<(&'static str, &'static str)>,
    /// Who wrote it.
    pub producer: &'static str,
    /// Metadata.
    pub metadata: Vec<(&'static str, &'static str)>,
    /// Whether it counts to a number that it never reaches when the whole picture is white.
    pub hangs_on_white: bool,
}

/// A type of elements, by its number in `TensorProto.DataType`.
#[derive(Clone, Copy, Default)]
pub enum Element {
    /// 32-bit floats.
    #[default]
    F32 = 1,
    /// Bytes.
    U8 = 2,
    /// 64-bit integers.
    I64 = 7,
    /// Truth values.
    Bool = 9,
    /// 16-bit floats.
    F16 = 10,
}

impl Model {
    /// A model that takes floats, without metadata.
    pub fn new(input: &[u64], outputs: Vec<(&'static str, Vec<u64>, Vec<f32>)>) -> Self {
        Self { input: input.to_vec(), outputs, producer: "vedette-tests", ..Self::default() }
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let metadata = self.metadata.iter().map(|(k, v)| message(14, &[text(1, k), text(2, v)]));
        let fields = [
            vec![number(1, 8), text(2, self.producer), message(7, &self.graph())],
            vec![message(8, &[text(1, ""), number(2, 13)])],
            metadata.collect(),
        ];
        fields.concat().concat()
    }

    fn graph(&self) -> Vec<Vec<u8>> {
        let mut fields = vec![
            node("Cast", &["images"], "floats", &[integer("to", Element::F32 as u64)]),
            node("ReduceMax", &["floats"], "highest", &[integer("keepdims", 0)]),
            node("Mul", &["highest", "zero"], if self.hangs_on_white { "something" } else { "nothing" }, &[]),
            text(2, "graph"),
            tensor("zero", &[], &[0.0]),
            port(11, "images", self.element, &self.input),
        ];
        if self.hangs_on_white {
            fields.extend(endless());
        }
        if let Some((input, _)) = self.scaled {
            fields.push(port(11, input, Element::I64, &[1, 2]));
            fields.push(node("Cast", &[input], "sides", &[integer("to", Element::F32 as u64)]));
            fields.push(node("Concat", &["sides", "sides"], "corners", &[integer("axis", 1)]));
        }
        for (name, shape, values) in &self.outputs {
            let [table, sum, product] = ["table", "sum", "product"].map(|step| format!("{name}_{step}"));
            fields.push(tensor(&table, shape, values));
            fields.push(node("Add", &["nothing", &table], &sum, &[]));
            let scaled = self.scaled.filter(|(_, output)| output == name);
            if scaled.is_some() {
                fields.push(node("Mul", &[&sum, "corners"], &product, &[]));
            }
            let element = if self.integers.contains(name) { Element::I64 } else { self.output_element };
            let last = if scaled.is_some() { &product } else { &sum };
            fields.push(node("Cast", &[last], name, &[integer("to", element as u64)]));
            fields.push(port(12, name, element, shape));
        }
        fields
    }
}

/// Nodes that add `something`, which is zero, to itself: not at all while any part of the picture is less than white, and
/// for hours when none is.
fn endless() -> Vec<Vec<u8>> {
    let body = [
        node("Identity", &["condition"], "goes_on", &[]),
        node("Add", &["before", "before"], "after", &[]),
        text(2, "body"),
        port(11, "turn", Element::I64, &[]),
        port(11, "condition", Element::Bool, &[]),
        port(11, "before", Element::F32, &[]),
        port(12, "goes_on", Element::Bool, &[]),
        port(12, "after", Element::F32, &[]),
    ];
    let body = message(5, &[text(1, "body"), message(6, &body), number(20, 5)]);
    vec![
        node("ReduceMin", &["floats"], "lowest", &[integer("keepdims", 0)]),
        node("Sub", &["lowest", "nearly_white"], "excess", &[]),
        node("Relu", &["excess"], "whiteness", &[]),
        node("Mul", &["whiteness", "very_often"], "times", &[]),
        node("Cast", &["times"], "turns", &[integer("to", Element::I64 as u64)]),
        node("Loop", &["turns", "", "something"], "nothing", &[body]),
        tensor("nearly_white", &[], &[0.9]),
        tensor("very_often", &[], &[1e12]),
    ]
}

fn integer(name: &str, value: u64) -> Vec<u8> {
    message(5, &[text(1, name), number(3, value), number(20, 2)])
}

fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut fields: Vec<_> = inputs.iter().map(|input| text(1, input)).collect();
    fields.extend([text(2, output), text(4, operator)]);
    fields.extend(attributes.iter().cloned());
    message(1, &fields)
}

fn tensor(name: &str, shape: &[u64], values: &[f32]) -> Vec<u8> {
    let mut fields: Vec<_> = shape.iter().map(|&side| number(1, side)).collect();
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    fields.extend([number(2, 1), text(8, name), bytes(9, &raw)]);
    message(5, &fields)
}

fn port(field: u64, name: &str, element: Element, shape: &[u64]) -> Vec<u8> {
    let side = |&side: &u64| if side == 0 { message(1, &[text(2, "free")]) } else { message(1, &[number(1, side)]) };
    let sides: Vec<_> = shape.iter().map(side).collect();
    let kind = message(1, &[number(1, element as u64), message(2, &sides)]);
    message(field, &[text(1, name), message(2, &[kind])])
}

fn message(field: u64, fields: &[Vec<u8>]) -> Vec<u8> {
    bytes(field, &fields.concat())
}

fn text(field: u64, text: &str) -> Vec<u8> {
    bytes(field, text.as_bytes())
}

fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
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
