//! A camera that trembles or slowly gives way: the shift of the whole picture, and what it makes of what departs.
//!
//! The shift is found by one step of Lucas and Kanade (1981): what best explains the departures by the background's own
//! gradients, of which only edges say anything. That finds up to about a cell; what has shifted by more than half of one
//! for two pictures is taken back by moving all that is remembered by a whole cell, so that a mast that leans in the sun is
//! followed however far it goes.

use super::planes::gradient;

/// The least gradient that is an edge, levels per cell.
const EDGE: f32 = 3.0;
/// A departure beyond this is something before the edge and not its shift.
const BEFORE_IT: f32 = 60.0;
/// The fewest edges that say anything, and about how many are looked at.
const EDGES: std::ops::RangeInclusive<usize> = 24..=2048;
/// Below this a shift, in cells, is not worth taking back; from the other on it is worth a whole cell.
const LEAST: f32 = 0.04;
const HALF: f32 = 0.55;
/// More than this was never a shift.
const MOST: f32 = 1.5;

/// Finds shifts. Kept for its memory.
#[derive(Debug, Default)]
pub(super) struct Steadying {
    /// Cells with an edge.
    edges: Vec<u32>,
    /// By how many whole cells right and down the last picture seemed to have moved.
    whole: [i8; 2],
}

/// How a picture has shifted against the background.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Shift {
    /// What times the gradient of the background is to be taken from what departs, right and down.
    pub taken: (f32, f32),
    /// Whole cells by which what is remembered is to be moved, right and down.
    pub whole: [i8; 2],
    /// The share of what departs at edges, squared, that it explains.
    pub explained: f32,
}

impl Shift {
    /// Whether it is about a cell.
    pub fn is_far(self) -> bool {
        self.taken.0.abs().max(self.taken.1.abs()) >= HALF
    }
}

impl Steadying {
    /// Looks for the edges of `back` anew.
    pub fn learn(&mut self, back: &[f32], columns: usize) {
        self.edges.clear();
        let steep = (0..back.len()).filter(|at| {
            let (x, y) = gradient(back, columns, *at);
            x * x + y * y >= EDGE * EDGE
        });
        self.edges.extend(steep.map(|at| at as u32));
    }

    /// How the picture has shifted of which `apart` is the departure from `back`; none where that is too little to matter or
    /// cannot be told.
    pub fn find(&mut self, back: &[f32], apart: &[f32], open: &[bool], columns: usize) -> Option<Shift> {
        let (mut xx, mut xy, mut yy, mut xr, mut yr, mut rr, mut n) =
            (0.0f32, 0.0f32, 0.0f32, 0.0f32, 0.0f32, 0.0f32, 0);
        for at in self.edges.iter().step_by(1 + self.edges.len() / EDGES.end()).map(|at| *at as usize) {
            if !open[at] || apart[at].abs() > BEFORE_IT {
                continue;
            }
            let (gx, gy) = gradient(back, columns, at);
            xx += gx * gx;
            xy += gx * gy;
            yy += gy * gy;
            xr += gx * apart[at];
            yr += gy * apart[at];
            rr += apart[at] * apart[at];
            n += 1;
        }
        let determinant = xx * yy - xy * xy;
        // Without edges in two directions nothing says which way it went.
        if n < *EDGES.start() || determinant < 0.02 * (xx + yy) * (xx + yy) {
            return None;
        }
        let taken = ((xr * yy - yr * xy) / determinant, (yr * xx - xr * xy) / determinant);
        let far = taken.0.abs().max(taken.1.abs());
        let explained = (taken.0 * xr + taken.1 * yr) / rr.max(1.0);
        (LEAST..=MOST).contains(&far).then(|| Shift { taken, whole: self.agreed(taken), explained })
    }

    /// The whole cells that this picture and the last agree on. What moved right departs by the negative of the gradient.
    fn agreed(&mut self, taken: (f32, f32)) -> [i8; 2] {
        let whole = [taken.0, taken.1].map(|taken| if taken.abs() >= HALF { -taken.signum() as i8 } else { 0 });
        let before = std::mem::replace(&mut self.whole, whole);
        let agreed = [0, 1].map(|i| if whole[i] == before[i] { whole[i] } else { 0 });
        if agreed != [0, 0] {
            self.whole = [0, 0];
        }
        agreed
    }
}
