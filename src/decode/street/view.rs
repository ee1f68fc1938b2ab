//! The camera: where a place in the street lies in the picture.

use super::paint::Px;

/// The horizon, as a part of the picture's height.
const HORIZON: f32 = 0.27;
/// How high the camera hangs, metres.
const CAMERA: f32 = 3.0;

/// Where the houses stand, as a part of the picture's height; as all lines here, a line across the ground.
pub const HOUSES: f32 = 0.455;
/// The edge of the far pavement.
pub const FAR_KERB: f32 = 0.535;
/// The edge of the near pavement.
pub const NEAR_KERB: f32 = 0.775;

/// A camera that looks straight across the street.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Pixels across.
    pub width: f32,
    /// Pixels down.
    pub height: f32,
}

impl View {
    /// Pixels to the metre for what stands on `line`.
    pub fn scale(&self, line: f32) -> f32 {
        (line - HORIZON) * self.height / CAMERA
    }

    /// The place `x` metres right of the middle on `line`, and `up` metres above the ground.
    pub fn at(&self, x: f32, line: f32, up: f32) -> Px {
        let s = self.scale(line);
        (self.width * 0.5 + x * s, line * self.height - up * s)
    }

    /// How far away `line` is, in metres along the ground, up to a factor that is the same for all lines.
    pub fn depth(&self, y: f32) -> f32 {
        1.0 / (y / self.height - HORIZON).max(0.01)
    }
}
