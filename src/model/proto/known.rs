//! Which fields each message of `onnx.proto` has, and a walk that finds a field that none of them holds.
//!
//! prost steps over fields that a struct lacks; writing the model again would lose them. This walk makes that an error.

use super::super::protobuf::{Fields, Value};
use super::ProtoError;

/// A message: its name, the numbers of its plain fields, and its fields that are messages with the index of theirs.
struct Schema {
    name: &'static str,
    plain: &'static [u64],
    nested: &'static [(u64, usize)],
}

/// Deeper nesting than any real model has; prost follows as far.
const DEEPEST: usize = 100;

const MODEL: usize = 0;
const GRAPH: usize = 1;
const NODE: usize = 2;
const ATTRIBUTE: usize = 3;
const VALUE_INFO: usize = 4;
const OPERATOR_SET: usize = 5;
const PAIR: usize = 6;
const ANNOTATION: usize = 7;
const FUNCTION: usize = 8;
const TRAINING: usize = 9;
const DEVICE: usize = 10;
const NODE_DEVICE: usize = 11;
const SHARDING: usize = 12;
const INT_LIST: usize = 13;
const SHARDED_DIM: usize = 14;
const SIMPLE_DIM: usize = 15;
const TENSOR: usize = 16;
const SEGMENT: usize = 17;
const SPARSE: usize = 18;
const TYPE: usize = 19;
const TENSOR_TYPE: usize = 20;
const ELEMENT_TYPE: usize = 21;
const MAP_TYPE: usize = 22;
const OPAQUE_TYPE: usize = 23;
const SHAPE: usize = 24;
const DIMENSION: usize = 25;

const fn message(name: &'static str, plain: &'static [u64], nested: &'static [(u64, usize)]) -> Schema {
    Schema { name, plain, nested }
}

/// Indexed by the constants above.
const SCHEMAS: [Schema; 26] = [
    message(
        "ModelProto",
        &[1, 2, 3, 4, 5, 6],
        &[(7, GRAPH), (8, OPERATOR_SET), (14, PAIR), (20, TRAINING), (25, FUNCTION), (26, DEVICE)],
    ),
    message(
        "GraphProto",
        &[2, 10],
        &[
            (1, NODE),
            (5, TENSOR),
            (11, VALUE_INFO),
            (12, VALUE_INFO),
            (13, VALUE_INFO),
            (14, ANNOTATION),
            (15, SPARSE),
            (16, PAIR),
        ],
    ),
    message("NodeProto", &[1, 2, 3, 4, 6, 7, 8], &[(5, ATTRIBUTE), (9, PAIR), (10, NODE_DEVICE)]),
    message(
        "AttributeProto",
        &[1, 2, 3, 4, 7, 8, 9, 13, 20, 21],
        &[(5, TENSOR), (6, GRAPH), (10, TENSOR), (11, GRAPH), (14, TYPE), (15, TYPE), (22, SPARSE), (23, SPARSE)],
    ),
    message("ValueInfoProto", &[1, 3], &[(2, TYPE), (4, PAIR)]),
    message("OperatorSetIdProto", &[1, 2], &[]),
    message("StringStringEntryProto", &[1, 2], &[]),
    message("TensorAnnotation", &[1], &[(2, PAIR)]),
    message(
        "FunctionProto",
        &[1, 4, 5, 6, 8, 10, 13],
        &[(7, NODE), (9, OPERATOR_SET), (11, ATTRIBUTE), (12, VALUE_INFO), (14, PAIR)],
    ),
    message("TrainingInfoProto", &[], &[(1, GRAPH), (2, GRAPH), (3, PAIR), (4, PAIR)]),
    message("DeviceConfigurationProto", &[1, 2, 3], &[]),
    message("NodeDeviceConfigurationProto", &[1, 3], &[(2, SHARDING)]),
    message("ShardingSpecProto", &[1, 2], &[(3, INT_LIST), (4, SHARDED_DIM)]),
    message("IntIntListEntryProto", &[1, 2], &[]),
    message("ShardedDimProto", &[1], &[(2, SIMPLE_DIM)]),
    message("SimpleShardedDimProto", &[1, 2, 3], &[]),
    message("TensorProto", &[1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14], &[(3, SEGMENT), (13, PAIR), (16, PAIR)]),
    message("TensorProto.Segment", &[1, 2], &[]),
    message("SparseTensorProto", &[3], &[(1, TENSOR), (2, TENSOR)]),
    message(
        "TypeProto",
        &[6],
        &[(1, TENSOR_TYPE), (4, ELEMENT_TYPE), (5, MAP_TYPE), (7, OPAQUE_TYPE), (8, TENSOR_TYPE), (9, ELEMENT_TYPE)],
    ),
    message("TypeProto.Tensor", &[1], &[(2, SHAPE)]),
    message("TypeProto.Sequence", &[], &[(1, TYPE)]),
    message("TypeProto.Map", &[1], &[(2, TYPE)]),
    message("TypeProto.Opaque", &[1, 2], &[]),
    message("TensorShapeProto", &[], &[(1, DIMENSION)]),
    message("TensorShapeProto.Dimension", &[1, 2, 3], &[]),
];

/// Walks the model that `bytes` are.
///
/// # Errors
/// On the first field that no message here has, on broken bytes, and on nesting beyond any real model.
pub(super) fn check(bytes: &[u8]) -> Result<(), ProtoError> {
    let mut open = vec![(Fields::of(bytes), MODEL)];
    while let Some((fields, schema)) = open.last_mut() {
        let schema = &SCHEMAS[*schema];
        let Some(field) = fields.next() else {
            open.pop();
            continue;
        };
        match field? {
            (number, Value::Bytes(inner)) if schema.nested.iter().any(|(known, _)| *known == number) => {
                if open.len() >= DEEPEST {
                    return Err(ProtoError::Nesting { limit: DEEPEST });
                }
                let inside = schema.nested.iter().find(|(known, _)| *known == number).map_or(MODEL, |(_, at)| *at);
                open.push((Fields::of(inner), inside));
            }
            (number, _) if schema.plain.contains(&number) => {}
            (field, _) => return Err(ProtoError::Field { message: schema.name, field }),
        }
    }
    Ok(())
}
