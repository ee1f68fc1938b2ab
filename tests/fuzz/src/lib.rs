//! The rooms that read bytes from strangers, compiled by themselves, and the small inputs that fuzzing starts from.

#[path = "../../../src/base/mod.rs"]
pub mod base;
#[path = "../../../src/behaviour/mod.rs"]
pub mod behaviour;
#[path = "../../../src/config/mod.rs"]
pub mod config;
#[path = "../../../src/detect/mod.rs"]
pub mod detect;
#[path = "../../../src/evidence/mod.rs"]
pub mod evidence;
#[path = "../../../src/history/mod.rs"]
pub mod history;
#[path = "../../../src/identify/mod.rs"]
pub mod identify;
#[path = "../../../src/model/mod.rs"]
pub mod model;
#[path = "../../../src/mqtt/mod.rs"]
pub mod mqtt;
#[path = "../../it/support/onnx.rs"]
pub mod onnx;
#[path = "../../../src/scene/mod.rs"]
pub mod scene;
#[path = "../../../src/spool/mod.rs"]
pub mod spool;
#[path = "../../../src/track/mod.rs"]
pub mod track;
#[path = "../../../src/vocab/mod.rs"]
pub mod vocab;
#[path = "../../../src/wire/mod.rs"]
pub mod wire;

pub mod agent;
pub mod camera;
pub mod checks;
pub mod decode;
pub mod seeds;
