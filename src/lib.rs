//! Vedette: video analytics for security teams, an agent on every site and a hub in the centre.

pub mod agent;
pub mod base;
pub mod behaviour;
pub mod camera;
pub mod cli;
pub mod config;
pub mod decode;
pub mod detect;
pub mod event;
pub mod evidence;
pub mod model;
pub mod mqtt;
pub mod scene;
pub mod spool;
pub mod toolchain;
pub mod track;
pub mod vocab;
pub mod wire;
