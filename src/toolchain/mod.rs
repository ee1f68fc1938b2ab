//! Offline work on models and recordings: evaluation of detectors and trackers.

pub mod eval;
pub mod mot;
pub mod track;
