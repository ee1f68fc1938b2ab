//! The Open Inference Protocol, version 2, over REST, with Triton's extensions: binary tensors, classification, repository,
//! configuration, statistics.
//!
//! Answers that are no errors have status 200 and no other: clients of Triton take any other for a failure.

pub mod classify;
pub mod decode;
pub mod encode;
pub mod infer;
pub mod metadata;
pub mod repository;
pub mod stats;
