//! The processes of one model and of one camera's decoder: what the agent starts where they are isolated.

pub use crate::decode::PROCESS as DECODER;
pub use crate::decode::isolation::serve as serve_decoder;
pub use crate::detect::isolation::{COMMAND as MODEL, serve as serve_model};
