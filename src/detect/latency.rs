//! Counts how long things take, in fixed memory: logarithmic buckets of 1/16 octave.

use crate::vocab::StageLatency;

/// Sixteen buckets per doubling, from 1 µs to over an hour: a quantile is off by at most 6 %.
const PER_OCTAVE: usize = 16;
const OCTAVES: usize = 32;

/// A histogram of durations in microseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Box<[u32; PER_OCTAVE * OCTAVES]>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: Box::new([0; PER_OCTAVE * OCTAVES]), count: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, micros: u32) {
        let bucket = &mut self.buckets[bucket_of(micros)];
        *bucket = bucket.saturating_add(1);
        self.count += 1;
    }

    /// The quantiles of what was counted since the last call, which starts anew.
    pub fn take(&mut self) -> StageLatency {
        let quantile = |share: f64| self.quantile(share) / 1000.0;
        let taken = StageLatency { p50: quantile(0.50), p95: quantile(0.95), p99: quantile(0.99), count: self.count };
        self.buckets.fill(0);
        self.count = 0;
        taken
    }

    /// The duration in microseconds that `share` of all do not exceed; 0 when nothing was counted.
    fn quantile(&self, share: f64) -> f32 {
        let rank = (share * self.count as f64).ceil() as u64;
        let mut seen = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            seen += u64::from(count);
            if count > 0 && seen >= rank {
                return middle_of(bucket);
            }
        }
        0.0
    }
}

fn bucket_of(micros: u32) -> usize {
    let position = f64::from(micros.max(1)).log2() * PER_OCTAVE as f64;
    (position.round() as usize).min(PER_OCTAVE * OCTAVES - 1)
}

fn middle_of(bucket: usize) -> f32 {
    (bucket as f64 / PER_OCTAVE as f64).exp2() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn taking_starts_anew() {
        let mut histogram = Histogram::default();
        (1..=100).for_each(|n| histogram.record(n * 100));
        let taken = histogram.take();
        assert_eq!(taken.count, 100);
        assert!((taken.p50 - 5.0).abs() < 0.3 && (taken.p99 - 9.9).abs() < 0.6, "{taken:?}");
        assert_eq!(histogram.take(), StageLatency::default());
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_six_percent(mut micros in proptest::collection::vec(1u32..10_000_000, 1..200)) {
            let mut histogram = Histogram::default();
            micros.iter().for_each(|&m| histogram.record(m));
            micros.sort_unstable();
            let expected = micros[(micros.len() * 95).div_ceil(100) - 1] as f32 / 1000.0;
            let found = histogram.take().p95;
            prop_assert!((found / expected - 1.0).abs() < 0.06, "{} instead of {}", found, expected);
        }
    }
}
