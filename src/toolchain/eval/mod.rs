//! Measures against a known truth, each with the definitions that its field publishes with.

pub mod coco;
pub mod detect;
