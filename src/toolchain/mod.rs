//! Offline work on models and recordings: looking through a detector, following detections, measuring both, quantising,
//! packaging and signing.

pub mod annotate;
pub mod detect;
pub mod eval;
pub mod graph;
pub mod keys;
pub mod mot;
pub mod package;
pub mod photographs;
pub mod pictures;
pub mod quantize;
pub mod track;
