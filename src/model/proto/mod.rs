//! Every message of `onnx.proto` as a Rust struct, and reading and writing whole models without losing a field.
//!
//! Tags are those of the specification (`onnx/onnx.in.proto`, IR version 14). [`ModelProto::parse`] refuses a file with a
//! field that the structs do not hold, or of a later IR version: what cannot be kept must not be dropped silently.

mod attributes;
mod graph;
mod known;
mod tensor;
mod types;

use prost::Message;

pub use graph::{
    AttributeProto, DeviceConfigurationProto, FunctionProto, GraphProto, IntIntListEntryProto, ModelProto,
    NodeDeviceConfigurationProto, NodeProto, OperatorSetIdProto, ShardedDimProto, ShardingSpecProto,
    SimpleShardedDimProto, SimpleSharding, StringStringEntryProto, TensorAnnotation, TrainingInfoProto, ValueInfoProto,
};
pub use tensor::{Segment, SparseTensorProto, TensorProto, data_type};
pub use types::{
    DimensionProto, DimensionValue, MapType, OpaqueType, OptionalType, SequenceType, TensorShapeProto, TensorType,
    TypeProto, TypeValue,
};

use super::protobuf::WireError;

/// The latest IR version whose fields are all known here.
pub const LATEST_IR: i64 = 14;

/// Why a model cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtoError {
    /// The bytes break off or are no message.
    #[error("cannot take the ONNX model apart: it is damaged")]
    Wire(#[from] WireError),
    /// A field that no struct here holds.
    #[error("cannot take the ONNX model apart: {message} has field {field}, which this version does not know")]
    Field {
        /// The message it stands in.
        message: &'static str,
        /// Its number.
        field: u64,
    },
    /// Messages in messages beyond any real model.
    #[error("cannot take the ONNX model apart: its graphs are nested deeper than {limit} messages")]
    Nesting {
        /// The most that is followed.
        limit: usize,
    },
    /// Written by a later format.
    #[error(
        "cannot take the ONNX model apart: its IR version is {found}, known are 1 to {LATEST_IR}; export it again for an earlier one"
    )]
    Version {
        /// The file's version.
        found: i64,
    },
    /// A field holds what its type does not allow, such as a name that is no UTF-8.
    #[error("cannot take the ONNX model apart: {0}")]
    Content(String),
}

impl ModelProto {
    /// Reads a whole model. Deterministic and bounded by the length of `bytes`.
    ///
    /// # Errors
    /// When the bytes are no such message, hold a field that would be lost, or are of a later IR version.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProtoError> {
        known::check(bytes)?;
        let model = Self::decode(bytes).map_err(|error| ProtoError::Content(error.to_string()))?;
        let found = model.ir_version.unwrap_or(0);
        if (1..=LATEST_IR).contains(&found) { Ok(model) } else { Err(ProtoError::Version { found }) }
    }

    /// The bytes of the file, fields in the order of their numbers.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_field_that_would_be_lost_is_refused_by_name() {
        let model = ModelProto { ir_version: Some(8), graph: Some(GraphProto::default()), ..ModelProto::default() };
        let mut bytes = model.to_bytes();
        assert_eq!(ModelProto::parse(&bytes), Ok(model));
        // Field 99 of the model, a varint.
        bytes.extend([0x98, 0x06, 1]);
        let error = ModelProto::parse(&bytes).unwrap_err();
        assert_eq!(error, ProtoError::Field { message: "ModelProto", field: 99 });
    }

    #[test]
    fn a_field_that_would_be_lost_is_found_deep_inside() {
        let node = NodeProto { op_type: Some("Conv".into()), ..NodeProto::default() };
        let graph = GraphProto { node: vec![node], ..GraphProto::default() };
        let mut bytes = ModelProto { ir_version: Some(8), graph: Some(graph), ..ModelProto::default() }.to_bytes();
        // The key of the operator's name, 4 << 3 | 2, becomes that of field 11, which no node has.
        let at = bytes.windows(2).position(|pair| pair == [0x22, 4]).unwrap();
        bytes[at] = 11 << 3 | 2;
        assert_eq!(ModelProto::parse(&bytes), Err(ProtoError::Field { message: "NodeProto", field: 11 }));
    }

    #[test]
    fn a_later_format_is_refused_by_its_number() {
        let later = ModelProto { ir_version: Some(LATEST_IR + 1), ..ModelProto::default() };
        assert_eq!(ModelProto::parse(&later.to_bytes()), Err(ProtoError::Version { found: LATEST_IR + 1 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = ModelProto::parse(&bytes);
        }
    }
}
