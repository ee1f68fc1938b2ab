//! The places that look different and stand still, from the first cells that have changed to the last.
//!
//! ```text
//!   changed cells ──▶ Watched ── nobody before it, for SHOWN: left or removed? ──▶ told, as a StaticRegion
//!                        │                                ╰── unclear for long ──▶ becomes background
//!                        ╰── looks like the background again ──▶ forgotten
//! ```
//!
//! **Covered.** Whoever stands still looks different too, and so does his shadow. A region is covered while a track that may
//! stand still (a person, an animal, a vehicle) is before it or right beside it, or casts it, and has been all the time; not by those who
//! pass by. When that track is lost where it was and the region stays, it is still he, if the region
//! is about as large as he was: for good if it is just as large, else for [`LOST`]. When the track is seen elsewhere, it is
//! not.
//!
//! **Owner.** The track that was nearest when the region began, if one was near.

use std::time::Duration;

use super::boxes::{Boxes, Covering, NEAR, apart, hides};
use super::pieces::{Piece, Pieces, Span};
use super::place::{Look, Place};
use super::verdict::judge;
use crate::scene::Grid;
use crate::vocab::{Cover, MediaTime, Owner, Rect, RegionChange, StaticRegion};

/// The most regions at a time.
const MOST: usize = 64;
/// The fewest cells of a region, how many of them must have changed clearly, and how far apart they are at most.
const FEWEST: usize = 5;
const CLEAR: usize = 3;
const REACH: usize = 3;
/// A region that covers more of the picture than this, and nobody is before it, was the light.
const LARGEST: f32 = 0.2;
/// A piece belongs to a region where it has so much of the smaller of the two.
const SAME_PLACE: f32 = 0.3;
/// How long a region is kept without any changed cell.
const GONE_AFTER: Duration = Duration::from_millis(1_200);
/// How long something must have stood for it to be said what it is, and how long what shows beside it later is part of it.
const SHOWN: Duration = Duration::from_millis(2_600);
const YOUNG: Duration = Duration::from_secs(8);
/// How far apart it may have come to look as it does.
const TOGETHER: Duration = Duration::from_secs(1);
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
const SHOWS_AFTER: Duration = Duration::from_millis(2_200);
/// The share of its cells without which a region is no more.
const STILL_THERE: f32 = 0.3;
/// The least share of the picture that an object covers.
const LEAST: f32 = 0.0008;
/// How many cells around it are partly it: its soft edges and those of its shadow.
const MIXED: usize = 1;
/// By how many levels, in parts of a step, what stands there departs inside its edges too.
const INSIDE: f32 = 0.4;

/// A place that looks different.
#[derive(Debug, Clone)]
struct Region {
    id: u64,
    span: Span,
    cells: usize,
    /// How many cells it had when it became known what it is.
    whole: usize,
    since: MediaTime,
    /// When it last had changed cells.
    seen: MediaTime,
    change: Option<RegionChange>,
    contrast: f32,
    cover: Option<Covering>,
    /// When whoever was before it had gone.
    bared: Option<MediaTime>,
    owner: Option<Owner>,
    /// What belongs to it of what stands there now.
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
    /// Kept for its memory.
    times: Vec<MediaTime>,
    next: u64,
    boxes: Boxes,
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
    }

    /// Takes in what stands there; `step` as in [`Settings`](super::Settings).
    pub fn step(&mut self, now: MediaTime, place: &mut Place, grid: &Grid, step: f32) {
        self.gather(now, place, grid);
        self.all.retain(|region| now.since(region.seen) <= GONE_AFTER);
        self.learn(now, place);
        self.judge(now, place, grid);
        self.hold(place, grid, step);
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

    /// Gives each piece of changed cells to the region whose place it has, or makes it one.
    fn gather(&mut self, now: MediaTime, place: &Place, grid: &Grid) {
        let size = (grid.columns(), grid.rows());
        // What is known already keeps its place; what comes to stand beside it is another.
        self.claimed.clear();
        self.claimed.resize(size.0 * size.1, false);
        for region in &mut self.all {
            region.found = region.change.and_then(|_| region.claim(place, &mut self.claimed));
        }
        let claimed = &self.claimed;
        self.pieces.find(size, REACH, |at| place.is_changed(at) && !claimed[at]);
        let known = self.all.len();
        for index in 0..self.pieces.all().len() {
            let piece = self.pieces.all()[index];
            let clear = self.pieces.cells_of(&piece).filter(|at| place.look[*at] == Look::Clear).count();
            if piece.cells < FEWEST || clear < CLEAR {
                continue;
            }
            let since = self.since(&piece, place);
            let of = self.home(known, &piece).or_else(|| self.joins(now, &piece, since, grid));
            match of {
                Some(of) => {
                    let region = &mut self.all[of];
                    let (span, count) = region.found.unwrap_or((piece.span, 0));
                    region.found = Some((span.around(piece.span), count + piece.cells));
                }
                None if self.all.len() < MOST => self.begin(now, &piece, since, grid),
                None => {}
            }
        }
        for region in &mut self.all {
            if let Some((span, count)) = region.found {
                let grows = count > region.cells && region.change.is_some();
                region.whole = if grows { region.whole.max(count) } else { region.whole };
                (region.span, region.cells, region.seen) = (span, count, now);
            }
        }
    }

    /// The region, of those of which it is not known what they are, that has the place of a piece.
    fn home(&self, known: usize, piece: &Piece) -> Option<usize> {
        let share = |region: &Region| {
            let smaller = region.span.area().min(piece.span.area()).max(1);
            region.span.shared(piece.span) as f32 / smaller as f32
        };
        let unknown = self.all[..known].iter().enumerate().filter(|(_, region)| region.change.is_none());
        let best = unknown.map(|(index, region)| (index, share(region))).max_by(|a, b| a.1.total_cmp(&b.1));
        best.filter(|(_, share)| *share >= SAME_PLACE).map(|(index, _)| index)
    }

    /// The region beside a piece that came with it.
    fn joins(&self, now: MediaTime, piece: &Piece, since: MediaTime, grid: &Grid) -> Option<usize> {
        let of = self.all.iter().position(|region| {
            let is_young = now.since(region.since) < YOUNG && within(region.since, since, SHOWN);
            is_young && !region.is_covered(now) && region.span.widened(REACH).shared(piece.span) > 0
        })?;
        let bbox = grid.box_of(piece.span.columns, piece.span.rows);
        self.boxes.covering(since, now, &bbox).is_none().then_some(of)
    }

    /// Since when most of a piece has looked as it does.
    fn since(&mut self, piece: &Piece, place: &Place) -> MediaTime {
        middle(&mut self.times, self.pieces.cells_of(piece).map(|at| place.since[at])).unwrap_or_default()
    }

    fn begin(&mut self, now: MediaTime, piece: &Piece, since: MediaTime, grid: &Grid) {
        let bbox = grid.box_of(piece.span.columns, piece.span.rows);
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
            cover: self.boxes.covering(since, now, &bbox),
            bared: None,
            owner: self.boxes.owner(since, &bbox),
            found: Some((piece.span, piece.cells)),
        });
    }

    /// Learns what belongs to the place by now.
    fn learn(&mut self, now: MediaTime, place: &mut Place) {
        for region in self.all.iter_mut().filter(|region| region.found.is_some()) {
            let share = region.cells as f32 / place.ground.back.len().max(1) as f32;
            let is_late = match region.change {
                Some(_) => now.since(region.since) >= BELONGS_AFTER,
                // It may have been drawn along by whoever stood there and has gone: what has looked the same counts.
                None => {
                    middle(&mut self.times, region.changed(place)).is_some_and(|since| now.since(since) >= UNCLEAR_FOR)
                }
            };
            if !region.is_covered(now) && (is_late || share > LARGEST) {
                region.each(place.ground.columns).for_each(|at| place.absorb(at));
                region.cells = 0;
            }
        }
        self.all.retain(|region| region.cells > 0);
    }

    /// Says what each region is of which that is not known yet.
    fn judge(&mut self, now: MediaTime, place: &Place, grid: &Grid) {
        for index in 0..self.all.len() {
            let region = &self.all[index];
            if region.found.is_none() || region.is_covered(now) || region.change.is_some() {
                continue;
            }
            let since = middle(&mut self.times, region.changed(place)).filter(|since| now.since(*since) >= SHOWN);
            let Some(since) = since else { continue };
            let (span, cells) = region.came_at(since, place);
            // Whoever came with it has been before it ever since, whatever was there before him.
            if let Some(cover) = self.boxes.covering(since, now, &grid.box_of(span.columns, span.rows)) {
                let region = &mut self.all[index];
                (region.cover, region.since) = (Some(cover), since);
                continue;
            }
            let change = judge(place, span);
            let region = &mut self.all[index];
            (region.span, region.cells, region.whole) = (span, cells, cells);
            (region.change, region.since) = (change, since);
            region.owner = region.owner.or_else(|| self.boxes.owner(since, &region.place(grid)));
            let departs = region
                .each(place.ground.columns)
                .filter(|at| place.is_changed(*at))
                .map(|at| place.ground.apart[at].abs());
            region.contrast = departs.sum::<f32>() / region.cells.max(1) as f32;
        }
    }

    /// Keeps what stands there from being learnt.
    fn hold(&self, place: &mut Place, grid: &Grid, step: f32) {
        place.held.fill(false);
        for region in &self.all {
            for at in region.may_belong(grid) {
                place.held[at] = place.ground.apart[at].abs() > INSIDE * step;
            }
        }
    }
}

impl Region {
    fn is_covered(&self, now: MediaTime) -> bool {
        self.cover.is_some() || self.bared.is_some_and(|bared| now.since(bared) < SHOWS_AFTER)
    }

    /// Since when each of its changed cells has looked as it does.
    fn changed<'a>(&self, place: &'a Place) -> impl Iterator<Item = MediaTime> + use<'a> {
        self.each(place.ground.columns).filter(|at| place.is_changed(*at)).map(|at| place.since[at])
    }

    /// The cells of its span.
    fn each(&self, columns: usize) -> impl Iterator<Item = usize> + Clone + use<> {
        self.span.cells(columns)
    }

    /// The cells that may belong to it: those of its span; and, before it is known what it is, those around, which may be
    /// partly it.
    fn may_belong(&self, grid: &Grid) -> impl Iterator<Item = usize> + Clone + use<> {
        let around = if self.change.is_none() { MIXED } else { 0 };
        self.span.widened(around).within(grid.columns(), grid.rows()).cells(grid.columns())
    }

    /// What of it came at about `since`: whoever stood beside it did not, who was part of it until he went.
    fn came_at(&self, since: MediaTime, place: &Place) -> (Span, usize) {
        let came = |at: &usize| place.is_changed(*at) && within(place.since[*at], since, TOGETHER);
        let cells = self.each(place.ground.columns).filter(came);
        let spans = cells.map(|at| Span::of_cell(at % place.ground.columns, at / place.ground.columns));
        let all = spans.fold(None, |all: Option<(Span, usize)>, cell| {
            Some(all.map_or((cell, 1), |(span, count)| (span.around(cell), count + 1)))
        });
        all.filter(|(_, count)| *count >= FEWEST && count * 2 >= self.cells).unwrap_or((self.span, self.cells))
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

    /// Takes the changed cells in its place, if enough of them are left.
    fn claim(&self, place: &Place, claimed: &mut [bool]) -> Option<(Span, usize)> {
        let mut count = 0;
        for at in self.each(place.ground.columns).filter(|at| place.is_changed(*at)) {
            claimed[at] = true;
            count += 1;
        }
        (count as f32 >= STILL_THERE * self.whole as f32).then_some((self.span, count))
    }
}

/// The middle one of some moments; `sorted` is kept for its memory.
fn middle(sorted: &mut Vec<MediaTime>, of: impl Iterator<Item = MediaTime>) -> Option<MediaTime> {
    sorted.clear();
    sorted.extend(of);
    let middle = sorted.len() / 2;
    (middle < sorted.len()).then(|| *sorted.select_nth_unstable(middle).1)
}

/// Whether two moments are at most so far apart.
fn within(one: MediaTime, other: MediaTime, span: Duration) -> bool {
    one.since(other).max(other.since(one)) <= span
}
