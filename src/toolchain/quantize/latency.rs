//! How long both models take, run by turns, so that whatever else the machine does slows both alike.

use std::time::Duration;

use serde::Serialize;

use crate::base::clock::SharedClock;
use crate::detect::DetectError;
use crate::detect::probe::{Effort, Probe};

/// Runs of each at most, and until when.
const RUNS: usize = 150;
const LONGEST: Duration = Duration::from_secs(20);
/// Runs that warm up caches and are not counted.
const WARM_UP: usize = 5;

/// Milliseconds of one inference on one thread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the runs took no longer.
    pub p50_ms: f64,
    /// Nineteen of twenty took no longer.
    pub p95_ms: f64,
}

/// Runs both models on `input` by turns.
///
/// # Errors
/// When either cannot be opened or run.
pub fn compare(
    models: [&[u8]; 2],
    size: (u32, u32),
    input: &[f32],
    clock: &SharedClock,
) -> Result<[Latency; 2], DetectError> {
    let [first, second] = models;
    let mut probes = [Probe::open(first, size, Effort::Full, 1)?, Probe::open(second, size, Effort::Full, 1)?];
    let mut taken = [Vec::with_capacity(RUNS), Vec::with_capacity(RUNS)];
    let start = clock.mono();
    for run in 0..RUNS + WARM_UP {
        for (probe, taken) in probes.iter_mut().zip(&mut taken) {
            let before = clock.mono();
            probe.run(input, |_| {})?;
            if run >= WARM_UP {
                taken.push(clock.mono().saturating_sub(before));
            }
        }
        if run > 2 * WARM_UP && clock.mono().saturating_sub(start) > LONGEST {
            break;
        }
    }
    Ok(taken.map(summary))
}

fn summary(mut taken: Vec<Duration>) -> Latency {
    taken.sort();
    let at = |share: f64| taken.get((taken.len() as f64 * share) as usize).map_or(0.0, |d| d.as_secs_f64() * 1e3);
    Latency { p50_ms: at(0.5), p95_ms: at(0.95) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_not_moved_by_one_slow_run() {
        let mut taken: Vec<Duration> = (1..100).map(|_| Duration::from_millis(4)).collect();
        taken.push(Duration::from_secs(1));
        assert_eq!(summary(taken), Latency { p50_ms: 4.0, p95_ms: 4.0 });
        assert_eq!(summary(Vec::new()).p50_ms, 0.0);
    }
}
