//! A place of the picture that has looked different for a while, and stands still.

use super::{MediaTime, Rect, TrackId};

/// Something that was put down, or taken away, as the background model sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StaticRegion {
    /// Tells it from all others of its camera while the program runs.
    pub id: u64,
    /// Whether something is there or missing.
    pub change: RegionChange,
    /// Where, normalised over the source picture.
    pub bbox: Rect,
    /// How much of the picture it covers, 0..1; at most the area of its box.
    pub area: f32,
    /// Since when it has looked like this.
    pub since: MediaTime,
    /// How far it departs from what was there before, in luma levels, 0..255, on average.
    pub contrast: f32,
    /// Whether somebody who is followed stands in it or before it, so that it may be no more than he.
    pub is_covered: bool,
    /// Who was there when it began.
    pub owner: Option<Owner>,
}

/// What a static region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegionChange {
    /// Something is there that was not.
    Left,
    /// Something is not there that was.
    Removed,
}

/// Who put something down or took it away: whoever was followed nearest to it then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Owner {
    /// The track.
    pub track: TrackId,
    /// How far from it that track was seen last, from box to box, in the track's own heights; 0 where the boxes touch.
    pub distance: f32,
    /// When it was last near: within half of its own height.
    pub near: MediaTime,
}

/// A track as the background model needs to know it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cover {
    /// The track.
    pub track: TrackId,
    /// Where it is, normalised over the source picture.
    pub bbox: Rect,
    /// Whether it is seen now, and not only presumed to be there.
    pub is_seen: bool,
    /// Whether it is somebody or something that may stand still without being an object: a person, an animal, a vehicle.
    pub is_mover: bool,
}
