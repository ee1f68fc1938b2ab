//! The integration tests, one binary: each test links GStreamer and ONNX Runtime, so many binaries would cost minutes.

mod scene;
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests, helpers included")]

mod config;
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test ends by panicking, and says what it measured")]

mod camera;
mod decode;
mod support;
mod systemd;
