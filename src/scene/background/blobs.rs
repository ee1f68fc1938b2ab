//! What moves, as boxes that a tracker can follow.
//!
//! Cells that depart from the background belong together where they nearly touch. Two that pass each other may become one
//! piece, and one whose colour is the ground's in places several; so each cell of a piece goes to the nearest of the places
//! in which somebody is expected there, and what nobody is expected in stays whole (the merging and splitting of McKenna et
//! al. 2000, "Tracking groups of people", by predicted boxes in place of colours). A piece that has long stood still is no
//! part of anything that moves, and one that is darker and keeps the ground's texture is a shadow.

use super::cells::Cells;
use super::pieces::{Piece, Pieces, Span};
use super::planes::gradient;
use crate::scene::Grid;
use crate::vocab::{Detection, Point, Rect};

/// After so long in place something is no longer moving, seconds.
const SETTLED: f32 = 5.0;
/// Cells of one thing are at most so far apart.
const REACH: usize = 3;
/// Gradients of a shadow go the ground's way this far, as a cosine.
const SHADOW: f32 = 0.75;
/// The least mean square of gradients that is texture, levels per cell, squared.
const TEXTURE: f32 = 9.0;
/// A piece with at least this share of an expected place's area, in that place, is part of what is expected there.
const PART: f32 = 0.05;
/// How far an expected place reaches beyond itself, as a share of its sides.
const AROUND: f32 = 0.15;
/// The score of every detection.
const SCORE: f32 = 0.9;

/// Finds them. Kept for its memory.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    pieces: Pieces,
    /// For each expected place what was found in it, and last what was found elsewhere.
    found: Vec<Option<(Span, usize)>>,
}

impl Blobs {
    /// See [`Background::moving`](super::Background::moving).
    pub fn find(&mut self, cells: &Cells, grid: &Grid, least: f32, expected: &[Rect], into: &mut Vec<Detection>) {
        into.clear();
        let size = (grid.columns(), grid.rows());
        let least = (least * (size.0 * size.1) as f32).max(4.0) as usize;
        self.pieces.find(size, REACH, |at| cells.changed[at] && cells.fresh_for[at] < SETTLED);
        self.found.clear();
        self.found.resize(expected.len(), None);
        for piece in self.pieces.all() {
            if piece.cells < least.div_ceil(4) || is_shadow(cells, &self.pieces, piece) {
                continue;
            }
            let place = grid.box_of(piece.span.columns, piece.span.rows);
            let is_here = |expected: &Rect| is_part(&place, expected);
            if !expected.iter().any(is_here) {
                if piece.cells >= least {
                    into.push(detection(grid, piece.span));
                }
                continue;
            }
            for at in self.pieces.cells_of(piece) {
                let nearest = nearest(expected, grid.middle_of(at), is_here);
                if let Some(found) = nearest.and_then(|index| self.found.get_mut(index)) {
                    let cell = Span::of_cell(at % size.0, at / size.0);
                    let (span, count) = found.unwrap_or((cell, 0));
                    *found = Some((span.around(cell), count + 1));
                }
            }
        }
        let found = self.found.iter().flatten().filter(|(_, count)| *count >= least);
        into.extend(found.map(|(span, _)| detection(grid, *span)));
    }
}

fn detection(grid: &Grid, span: Span) -> Detection {
    Detection::new(0, SCORE, grid.box_of(span.columns, span.rows))
}

/// Whether a piece is, at least in part, what is expected in a place.
fn is_part(piece: &Rect, expected: &Rect) -> bool {
    let (w, h) = (expected.width() * AROUND, expected.height() * AROUND);
    let around = Rect::new(expected.x1 - w, expected.y1 - h, expected.x2 + w, expected.y2 + h);
    let shared = piece.intersection(&around).area();
    shared >= 0.5 * piece.area() || shared >= PART.max(0.3) * expected.area()
}

/// Which of the `expected` places that count is the nearest to a point.
fn nearest(expected: &[Rect], at: Point, counts: impl Fn(&Rect) -> bool) -> Option<usize> {
    let distance = |place: &Rect| {
        // From the middle, in the place's own sizes: half is its edge.
        let centre = place.centre();
        let (x, y) = ((at.x - centre.x) / place.width().max(1e-3), (at.y - centre.y) / place.height().max(1e-3));
        x.abs().max(y.abs())
    };
    let places = expected.iter().enumerate().filter(|(_, place)| counts(place));
    places.min_by(|a, b| distance(a.1).total_cmp(&distance(b.1))).map(|(index, _)| index)
}

/// Whether a piece is the ground itself, only darker.
fn is_shadow(cells: &Cells, pieces: &Pieces, piece: &Piece) -> bool {
    let (mut both, mut now, mut before, mut apart) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
    for at in pieces.cells_of(piece) {
        let (nx, ny) = gradient(&cells.present, cells.ground.columns, at);
        let (bx, by) = gradient(&cells.ground.back, cells.ground.columns, at);
        both += nx * bx + ny * by;
        now += nx * nx + ny * ny;
        before += bx * bx + by * by;
        apart += cells.ground.apart[at];
    }
    let has_texture = now.min(before) > TEXTURE * piece.cells as f32;
    apart < 0.0 && has_texture && both > SHADOW * (now * before).sqrt()
}
