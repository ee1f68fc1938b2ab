//! Tests of what is read from strangers: ONNX files and packages.

mod hostile;
mod package;
mod write;
