//! Offline work on models and recordings: looking through a detector, following detections, measuring both.

pub mod annotate;
pub mod detect;
pub mod eval;
pub mod mot;
pub mod photographs;
pub mod pictures;
pub mod track;
