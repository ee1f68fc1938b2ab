//! The integration tests, one binary: each test links GStreamer and ONNX Runtime, so many binaries would cost minutes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print, in its helpers too")]

mod accuracy;
mod bench;
mod bundled;
mod camera;
mod clips;
mod commands;
mod conditions;
mod config;
mod decode;
mod detect;
mod families;
mod focus;
mod hostile;
mod hub;
mod identify;
mod inspect;
mod model;
mod mqtt;
mod outbox;
mod packages;
mod prune;
mod quantize;
mod reidentify;
mod replay;
mod rules;
mod scene;
mod serve;
mod serving;
mod site;
mod spool;
mod support;
mod systemd;
mod tls;
mod track;
