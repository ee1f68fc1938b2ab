//! Of the room `camera` what a configuration is made into; the rest of it drives GStreamer.

#[path = "../../../src/camera/settings.rs"]
mod settings;

pub use settings::Settings;
