//! From a float detector to an 8-bit one: static quantisation with conversions written into the graph (QDQ).
//!
//! ```text
//!   model ── graph::prepare ──▶ folded, operator set 13 ── plan ──▶ which tensors can be 8-bit
//!   pictures ── material ──▶ two thirds ── calibrate ──▶ ranges ── grid ──▶ steps
//!                      └──▶ one third ── judge ◀── place (the 8-bit model) ◀── rank: what is left in floats
//!                                          └──▶ verdict: accuracy and latency, or the file is kept aside
//! ```
//!
//! [`run`](run::run) is this on one page. A [`Target`] decides how values are laid out and where conversions stand.

pub mod calibrate;
pub mod error;
pub mod grid;
pub mod histogram;
pub mod judge;
pub mod latency;
pub mod material;
pub mod place;
pub mod plan;
pub mod profile;
pub mod progress;
pub mod rank;
pub mod report;
pub mod run;
mod search;
pub mod verdict;
mod workbench;

pub use error::QuantizeError;
pub use profile::{Target, UnknownTarget};
