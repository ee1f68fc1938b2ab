//! The integration tests, one binary: each test links GStreamer and ONNX Runtime, so many binaries would cost minutes.

mod camera;
mod config;
mod decode;
mod detect;
mod mqtt;
mod outbox;
mod scene;
mod serve;
mod spool;
mod support;
mod systemd;
mod tls;
mod track;
