//! The arithmetic of a soak: what is lost of what was committed, how fast something grows, how late something came.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// What became of the records of one class and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Records that the spool has numbered.
    pub committed: u64,
    /// Those that the hub has.
    pub stored: u64,
    /// Those that the hub has not and that still lie in the spool.
    pub waiting: u64,
    /// Those that the agent gave up and told so.
    pub given_up: u64,
    /// Those of which nothing is left and nothing was told.
    pub lost: u64,
}

impl Account {
    /// Asks for each number from 1 to `committed` where it is.
    pub fn of(committed: u64, stored: &BTreeSet<u64>, waiting: &BTreeSet<u64>, told: &[RangeInclusive<u64>]) -> Self {
        let mut account = Self { committed, ..Self::default() };
        for number in 1..=committed {
            let place = if stored.contains(&number) {
                &mut account.stored
            } else if waiting.contains(&number) {
                &mut account.waiting
            } else if told.iter().any(|range| range.contains(&number)) {
                &mut account.given_up
            } else {
                &mut account.lost
            };
            *place += 1;
        }
        account
    }

    /// Of both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            committed: self.committed + other.committed,
            stored: self.stored + other.stored,
            waiting: self.waiting + other.waiting,
            given_up: self.given_up + other.given_up,
            lost: self.lost + other.lost,
        }
    }
}

/// How something grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Units an hour.
    pub per_hour: f64,
    /// Its standard error, as if what is left over were independent from sample to sample, which flatters it.
    pub error: f64,
}

/// The line through `points` (hours, units) by least squares; none with fewer than three moments.
pub fn slope(points: &[(f64, f64)]) -> Option<Slope> {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let spread: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    if points.len() < 3 || spread <= 0.0 {
        return None;
    }
    let per_hour = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / spread;
    let left: f64 = points.iter().map(|p| (p.1 - y - per_hour * (p.0 - x)).powi(2)).sum();
    Some(Slope { per_hour, error: (left / (n - 2.0) / spread).sqrt() })
}

/// Of latencies, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub count: usize,
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// Median, 99th percentile and maximum, each one of the values; none without any.
pub fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let max = *values.last()?;
    Some(Spread { count: values.len(), p50: ranked(&values, 0.5), p99: ranked(&values, 0.99), max })
}

/// The middle of some values; none without any.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    (!values.is_empty()).then(|| ranked(&values, 0.5))
}

/// The nearest rank of sorted values, of which there is at least one.
fn ranked(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[test]
fn each_number_is_in_one_place_and_one_that_is_nowhere_is_lost() {
    let set = |numbers: &[u64]| numbers.iter().copied().collect::<BTreeSet<u64>>();
    let account = Account::of(10, &set(&[1, 2, 3, 5, 11]), &set(&[3, 9]), &[7..=8, 5..=5]);
    // 4, 6 and 10: the last one too, although nothing behind it says that it was.
    assert_eq!(account, Account { committed: 10, stored: 4, waiting: 1, given_up: 2, lost: 3 });
    let twice = account.and(account);
    assert_eq!((twice.committed, twice.stored, twice.lost), (20, 8, 6));
    assert_eq!(Account::of(0, &set(&[]), &set(&[]), &[]), Account::default());
}

#[test]
fn a_slope_is_that_of_the_line_with_what_its_noise_leaves_open() {
    let line: Vec<(f64, f64)> = (0..60).map(|i| (f64::from(i) / 60.0, 200.0 + 3.0 * f64::from(i) / 60.0)).collect();
    let exact = slope(&line).unwrap();
    assert!((exact.per_hour - 3.0).abs() < 1e-9 && exact.error < 1e-6, "{exact:?}");
    let noisy: Vec<(f64, f64)> =
        line.iter().enumerate().map(|(i, p)| (p.0, p.1 + if i % 2 == 0 { 1.0 } else { -1.0 })).collect();
    let found = slope(&noisy).unwrap();
    // Noise of one unit over 60 samples of an hour: 1 / sqrt(60 / 12) = 0.45.
    assert!((found.per_hour - 3.0).abs() < 2.0 * found.error && (0.4..0.5).contains(&found.error), "{found:?}");
    assert_eq!(slope(&line[..2]), None);
    assert_eq!(slope(&[(1.0, 1.0); 5]), None, "all at one moment");
}

#[test]
fn percentiles_are_values_that_were_measured() {
    let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
    assert_eq!(spread(values.clone()), Some(Spread { count: 200, p50: 100.0, p99: 198.0, max: 200.0 }));
    assert_eq!(spread(vec![7.0]), Some(Spread { count: 1, p50: 7.0, p99: 7.0, max: 7.0 }));
    assert_eq!((spread(vec![]), median(vec![])), (None, None));
    assert_eq!(median(values), Some(100.0));
}
