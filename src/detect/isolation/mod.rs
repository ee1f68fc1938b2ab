//! Models that run in processes of their own: a file that crashes ONNX Runtime, or takes it over, gains nothing but a process
//! that has no camera, no credential and no network, and costs its model a restart.
//!
//! ```text
//!   this process                                       the model's process (this program again)
//!   frame ─ letterbox ─▶ Remote ══ picture ══▶ socket ══▶ serve ─▶ LocalSession (ONNX Runtime)
//!   detections ◀─ families ─┘ ◀══ outputs ═══ socket ◀════════════┘
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `protocol` | what is said over the socket, and what of it is believed; pure |
//! | `link` | one process: started, asked, killed |
//! | `remote` | a model that runs elsewhere, whichever process it is now |
//! | `serve` | the other end |
//!
//! The seam lies where a tensor is handed to ONNX Runtime, and not where a frame is handed to a detector. What reads a model's
//! file and what reads its outputs is safe Rust of ours, and stays here with its errors. The process is told neither where
//! a picture comes from nor what was found, and its size does not depend on the camera's. A tensor is no larger than a 1080p
//! frame: 2.1 MB against 3.1 MB for a detector of 416 by 416 floats.
//!
//! The process is confined before it makes anything of the model: it has given up new privileges, all memory beyond a limit,
//! and with ONNX Runtime's own kernels also new descriptors and all system calls but those of computing. Other providers'
//! libraries open files and devices at any time: with those only the walls of the unit keep a model from the network.

mod link;
mod protocol;
mod remote;
mod serve;
#[cfg(test)]
mod tests;

pub use serve::{ServeError, serve};

use crate::base::child::Program;

pub(super) use remote::Remote;

/// The subcommand that is the other end; nobody but this program gives it.
pub const COMMAND: &str = "model-process";

/// Where a model runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Isolation {
    /// In this process.
    #[default]
    None,
    /// In a process of its own, which is this program.
    Process(Program),
}

impl Isolation {
    /// In a process of its own, started as the running program with [`COMMAND`].
    pub fn process() -> Self {
        Self::Process(Program::own(&[COMMAND]))
    }
}
