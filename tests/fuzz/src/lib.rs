//! The rooms that read bytes from strangers, compiled by themselves, and the small inputs that fuzzing starts from.

#[path = "../../../src/model/mod.rs"]
pub mod model;
#[path = "../../it/support/onnx.rs"]
pub mod onnx;
#[path = "../../../src/vocab/mod.rs"]
pub mod vocab;

pub mod checks;
pub mod seeds;
