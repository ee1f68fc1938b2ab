//! The integration tests, one binary: each test links GStreamer and ONNX Runtime, so many binaries would cost minutes.

mod camera;
mod config;
mod decode;
mod scene;
mod serve;
mod detect;
mod mqtt;
mod support;
mod systemd;
