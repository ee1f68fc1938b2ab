//! Offline work on models and recordings: looking through a detector, following detections, measuring both, saying what
//! a model is and how fast it runs, quantising, taking out of it what is not needed, packaging and signing; galleries.

pub mod annotate;
pub mod bench;
pub mod detect;
pub mod eval;
pub mod gallery;
pub mod graph;
pub mod inspect;
pub mod keys;
mod memory;
pub mod mot;
pub mod package;
pub mod photographs;
pub mod pictures;
pub mod prune;
pub mod quantize;
pub mod spoil;
pub mod track;
