//! What is watched in a camera's picture as a whole, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is watched in the picture as a whole. A camera whose picture is `frozen`, `covered` or `black` has that as its state.
/// `defocused`, `moved` and `degraded` are told as `conditions` beside its state, as it is still looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Picture {
    /// Report a picture that never changes: see `frozen_seconds`.
    pub frozen: bool,
    /// Report a picture of one brightness: see `covered_seconds`.
    pub covered: bool,
    /// Tell a picture without light from one that is covered.
    pub black: bool,
    /// The mean luma, 16 for black to 235 for white, below which a picture that shows nothing is black and not covered.
    #[schemars(range(min = 16.0, max = 120.0))]
    pub black_luma: f64,
    /// Report a picture that has lost its fine detail, by comparison with what it had under the same light.
    pub defocused: bool,
    /// For how many seconds it must be out of focus.
    #[schemars(range(min = 2.0, max = 86400.0))]
    pub defocused_seconds: f64,
    /// The share of its usual sharpness below which it is, 0..1.
    #[schemars(range(min = 0.05, max = 0.95))]
    pub defocused_ratio: f64,
    /// Report a camera that looks elsewhere than it did.
    pub moved: bool,
    /// For how many seconds the new view must stand still, and three times as long where nothing of the old one is in it.
    #[schemars(range(min = 2.0, max = 86400.0))]
    pub moved_seconds: f64,
    /// The share of the picture that must still be where it was, 0..1.
    #[schemars(range(min = 0.05, max = 0.5))]
    pub moved_fit: f64,
    /// Report a picture part of which is without its contrast for long: dirt, drops, a spider's web, fog.
    pub degraded: bool,
    /// For how many seconds it must be.
    #[schemars(range(min = 2.0, max = 604800.0))]
    pub degraded_seconds: f64,
    /// How much of the picture that must be, 0..1.
    #[schemars(range(min = 0.05, max = 1.0))]
    pub degraded_share: f64,
    /// Report when the camera switches between colour by day and infrared by night.
    pub day_night: bool,
    /// For how many seconds the view, its sharpness and its contrast are learnt before they are judged.
    #[schemars(range(min = 5.0, max = 86400.0))]
    pub learn_seconds: f64,
    /// After how many seconds the new view of a camera that was moved is taken for its own.
    #[schemars(range(min = 60.0, max = 2592000.0))]
    pub relearn_seconds: f64,
}

impl Default for Picture {
    fn default() -> Self {
        Self {
            frozen: true,
            covered: true,
            black: true,
            black_luma: 32.0,
            defocused: true,
            defocused_seconds: 30.0,
            defocused_ratio: 0.5,
            moved: true,
            moved_seconds: 20.0,
            moved_fit: 0.3,
            degraded: true,
            degraded_seconds: 3600.0,
            degraded_share: 0.2,
            day_night: true,
            learn_seconds: 60.0,
            relearn_seconds: 3600.0,
        }
    }
}
