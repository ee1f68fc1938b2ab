//! What a detector says it sees in one frame.

use super::Rect;

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
