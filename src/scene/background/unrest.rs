//! How restless a picture is: noise, rain, what a codec makes of it, leaves, a lamp that is just being switched.
//!
//! It is measured by what most of the picture does, as in robust statistics a scale is by a quantile (Huber 1981, "Robust
//! Statistics"): a tenth of the differences may be objects. Of normal noise, a tenth is beyond 1.64 standard deviations.

/// The share of differences that is no measure of unrest, as it may be objects.
const OBJECTS: f32 = 0.1;
/// Counted in steps of one in so many of a level, up to so many steps.
const PER_LEVEL: f32 = 4.0;
const STEPS: usize = 128;

/// Measures it. Kept for its memory.
#[derive(Debug)]
pub(super) struct Unrest([u32; STEPS]);

impl Default for Unrest {
    fn default() -> Self {
        Self([0; STEPS])
    }
}

impl Unrest {
    /// The difference that a tenth of `differences`, 0 and up, exceed, levels; 0 where there are none.
    pub fn measure(&mut self, differences: impl Iterator<Item = f32>) -> f32 {
        self.0.fill(0);
        let mut all = 0;
        for difference in differences {
            self.0[((difference * PER_LEVEL) as usize).min(STEPS - 1)] += 1;
            all += 1;
        }
        let mut above = (all as f32 * OBJECTS) as u32;
        for (step, count) in self.0.iter().enumerate().rev() {
            if *count > above {
                return (step + 1) as f32 / PER_LEVEL;
            }
            above -= count;
        }
        0.0
    }
}
