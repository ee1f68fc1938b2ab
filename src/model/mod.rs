//! What an ONNX file says of itself, read without a runtime: digest, inputs and outputs, metadata, operators.
//!
//! [`Facts`] are what the rest of the program needs to know of a file; [`proto`] is the whole file, to be changed and
//! written again. Everything here is a pure function of bytes. The bytes are hostile until proven otherwise: a walk over them is
//! bounded by their length, never recurses, and ends in a typed error.

mod onnx;
pub mod proto;
mod protobuf;
mod sniff;

pub use onnx::{Dimension, ElementType, Facts, ModelError, Port, sha256_hex};
pub use protobuf::WireError;
