//! Pictures and clips that prove an event.
//!
//! The best picture of each episode is drawn upon, coded as JPEG and kept within a quota.
//!
//! [`Snapshots`] runs with the line: it copies a picture, made smaller, whenever an episode has a clearly better one, so
//! that no buffer of a decoder is ever held. A [`Shot`] taken from it is coded away from the line, and a [`Folder`] keeps
//! the file. Of cameras whose pictures must show no face, a shot gives nothing out before they are hidden.
//!
//! A [`Ring`] holds what a camera sent lately, undecoded; a [`Plan`] says which clips are cut of it. Whoever drives both
//! writes the files as [`Draft`]s of a [`Folder`].

mod canvas;
mod faces;
mod folder;
mod font;
mod heat;
mod plan;
mod rgb;
mod ring;
mod shot;

pub use self::ring::{Cursor, ReadState, Reading, Ring, RingError, RingLimits};
pub use folder::{Draft, EvidenceError, Folder, Saved, clip_name};
pub use plan::{About, Announced, Happening, Plan, PlanSettings};
pub use shot::{Mark, Shot, Snapshots};

use std::path::PathBuf;
use std::time::Duration;

use crate::vocab::{Id, Polygon};

/// How pictures are kept.
#[derive(Debug, Clone, PartialEq)]
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
    /// What is never shown of a camera: polygons, normalised, that are filled before anything is kept or published. Default
    /// none.
    pub masks: Vec<Polygon>,
    /// The model that finds the faces of a camera's pictures, which then must not be shown. Default none: they may.
    pub hide_faces: Option<Id>,
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
            masks: Vec::new(),
            hide_faces: None,
        }
    }
}

/// How clips are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipSettings {
    /// Where the files go; the folder of the pictures, by default.
    pub folder: PathBuf,
    /// The most that all clips together may take, bytes; the oldest make room, those of alerts last. Default 2 GiB.
    pub quota_bytes: u64,
    /// How long a clip is kept at most. Default 30 days.
    pub keep: Duration,
    /// Which clips are cut.
    pub plan: PlanSettings,
    /// How much of what a camera sends is held in memory.
    pub ring: RingLimits,
}

impl Default for ClipSettings {
    fn default() -> Self {
        Self {
            folder: Settings::default().folder,
            quota_bytes: 2 << 30,
            keep: Duration::from_secs(30 * 24 * 3600),
            plan: PlanSettings::default(),
            ring: RingLimits::default(),
        }
    }
}
