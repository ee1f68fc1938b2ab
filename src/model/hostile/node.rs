//! One node of a graph: what it is, what its attributes hold, how large a tensor its constants ask for.
//!
//! Field numbers are those of `onnx.proto`: `NodeProto` 1 inputs, 2 outputs, 3 name, 4 operator, 5 attributes, 7 domain;
//! `AttributeProto` 1 name, 3 integer, 4 text, 5 tensor, 6 graph, 8 integers, 9 texts, 10 tensors, 11 graphs, 22 and 23
//! sparse tensors.

use super::super::protobuf::{Fields, Value, WireError};
use super::error::HostileError;
use super::tensor::{self, elements, long, numbers};
use super::{MOST_OF_A_NODE, MOST_PIXELS, is_standard_domain, operators, shown};

/// A node as it stands in the file.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub(super) inputs: Vec<&'a [u8]>,
    pub(super) outputs: Vec<&'a [u8]>,
    name: &'a [u8],
    operator: &'a [u8],
    domain: &'a [u8],
    attributes: Vec<&'a [u8]>,
}

/// What the attributes of a node hold that its graph has to know.
#[derive(Debug, Default)]
pub(super) struct Inside<'a> {
    /// Graphs of its own, as of If or Loop.
    pub(super) graphs: Vec<&'a [u8]>,
    /// The value of a constant, where it is a few integers.
    pub(super) numbers: Option<Vec<i64>>,
}

impl<'a> Node<'a> {
    /// Reads a `NodeProto`.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, HostileError> {
        let mut node = Self::default();
        for field in Fields::of(bytes) {
            match field? {
                (1, Value::Bytes(name)) => node.inputs.push(name),
                (2, Value::Bytes(name)) => node.outputs.push(name),
                (3, Value::Bytes(name)) => node.name = name,
                (4, Value::Bytes(operator)) => node.operator = operator,
                (5, Value::Bytes(attribute)) => node.attributes.push(attribute),
                (7, Value::Bytes(domain)) => node.domain = domain,
                _ => {}
            }
            let most = node.inputs.len().max(node.outputs.len()).max(node.attributes.len());
            if most > MOST_OF_A_NODE {
                let what = "inputs, outputs or attributes";
                return Err(HostileError::Count { place: node.label(), what, limit: MOST_OF_A_NODE });
            }
        }
        Ok(node)
    }

    /// How it is called in messages.
    pub(super) fn label(&self) -> String {
        let name = if self.name.is_empty() { self.outputs.first().copied().unwrap_or_default() } else { self.name };
        format!("the node {}", shown(name))
    }

    /// Whether it is a constant.
    pub(super) fn is_constant(&self) -> bool {
        self.operator == b"Constant" && is_standard_domain(self.domain)
    }

    /// Checks what it is and what its attributes hold.
    pub(super) fn check(&self) -> Result<Inside<'a>, HostileError> {
        for text in [self.name, self.operator, self.domain].iter().chain(&self.inputs).chain(&self.outputs) {
            long(text, &self.label())?;
        }
        let is_listed = match self.domain {
            domain if is_standard_domain(domain) => operators::is_standard(self.operator),
            b"com.microsoft" => operators::is_microsofts(self.operator),
            domain => return Err(HostileError::Domain { node: self.label(), domain: shown(domain) }),
        };
        if !is_listed {
            let name = String::from_utf8_lossy(self.operator);
            let domain = if is_standard_domain(self.domain) { "" } else { "com.microsoft." };
            let operator = shown(format!("{domain}{name}").as_bytes());
            return Err(HostileError::Operator { node: self.label(), operator });
        }
        self.check_attributes()
    }

    fn check_attributes(&self) -> Result<Inside<'a>, HostileError> {
        let mut inside = Inside::default();
        for attribute in &self.attributes {
            let name = super::text_of(attribute, 1)?;
            long(name, &self.label())?;
            self.check_attribute(attribute, name, &mut inside)?;
        }
        Ok(inside)
    }

    fn check_attribute(&self, bytes: &'a [u8], name: &'a [u8], inside: &mut Inside<'a>) -> Result<(), HostileError> {
        let (mut tensors, mut graphs, mut integers) = (0, 0, Vec::new());
        for field in Fields::of(bytes) {
            match field? {
                (3 | 8, value) => self.check_integers(value, name, &mut integers)?,
                (4 | 9, Value::Bytes(text)) => long(text, &self.label())?,
                (number @ (5 | 10), Value::Bytes(bytes)) => {
                    tensors += usize::from(number == 5);
                    let checked = tensor::check(bytes, &self.label())?;
                    inside.numbers = inside.numbers.take().or(checked.numbers);
                }
                (number @ (6 | 11), Value::Bytes(graph)) => {
                    graphs += usize::from(number == 6);
                    inside.graphs.push(graph);
                }
                (22 | 23, Value::Bytes(_)) => {
                    return Err(HostileError::TensorForm { tensor: format!("of {}", self.label()), what: "sparse" });
                }
                _ => {}
            }
        }
        if tensors > 1 || graphs > 1 {
            // Protobuf's readers would merge the two into one that nobody has checked.
            return Err(HostileError::Twice { place: self.label(), what: "a value of one attribute" });
        }
        if matches!(name, b"value_int" | b"value_ints") {
            inside.numbers = Some(integers);
        }
        Ok(())
    }

    fn check_integers(&self, value: Value<'_>, name: &[u8], found: &mut Vec<i64>) -> Result<(), HostileError> {
        const PIXELS: [&[u8]; 6] =
            [b"kernel_shape", b"pads", b"strides", b"dilations", b"output_padding", b"output_shape"];
        let is_pixels = PIXELS.contains(&name);
        for number in numbers(value) {
            let number = number?;
            if is_pixels && !(-MOST_PIXELS..=MOST_PIXELS).contains(&number) {
                let attribute = shown(name);
                return Err(HostileError::Attribute {
                    node: self.label(),
                    attribute,
                    value: number,
                    limit: MOST_PIXELS,
                });
            }
            if found.len() <= super::MOST_DIMENSIONS {
                found.push(number);
            }
        }
        Ok(())
    }

    /// Checks what is made of a constant that says how large something shall be. `numbers` gives the constants.
    pub(super) fn check_growth(&self, numbers: impl Fn(&[u8]) -> Option<Vec<i64>>) -> Result<(), HostileError> {
        // Where the size stands, of those operators whose result may be larger than all they are given.
        let at = match self.operator {
            b"ConstantOfShape" => 0,
            b"Expand" | b"Tile" | b"OneHot" => 1,
            b"Resize" => 3,
            _ => return Ok(()),
        };
        let Some(sizes) = self.inputs.get(at).and_then(|input| numbers(input)) else { return Ok(()) };
        // Expand and Resize may say -1 for "as it is".
        let sizes: Vec<i64> = sizes.into_iter().map(|size| if size == -1 { 1 } else { size }).collect();
        elements(&sizes, || self.label()).map(drop)
    }
}

/// Checks a `ValueInfoProto` (1 name, 2 type) and returns the name.
pub(super) fn check_value(bytes: &[u8]) -> Result<&[u8], HostileError> {
    let mut name: &[u8] = &[];
    let mut kinds = Vec::new();
    for field in Fields::of(bytes) {
        match field? {
            (1, Value::Bytes(found)) => name = found,
            (2, Value::Bytes(kind)) => kinds.push(kind),
            _ => {}
        }
    }
    long(name, "a value")?;
    let mut depth = 0;
    // TypeProto: 1 a tensor; 4, 5, 8 and 9 sequence, map, sparse tensor and optional, of which only tensors are looked into.
    while let Some(kind) = kinds.pop() {
        depth += 1;
        if depth > MOST_OF_A_NODE {
            return Err(HostileError::Count { place: shown(name), what: "types", limit: MOST_OF_A_NODE });
        }
        for field in Fields::of(kind) {
            match field? {
                (1, Value::Bytes(tensor)) => check_shape(tensor, name)?,
                (4 | 9, Value::Bytes(inner)) => kinds.extend(inner_type(inner)?),
                _ => {}
            }
        }
    }
    Ok(name)
}

fn inner_type(bytes: &[u8]) -> Result<Option<&[u8]>, WireError> {
    let text = super::text_of(bytes, 1)?;
    Ok((!text.is_empty()).then_some(text))
}

/// `TypeProto.Tensor`: 2 a shape, of 1 dimensions, of 1 a number.
fn check_shape(bytes: &[u8], name: &[u8]) -> Result<(), HostileError> {
    let mut sides = Vec::new();
    for field in Fields::of(bytes) {
        let (2, Value::Bytes(shape)) = field? else { continue };
        for dimension in Fields::of(shape) {
            let (1, Value::Bytes(dimension)) = dimension? else { continue };
            for part in Fields::of(dimension) {
                if let (1, Value::Varint(side)) = part? {
                    sides.push(side.cast_signed());
                }
            }
            if sides.len() > super::MOST_DIMENSIONS {
                let reason = format!("more than {} dimensions", super::MOST_DIMENSIONS);
                return Err(HostileError::Shape { tensor: shown(name), reason });
            }
        }
    }
    // Some exporters write -1 for a side that is free.
    let sides: Vec<i64> = sides.into_iter().map(|side| if side == -1 { 1 } else { side }).collect();
    elements(&sides, || shown(name)).map(drop)
}
