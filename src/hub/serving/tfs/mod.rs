//! TensorFlow Serving's REST protocol, version 1: predict, status, metadata; and `/predict` for the default model.

pub mod predict;
pub mod status;
