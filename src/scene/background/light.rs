//! The light of the whole picture: what changes everywhere at once is no object.
//!
//! The present picture is the background times a gain, plus an offset: clouds, and the camera's own exposure, which a
//! white car alone may turn down by a third. Exposure is a gain over black, after the camera's gamma too, so the offset is
//! held near none where the contrast of the picture does not tell the two apart. Both are fitted by least squares through
//! the cells in which nothing was before: around what they were in the last picture; and, where that leaves much
//! unexplained, around the gain between the medians, for a lamp that is switched. What leaves less unexplained is taken.
/// Cells that depart further than this from a fit are left out of the next.
const TRIMMED: f32 = 12.0;
/// The same for a light of which nothing is known.
const TRIMS: [f32; 3] = [30.0, 18.0, TRIMMED];
/// The level of black.
const BLACK: f32 = 16.0;
/// How firmly the offset is held: as if so large a share of the cells had said that there is none.
const HELD: f32 = 0.1;
/// A cell further than this from what the light explains is not explained.
const UNEXPLAINED: f32 = 8.0;
/// Every so manieth cell is looked at; a number that no usual row is a multiple of, so that all columns have their turn.
const EVERY: usize = 7;

/// How the present picture comes of the background.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Light {
    pub gain: f32,
    pub offset: f32,
}

impl Light {
    /// The background's own.
    pub const SAME: Self = Self { gain: 1.0, offset: 0.0 };

    fn of_gain(gain: f32) -> Self {
        Self { gain, offset: BLACK * (1.0 - gain) }
    }

    /// Whether it departs so far from the background's own that the background should be brought into it.
    pub fn is_far(self) -> bool {
        !(0.8..=1.25).contains(&self.gain) || self.offset.abs() > 20.0
    }

    pub fn apply(self, level: f32) -> f32 {
        level * self.gain + self.offset
    }

    /// The light of `present`, where it was this one in the picture before. Only `usable` cells count.
    pub fn follow(self, back: &[f32], present: &[f32], usable: &[bool]) -> Self {
        let cells = Cells { back, present, usable };
        let gentle = cells.fit(cells.fit(self, TRIMMED), TRIMMED);
        let unexplained = cells.unexplained(gentle);
        if unexplained * 20 <= cells.count() {
            return gentle;
        }
        let harsh = TRIMS.iter().fold(cells.by_medians(), |light, limit| cells.fit(light, *limit));
        if cells.unexplained(harsh) < unexplained { harsh } else { gentle }
    }
}

struct Cells<'a> {
    back: &'a [f32],
    present: &'a [f32],
    usable: &'a [bool],
}

impl Cells<'_> {
    fn each(&self) -> impl Iterator<Item = (f32, f32)> + '_ {
        let all = self.back.iter().zip(self.present).zip(self.usable).step_by(EVERY);
        all.filter(|(_, usable)| **usable).map(|((back, present), _)| (*back, *present))
    }

    fn count(&self) -> usize {
        self.each().count()
    }

    fn unexplained(&self, light: Light) -> usize {
        self.each().filter(|(back, present)| (present - light.apply(*back)).abs() > UNEXPLAINED).count()
    }

    /// The gain between the medians, which whatever covers less than half of the picture hardly moves.
    fn by_medians(&self) -> Light {
        let (mut before, mut now, mut n) = ([0u32; 256], [0u32; 256], 0);
        for (back, present) in self.each() {
            before[back as u8 as usize] += 1;
            now[present as u8 as usize] += 1;
            n += 1;
        }
        let median = |levels: &[u32; 256]| {
            let mut below = 0;
            levels
                .iter()
                .position(|count| {
                    below += count;
                    below * 2 >= n
                })
                .unwrap_or(0) as f32
        };
        Light::of_gain(((median(&now) - BLACK).max(1.0) / (median(&before) - BLACK).max(1.0)).clamp(0.2, 5.0))
    }

    /// The light that best explains all cells that `around` explains to within `limit`; `around` where they are too few.
    fn fit(&self, around: Light, limit: f32) -> Light {
        let (mut n, mut sx, mut sy, mut sxx, mut sxy) = (0.0f32, 0.0f32, 0.0f32, 0.0f32, 0.0f32);
        for (x, y) in self.each().filter(|(x, y)| (y - around.apply(*x)).abs() <= limit) {
            let (x, y) = (x - BLACK, y - BLACK);
            n += 1.0;
            sx += x;
            sy += y;
            sxx += x * x;
            sxy += x * y;
        }
        if n < 8.0 || n * 8.0 < self.count() as f32 {
            return around;
        }
        let held = n * (1.0 + HELD);
        let determinant = sxx * held - sx * sx;
        if determinant < n * n {
            return Light { gain: 1.0, offset: (sy - sx) / n };
        }
        let gain = ((sxy * held - sx * sy) / determinant).clamp(0.2, 5.0);
        let offset = (sy - gain * sx) / held;
        Light { gain, offset: offset + BLACK * (1.0 - gain) }
    }
}
