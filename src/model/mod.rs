//! Models before anything runs them: what an ONNX file says of itself, whether it may be handed to a runtime, and the
//! signed package that carries it.
//!
//! ```text
//!   file ── package (form, signatures) ── manifest ── policy (trust, time, machine) ──▶ admitted
//!                                            └── each ONNX file: onnx (facts), hostile (static checks)
//! ```
//!
//! [`Facts`] are what the rest of the program needs to know of a file; [`proto`] is the whole file, to be changed and
//! written again; [`graph`] is an index over it, [`shapes`], [`cost`] and [`weights`] are worked out from it, and [`focus`]
//! makes a costly beginning cheap. Everything here is a pure function of bytes. The bytes are hostile until proven otherwise: a walk over
//! them is bounded by their length, never recurses (prost's own depth is bounded), and ends in a typed error.

pub mod bundled;
mod canonical;
pub mod cost;
pub mod focus;
pub mod golden;
pub mod graph;
pub mod hex;
pub mod hostile;
pub mod keys;
pub mod manifest;
mod onnx;
pub mod package;
pub mod policy;
pub mod proto;
mod protobuf;
pub mod shapes;
mod sniff;
#[cfg(test)]
mod tests;
pub mod weights;

pub use canonical::CanonicalError;
pub use onnx::{CLASSES_BEFORE, Dimension, ElementType, Facts, ModelError, Port, sha256_hex};
pub use protobuf::WireError;
