//! Measures against a known truth, each with the definitions that its field publishes with.

mod clear;
pub mod coco;
pub mod detect;
mod hota;
mod identity;
mod sequence;
pub mod track;
