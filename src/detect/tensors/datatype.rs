//! The types of elements, under the names of the Open Inference Protocol.

use std::fmt;
use std::str::FromStr;

use ort::value::TensorElementType;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Datatype {
    /// A truth value, one byte.
    Bool,
    /// Unsigned, 8 bits.
    Uint8,
    /// Unsigned, 16 bits.
    Uint16,
    /// Unsigned, 32 bits.
    Uint32,
    /// Unsigned, 64 bits.
    Uint64,
    /// Signed, 8 bits.
    Int8,
    /// Signed, 16 bits.
    Int16,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// Float of 16 bits.
    Fp16,
    /// Float of 16 bits with the exponent of one of 32.
    Bf16,
    /// Float of 32 bits.
    Fp32,
    /// Float of 64 bits.
    Fp64,
    /// Bytes of any length: a text for ONNX Runtime, a picture for a detector.
    Bytes,
}

/// A name that is no type's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no datatype is called {0:?}; allowed: {names}", names = names())]
pub struct UnknownDatatype(String);

const NAMED: [(Datatype, &str, TensorElementType); 14] = [
    (Datatype::Bool, "BOOL", TensorElementType::Bool),
    (Datatype::Uint8, "UINT8", TensorElementType::Uint8),
    (Datatype::Uint16, "UINT16", TensorElementType::Uint16),
    (Datatype::Uint32, "UINT32", TensorElementType::Uint32),
    (Datatype::Uint64, "UINT64", TensorElementType::Uint64),
    (Datatype::Int8, "INT8", TensorElementType::Int8),
    (Datatype::Int16, "INT16", TensorElementType::Int16),
    (Datatype::Int32, "INT32", TensorElementType::Int32),
    (Datatype::Int64, "INT64", TensorElementType::Int64),
    (Datatype::Fp16, "FP16", TensorElementType::Float16),
    (Datatype::Bf16, "BF16", TensorElementType::Bfloat16),
    (Datatype::Fp32, "FP32", TensorElementType::Float32),
    (Datatype::Fp64, "FP64", TensorElementType::Float64),
    (Datatype::Bytes, "BYTES", TensorElementType::String),
];

impl Datatype {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMED.into_iter().map(|(datatype, _, _)| datatype)
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        NAMED.iter().find(|(datatype, _, _)| *datatype == self).map_or("", |(_, name, _)| name)
    }

    /// Bytes of an element; `None` for [`Datatype::Bytes`], where each element has its own length.
    pub fn size(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => Some(1),
            Self::Uint16 | Self::Int16 | Self::Fp16 | Self::Bf16 => Some(2),
            Self::Uint32 | Self::Int32 | Self::Fp32 => Some(4),
            Self::Uint64 | Self::Int64 | Self::Fp64 => Some(8),
            Self::Bytes => None,
        }
    }

    /// The type that ONNX Runtime calls `element`; `None` for those that the protocol has no name for.
    pub(super) fn of(element: TensorElementType) -> Option<Self> {
        NAMED.into_iter().find(|(_, _, found)| *found == element).map(|(datatype, _, _)| datatype)
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Datatype {
    type Err = UnknownDatatype;

    fn from_str(text: &str) -> Result<Self, UnknownDatatype> {
        let found = NAMED.into_iter().find(|(_, name, _)| *name == text);
        found.map(|(datatype, _, _)| datatype).ok_or_else(|| UnknownDatatype(text.chars().take(20).collect()))
    }
}

fn names() -> String {
    NAMED.map(|(_, name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_as_the_same_type() {
        for datatype in Datatype::all() {
            assert_eq!(datatype.as_str().parse(), Ok(datatype));
        }
        let error = "FLOAT".parse::<Datatype>().unwrap_err().to_string();
        assert!(error.contains("\"FLOAT\"") && error.contains("FP32"), "{error}");
    }
}
