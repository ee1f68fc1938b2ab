//! What is counted of one version of one model: Triton's statistics, on atomics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::FailureReason;

/// Upper bounds of the histogram of request durations, in microseconds.
pub const BOUNDS_US: [u64; 15] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// How often something happened, and how long it took in all.
#[derive(Debug, Default)]
pub struct Tally {
    count: AtomicU64,
    nanos: AtomicU64,
}

/// A tally as it stood at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Total {
    /// How often.
    pub count: u64,
    /// Nanoseconds in all.
    pub ns: u64,
}

/// How long the stages of a request took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages {
    /// From its arrival in the queue until its batch was taken.
    pub queue: Duration,
    /// Putting the batch together.
    pub input: Duration,
    /// The inference.
    pub infer: Duration,
    /// Taking the batch apart.
    pub output: Duration,
}

/// What batches of one size took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchTotals {
    /// Putting together.
    pub input: Total,
    /// Inference.
    pub infer: Total,
    /// Taking apart.
    pub output: Total,
}

/// The statistics of one version.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Requests that were answered, from arrival to answer.
    pub success: Tally,
    /// Requests that were refused or failed.
    pub fail: Tally,
    /// See [`Stages::queue`].
    pub queue: Tally,
    /// See [`Stages::input`].
    pub compute_input: Tally,
    /// See [`Stages::infer`].
    pub compute_infer: Tally,
    /// See [`Stages::output`].
    pub compute_output: Tally,
    /// Rows that were inferred.
    pub inferences: AtomicU64,
    /// Runs of the model.
    pub executions: AtomicU64,
    /// Requests that wait now.
    pub pending: AtomicI64,
    /// When the last request came, in milliseconds since 1970.
    pub last_ms: AtomicI64,
    failures: [AtomicU64; 3],
    durations: [AtomicU64; BOUNDS_US.len() + 1],
    /// By rows of the batch. Only workers write, once per run.
    batches: Mutex<BTreeMap<usize, BatchTotals>>,
}

impl Tally {
    /// Counts one of `duration`.
    pub fn add(&self, duration: Duration) {
        self.count.fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos(duration), Relaxed);
    }

    /// How it stands.
    pub fn total(&self) -> Total {
        Total { count: self.count.load(Relaxed), ns: self.nanos.load(Relaxed) }
    }
}

impl Total {
    fn add(&mut self, duration: Duration) {
        self.count += 1;
        self.ns = self.ns.saturating_add(nanos(duration));
    }
}

impl Statistics {
    /// Counts a request that was answered.
    pub fn succeeded(&self, took: Duration, stages: &Stages) {
        self.success.add(took);
        self.queue.add(stages.queue);
        self.compute_input.add(stages.input);
        self.compute_infer.add(stages.infer);
        self.compute_output.add(stages.output);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|&bound| bound < micros);
        self.durations[bucket].fetch_add(1, Relaxed);
    }

    /// Counts a request that was not.
    pub fn failed(&self, took: Duration, reason: FailureReason) {
        self.fail.add(took);
        self.failures[reason as usize].fetch_add(1, Relaxed);
    }

    /// Counts a run of the model.
    pub fn executed(&self, rows: usize, stages: &Stages) {
        self.inferences.fetch_add(rows as u64, Relaxed);
        self.executions.fetch_add(1, Relaxed);
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = batches.entry(rows).or_default();
        totals.input.add(stages.input);
        totals.infer.add(stages.infer);
        totals.output.add(stages.output);
    }

    /// Failed requests by reason.
    pub fn failures(&self, reason: FailureReason) -> u64 {
        self.failures[reason as usize].load(Relaxed)
    }

    /// Requests that took at most each of [`BOUNDS_US`], and all.
    pub fn durations(&self) -> [u64; BOUNDS_US.len() + 1] {
        let mut sum = 0;
        std::array::from_fn(|at| {
            sum += self.durations[at].load(Relaxed);
            sum
        })
    }

    /// What batches of each size took.
    pub fn batches(&self) -> BTreeMap<usize, BatchTotals> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_cumulative_buckets() {
        let statistics = Statistics::default();
        for micros in [1, 250, 251, 20_000_000] {
            statistics.succeeded(Duration::from_micros(micros), &Stages::default());
        }
        let durations = statistics.durations();
        assert_eq!((durations[0], durations[1], durations[14], durations[15]), (2, 3, 3, 4));
        assert_eq!(statistics.success.total().count, 4);
        statistics.failed(Duration::ZERO, FailureReason::Backend);
        assert_eq!((statistics.failures(FailureReason::Backend), statistics.failures(FailureReason::Other)), (1, 0));
    }
}
