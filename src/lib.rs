//! Vedette: video analytics for security teams, an agent on every site and a hub in the centre.
//!
//! A room per concern. `tests/architecture.rs` holds the list of who may import whom and which library belongs to which
//! room, and fails on a breach.
//!
//! ```text
//!   vocab base wire model          what all agree on, clocks and threads, messages, ONNX files
//!
//!   camera ─ decode                RTSP or file ─▶ frames
//!     └─▶ scene ─▶ detect          is it worth a look? ─▶ detections
//!           └─▶ track              ─▶ tracks
//!                ├─▶ identify      ─▶ who somebody is, where a gallery says
//!                └─▶ behaviour     ─▶ firings of rules
//!                      └─▶ event   ─▶ events, explained
//!                            └─▶ evidence ─▶ spool ─▶ mqtt
//!
//!   history                        the tracks of the last days, for changed rules to be tried on
//!
//!   config                         YAML ─▶ each room's own settings, or every fault at once
//!   agent                          the line put together: `agent::pipeline` is the picture
//!   hub                            the centre: serves models over HTTP, with tokens and roles
//!   toolchain                      offline: evaluation, tracking, quantisation, looking at files
//!   client                         what talks to the hub's API: scripts, agents that fetch packages
//!   cli                            a file per subcommand
//! ```
//!
//! The rooms of the line never import each other (but camera -> decode, identify -> detect): they meet in `agent::pipeline`. Frames may be
//! dropped, and are counted; events may not.

pub mod agent;
pub mod base;
pub mod behaviour;
pub mod camera;
pub mod cli;
pub mod client;
pub mod config;
pub mod decode;
pub mod detect;
pub mod event;
pub mod evidence;
pub mod history;
pub mod hub;
pub mod identify;
pub mod model;
pub mod mqtt;
pub mod scene;
pub mod spool;
pub mod toolchain;
pub mod track;
pub mod vocab;
pub mod wire;
