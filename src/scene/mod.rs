//! The picture as a whole: whether anything moves in it, whether it is frozen, covered or black, and what else ails it.
//! Pure.
//!
//! [`Scene`] is what the line calls once per decoded picture; [`MotionGate`], [`PictureWatch`] and [`ConditionWatch`] are
//! its parts, which share one reading of the luma plane, the [`Grid`].

mod conditions;
mod gate;
mod grid;
mod watch;

pub use conditions::{ConditionWatch, Settings as ConditionSettings};
pub use gate::{Motion, MotionGate, Settings as MotionSettings};
pub use grid::Grid;
pub use watch::{Picture, PictureWatch, Settings as PictureSettings};

use crate::vocab::{DayNight, Frame, MediaTime, PictureChange, Rect};

/// The settings of all parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// Of the motion gate.
    pub motion: MotionSettings,
    /// Of the watch for frozen, covered and black pictures.
    pub picture: PictureSettings,
    /// Of the watch for what else ails a picture.
    pub conditions: ConditionSettings,
}

/// What was found in one picture.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sight {
    /// Whether anything moves.
    pub motion: Motion,
    /// Whether the picture is worth anything.
    pub picture: Picture,
}

/// Watches one camera.
#[derive(Debug)]
pub struct Scene {
    gate: MotionGate,
    watch: PictureWatch,
    conditions: ConditionWatch,
}

impl Scene {
    /// Watches with these settings and has seen nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            gate: MotionGate::new(settings.motion),
            watch: PictureWatch::new(settings.picture),
            conditions: ConditionWatch::new(&settings.conditions),
        }
    }

    /// Looks at the next picture; pictures come in the order of their media time. Allocates nothing while they keep
    /// their size.
    pub fn step(&mut self, frame: &Frame) -> Sight {
        let motion = self.gate.step(frame);
        let picture = self.watch.step(frame, self.gate.grid());
        let is_live = picture == Picture::Live && !self.watch.is_blank();
        self.conditions.step(frame, self.gate.grid(), motion, is_live);
        Sight { motion, picture }
    }

    /// What the last picture has changed about the picture as a whole.
    pub fn changes(&self) -> &[PictureChange] {
        self.conditions.changes()
    }

    /// Whether the camera sees by day or by night, once that is known.
    pub fn mode(&self) -> Option<DayNight> {
        self.conditions.mode()
    }

    /// Whether, in the last picture, anything moved outside of `places`.
    pub fn moved_outside(&self, places: &[Rect]) -> bool {
        self.gate.moved_outside(places)
    }

    /// Keeps the motion gate open: called while somebody is being followed, who may stand still.
    pub fn hold_open(&mut self, now: MediaTime) {
        self.gate.hold_open(now);
    }

    /// Whether the motion gate is open at `now`, between pictures too: then every picture is worth decoding.
    pub fn is_open(&self, now: MediaTime) -> bool {
        self.gate.is_open(now)
    }
}
