//! Vedette: video analytics for security teams, an agent on every site and a hub in the centre.

pub mod base;
pub mod behaviour;
pub mod cli;
pub mod decode;
pub mod scene;
pub mod detect;
pub mod model;
pub mod event;
pub mod spool;
pub mod config;
pub mod camera;
pub mod cli;
pub mod decode;
pub mod vocab;
pub mod wire;
