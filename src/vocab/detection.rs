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
}

/// All that a detector saw in one frame.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// The objects.
    pub detections: &'a [Detection],
    /// The trunk of each of them, in their order, where it was seen; empty where the detector tells of no trunks at all.
    pub trunks: &'a [Option<Trunk>],
}

impl Seen<'_> {
    /// The trunk of the detection at `index`.
    pub fn trunk(&self, index: usize) -> Option<Trunk> {
        self.trunks.get(index).copied().flatten()
    }
}

impl<'a> From<&'a [Detection]> for Seen<'a> {
    fn from(detections: &'a [Detection]) -> Self {
        Self { detections, trunks: &[] }
    }
}

/// Five points of a face, normalised over the source picture: both eyes, the tip of the nose, both corners of the mouth. Of
/// each pair the one that lies further left in the picture of an upright face comes first.
pub type FacePoints = [Point; 5];
