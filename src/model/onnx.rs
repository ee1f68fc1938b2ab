//! The facts of an ONNX model: a bounded walk over `ModelProto` and `GraphProto`.
//!
//! Field numbers are those of `onnx.proto`: `ModelProto` 1 IR version, 2 producer, 3 its version, 7 graph, 8 opset imports,
//! 14 metadata; `GraphProto` 1 nodes, 5 initialisers, 11 inputs, 12 outputs; `NodeProto` 4 operator, 7 domain;
//! `TensorProto` 8 name, 14 where the data lies; `ValueInfoProto` 1 name, 2 type. Weights are stepped over, never copied.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};

use super::protobuf::{Fields, Value, WireError};
use super::sniff;

/// The metadata entry of a model whose classes were cut: how many there were. Scores that shared a softmax with those
/// that are gone do not add up to 1 any more.
pub const CLASSES_BEFORE: &str = "vedette.classes_before";

/// What an ONNX file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// SHA-256 of the whole file, in hex.
    pub sha256: String,
    /// Bytes of the file.
    pub size: usize,
    /// Version of the file format.
    pub ir_version: i64,
    /// Version of each operator set, by domain; the standard one has the domain `""`.
    pub opsets: BTreeMap<String, i64>,
    /// The program that wrote it, such as `pytorch`; may be empty.
    pub producer: String,
    /// That program's version; may be empty.
    pub producer_version: String,
    /// What has to be fed, weights left out.
    pub inputs: Vec<Port>,
    /// What comes out.
    pub outputs: Vec<Port>,
    /// Free key-value pairs, in the order of the file.
    pub metadata: Vec<(String, String)>,
    /// How often each operator occurs in the main graph.
    pub operators: BTreeMap<String, usize>,
    /// Whether weights lie in files beside this one.
    pub has_external_data: bool,
}

/// An input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub element: ElementType,
    /// Its dimensions, outermost first; empty also where the file does not say.
    pub shape: Vec<Dimension>,
}

/// One dimension of a [`Port`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// Fixed.
    Fixed(u64),
    /// Free: named by the file, or without a name.
    Free(String),
}

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// Unsigned byte.
    U8,
    /// Signed byte.
    I8,
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// Any other, by its number in `TensorProto.DataType`; 0 where the file does not say or it is no tensor.
    Other(i64),
}

/// Why a file is not a usable ONNX model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The bytes are something else.
    #[error("not an ONNX model: found {found}")]
    NotOnnx {
        /// What they look like.
        found: &'static str,
    },
    /// The bytes begin like an ONNX model and then break.
    #[error("not an ONNX model, or a damaged one, of {size} bytes")]
    Damaged {
        /// How many bytes there are.
        size: usize,
        /// Where it breaks.
        source: WireError,
    },
    /// It is a protobuf message, but none with a graph, an operator set and outputs.
    #[error("not an ONNX model: a protobuf message without {missing}")]
    Incomplete {
        /// What is missing.
        missing: &'static str,
    },
}

/// SHA-256 of `bytes`, in hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Facts {
    /// Reads the facts of the ONNX file whose content is `bytes`.
    ///
    /// # Errors
    /// When the bytes are no ONNX model; the error says what they look like instead.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        // A model starts with its IR version (field 1, varint) or, rarely, with another field of ModelProto.
        let found = sniff::describe(bytes);
        if found != "bytes of no known kind" {
            return Err(ModelError::NotOnnx { found });
        }
        let mut facts = Self { sha256: sha256_hex(bytes), size: bytes.len(), ..Self::default() };
        let has_graph = facts.read_model(bytes).map_err(|source| ModelError::Damaged { size: bytes.len(), source })?;
        let missing = match () {
            () if !has_graph => Some("a graph"),
            () if facts.opsets.is_empty() => Some("an operator set"),
            () if facts.outputs.is_empty() => Some("outputs"),
            () => None,
        };
        missing.map_or(Ok(facts), |missing| Err(ModelError::Incomplete { missing }))
    }

    /// The value of metadata entry `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Version of the standard operator set, 0 if it is not imported.
    pub fn opset(&self) -> i64 {
        self.opsets.get("").or_else(|| self.opsets.get("ai.onnx")).copied().unwrap_or(0)
    }

    /// Whether the graph computes with 8-bit integers.
    pub fn is_quantised(&self) -> bool {
        const SIGNS: [&str; 5] =
            ["QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "DynamicQuantizeLinear"];
        SIGNS.iter().any(|sign| self.operators.contains_key(*sign))
    }

    /// How many operators the main graph has.
    pub fn operator_count(&self) -> usize {
        self.operators.values().sum()
    }

    fn read_model(&mut self, bytes: &[u8]) -> Result<bool, WireError> {
        let mut has_graph = false;
        for field in Fields::of(bytes) {
            match field? {
                (1, value) => self.ir_version = value.int(),
                (2, value) => self.producer = value.text(),
                (3, value) => self.producer_version = value.text(),
                (7, value) => {
                    self.read_graph(value.bytes())?;
                    has_graph = true;
                }
                (8, value) => {
                    let (domain, version) = read_opset(value.bytes())?;
                    self.opsets.insert(domain, version);
                }
                (14, value) => self.metadata.push(read_pair(value.bytes())?),
                _ => {}
            }
        }
        Ok(has_graph)
    }

    fn read_graph(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let mut weights = BTreeSet::new();
        for field in Fields::of(bytes) {
            match field? {
                (1, value) => {
                    let operator = read_operator(value.bytes())?;
                    *self.operators.entry(operator).or_insert(0) += 1;
                }
                (5, value) => {
                    let (name, external) = read_initialiser(value.bytes())?;
                    self.has_external_data |= external;
                    weights.insert(name);
                }
                (11, value) => self.inputs.push(read_port(value.bytes())?),
                (12, value) => self.outputs.push(read_port(value.bytes())?),
                _ => {}
            }
        }
        // Before IR version 4 every weight is listed as an input too.
        self.inputs.retain(|input| !weights.contains(&input.name));
        Ok(())
    }
}

fn read_opset(bytes: &[u8]) -> Result<(String, i64), WireError> {
    let (mut domain, mut version) = (String::new(), 0);
    for field in Fields::of(bytes) {
        match field? {
            (1, value) => domain = value.text(),
            (2, value) => version = value.int(),
            _ => {}
        }
    }
    Ok((domain, version))
}

fn read_pair(bytes: &[u8]) -> Result<(String, String), WireError> {
    let (mut key, mut text) = (String::new(), String::new());
    for field in Fields::of(bytes) {
        match field? {
            (1, value) => key = value.text(),
            (2, value) => text = value.text(),
            _ => {}
        }
    }
    Ok((key, text))
}

fn read_operator(bytes: &[u8]) -> Result<String, WireError> {
    let (mut operator, mut domain) = (String::new(), String::new());
    for field in Fields::of(bytes) {
        match field? {
            (4, value) => operator = value.text(),
            (7, value) => domain = value.text(),
            _ => {}
        }
    }
    let is_standard = domain.is_empty() || domain == "ai.onnx";
    Ok(if is_standard { operator } else { format!("{domain}.{operator}") })
}

fn read_initialiser(bytes: &[u8]) -> Result<(String, bool), WireError> {
    let (mut name, mut external) = (String::new(), false);
    for field in Fields::of(bytes) {
        match field? {
            (8, value) => name = value.text(),
            (14, value) => external = value.int() == 1,
            _ => {}
        }
    }
    Ok((name, external))
}

fn read_port(bytes: &[u8]) -> Result<Port, WireError> {
    let mut port = Port { name: String::new(), element: ElementType::Other(0), shape: Vec::new() };
    for field in Fields::of(bytes) {
        match field? {
            (1, value) => port.name = value.text(),
            // TypeProto, of which field 1 is the tensor type.
            (2, value) => {
                for kind in Fields::of(value.bytes()) {
                    if let (1, tensor) = kind? {
                        read_tensor_type(tensor.bytes(), &mut port)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(port)
}

fn read_tensor_type(bytes: &[u8], port: &mut Port) -> Result<(), WireError> {
    for field in Fields::of(bytes) {
        match field? {
            (1, value) => port.element = ElementType::from_number(value.int()),
            (2, shape) => {
                for dimension in Fields::of(shape.bytes()) {
                    if let (1, value) = dimension? {
                        port.shape.push(read_dimension(value.bytes())?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_dimension(bytes: &[u8]) -> Result<Dimension, WireError> {
    let mut dimension = Dimension::Free(String::new());
    for field in Fields::of(bytes) {
        match field? {
            (1, Value::Varint(size)) if size <= i64::MAX.cast_unsigned() => dimension = Dimension::Fixed(size),
            (2, name) => dimension = Dimension::Free(name.text()),
            _ => {}
        }
    }
    Ok(dimension)
}

impl ElementType {
    pub(super) fn from_number(number: i64) -> Self {
        match number {
            1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            6 => Self::I32,
            7 => Self::I64,
            10 => Self::F16,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Other(number) => return write!(f, "type {number}"),
        })
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => size.fmt(f),
            Self::Free(name) if name.is_empty() => f.write_str("?"),
            Self::Free(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        write!(f, "{} {} [{}]", self.name, self.element, shape.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A field of kind 2.
    fn bytes_field(number: u8, content: &[u8]) -> Vec<u8> {
        assert!(content.len() < 128);
        [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn port(name: &str, sizes: &[u8]) -> Vec<u8> {
        let shape: Vec<u8> = sizes.iter().flat_map(|&s| bytes_field(1, &[0x08, s])).collect();
        let tensor = [&[0x08, 1], bytes_field(2, &shape).as_slice()].concat();
        [bytes_field(1, name.as_bytes()), bytes_field(2, &bytes_field(1, &tensor))].concat()
    }

    fn small_model() -> Vec<u8> {
        let graph = [
            bytes_field(1, &bytes_field(4, b"QuantizeLinear")),
            bytes_field(1, &bytes_field(4, b"Conv")),
            bytes_field(1, &bytes_field(4, b"Conv")),
            bytes_field(5, &bytes_field(8, b"weight")),
            bytes_field(11, &port("images", &[1, 3, 32, 32])),
            bytes_field(11, &port("weight", &[3])),
            bytes_field(12, &port("output", &[1, 84, 21])),
        ]
        .concat();
        let mut model = vec![0x08, 8];
        model.extend(bytes_field(2, b"pytorch"));
        model.extend([7 << 3 | 2, (graph.len() & 0x7f) as u8 | 0x80, (graph.len() >> 7) as u8]);
        model.extend(&graph);
        model.extend(bytes_field(8, &[0x10, 13]));
        model.extend(bytes_field(14, &[bytes_field(1, b"task"), bytes_field(2, b"detect")].concat()));
        model
    }

    #[test]
    fn a_model_tells_its_ports_metadata_and_operators() {
        let facts = Facts::parse(&small_model()).unwrap();
        assert_eq!((facts.ir_version, facts.opset(), facts.producer.as_str()), (8, 13, "pytorch"));
        assert_eq!(facts.inputs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["images f32 [1,3,32,32]"]);
        assert_eq!(facts.outputs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["output f32 [1,84,21]"]);
        assert_eq!(facts.metadata("task"), Some("detect"));
        assert_eq!((facts.operators["Conv"], facts.operator_count()), (2, 3));
        assert!(facts.is_quantised());
        assert!(!facts.has_external_data);
    }

    #[test]
    fn what_is_not_onnx_says_what_it_is() {
        let message = |bytes: &[u8]| Facts::parse(bytes).unwrap_err().to_string();
        assert_eq!(message(b""), "not an ONNX model: found an empty file");
        assert_eq!(message(b"# notes\n"), "not an ONNX model: found a text file");
        assert_eq!(message(&[0x08, 8]), "not an ONNX model: a protobuf message without a graph");
        let model = small_model();
        let cut = message(&model[..model.len() / 2]);
        assert!(cut.contains("damaged"), "{cut}");
    }

    #[test]
    fn the_digest_is_sha256() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Facts::parse(&bytes);
        }

        #[test]
        fn a_damaged_model_is_refused_or_read(at in 0usize..200, byte in any::<u8>(), cut in 0usize..200) {
            let mut model = small_model();
            let len = model.len();
            model[at % len] = byte;
            model.truncate(len - cut % len);
            let _ = Facts::parse(&model);
        }
    }
}
