//! `vedette model-process` and `vedette decode-process`: one model or one camera's decoder, run for the agent that has started
//! it. Nobody starts them by hand, so that no help names them.

use super::Failure;
use crate::agent::isolated;

/// Runs a model.
///
/// # Errors
/// When the standard input is not the agent's end of a socket.
pub fn model() -> Result<(), Failure> {
    isolated::serve_model().map_err(|error| Failure::Running(error.into()))
}

/// Runs a decoder.
///
/// # Errors
/// When the standard input is not the agent's end of a socket.
pub fn decoder() -> Result<(), Failure> {
    isolated::serve_decoder().map_err(|error| Failure::Running(error.into()))
}
