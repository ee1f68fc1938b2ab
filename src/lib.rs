//! Vedette: video analytics for security teams, an agent on every site and a hub in the centre.

pub mod base;
pub mod cli;
pub mod toolchain;
pub mod track;
pub mod vocab;
