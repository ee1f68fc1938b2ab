//! Of the room `decode` what a configuration is made into; the rest of it is GStreamer's.

#[path = "../../../src/decode/settings.rs"]
mod settings;
#[path = "../../../src/decode/source.rs"]
mod source;
#[path = "../../../src/decode/street/mod.rs"]
pub mod street;

pub use settings::{DecoderChoice, Settings, Transport};
pub use source::{Source, SourceError};
