//! How good detectors and trackers are, by the field's own definitions.

mod clear;
mod hota;
mod identity;
mod sequence;
pub mod track;
