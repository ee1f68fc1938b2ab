//! The integration tests, one binary: each test links GStreamer and ONNX Runtime, so many binaries would cost minutes.

mod scene;
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests, helpers included")]

mod config;
mod support;
mod systemd;
