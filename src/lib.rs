//! Vedette: video analytics for security teams, an agent on every site and a hub in the centre.

pub mod base;
pub mod camera;
pub mod cli;
pub mod decode;
pub mod vocab;
