//! What ails a camera's picture while pictures go on arriving, and whether it sees by day or by night.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MediaTime;

/// Something that is wrong with the picture of a camera that still streams and is still looked at. What leaves nothing to be
/// looked at is a [`CameraState`](super::CameraState) instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The picture has lost its fine detail, though what it shows is what it showed before.
    Defocused,
    /// The camera looks elsewhere: what stood still in its picture stands elsewhere or is not there.
    Moved,
    /// Part of the picture, or all of it, has been without its contrast for long: dirt, drops, a spider's web, fog.
    Degraded,
}

impl Condition {
    /// As it stands in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Defocused => "defocused",
            Self::Moved => "moved",
            Self::Degraded => "degraded",
        }
    }
}

/// What a camera sees by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DayNight {
    /// Colour.
    Day,
    /// Infrared: its filter is out, and the picture has no colour.
    Night,
}

impl DayNight {
    /// As it stands in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Night => "night",
        }
    }
}

/// What has changed about the picture as a whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PictureChange {
    /// Something is wrong with it from now on.
    Began {
        /// What.
        condition: Condition,
        /// When it was first noticed; it was told only once it had lasted.
        since: MediaTime,
        /// Why it is believed.
        finding: Finding,
    },
    /// That is over.
    Ended {
        /// What.
        condition: Condition,
        /// When it was first noticed.
        since: MediaTime,
        /// Why it is over.
        relief: Relief,
    },
    /// The camera switched its infrared filter.
    Switched {
        /// What it sees by now.
        to: DayNight,
        /// How far its picture's colours depart from grey, in levels of chroma; below 1 there are none.
        colour: f32,
        /// The mean luma of its picture, 0..255.
        light: f32,
    },
}

/// Why a [`Condition`] is believed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Finding {
    /// What was measured: the sharpness or the fit that is left, or the share of the picture that is lost, 0..1.
    pub value: f32,
    /// What that was held against.
    pub limit: f32,
    /// How far the picture has moved, as shares of its width and height, to the right and down; none where what was there
    /// is nowhere to be found.
    pub shift: Option<(f32, f32)>,
}

/// Why a [`Condition`] is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relief {
    /// The picture is as it was.
    Passed,
    /// The camera has looked this way for so long that this is now its view.
    Learnt,
    /// The camera looks here and there, again and again, as one does that tours.
    Touring,
    /// Its picture has another size: nothing can be compared.
    Resized,
}
