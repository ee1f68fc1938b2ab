//! Offline work on models and recordings: looking through a detector, following detections, measuring both, saying what
//! a model is, packaging and signing.

pub mod annotate;
pub mod detect;
pub mod eval;
pub mod inspect;
pub mod keys;
pub mod mot;
pub mod package;
pub mod photographs;
pub mod pictures;
pub mod track;
