//! The picture as a whole: whether anything moves in it, what was left or removed, whether it is frozen, covered or black,
//! and what else ails it. Pure.
//!
//! [`Scene`] is what the line calls once per decoded picture; [`MotionGate`], [`PictureWatch`] and [`ConditionWatch`] are
//! its parts, which share one reading of the luma plane, the [`Grid`]. The [`Background`] is there only where a rule or a
//! camera without a model asks for it, and reads a finer one.

mod background;
mod conditions;
mod gate;
mod grid;
mod watch;

pub use background::{Background, Settings as BackgroundSettings};
pub use conditions::{ConditionWatch, Settings as ConditionSettings};
pub use gate::{Motion, MotionGate, Settings as MotionSettings};
pub use grid::Grid;
pub use watch::{Picture, PictureWatch, Settings as PictureSettings};

use crate::vocab::{Cover, DayNight, Detection, Frame, MediaTime, PictureChange, Rect, StaticRegion};

/// The label of what moves before the background: that of class 0 of [`Scene::moving`].
pub const MOVING: &str = "moving";

/// The settings of all parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// Of the motion gate.
    pub motion: MotionSettings,
    /// Of the watch for frozen, covered and black pictures.
    pub picture: PictureSettings,
    /// Of the watch for what else ails a picture.
    pub conditions: ConditionSettings,
    /// Of the background model; none where nothing is asked of it. Default: none.
    pub background: Option<BackgroundSettings>,
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
    background: Option<Background>,
}

impl Scene {
    /// Watches with these settings and has seen nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            gate: MotionGate::new(settings.motion),
            watch: PictureWatch::new(settings.picture),
            conditions: ConditionWatch::new(&settings.conditions),
            background: settings.background.map(Background::new),
        }
    }

    /// Looks at the next picture; pictures come in the order of their media time. Allocates nothing while they keep
    /// their size.
    pub fn step(&mut self, frame: &Frame) -> Sight {
        let motion = self.gate.step(frame);
        if let Some(background) = &mut self.background {
            background.step(frame);
        }
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

    /// What was left or removed, as of the last picture; nothing without a background model.
    pub fn regions(&self) -> &[StaticRegion] {
        self.background.as_ref().map_or(&[], Background::regions)
    }

    /// Takes in who is followed after a look, for the background model. `tracks` is only asked where there is one.
    pub fn cover<T: AsRef<[Cover]>>(&mut self, now: MediaTime, tracks: impl FnOnce() -> T) {
        if let Some(background) = &mut self.background {
            background.cover(now, tracks().as_ref());
        }
    }

    /// What moves in the last picture, as [`Background::moving`] says; nothing without a background model.
    pub fn moving(&mut self, expected: &[Rect], into: &mut Vec<Detection>) {
        into.clear();
        if let Some(background) = &mut self.background {
            background.moving(expected, into);
        }
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
