//! The integration tests, one binary: each test links GStreamer and ONNX Runtime, so many binaries would cost minutes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print, in its helpers too")]

mod mqtt;
mod outbox;
mod spool;
mod support;
mod tls;
