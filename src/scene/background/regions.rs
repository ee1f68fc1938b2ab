//! The places that look different and stand still, from the first static cells to the last.
//!
//! ```text
//!   static cells ──▶ Watched ── nobody before it: left, removed or light? ──▶ told, as a StaticRegion
//!                       │                              ╰── light ──▶ becomes background
//!                       ╰── looks like the background again, or never was steady ──▶ forgotten
//! ```
//!
//! **Covered.** Whoever stands still looks static too, and so does his shadow. A region is covered while a track that may
//! stand still (a person, an animal, a vehicle) is before it or right beside it, and has been all the time; not by those who
//! pass by. When that track is lost where it was and the region stays, it is still he, if the region
//! is about as large as he was: for good if it is just as large, else for [`LOST`]. When the track is seen elsewhere, it is
//! not.
//!
//! **Owner.** The track that was nearest when the region began, if one was near.

use std::time::Duration;

use super::boxes::{Boxes, Covering, NEAR, apart, hides};
use super::cells::Cells;
use super::pieces::{Piece, Pieces, Span};
use super::verdict::{Verdict, judge};
use crate::scene::Grid;
use crate::vocab::{Cover, MediaTime, Owner, Rect, RegionChange, StaticRegion};

/// The most regions at a time.
const MOST: usize = 64;
/// The fewest cells of a region, and how far apart they are at most.
const FEWEST: usize = 5;
const REACH: usize = 4;
/// A region that covers more of the picture than this, and nobody is before it, was the light.
const LARGEST: f32 = 0.2;
/// A piece belongs to a region where it has so much of the smaller of the two.
const SAME_PLACE: f32 = 0.3;
/// How long a region is kept without any static cell, and how long if somebody is before it then.
const GONE_AFTER: Duration = Duration::from_millis(1_200);
const HIDDEN_FOR: Duration = Duration::from_secs(120);
/// How long it may be unclear whether something was left or removed before it is learnt.
const UNCLEAR_FOR: Duration = Duration::from_secs(60);
/// After so long an object belongs to the place.
const BELONGS_AFTER: Duration = Duration::from_secs(3600);
/// How long a region is believed to be a track that was lost there, and how alike the boxes must be; and how alike for
/// ever.
const LOST: Duration = Duration::from_secs(60);
const LIKE: f32 = 0.25;
const JUST_LIKE: f32 = 0.5;
/// Whoever was lost this near to the left or right edge of the picture has left it.
const EDGE: f32 = 0.01;
/// How long after whoever was before it has gone a region shows what it is: what was he is background again by then.
const SHOWS_AFTER: Duration = Duration::from_millis(1_800);
/// Nobody puts down so many things in one moment, which is so long: that was the light.
const AT_ONCE: usize = 4;
const SAME_MOMENT: Duration = Duration::from_millis(500);
/// The share of its cells without which a region is no more.
const STILL_THERE: f32 = 0.3;
/// The least share of the picture that an object covers.
const LEAST: f32 = 0.0008;
/// What began when so much of the picture changed at once, or so shortly before or after, needs an owner.
const SUDDEN: Duration = Duration::from_millis(1_500);

/// A place that looks different.
#[derive(Debug, Clone)]
struct Region {
    id: u64,
    span: Span,
    cells: usize,
    /// How many cells it had when it became known what it is.
    whole: usize,
    since: MediaTime,
    /// When it last had static cells.
    seen: MediaTime,
    change: Option<RegionChange>,
    contrast: f32,
    cover: Option<Covering>,
    /// When whoever was before it had gone.
    bared: Option<MediaTime>,
    owner: Option<Owner>,
    /// The pieces of this picture that belong to it.
    found: Option<(Span, usize)>,
}

/// The regions of one camera.
#[derive(Debug, Default)]
pub(super) struct Regions {
    all: Vec<Region>,
    told: Vec<StaticRegion>,
    pieces: Pieces,
    /// The cells of regions of which it is known what they are.
    claimed: Vec<bool>,
    /// The region of each piece, by its id; 0 for none.
    of_piece: Vec<u64>,
    /// Kept for its memory.
    ages: Vec<f32>,
    next: u64,
    boxes: Boxes,
    /// When much of the picture last changed at once.
    sudden: Option<MediaTime>,
    /// When what was light began last.
    lit: Option<MediaTime>,
}

impl Regions {
    /// What was found last.
    pub fn told(&self) -> &[StaticRegion] {
        &self.told
    }

    /// Another picture size: nothing found before is worth anything.
    pub fn clear(&mut self) {
        self.all.clear();
        self.told.clear();
        (self.sudden, self.lit) = (None, None);
    }

    /// Much of the picture has changed at once.
    pub fn light_changed(&mut self, now: MediaTime) {
        self.sudden = Some(now);
    }

    /// Takes in the cells of a picture.
    pub fn step(&mut self, now: MediaTime, cells: &mut Cells, grid: &Grid) {
        self.gather(now, cells, grid);
        self.forget(now, cells, grid);
        self.judge(now, cells);
        self.told.clear();
        let told = self.all.iter().filter_map(|region| region.told(now, grid));
        self.told.extend(told);
    }

    /// Takes in who is followed, after a look.
    pub fn cover(&mut self, now: MediaTime, tracks: &[Cover], grid: &Grid) {
        self.boxes.remember(now, tracks);
        for region in &mut self.all {
            region.cover_by(now, tracks, &self.boxes, grid);
            region.follow_owner(now, tracks, grid);
        }
    }

    /// Gives each piece of static cells to the region whose place it has, or makes it one.
    fn gather(&mut self, now: MediaTime, cells: &Cells, grid: &Grid) {
        let size = (grid.columns(), grid.rows());
        self.of_piece.clear();
        // What is known already keeps its place; what comes to stand beside it is another.
        self.claimed.clear();
        self.claimed.resize(size.0 * size.1, false);
        for region in &mut self.all {
            region.found = region.change.and_then(|_| region.claim(cells, &mut self.claimed));
        }
        let claimed = &self.claimed;
        self.pieces.find(size, REACH, |at| cells.is_static(at) && !claimed[at]);
        let known = self.all.len();
        for index in 0..self.pieces.all().len() {
            let piece = self.pieces.all()[index];
            self.of_piece.push(0);
            if piece.cells < FEWEST {
                continue;
            }
            let share = |region: &Region| {
                if region.change.is_some() {
                    return 0.0;
                }
                let smaller = region.span.area().min(piece.span.area()).max(1);
                region.span.shared(piece.span) as f32 / smaller as f32
            };
            let shares = self.all[..known].iter().map(share).enumerate();
            let best = shares.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, share)| *share >= SAME_PLACE);
            match best {
                Some((best, _)) => {
                    let region = &mut self.all[best];
                    let (span, count) = region.found.unwrap_or((piece.span, 0));
                    region.found = Some((span.around(piece.span), count + piece.cells));
                    self.of_piece[index] = region.id;
                }
                None if self.all.len() < MOST => {
                    self.begin(now, &piece, cells, grid);
                    self.of_piece[index] = self.next;
                }
                None => {}
            }
        }
        for region in &mut self.all {
            if let Some((span, count)) = region.found {
                (region.span, region.cells, region.seen) = (span, count, now);
            }
        }
    }

    fn begin(&mut self, now: MediaTime, piece: &Piece, cells: &Cells, grid: &Grid) {
        // It began when most of it had: some cells may have been something else before.
        self.ages.clear();
        self.ages.extend(self.pieces.cells_of(piece).map(|at| cells.fresh_for[at]));
        let (_, age, _) = self.ages.select_nth_unstable_by(piece.cells / 3, f32::total_cmp);
        let since = now - Duration::from_secs_f32(*age);
        let place = grid.box_of(piece.span.columns, piece.span.rows);
        self.next += 1;
        self.all.push(Region {
            id: self.next,
            span: piece.span,
            cells: piece.cells,
            whole: piece.cells,
            since,
            seen: now,
            change: None,
            contrast: 0.0,
            cover: self.boxes.covering(since, now, &place),
            bared: None,
            owner: self.boxes.owner(since, &place),
            found: Some((piece.span, piece.cells)),
        });
    }

    /// Ends regions that are no more, and learns those that belong to the place by now.
    fn forget(&mut self, now: MediaTime, cells: &mut Cells, grid: &Grid) {
        self.all.retain(|region| {
            let unseen = now.since(region.seen);
            if unseen <= GONE_AFTER {
                return true;
            }
            unseen <= HIDDEN_FOR && region.change.is_some() && region.is_hidden(cells)
        });
        let mut lit = None;
        for region in self.all.iter_mut().filter(|region| region.found.is_some()) {
            let is_covered = region.is_covered(now);
            let share = region.cells as f32 / (grid.columns() * grid.rows()).max(1) as f32;
            let age = now.since(region.since);
            let is_late = age >= BELONGS_AFTER || (region.change.is_none() && age >= UNCLEAR_FOR);
            if !is_covered && (is_late || share > LARGEST) {
                region.absorb(cells, &self.pieces, &self.of_piece, &mut lit);
            }
        }
        if let Some(span) = lit {
            cells.settle(span, false);
        }
        self.all.retain(|region| region.cells > 0);
    }

    /// Says what each region is of which that is not known yet.
    fn judge(&mut self, now: MediaTime, cells: &mut Cells) {
        let mut light = Vec::new();
        for index in 0..self.all.len() {
            let region = &self.all[index];
            if region.found.is_none() || region.is_covered(now) || region.change.is_some() {
                continue;
            }
            let is_lit = self.lit.is_some_and(|at| within(at, region.since, SAME_MOMENT));
            if is_lit || self.all.iter().filter(|other| other.began_with(region)).count() >= AT_ONCE {
                light.push(index);
                continue;
            }
            // The largest of its pieces speaks for it.
            let mine = self.pieces.all().iter().zip(&self.of_piece).filter(|(_, of)| **of == region.id);
            let Some((piece, _)) = mine.max_by_key(|(piece, _)| piece.cells) else { continue };
            let is_sudden = self.sudden.is_some_and(|at| within(at, region.since, SUDDEN));
            let verdict = judge(cells, &self.pieces, piece, |at| cells.is_static(at) || cells.changed[at]);
            match verdict {
                Verdict::Light => light.push(index),
                Verdict::Changed(_) if is_sudden && region.owner.is_none() => light.push(index),
                Verdict::Changed(change) => {
                    let contrast = self.pieces.cells_of(piece).map(|at| (cells.fresh[at] - cells.back[at]).abs());
                    let contrast = contrast.sum::<f32>() / piece.cells as f32;
                    let region = &mut self.all[index];
                    (region.change, region.contrast, region.whole) = (Some(change), contrast, region.cells);
                }
                Verdict::Unclear => {}
            }
        }
        let mut lit = None;
        for index in light {
            let region = &mut self.all[index];
            self.lit = Some(region.since).filter(|_| region.cells * 500 > cells.back.len()).or(self.lit);
            region.absorb(cells, &self.pieces, &self.of_piece, &mut lit);
        }
        if let Some(span) = lit {
            cells.settle(span, false);
        }
        self.all.retain(|region| region.cells > 0);
    }
}

impl Region {
    fn is_covered(&self, now: MediaTime) -> bool {
        self.cover.is_some() || self.bared.is_some_and(|bared| now.since(bared) < SHOWS_AFTER)
    }

    /// Whether both began in the same moment.
    fn began_with(&self, other: &Self) -> bool {
        within(self.since, other.since, SAME_MOMENT)
    }

    fn told(&self, now: MediaTime, grid: &Grid) -> Option<StaticRegion> {
        let all = (grid.columns() * grid.rows()).max(1) as f32;
        self.change.filter(|_| self.cells as f32 >= LEAST * all).map(|change| StaticRegion {
            id: self.id,
            change,
            bbox: self.place(grid),
            area: self.cells as f32 / all,
            since: self.since,
            contrast: self.contrast,
            is_covered: self.is_covered(now) || self.seen < now,
            owner: self.owner,
        })
    }

    fn place(&self, grid: &Grid) -> Rect {
        grid.box_of(self.span.columns, self.span.rows)
    }

    fn cover_by(&mut self, now: MediaTime, tracks: &[Cover], boxes: &Boxes, grid: &Grid) {
        let place = self.place(grid);
        let covers = |track: &&Cover| track.is_mover && hides(&track.bbox, &place);
        let stays = |track: &&Cover| boxes.stay_before(track.track, &place, self.since);
        if let Some(Cover { track, bbox, .. }) = tracks.iter().filter(covers).find(stays) {
            self.cover = Some(Covering { track: *track, bbox: *bbox, last: now });
            return;
        }
        let Some(Covering { track, bbox, last }) = self.cover else { return };
        let is_elsewhere = tracks.iter().any(|other| other.track == track && other.is_seen);
        let has_left = bbox.x1 <= EDGE || bbox.x2 >= 1.0 - EDGE;
        let alike = place.iou(&bbox);
        let is_he = !has_left && (alike >= JUST_LIKE || (alike >= LIKE && now.since(last) <= LOST));
        if is_elsewhere || !is_he {
            (self.cover, self.bared) = (None, Some(now));
        }
    }

    fn follow_owner(&mut self, now: MediaTime, tracks: &[Cover], grid: &Grid) {
        let place = self.place(grid);
        let Some(owner) = &mut self.owner else { return };
        let Some(track) = tracks.iter().find(|track| track.track == owner.track && track.is_seen) else { return };
        owner.distance = apart(&track.bbox, &place);
        if owner.distance <= NEAR {
            owner.near = now;
        }
    }

    /// Takes the static cells in its place, if enough of them are left.
    fn claim(&self, cells: &Cells, claimed: &mut [bool]) -> Option<(Span, usize)> {
        let [left, right] = self.span.columns;
        let mut count = 0;
        for row in self.span.rows[0]..self.span.rows[1] {
            let first = row * cells.columns;
            for (at, claimed) in claimed.iter_mut().enumerate().take(first + right).skip(first + left) {
                *claimed = cells.is_static(at);
                count += usize::from(*claimed);
            }
        }
        (count as f32 >= STILL_THERE * self.whole as f32).then_some((self.span, count))
    }

    /// Whether for the most part something is before it that is not the background.
    fn is_hidden(&self, cells: &Cells) -> bool {
        let [left, right] = self.span.columns;
        let rows = self.span.rows[0]..self.span.rows[1];
        let changed =
            rows.map(|row| (left..right).filter(|column| cells.changed[row * cells.columns + column]).count());
        changed.sum::<usize>() * 2 > self.span.area()
    }

    /// Makes it background, and adds its place to `lit`.
    fn absorb(&mut self, cells: &mut Cells, pieces: &Pieces, of_piece: &[u64], lit: &mut Option<Span>) {
        if self.change.is_some() {
            let [left, right] = self.span.columns;
            let columns = cells.columns;
            let rows = self.span.rows[0]..self.span.rows[1];
            let all = rows.flat_map(|row| row * columns + left..row * columns + right);
            let mine: Vec<usize> = all.filter(|at| cells.is_static(*at)).collect();
            cells.absorb(mine.into_iter());
        } else {
            let mine = pieces.all().iter().zip(of_piece).filter(|(_, of)| **of == self.id);
            mine.for_each(|(piece, _)| cells.absorb(pieces.cells_of(piece)));
        }
        *lit = Some(lit.map_or(self.span, |lit| lit.around(self.span)));
        self.cells = 0;
    }
}

/// Whether two moments are at most so far apart.
fn within(one: MediaTime, other: MediaTime, span: Duration) -> bool {
    one.since(other).max(other.since(one)) <= span
}
