//! Model packages: made from ONNX files, photographs and what their maker knows, and held against what they say.

pub mod draft;
pub mod make;
pub mod verify;

pub use crate::detect::{read_trust, this_machine};
pub use crate::model::keys::Trust;
pub use crate::model::manifest::{Moment, Version};
pub use crate::model::policy::Hardware;
