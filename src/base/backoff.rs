//! How long to wait before the next attempt.

use std::time::Duration;

/// Exponential backoff with full jitter on the upper half: attempt `n` waits between half and all of
/// `min * 2^n`, never more than `max`. The jitter keeps a site's cameras from reconnecting in step after a power cut.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    attempt: u32,
}

impl Backoff {
    /// Starts at `min` and doubles up to `max`.
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, attempt: 0 }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let full = self.min.saturating_mul(2u32.saturating_pow(self.attempt)).min(self.max);
        self.attempt = self.attempt.saturating_add(1);
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Starts over; call it after an attempt that lasted.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    /// How many waits were handed out since the last reset.
    pub fn attempts(&self) -> u32 {
        self.attempt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_with_jitter_and_stay_below_the_limit_for_ever() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for full in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
            let wait = backoff.next_wait().as_secs_f64();
            assert!((full / 2.0..=full).contains(&wait), "{wait} not in {}..{full}", full / 2.0);
        }
        for _ in 0..100 {
            assert!(backoff.next_wait() <= Duration::from_secs(30));
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_secs(1));
    }
}
