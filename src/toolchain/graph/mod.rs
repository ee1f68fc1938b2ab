//! What the tools change in ONNX graphs, over the index that `model` makes of one.

pub mod opset;
pub mod prepare;
pub mod shapes;
pub mod silu;

pub use crate::model::graph::{View, attribute, int, int_attribute, ints_attribute, node, text_attribute};
