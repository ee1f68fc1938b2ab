//! Vedette: video analytics for security teams, an agent on every site and a hub in the centre.

pub mod base;
pub mod cli;
pub mod decode;
pub mod evidence;
pub mod scene;
pub mod vocab;
