//! The integration tests, one binary: each test links GStreamer and ONNX Runtime, so many binaries would cost minutes.

mod camera;
mod config;
mod decode;
mod detect;
mod mqtt;
mod scene;
mod serve;
mod support;
mod systemd;
mod outbox;
mod spool;
mod support;
mod tls;
mod track;
