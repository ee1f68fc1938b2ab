//! Static checks of an ONNX file before ONNX Runtime sees it: nothing outside the file, nothing that a library of its own
//! would have to run, nothing larger than its bytes justify, no graph that cannot be computed.
//!
//! ```text
//!   ModelProto ── versions, no functions ──▶ GraphProto ── tensors, values, nodes ──▶ graphs of If, Loop, Scan … (a list,
//!                                                                                      not recursion)
//! ```
//!
//! The walk borrows from the file. What it keeps, a table of value names and a list of edges, grows with the bytes that
//! it has read, never with a number that the file claims. What it cannot see is the size of values that depend on the
//! picture; for those the process's own memory limit stands.
//!
//! Field numbers are those of `onnx.proto`: `ModelProto` 1 IR version, 7 graph, 8 operator sets, 25 functions;
//! `GraphProto` 1 nodes, 5 tensors, 11 inputs, 12 outputs, 13 other values, 15 sparse tensors.

mod error;
mod graph;
mod node;
mod operators;
mod tensor;

use super::protobuf::{Fields, Value, WireError};

pub use error::HostileError;

/// The largest file, in bytes; protobuf itself ends at two GiB.
const MOST_BYTES: usize = (1 << 31) - 1;
/// Versions of the file format that are known; 14 is that of onnx 1.23.
const FORMATS: std::ops::RangeInclusive<i64> = 1..=14;
/// The newest standard operator set that is known, that of onnx 1.23.
const NEWEST_OPSET: i64 = 28;
/// Elements of one tensor: a float tensor of as many takes one GiB.
const MOST_ELEMENTS: u64 = 1 << 28;
/// Dimensions of one tensor. ONNX Runtime's kernels end at eight or before.
const MOST_DIMENSIONS: usize = 8;
/// Nodes of all graphs together; large detectors have some thousands.
const MOST_NODES: usize = 1 << 17;
/// Inputs, outputs or attributes of one node.
const MOST_OF_A_NODE: usize = 1 << 12;
/// Graphs within each other.
const MOST_NESTED: usize = 8;
/// Bytes of one name or text.
const MOST_TEXT: usize = 1 << 16;
/// Pixels that a kernel, stride or padding may have.
const MOST_PIXELS: i64 = 1 << 14;

/// Checks the ONNX file whose content is `bytes`.
///
/// # Errors
/// The first thing that speaks against handing it to ONNX Runtime.
pub fn check(bytes: &[u8]) -> Result<(), HostileError> {
    if bytes.len() > MOST_BYTES {
        return Err(HostileError::Size { size: bytes.len(), limit: MOST_BYTES });
    }
    let mut found = None;
    for field in Fields::of(bytes) {
        match field? {
            (1, Value::Varint(version)) => check_format(version.cast_signed())?,
            (7, Value::Bytes(_)) if found.is_some() => {
                return Err(HostileError::Twice { place: "the model".to_owned(), what: "a graph" });
            }
            (7, Value::Bytes(bytes)) => found = Some(bytes),
            (8, Value::Bytes(opset)) => check_opset(opset)?,
            (25, Value::Bytes(function)) => {
                return Err(HostileError::Function { function: shown(text_of(function, 1)?) });
            }
            _ => {}
        }
    }
    // A file without a graph is refused where its facts are read.
    found.map_or(Ok(()), graph::check)
}

fn check_format(found: i64) -> Result<(), HostileError> {
    if FORMATS.contains(&found) {
        return Ok(());
    }
    Err(HostileError::FormatVersion { found, oldest: *FORMATS.start(), newest: *FORMATS.end() })
}

/// Sets of other domains may be imported as long as no node is of one: exporters list them freely.
fn check_opset(bytes: &[u8]) -> Result<(), HostileError> {
    let (mut domain, mut version) = (&[][..], 0);
    for field in Fields::of(bytes) {
        match field? {
            (1, Value::Bytes(name)) => domain = name,
            (2, Value::Varint(number)) => version = number.cast_signed(),
            _ => {}
        }
    }
    if is_standard_domain(domain) && version > NEWEST_OPSET {
        return Err(HostileError::Opset { found: version, newest: NEWEST_OPSET });
    }
    Ok(())
}

fn is_standard_domain(domain: &[u8]) -> bool {
    domain.is_empty() || domain == b"ai.onnx"
}

/// The last text in field `number` of a message, empty where there is none.
fn text_of(bytes: &[u8], number: u64) -> Result<&[u8], WireError> {
    let mut text: &[u8] = &[];
    for field in Fields::of(bytes) {
        match field? {
            (found, Value::Bytes(bytes)) if found == number => text = bytes,
            _ => {}
        }
    }
    Ok(text)
}

/// A name of the file as it may be shown: cut, control characters escaped.
fn shown(name: &[u8]) -> String {
    const LONGEST: usize = 80;
    let text = String::from_utf8_lossy(&name[..name.len().min(4 * LONGEST)]);
    let cut: String = text.chars().take(LONGEST).collect();
    let dots = if cut.len() < name.len() && text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    format!("\"{}{dots}\"", cut.escape_debug())
}
