//! What a detector says it sees in one frame.

use super::{Point, Rect, Trunk};

/// One object in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Index into the model's [`Labels`](super::Labels).
    pub class: u16,
    /// Confidence, 0..1.
    pub score: f32,
    /// Where, normalised over the source picture; may reach past its edges by what the model predicted.
    pub bbox: Rect,
    /// How its trunk stands, where it is a person whose trunk is seen by a model that tells it.
    pub trunk: Option<Trunk>,
}

impl Detection {
    /// One of which nothing is known but what and where it is.
    pub fn new(class: u16, score: f32, bbox: Rect) -> Self {
        Self { class, score, bbox, trunk: None }
    }
}

/// Five points of a face, normalised over the source picture: both eyes, the tip of the nose, both corners of the mouth. Of
/// each pair the one that lies further left in the picture of an upright face comes first.
pub type FacePoints = [Point; 5];
