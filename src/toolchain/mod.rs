//! Offline work on models: look through a detector, measure it.

pub mod annotate;
pub mod detect;
pub mod eval;
pub mod photographs;
