//! What a place that looks different and stands still is: something that was left, something that was removed, or light.
//!
//! **Left or removed.** Along the rim of what changed, an object has an edge in the picture in which it is there, and none
//! in the other. So whichever of the present picture and the background has the more of an edge there shows it (Connell et
//! al. 2004, "Detection and tracking in the IBM PeopleVision system", and Tian et al. 2011, "Robust detection of abandoned
//! and removed objects in complex surveillance videos", IEEE SMC-C 41(5)).
//!
//! **Light.** A lamp, a reflection or a shadow keeps what lies beneath: where there is texture, its gradients go the same
//! way before and after (Tian et al. 2011). And it fades out, where an object ends: at the rim the change is a small part
//! of what it is in the middle.

use super::cells::Cells;
use super::pieces::{Piece, Pieces};
use super::steadying::gradient;
use crate::vocab::RegionChange;

/// How much more of an edge one picture must have than the other.
const CLEARLY: f32 = 1.3;
/// Gradients that go the same way this far, as the cosine between all of them before and after, are the same texture.
const SAME_TEXTURE: f32 = 0.8;
/// The least mean square of gradients that is texture and not noise, levels per cell, squared.
const TEXTURE: f32 = 3.0;
/// The change at the rim, as a share of that in the middle, below which something fades out.
const FADES: f32 = 0.5;
/// How far from the rim the middle begins, in cells.
const DEEP: usize = 3;
/// The fewest cells inside a rim that say anything of the middle.
const INSIDE: usize = 6;

/// What became of a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    Changed(RegionChange),
    Light,
    Unclear,
}

/// What is added up over the cells of a piece.
#[derive(Debug, Default)]
struct Sums {
    /// Steps over the rim, now and in the background.
    edge_now: f32,
    edge_before: f32,
    /// How many cells lie at the rim and deep inside, and how far they depart.
    rim: (usize, f32),
    middle: (usize, f32),
    /// How many cells lie inside.
    inside: usize,
    /// Products of gradients inside: now and before, now, before.
    both: f32,
    now: f32,
    before: f32,
}

/// Judges `piece`, of which no cell is hidden.
pub(super) fn judge(cells: &Cells, pieces: &Pieces, piece: &Piece, belongs: impl Fn(usize) -> bool) -> Verdict {
    let mut sums = Sums::default();
    for at in pieces.cells_of(piece) {
        sums.add(cells, at, &belongs);
    }
    if sums.is_light() {
        return Verdict::Light;
    }
    match (sums.edge_now, sums.edge_before) {
        (now, before) if now > before * CLEARLY => Verdict::Changed(RegionChange::Left),
        (now, before) if before > now * CLEARLY => Verdict::Changed(RegionChange::Removed),
        _ => Verdict::Unclear,
    }
}

impl Sums {
    fn add(&mut self, cells: &Cells, at: usize, belongs: &impl Fn(usize) -> bool) {
        let Cells { columns, back, fresh, present, .. } = cells;
        let (column, row, rows) = (at % columns, at / columns, back.len() / columns);
        let neighbours = [
            (column > 0).then(|| at - 1),
            (column + 1 < *columns).then(|| at + 1),
            (row > 0).then(|| at - columns),
            (row + 1 < rows).then(|| at + columns),
        ];
        let apart = (fresh[at] - back[at]).abs();
        let mut is_rim = false;
        for beside in neighbours.into_iter().flatten().filter(|beside| !belongs(*beside)) {
            is_rim = true;
            self.edge_now += (fresh[at] - present[beside]).abs();
            self.edge_before += (back[at] - back[beside]).abs();
        }
        if is_rim {
            self.rim = (self.rim.0 + 1, self.rim.1 + apart);
        } else if is_deep(at, *columns, back.len(), belongs) {
            self.middle = (self.middle.0 + 1, self.middle.1 + apart);
        }
        self.inside += usize::from(!is_rim);
        if !is_rim {
            let ((nx, ny), (bx, by)) = (gradient(present, *columns, at), gradient(back, *columns, at));
            self.both += nx * bx + ny * by;
            self.now += nx * nx + ny * ny;
            self.before += bx * bx + by * by;
        }
    }

    fn is_light(&self) -> bool {
        let has_texture = self.inside >= INSIDE && self.now.min(self.before) > TEXTURE * self.inside as f32;
        let is_same = has_texture && self.both > SAME_TEXTURE * (self.now * self.before).sqrt();
        let mean = |(count, sum): (usize, f32)| sum / count.max(1) as f32;
        is_same || (self.middle.0 >= INSIDE && mean(self.rim) < FADES * mean(self.middle))
    }
}

/// Whether a cell lies so far inside that its neighbours at [`DEEP`] belong too.
fn is_deep(at: usize, columns: usize, cells: usize, belongs: &impl Fn(usize) -> bool) -> bool {
    let (column, down) = (at % columns, DEEP * columns);
    let is_within = column >= DEEP && column + DEEP < columns && at >= down && at + down < cells;
    is_within && [at - DEEP, at + DEEP, at - down, at + down].into_iter().all(belongs)
}
