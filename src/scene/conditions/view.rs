//! Whether the camera still looks where it did: the edges that stand still no longer fit.
//!
//! ```text
//!             learnt for `learn`          fits ill, and what is seen instead
//!   Learning ──────────────────▶ Known    stands still for `after` (or 3 `after`)
//!                                  │ ◀───────────────────────────────────┐ fits again for RECOVER:
//!                                  └──────────────▶ Moved ───────────────┤ Passed
//!                                                     └──────────────────┘ stands still for `relearn`: Learnt
//! ```
//!
//! What stands in the picture is the mean of the last few seconds, in which who walks by fades, and what belongs there is
//! that of the last minutes. A view that is found elsewhere in the picture has been moved for certain and is told after
//! `after`. One that is found nowhere may be another view, or something large before the lens, which mostly leaves again: it
//! is told after three times as long, and only if it stands still. Day and night have each its own edges.
//!
//! A camera that moves to a view and stays, again and again, is on a tour: after [`JUMPS`] such moves within [`TOUR`]
//! nothing is told for as long as it goes on.

use std::time::Duration;

use super::edges::{Edges, Field};
use crate::scene::Grid;
use crate::vocab::{Condition, Finding, MediaTime, PictureChange, Relief};

/// How far back the picture reaches that is looked at, seconds.
const LATELY: f32 = 3.0;
/// How far back that reaches which belongs there, seconds.
const FOLLOWS: f32 = 300.0;
/// How often its edges are taken anew.
const RENEW: Duration = Duration::from_secs(300);
/// A view fits from here on.
pub const FITS: f32 = 0.5;
/// A view that fits so well may be learnt from.
const FITS_WELL: f32 = 0.8;
/// How long it must fit again.
const RECOVER: Duration = Duration::from_secs(5);
/// A view that has stood still for so long is one that was moved to.
const SETTLED: Duration = Duration::from_secs(4);
/// How many moves make a tour, within what time, which is also how long after the last one it is over.
const JUMPS: usize = 3;
const TOUR: Duration = Duration::from_secs(1800);
/// The most time that one judgement may stand for.
const LONGEST_STEP: Duration = Duration::from_secs(30);

/// When a camera counts as moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether it is told.
    pub enabled: bool,
    /// Whether the camera moves by itself: then nothing is told.
    pub ptz: bool,
    /// How long the new view must stand still.
    pub after: Duration,
    /// The share of the picture that must still fit, 0..1.
    pub fit: f32,
    /// How long a view is learnt.
    pub learn: Duration,
    /// How long after a move the new view becomes the camera's own.
    pub relearn: Duration,
}

/// Something else is seen than what was.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    since: MediaTime,
    /// How long the new view has stood still.
    stands: Duration,
    /// Whether it counts as a move already.
    counted: bool,
    /// Whether the old view was looked for in it.
    searched: bool,
    shift: Option<(f32, f32)>,
}

/// How the present picture compares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// There is nothing yet to compare with.
    Learning,
    /// The share of the picture that is as it was, 0..1.
    Fits(f32),
    /// The picture has too few edges to tell.
    Unknown,
}

/// Watches where one camera looks.
#[derive(Debug)]
pub struct ViewWatch {
    settings: Settings,
    columns: usize,
    /// What stands in the picture.
    lately: Vec<f32>,
    /// What belongs there.
    usual: Vec<f32>,
    /// How long that has been learnt, and how long ago its edges were taken.
    learnt_for: Duration,
    taken: Duration,
    /// The edges by day and by night.
    views: [Edges; 2],
    view: usize,
    /// Those of what is seen instead.
    other: Edges,
    doubt: Option<Doubt>,
    moved_since: Option<MediaTime>,
    fits_for: Duration,
    /// How long it has neither fitted nor not.
    unsure_for: Duration,
    jumps: [Option<MediaTime>; JUMPS],
    touring_until: MediaTime,
    standing: Standing,
}

impl ViewWatch {
    /// One that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            columns: 0,
            lately: Vec::new(),
            usual: Vec::new(),
            learnt_for: Duration::ZERO,
            taken: Duration::ZERO,
            views: [Edges::default(), Edges::default()],
            view: 0,
            other: Edges::default(),
            doubt: None,
            moved_since: None,
            fits_for: Duration::ZERO,
            unsure_for: Duration::ZERO,
            jumps: [None; JUMPS],
            touring_until: MediaTime::ZERO,
            standing: Standing::Learning,
        }
    }

    /// Forgets everything, as the picture has another size. Returns since when it was moved, where it was.
    pub fn reset(&mut self) -> Option<MediaTime> {
        let was = self.moved_since;
        *self = Self::new(self.settings.clone());
        was
    }

    /// How the last picture compared.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Looks at the next picture, `passed` after the last; `view` is 0 by day and 1 by night.
    pub fn step(&mut self, now: MediaTime, passed: Duration, grid: &Grid, view: usize) -> Option<PictureChange> {
        let passed = passed.min(LONGEST_STEP);
        self.take_in(passed, grid, view);
        let field = Field { means: &self.lately, open: grid.open(), columns: self.columns };
        let known = &self.views[self.view];
        self.standing = match known.is_empty() {
            true => Standing::Learning,
            false => known.fit(field).map_or(Standing::Unknown, Standing::Fits),
        };
        let Standing::Fits(fit) = self.standing else {
            if self.standing == Standing::Learning {
                self.learn(passed, grid);
            }
            return None;
        };
        if fit >= FITS {
            return self.fits(passed, grid, fit);
        }
        self.fits_for = Duration::ZERO;
        if fit >= self.settings.fit {
            self.doubt = None;
            self.unsure_for += passed;
            if self.unsure_for >= self.settings.relearn && self.moved_since.is_none() {
                self.begin_anew();
            }
            return None;
        }
        self.doubts(now, passed, grid, fit)
    }

    /// Makes this picture part of what stands there.
    fn take_in(&mut self, passed: Duration, grid: &Grid, view: usize) {
        if self.lately.len() != grid.means().len() {
            self.columns = grid.columns();
            self.lately = grid.means().to_vec();
            self.usual = grid.means().to_vec();
        }
        blend(&mut self.lately, grid.means(), passed, LATELY);
        if view != self.view {
            self.view = view;
            self.doubt = None;
            self.usual.copy_from_slice(grid.means());
            self.lately.copy_from_slice(grid.means());
            self.learnt_for = Duration::ZERO;
        }
    }

    /// Makes what stands there part of what belongs there, and takes its edges when they are due.
    fn learn(&mut self, passed: Duration, grid: &Grid) {
        self.learnt_for += passed;
        self.taken += passed;
        // The mean of all at first, and of the last minutes later on.
        blend(&mut self.usual, &self.lately, passed, self.learnt_for.as_secs_f32().min(FOLLOWS));
        let is_new = self.views[self.view].is_empty();
        let due = if is_new { self.settings.learn } else { self.settings.learn.max(RENEW) };
        if self.learnt_for < self.settings.learn || (!is_new && self.taken < due) {
            return;
        }
        self.taken = Duration::ZERO;
        let usual = Field { means: &self.usual, open: grid.open(), columns: self.columns };
        self.other.choose(usual);
        let lately = Field { means: &self.lately, ..usual };
        // A view that was not the same for all that time is no view; one without edges never fits.
        if self.other.fit(lately).is_some_and(|fit| fit >= FITS_WELL) {
            self.views[self.view].copy(&self.other);
        } else if is_new {
            self.learnt_for = Duration::ZERO;
            self.usual.copy_from_slice(&self.lately);
        }
    }

    fn fits(&mut self, passed: Duration, grid: &Grid, fit: f32) -> Option<PictureChange> {
        self.doubt = None;
        self.unsure_for = Duration::ZERO;
        self.fits_for += passed;
        if fit >= FITS_WELL && self.moved_since.is_none() {
            self.learn(passed, grid);
        }
        let since = self.moved_since.filter(|_| self.fits_for >= RECOVER)?;
        self.moved_since = None;
        Some(PictureChange::Ended { condition: Condition::Moved, since, relief: Relief::Passed })
    }

    /// Something else is seen than what was.
    fn doubts(&mut self, now: MediaTime, passed: Duration, grid: &Grid, fit: f32) -> Option<PictureChange> {
        self.unsure_for = Duration::ZERO;
        let fresh = Doubt { since: now, stands: Duration::ZERO, counted: false, searched: false, shift: None };
        let field = Field { means: &self.lately, open: grid.open(), columns: self.columns };
        let mut doubt = match self.doubt {
            Some(doubt) if self.other.fit(field).is_some_and(|fit| fit >= FITS) => {
                Doubt { stands: doubt.stands + passed, ..doubt }
            }
            before => {
                self.other.choose(field);
                Doubt { since: before.map_or(now, |before| before.since), ..fresh }
            }
        };
        if doubt.stands >= SETTLED && !doubt.counted {
            doubt.counted = true;
            self.count_jump(now);
        }
        if doubt.stands >= self.settings.after && !doubt.searched {
            doubt.searched = true;
            let (columns, rows) = (self.columns as f32, (grid.means().len() / self.columns.max(1)) as f32);
            let field = Field { means: &self.lately, open: grid.open(), columns: self.columns };
            let shift = self.views[self.view].displacement(field);
            doubt.shift = shift.map(|(right, down)| (right as f32 / columns, down as f32 / rows));
        }
        self.doubt = Some(doubt);
        match self.moved_since {
            Some(since) => self.stays_moved(now, since, doubt),
            None => self.may_have_moved(now, doubt, fit),
        }
    }

    fn may_have_moved(&mut self, now: MediaTime, doubt: Doubt, fit: f32) -> Option<PictureChange> {
        if self.is_travelling(now) || !self.settings.enabled {
            // Nobody is told; but what stays for that long is where it looks from now on.
            if doubt.stands >= self.settings.relearn {
                self.begin_anew();
            }
            return None;
        }
        let wanted = if doubt.shift.is_some() { self.settings.after } else { self.settings.after * 3 };
        if doubt.stands < wanted {
            return None;
        }
        self.moved_since = Some(doubt.since);
        let finding = Finding { value: fit, limit: self.settings.fit, shift: doubt.shift };
        Some(PictureChange::Began { condition: Condition::Moved, since: doubt.since, finding })
    }

    fn stays_moved(&mut self, now: MediaTime, since: MediaTime, doubt: Doubt) -> Option<PictureChange> {
        let relief = match () {
            () if self.is_travelling(now) => Relief::Touring,
            () if doubt.stands >= self.settings.relearn => Relief::Learnt,
            () => return None,
        };
        self.moved_since = None;
        if relief == Relief::Learnt {
            self.begin_anew();
        }
        Some(PictureChange::Ended { condition: Condition::Moved, since, relief })
    }

    /// Whether the camera moves by itself.
    fn is_travelling(&self, now: MediaTime) -> bool {
        self.settings.ptz || now < self.touring_until
    }

    fn count_jump(&mut self, now: MediaTime) {
        self.jumps.rotate_left(1);
        self.jumps[JUMPS - 1] = Some(now);
        if self.jumps[0].is_some_and(|first| now.since(first) < TOUR) {
            self.touring_until = now + TOUR;
        }
    }

    /// What stands there now is where the camera looks, by day and by night.
    fn begin_anew(&mut self) {
        self.views.iter_mut().for_each(Edges::clear);
        self.usual.copy_from_slice(&self.lately);
        (self.doubt, self.learnt_for, self.unsure_for) = (None, Duration::ZERO, Duration::ZERO);
    }
}

/// Moves each value towards that of `new` as time passes: by about two thirds in `follows` seconds.
fn blend(values: &mut [f32], new: &[f32], passed: Duration, follows: f32) {
    let weight = 1.0 - (-passed.as_secs_f32() / follows.max(f32::EPSILON)).exp();
    for (value, new) in values.iter_mut().zip(new) {
        *value += (new - *value) * weight;
    }
}
