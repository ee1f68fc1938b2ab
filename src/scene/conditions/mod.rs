//! What ails the picture of a camera that streams: out of focus, moved, degraded; and whether it is day or night for it.
//!
//! ```text
//!   once a second:  chroma ── day or night? ─┐
//!                   grid ──── the view: does it fit? ── moved
//!                   luma ──── tiles ── as usual under this light? ── defocused, degraded
//! ```
//!
//! Nothing is judged while the picture is black, covered or frozen, while it changes as a whole (a lamp, the sun, a camera
//! that pans), or just after, and for [`SWITCHING`] after a switch between day and night. All of it runs on media time, and
//! only once in [`PERIOD`], however many pictures come.

mod daynight;
mod edges;
mod focus;
mod latch;
#[cfg(test)]
mod tests;
mod tiles;
mod view;

use std::time::Duration;

use super::{Grid, Motion};
use crate::vocab::{Condition, DayNight, Frame, MediaTime, PictureChange, Relief};
use daynight::{DayNightWatch, colourfulness};
use focus::{FocusWatch, Light};
use tiles::Tiles;
use view::{Standing, ViewWatch};

/// How often a picture is judged.
const PERIOD: Duration = Duration::from_secs(1);
/// How long nothing is judged after the picture has changed as a whole.
const SETTLING: Duration = Duration::from_secs(2);
/// How long nothing is judged after a switch: exposure and gain go on changing.
const SWITCHING: Duration = Duration::from_secs(10);

/// What is watched, and when it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether the camera is moved by somebody or by itself: a move is nothing to tell of then. Default false.
    pub ptz: bool,
    /// Whether `defocused` is told; default true.
    pub defocused: bool,
    /// How long a picture must be out of focus; default 30 s.
    pub defocused_after: Duration,
    /// The share of its usual sharpness below which it is, 0..1; default 0.5.
    pub defocused_ratio: f32,
    /// Whether `moved` is told; default true.
    pub moved: bool,
    /// How long the new view must stand still, and three times as long where nothing of the old one is found in it;
    /// default 20 s.
    pub moved_after: Duration,
    /// The share of the picture that must still fit, 0..1; default 0.3.
    pub moved_fit: f32,
    /// Whether `degraded` is told; default true.
    pub degraded: bool,
    /// How long part of the picture must be without contrast; default 1 h.
    pub degraded_after: Duration,
    /// How much of the picture that may be, 0..1; default 0.2.
    pub degraded_share: f32,
    /// Whether a switch between day and night is told; default true.
    pub day_night: bool,
    /// How long view, sharpness and contrast are learnt before they are judged; default 60 s.
    pub learn: Duration,
    /// How long a camera that was moved must look the new way before that is its view; default 1 h.
    pub relearn: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ptz: false,
            defocused: true,
            defocused_after: Duration::from_secs(30),
            defocused_ratio: 0.5,
            moved: true,
            moved_after: Duration::from_secs(20),
            moved_fit: 0.3,
            degraded: true,
            degraded_after: Duration::from_secs(3600),
            degraded_share: 0.2,
            day_night: true,
            learn: Duration::from_secs(60),
            relearn: Duration::from_secs(3600),
        }
    }
}

/// Watches one camera.
#[derive(Debug)]
pub struct ConditionWatch {
    day_night: bool,
    mode: DayNightWatch,
    light: Light,
    /// What compares with what was there before, where any of that is told.
    compared: Option<Box<Compared>>,
    last: Option<MediaTime>,
    settling_until: MediaTime,
    size: (u32, u32),
    changes: Vec<PictureChange>,
}

#[derive(Debug)]
struct Compared {
    view: ViewWatch,
    focus: FocusWatch,
    tiles: Tiles,
}

impl ConditionWatch {
    /// A watch that has seen nothing.
    pub fn new(settings: &Settings) -> Self {
        let s = settings;
        let view = view::Settings {
            enabled: s.moved,
            ptz: s.ptz,
            after: s.moved_after,
            fit: s.moved_fit,
            learn: s.learn,
            relearn: s.relearn,
        };
        let focus = focus::Settings {
            defocused: s.defocused,
            defocused_after: s.defocused_after,
            defocused_ratio: s.defocused_ratio,
            degraded: s.degraded,
            degraded_after: s.degraded_after,
            degraded_share: s.degraded_share,
            learn: s.learn,
        };
        let is_compared = s.moved || s.defocused || s.degraded;
        let compared =
            || Box::new(Compared { view: ViewWatch::new(view), focus: FocusWatch::new(focus), tiles: Tiles::new() });
        Self {
            day_night: s.day_night,
            mode: DayNightWatch::default(),
            light: Light::default(),
            compared: is_compared.then(compared),
            last: None,
            settling_until: MediaTime::ZERO,
            size: (0, 0),
            changes: Vec::with_capacity(4),
        }
    }

    /// Looks at the next picture, whose `grid` has been read and whose `motion` is known, and which shows something where it
    /// `is_live`; returns what has changed, as [`changes`](Self::changes) does until the next one. Allocates nothing while pictures keep their size, but for the first of each light.
    pub fn step(&mut self, frame: &Frame, grid: &Grid, motion: Motion, is_live: bool) -> &[PictureChange] {
        self.changes.clear();
        if self.compared.is_none() && !self.day_night {
            return &self.changes;
        }
        let now = frame.pts;
        if self.size != (frame.width, frame.height) {
            self.resize(frame);
        }
        if !is_live || motion.relearnt {
            self.settle(now + SETTLING);
        }
        let is_due = self.last.is_none_or(|last| now.since(last) >= PERIOD);
        if !is_due || now < self.settling_until {
            return &self.changes;
        }
        let passed = self.last.replace(now).map_or(Duration::ZERO, |last| now.since(last));
        let luma = grid.means().iter().sum::<f32>() / grid.means().len().max(1) as f32;
        self.see_light(now, frame, luma);
        if now >= self.settling_until {
            self.compare(passed, frame, grid);
        }
        &self.changes
    }

    /// What the last picture has changed.
    pub fn changes(&self) -> &[PictureChange] {
        &self.changes
    }

    /// What the camera sees by, once known.
    pub fn mode(&self) -> Option<DayNight> {
        self.mode.mode().filter(|_| self.day_night)
    }

    fn settle(&mut self, until: MediaTime) {
        self.settling_until = self.settling_until.max(until);
    }

    fn resize(&mut self, frame: &Frame) {
        self.size = (frame.width, frame.height);
        let Some(compared) = &mut self.compared else { return };
        let moved = compared.view.reset();
        let ended = |since| PictureChange::Ended { condition: Condition::Moved, since, relief: Relief::Resized };
        self.changes.extend(moved.map(ended));
        self.changes.extend(compared.focus.reset());
    }

    fn see_light(&mut self, now: MediaTime, frame: &Frame, luma: f32) {
        let colour = colourfulness(frame);
        let before = self.mode.mode();
        if let Some(to) = self.mode.step(now, colour) {
            if before.is_some() && self.day_night {
                self.changes.push(PictureChange::Switched { to, colour, light: luma });
            }
            if before.is_some() {
                self.settle(now + SWITCHING);
            }
        } else if self.mode.is_in_doubt() {
            // The picture may already be that of the other mode.
            self.settle(now + PERIOD);
        }
        let view = usize::from(self.mode.mode() == Some(DayNight::Night));
        self.light = self.light.next(view, luma);
    }

    fn compare(&mut self, passed: Duration, frame: &Frame, grid: &Grid) {
        let Some(compared) = &mut self.compared else { return };
        let Compared { view, focus, tiles } = &mut **compared;
        let moved = view.step(frame.pts, passed, grid, self.light.view);
        if matches!(moved, Some(PictureChange::Ended { relief: Relief::Learnt, .. })) {
            focus.forget();
        }
        self.changes.extend(moved);
        let fit = match view.standing() {
            Standing::Learning => None,
            Standing::Fits(fit) => Some(fit),
            Standing::Unknown => return,
        };
        tiles.read(frame, grid);
        self.changes.extend(focus.step(frame.pts, passed, tiles, self.light, fit).into_iter().flatten());
    }
}
