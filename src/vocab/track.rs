//! One object followed over time.

use super::{MediaTime, Rect, Trunk};

/// The number of a track, unique for one camera while the agent's state directory lives; never reused.
pub type TrackId = u64;

/// Where a track is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackState {
    /// Seen too briefly to be believed; rules ignore it.
    Tentative,
    /// Believed, and seen in this frame.
    Confirmed,
    /// Believed, not seen in this frame; `bbox` is predicted.
    Lost,
    /// Over: reported once, then gone.
    Ended,
}

/// A followed object as it is after one step of the tracker.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Its number.
    pub id: TrackId,
    /// Where it is in its life.
    pub state: TrackState,
    /// The class most of its detections had, weighted by score.
    pub class: u16,
    /// Score of the last matched detection, 0..1.
    pub score: f32,
    /// The best score it has had.
    pub best_score: f32,
    /// Smoothed place, normalised over the source picture.
    pub bbox: Rect,
    /// Speed of the box's centre in picture widths and heights per second.
    pub velocity: (f32, f32),
    /// When its first detection was.
    pub first_seen: MediaTime,
    /// When its last detection was.
    pub last_seen: MediaTime,
    /// How many detections it has had.
    pub hits: u32,
    /// How the trunk stood in the detection of this frame; none where the frame has no detection of it, or that does not tell.
    pub trunk: Option<Trunk>,
}

impl Track {
    /// A track as it begins at `now`, with its first detection.
    pub fn new(id: TrackId, class: u16, score: f32, bbox: Rect, now: MediaTime) -> Self {
        Self {
            id,
            state: TrackState::Tentative,
            class,
            score,
            best_score: score,
            bbox,
            velocity: (0.0, 0.0),
            first_seen: now,
            last_seen: now,
            hits: 1,
            trunk: None,
        }
    }
}
