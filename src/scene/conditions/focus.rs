//! Whether the picture is as sharp, and has as much contrast everywhere, as it had before under the same light.
//!
//! What each tile usually has is learnt for each [`Light`]: by day and by night, and for four levels of brightness, since a
//! lens is sharper stopped down, infrared focuses elsewhere, and noise comes with darkness. A brightness that is new borrows from
//! the nearest that is known. Nothing absolute is asked for: a
//! poor lens is not out of focus, and a wall without texture says nothing.
//!
//! *Defocused* is a picture whose tiles keep their contrast but have lost their fine detail: the median of what is left of
//! their sharpness is below `defocused_ratio`. *Degraded* is one in which tiles have lost their contrast, by comparison with
//! the rest of the picture or altogether, while nothing else has taken its place.

use std::time::Duration;

use super::latch::{Latch, Turn};
use super::tiles::{TILES, Tiles};
use crate::vocab::{Condition, Finding, MediaTime, PictureChange, Relief};

/// The contrast from which a tile can be judged, in levels of luma: more than noise has.
const TEXTURE: f32 = 8.0;
/// The sharpness from which there is fine detail that could be lost.
const DETAIL: f32 = 0.08;
/// The fewest tiles with which anything is said, and the share of the usual ones.
const FEWEST: usize = 8;
const ENOUGH: f32 = 0.4;
/// A tile that keeps less than this share of its contrast has lost it.
const LOST: f32 = 0.35;
/// By which factor sharpness must exceed its limit, and the share that is lost fall below it, to disprove a condition.
const SHARP: f32 = 1.4;
const CLEAR: f32 = 1.2;
/// How much more slowly contrast that was not there before becomes usual than contrast that is gone.
const RISES: f32 = 0.2;
/// How fast what is usual follows, seconds: slow enough that dirt of a day is not soon usual.
const FOLLOWS: f32 = 12.0 * 3600.0;
/// Levels of brightness, mean luma, and by how much they must be passed.
const LEVELS: [f32; 3] = [50.0, 90.0, 140.0];
const PASSED_BY: f32 = 4.0;

/// When a picture counts as out of focus or degraded.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether `defocused` is told.
    pub defocused: bool,
    /// How long it must last.
    pub defocused_after: Duration,
    /// The share of its usual sharpness that the picture must keep, 0..1.
    pub defocused_ratio: f32,
    /// Whether `degraded` is told.
    pub degraded: bool,
    /// How long it must last.
    pub degraded_after: Duration,
    /// The share of the picture that may be without contrast, 0..1.
    pub degraded_share: f32,
    /// How long what is usual is learnt under each light.
    pub learn: Duration,
}

/// The light under which a picture was taken.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Light {
    /// 0 by day, 1 by night.
    pub view: usize,
    level: usize,
    luma: f32,
}

impl Light {
    /// This light, seen as it was before where it has hardly changed.
    pub fn next(self, view: usize, luma: f32) -> Self {
        let plain = LEVELS.iter().filter(|level| luma >= **level).count();
        let near = |level: usize| LEVELS.get(level).is_some_and(|edge| (luma - edge).abs() < PASSED_BY);
        let stays = plain.abs_diff(self.level) == 1 && near(plain.min(self.level));
        Self { view, level: if stays { self.level } else { plain }, luma }
    }

    fn index(self) -> usize {
        self.view.min(1) * (LEVELS.len() + 1) + self.level
    }
}

/// What is usual under one light.
#[derive(Debug, Clone)]
struct Usual {
    coarse: [f32; TILES],
    sharpness: [f32; TILES],
    /// The mean luma of its pictures: contrast goes with it.
    luma: f32,
    learnt_for: Duration,
}

/// What a picture came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Judged {
    /// What is left of its sharpness, 1 for all.
    sharpness: Option<f32>,
    /// The share of the tiles that have lost their contrast.
    lost: Option<f32>,
}

/// Watches one camera's focus and contrast.
#[derive(Debug)]
pub struct FocusWatch {
    settings: Settings,
    usual: Vec<Usual>,
    defocused: Latch,
    degraded: Latch,
    /// Room for the values whose median is sought.
    room: Vec<f32>,
}

impl FocusWatch {
    /// One that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            usual: vec![Usual::new(); 2 * (LEVELS.len() + 1)],
            defocused: Latch::new(settings.defocused_after, Duration::from_secs(10)),
            degraded: Latch::new(settings.degraded_after, Duration::from_secs(60)),
            room: Vec::with_capacity(TILES),
            settings,
        }
    }

    /// Forgets what is usual: the camera looks elsewhere.
    pub fn forget(&mut self) {
        self.usual.iter_mut().for_each(|usual| *usual = Usual::new());
    }

    /// What was believed and is forgotten, as the picture has another size.
    pub fn reset(&mut self) -> impl Iterator<Item = PictureChange> + use<> {
        self.forget();
        let ended = |condition, latch: &mut Latch| {
            let since = latch.since();
            latch.reset().then_some(PictureChange::Ended { condition, since, relief: Relief::Resized })
        };
        let both = [ended(Condition::Defocused, &mut self.defocused), ended(Condition::Degraded, &mut self.degraded)];
        both.into_iter().flatten()
    }

    /// Takes for a light that is new what is usual at the nearest level of brightness, so that what comes with a change of the
    /// light is not learnt as usual. Day and night lend each other nothing.
    fn borrow_usual(&mut self, light: Light) {
        let levels = LEVELS.len() + 1;
        let (at, first) = (light.index(), light.view.min(1) * levels);
        if !self.usual[at].learnt_for.is_zero() {
            return;
        }
        let known = |index: &usize| self.usual[*index].learnt_for >= self.settings.learn;
        let nearest = (first..first + levels).filter(known).min_by_key(|index| index.abs_diff(at));
        if let Some(nearest) = nearest {
            self.usual[at] = self.usual[nearest].clone();
        }
    }

    /// Looks at the next picture, `passed` after the last, of which `fit` says how much of the view is where it was: `None`
    /// while that is still learnt.
    pub fn step(
        &mut self,
        now: MediaTime,
        passed: Duration,
        tiles: &Tiles,
        light: Light,
        fit: Option<f32>,
    ) -> [Option<PictureChange>; 2] {
        let fits = |at_least: f32| fit.is_none_or(|fit| fit >= at_least);
        self.borrow_usual(light);
        let usual = &self.usual[light.index()];
        let judged = if usual.learnt_for >= self.settings.learn {
            judge(usual, tiles, light.luma, &mut self.room)
        } else {
            Judged::default()
        };
        let sharpness = judged.sharpness.filter(|_| fits(super::view::FITS) && self.settings.defocused);
        let limit = self.settings.defocused_ratio * if self.defocused.is_on() { SHARP } else { 1.0 };
        let turn = self.defocused.step(now, passed, sharpness.map(|sharpness| sharpness < limit));
        let finding = |value: Option<f32>, limit| Finding { value: value.unwrap_or_default(), limit, shift: None };
        let first =
            turn.map(|turn| told(Condition::Defocused, turn, finding(sharpness, self.settings.defocused_ratio)));
        // A picture out of focus has less contrast, too.
        let is_blurred = self.defocused.is_on() || self.defocused.is_suspected();
        let lost = judged.lost.filter(|_| fits(0.3) && self.settings.degraded && !is_blurred);
        let limit = self.settings.degraded_share / if self.degraded.is_on() { CLEAR } else { 1.0 };
        let turn = self.degraded.step(now, passed, lost.map(|lost| lost >= limit));
        let second = turn.map(|turn| told(Condition::Degraded, turn, finding(lost, self.settings.degraded_share)));
        let is_doubtful = is_blurred || self.degraded.is_on() || self.degraded.is_suspected();
        if !is_doubtful && fits(0.8) {
            self.usual[light.index()].learn(tiles, light.luma, passed, self.settings.learn);
        }
        [first, second]
    }
}

impl Usual {
    fn new() -> Self {
        Self { coarse: [0.0; TILES], sharpness: [0.0; TILES], luma: 0.0, learnt_for: Duration::ZERO }
    }

    /// Takes the mean of all at first, and follows slowly later on.
    fn learn(&mut self, tiles: &Tiles, luma: f32, passed: Duration, learn: Duration) {
        let before = self.learnt_for;
        self.learnt_for += passed.min(learn / 4);
        let seconds = passed.as_secs_f32();
        let weight = match () {
            () if before.is_zero() => 1.0,
            () if before < learn => seconds / (seconds + before.as_secs_f32()),
            () => 1.0 - (-seconds / FOLLOWS).exp(),
        };
        self.luma += (luma - self.luma) * weight;
        for tile in 0..TILES {
            let more = tiles.coarse[tile] - self.coarse[tile];
            // What comes and goes adds contrast; what belongs there is what is left without it.
            self.coarse[tile] += more * if more > 0.0 && !before.is_zero() { weight * RISES } else { weight };
            self.sharpness[tile] += (tiles.sharpness[tile] - self.sharpness[tile]) * weight;
        }
    }
}

fn told(condition: Condition, turn: Turn, finding: Finding) -> PictureChange {
    match turn {
        Turn::On(since) => PictureChange::Began { condition, since, finding },
        Turn::Off(since) => PictureChange::Ended { condition, since, relief: Relief::Passed },
    }
}

/// Holds a picture against what is usual.
fn judge(usual: &Usual, tiles: &Tiles, luma: f32, room: &mut Vec<f32>) -> Judged {
    // In half the light there is half the contrast; in fog there is less contrast and more light.
    let light = (luma / usual.luma.max(1.0)).clamp(0.2, 5.0);
    let textured = |tile: &usize| tiles.open[*tile] && usual.coarse[*tile] * light.min(1.0) >= TEXTURE;
    let kept = |tile: usize| tiles.coarse[tile] / (usual.coarse[tile] * light);
    let detailed = |tile: &usize| textured(tile) && usual.sharpness[*tile] >= DETAIL;
    let all = (0..TILES).filter(detailed).count();
    room.clear();
    room.extend(
        (0..TILES)
            .filter(detailed)
            .filter(|tile| kept(*tile) >= LOST)
            .map(|tile| tiles.sharpness[tile] / usual.sharpness[tile]),
    );
    let is_enough = room.len() >= FEWEST && room.len() as f32 >= ENOUGH * all as f32;
    let sharpness = if is_enough { quantile(room, 0.5) } else { None };
    room.clear();
    room.extend((0..TILES).filter(textured).map(kept));
    let count = room.len();
    // What the better part of the picture keeps: light and weather take from all alike.
    let lost = quantile(room, 0.75).filter(|_| count >= FEWEST).map(|better| {
        if better < LOST {
            return 1.0;
        }
        let limit = LOST * better.min(1.0);
        (0..TILES).filter(textured).filter(|tile| kept(*tile) < limit).count() as f32 / count as f32
    });
    Judged { sharpness, lost }
}

/// The value below which this share of all lies.
fn quantile(values: &mut [f32], share: f32) -> Option<f32> {
    let at = ((values.len() as f32 * share) as usize).min(values.len().checked_sub(1)?);
    Some(*values.select_nth_unstable_by(at, f32::total_cmp).1)
}
