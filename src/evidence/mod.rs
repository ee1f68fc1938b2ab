//! Pictures that prove an event: the best one of each episode, drawn upon, coded as JPEG and kept within a quota.
//!
//! [`Snapshots`] runs with the line: it copies a picture, made smaller, whenever an episode has a clearly better one, so
//! that no buffer of a decoder is ever held. A [`Shot`] taken from it is coded away from the line, and a [`Folder`] keeps
//! the file.

mod canvas;
mod folder;
mod font;
mod heat;
mod rgb;
mod shot;

pub use folder::{EvidenceError, Folder};
pub use shot::{Mark, Shot, Snapshots};

use std::path::PathBuf;

/// How pictures are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the files go; created if absent. Default `evidence`, relative to the agent's state directory.
    pub folder: PathBuf,
    /// The most that all files together may take, bytes; the oldest are deleted for new ones. Default 512 MiB.
    pub quota_bytes: u64,
    /// The most that a picture for MQTT may take, bytes; default 128 KiB.
    pub max_mqtt_bytes: usize,
    /// JPEG quality of the files, 1 to 100; default 85.
    pub quality: u8,
    /// The widest that a picture is kept, pixels; wider ones are made smaller by a whole number. Default 1280.
    pub max_width: u32,
    /// How many episodes may have a picture in memory at a time, above 0; the one that was not improved for longest is
    /// given up. Default 16.
    pub max_open: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("evidence"),
            quota_bytes: 512 << 20,
            max_mqtt_bytes: 128 << 10,
            quality: 85,
            max_width: 1280,
            max_open: 16,
        }
    }
}
