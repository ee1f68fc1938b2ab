//! What integration tests share: where real data lies, real servers on free ports, canned frames.

pub mod data;
pub mod onnx;
