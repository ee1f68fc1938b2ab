//! The integration tests, one binary: each test links GStreamer and ONNX Runtime, so many binaries would cost minutes.

mod rules;
mod support;
