//! A lamp that is switched: much that changes from one picture to the next, and smoothly.
//!
//! What a lamp lights becomes lighter by a share of what it was, all at once, little at its edges and more towards its middle;
//! what comes into the picture is as rough as it is, and ends where it ends. So a large piece of the picture that has jumped
//! one way, in which each cell has by nearly the same share as the cells beside it, and the cells at its rim by little, is
//! light: the background jumps with it, and so does what stands there. Whoever is followed is never light.

use super::cells::Cells;
use super::pieces::{Piece, Pieces, Span};

/// The least share of the picture that a lamp lights.
const LEAST: f32 = 0.01;
/// How much of a change the difference to the cell beside may be, on average, for the change to be smooth.
const SMOOTH: f32 = 0.22;
/// Nearly all of it must have become lighter, or darker: the sum of changes as a share of their amounts.
const ONE_WAY: f32 = 0.9;
/// The level of black, over which light is a share, and the least level that counts as above it.
const BLACK: f32 = 16.0;
/// How much of the change at the rim is the most that fades out.
const FADES: f32 = 0.4;
/// Of what jumps, less is looked at than of what departs: a lamp reaches far.
const JUMPS: f32 = 0.6;

/// Lets the background jump with what has been lit otherwise in this picture.
pub(super) fn relight(cells: &mut Cells, pieces: &mut Pieces, step: f32) {
    let least = (LEAST * cells.back.len() as f32) as usize;
    let jumps = |cells: &Cells, at: usize| cells.jump[at].abs() > step * JUMPS;
    let count = (0..cells.back.len()).filter(|at| jumps(cells, *at)).count();
    if count < least.max(1) {
        return;
    }
    let (columns, rows) = (cells.columns, cells.back.len() / cells.columns.max(1));
    pieces.find((columns, rows), 1, |at| jumps(cells, at) && !cells.followed[at] && !cells.is_hidden(at));
    let mut lit: Option<Span> = None;
    for piece in pieces.all().iter().filter(|piece| piece.cells >= least.max(1)) {
        if is_light(cells, pieces, piece, |at| jumps(cells, at)) {
            cells.jump_with(pieces.cells_of(piece));
            lit = Some(lit.map_or(piece.span, |lit| lit.around(piece.span)));
        }
    }
    if let Some(span) = lit {
        cells.settle(span, true);
    }
}

fn is_light(cells: &Cells, pieces: &Pieces, piece: &Piece, belongs: impl Fn(usize) -> bool) -> bool {
    let (mut steps, mut pairs, mut sum, mut signed) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
    let (mut rim, mut edge) = (0.0f32, 0.0f32);
    let all = cells.back.len();
    let share = |at: usize| cells.jump[at] / (cells.back[at] - BLACK).max(BLACK);
    for at in pieces.cells_of(piece) {
        let here = share(at);
        sum += here.abs();
        signed += here;
        for beside in [at + 1, at + cells.columns].into_iter().filter(|beside| *beside < all && belongs(*beside)) {
            steps += (here - share(beside)).abs();
            pairs += 1.0;
        }
        let around = [at.wrapping_sub(1), at + 1, at.wrapping_sub(cells.columns), at + cells.columns];
        if around.into_iter().any(|beside| beside < all && !belongs(beside)) {
            rim += here.abs();
            edge += 1.0;
        }
    }
    let mean = sum / piece.cells as f32;
    signed.abs() > ONE_WAY * sum && steps < SMOOTH * mean * pairs && rim < FADES * mean * edge
}
