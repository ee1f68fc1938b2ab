//! The tracks of the last days, as the rules were shown them, so that changed rules can be tried on what has been.
//!
//! ```text
//!   line ─ Log ─ rounds, encodes, fills a block ──▶ Store's thread ──▶ <folder>/<camera>/00000017.tracks
//!                          ◀── an empty buffer ──
//!   Archive ◀─ whatever lies in the folder, also while an agent writes there
//! ```
//!
//! # What is kept
//!
//! Everything that rules are told, in its order: the size of the picture, looks with their tracks, time that passes without
//! one, cuts of the stream and the end. No picture is kept, and nothing of it but boxes, classes and scores, and how trunks
//! stand where the model tells it. Constraints:
//!
//! - bounded in bytes and days: the oldest segments of all cameras make room;
//! - append-only, and every block can be read without the others: what is torn or damaged costs its block and is counted;
//! - nothing is allocated for a frame once the buffers have grown, nothing is waited for, and nothing is synchronised: a
//!   power cut may cost what the kernel had not yet written, which is up to a minute and a half;
//! - when the disk is slower than the tracks, blocks are left out, counted, and missed by their numbers when read.
//!
//! # Cost
//!
//! An hour of one track at five looks a second takes about 240 kB, and each further one that is in sight about 160 kB: three
//! days of a camera that sees somebody a third of the time take 6 MB. Trunks take up to four bytes a look each. Encoding a look
//! takes microseconds, memory is two buffers of some 12 KiB for a camera, and the disk is written to once a minute. That is
//! little enough to keep tracks unless somebody says otherwise: a change of rules can be tried only on what was kept before
//! anybody thought of it.
//!
//! # Rounding
//!
//! Edges of boxes are kept in 1/16384 of the picture (an eighth of a pixel at 1920), scores in thousandths, wall time in
//! milliseconds, rounded down; of trunks whole degrees, and their length in thousandths of the picture's height. Media time
//! is exact. Speeds of tracks are not kept: no rule asks for them. The rules of a camera whose tracks are kept are shown the
//! **rounded** tracks ([`Log::look`] returns them), so that the same rules say the same when they are run again.
//!
//! # Quiet times
//!
//! A look without tracks is kept like any other until nobody has been in sight for [`QUIET`], which is longer than any rule
//! waits for somebody to return. From then on one such look is kept every [`SPARSE`], and the passing of time not at all: the
//! next thing that is kept says how much has passed.
//!
//! # Layout
//!
//! A segment is a row of blocks, at most an hour or [`SEGMENT_BYTES`] of them, all of one run of one line. The first is its
//! head, which says in JSON what the rest cannot be understood without ([`Head`]).
//!
//! ```text
//!   block   = mark (4: "VdTh" a head, "VdTk" tracks) | length of body (4) | run (8) | number in the run (4)
//!           | CRC-32 of all the rest (4) | body                                                   little-endian
//!   body    = record…                        the first looks back on nothing: times from 0, every track new
//!   record  = 0 width height                 the picture's size from now on
//!           | 1 time wall                    time has passed
//!           | 2 time                         the stream was cut
//!           | 3 time                         these rules ended
//!           | 8+n time wall track×n          a look with n tracks, n up to 239
//!           | 4 n time wall track×n          one with more
//!           | 6 n time wall track×n trunk×n  one in which somebody's trunk is known (5 is not used again: it was another form)
//!   time    = z(change of the step from record to record, ns)
//!   wall    = z(change of what the wall clock is ahead of the media clock, ms)
//!   track   = z(number - the one before in this look) | flags | what the flags announce
//!   flags   : 0-1 state, 2 new, 3 seen in this look, 4 class follows, 5 odd, 6 box as expected, 7 score as before
//!   trunk   = 0 unknown | 1+degrees length
//!   follows = class? score? edges×4? and, where new or odd: best score, detections, ages of first and last sighting
//! ```
//!
//! All numbers of records are LEB128; `z` is zigzag for those that may be negative. An edge is written as its difference from
//! where it was going: its last place and its last step once more. A track is new in the first look of a block and wherever it
//! was not in the look before; odd where best score, count of detections or sightings are not what follows from the look
//! before. Numbers of tracks start from the first one of the look before.

mod archive;
mod block;
mod decode;
mod encode;
mod known;
mod log;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::vocab::{Id, MediaTime, Track, WallTime};

pub use archive::{Archive, Entry, Losses};
pub use known::rounded;
pub use log::Log;
pub use store::{Health, Store};

/// Where tracks are kept, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder, with one below it for each camera.
    pub folder: PathBuf,
    /// How long they are kept at most.
    pub keep: Duration,
    /// The space that all of them may take, in bytes.
    pub quota_bytes: u64,
}

/// For so long nobody must have been in sight before looks are left out.
pub const QUIET: Duration = Duration::from_secs(90);
/// How often a look without tracks is kept then. Rules take a longer time between looks for one in which nobody looked.
pub const SPARSE: Duration = Duration::from_secs(4);
/// A segment that has grown to this is followed by another.
pub const SEGMENT_BYTES: u64 = 1 << 20;

/// What a segment says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Whose tracks.
    pub camera: Id,
    /// The names of the classes.
    pub labels: Vec<String>,
    /// The model that looked, where one did.
    pub model: String,
    /// The score from which a track could begin, 0..1.
    pub threshold: f32,
    /// How many pictures a second were to be looked at.
    pub fps: f64,
}

/// One thing that rules were told.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// The picture is so many pixels wide and high from now on.
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// A frame was looked at.
    Look {
        /// When, on the media clock.
        at: MediaTime,
        /// When, on the wall clock.
        wall: WallTime,
        /// Everything that was followed.
        tracks: Vec<Track>,
    },
    /// Time has passed.
    Wait {
        /// Up to here, on the media clock.
        at: MediaTime,
        /// The same on the wall clock.
        wall: WallTime,
    },
    /// The stream was cut: tracks before and after have nothing to do with each other.
    Cut {
        /// When.
        at: MediaTime,
    },
    /// The rules ended: the agent or the camera stopped, or others took their place.
    Stop {
        /// When.
        at: MediaTime,
    },
}

/// Why tracks cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A folder cannot be made or read.
    #[error("cannot use the folder of tracks {}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A segment cannot be read.
    #[error("cannot read the tracks in {}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The machine refuses another thread.
    #[error("cannot start the thread that keeps tracks")]
    Thread(#[source] std::io::Error),
}
