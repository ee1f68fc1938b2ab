//! How often a tensor takes which values: 2048 equal bins between its least and greatest, filled in a second pass.

/// Bins of a histogram, as many as NVIDIA's calibrator has. ONNX Runtime's default of 128 leaves its entropy method a
/// single candidate.
pub const BINS: usize = 2048;

/// The values of one tensor over all pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The least value seen.
    pub lowest: f32,
    /// The greatest value seen.
    pub highest: f32,
    /// How often each bin was hit; empty until the second pass.
    pub counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { lowest: f32::INFINITY, highest: f32::NEG_INFINITY, counts: Vec::new() }
    }
}

impl Histogram {
    /// First pass: widens the range. Values that are not finite are left out.
    pub fn widen(&mut self, values: &[f32]) {
        // Eight lanes, so that the compiler can compare eight at a time.
        let (mut low, mut high) = ([f32::INFINITY; 8], [f32::NEG_INFINITY; 8]);
        let (chunks, rest) = values.as_chunks::<8>();
        for chunk in chunks {
            for lane in 0..8 {
                low[lane] = low[lane].min(chunk[lane]);
                high[lane] = high[lane].max(chunk[lane]);
            }
        }
        let least = low.into_iter().chain(rest.iter().copied()).filter(|v| v.is_finite());
        self.lowest = least.fold(self.lowest, f32::min);
        let greatest = high.into_iter().chain(rest.iter().copied()).filter(|v| v.is_finite());
        self.highest = greatest.fold(self.highest, f32::max);
    }

    /// Second pass: counts.
    pub fn count(&mut self, values: &[f32]) {
        let width = self.highest - self.lowest;
        if width.is_nan() || width <= 0.0 {
            return;
        }
        self.counts.resize(BINS, 0);
        let factor = BINS as f32 / width;
        for value in values {
            // A cast to an integer saturates, and makes 0 of what is not a number.
            let bin = ((value - self.lowest) * factor) as usize;
            self.counts[bin.min(BINS - 1)] += 1;
        }
    }

    /// The range that leaves out the share `1 - percentile / 100` of all values, half of it on either side, and is never
    /// wider than what was seen. Without a second pass it is what was seen.
    pub fn percentile(&self, percentile: f64) -> (f32, f32) {
        if self.lowest > self.highest {
            return (0.0, 0.0);
        }
        let all: u64 = self.counts.iter().sum();
        let cut = (1.0 - percentile / 100.0) / 2.0 * all as f64;
        let width = f64::from(self.highest - self.lowest) / BINS as f64;
        let edge = |bin: usize| (f64::from(self.lowest) + width * bin as f64) as f32;
        let passed = |counts: &mut dyn Iterator<Item = &u64>| {
            let mut seen = 0u64;
            counts
                .take_while(|count| {
                    seen += **count;
                    (seen as f64) <= cut
                })
                .count()
        };
        if all == 0 {
            return (self.lowest, self.highest);
        }
        let (below, above) = (passed(&mut self.counts.iter()), passed(&mut self.counts.iter().rev()));
        (edge(below).max(self.lowest), edge(BINS - above).min(self.highest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::default();
        histogram.widen(values);
        histogram.count(values);
        histogram
    }

    #[test]
    fn one_outlier_in_a_hundred_thousand_does_not_stretch_the_range() {
        let mut values: Vec<f32> = (0..100_000).map(|n| n as f32 / 100_000.0).collect();
        values.push(1000.0);
        let (low, high) = of(&values).percentile(99.99);
        assert_eq!(low, 0.0);
        assert!((0.9..2.0).contains(&high), "{high}");
        assert_eq!(of(&values).percentile(100.0).1, 1000.0);
    }

    #[test]
    fn nothing_and_a_constant_have_a_range() {
        assert_eq!(Histogram::default().percentile(99.99), (0.0, 0.0));
        assert_eq!(of(&[2.0; 100]).percentile(99.99), (2.0, 2.0));
    }

    proptest! {
        #[test]
        fn the_range_is_what_was_seen_or_narrower(values in proptest::collection::vec(-1e6f32..1e6, 1..300), p in 90f64..100.0) {
            let histogram = of(&values);
            let (low, high) = histogram.percentile(p);
            prop_assert!(histogram.lowest <= low && high <= histogram.highest && low <= high);
            prop_assert_eq!(histogram.counts.iter().sum::<u64>() as usize, if low < high || !histogram.counts.is_empty() { values.len() } else { 0 });
        }
    }
}
