//! When a child that has ended before its time is started again: at once the first time, and then with waits that double. Pure.

use std::time::Duration;

use super::backoff::Backoff;

/// The first wait after the one that was none.
const FIRST: Duration = Duration::from_millis(250);
/// The longest: that is all that a crash costs, beside the time that the child takes to be ready.
const LONGEST: Duration = Duration::from_secs(2);
/// A child that has lasted so long had not ended because of how it was started.
const LASTED: Duration = Duration::from_secs(60);

/// See the file's head.
#[derive(Debug)]
pub struct Restarts {
    backoff: Backoff,
    count: u64,
    /// When the present child was ready.
    since: Duration,
}

impl Restarts {
    /// A child is ready for the first time, at `now` on a monotonic clock.
    pub fn new(now: Duration) -> Self {
        Self { backoff: Backoff::new(FIRST, LONGEST), count: 0, since: now }
    }

    /// The child has ended, or could not be started; returns how long to wait before the next.
    pub fn ended(&mut self, now: Duration) -> Duration {
        self.count += 1;
        let is_first = self.backoff.attempts() == 0;
        if now.saturating_sub(self.since) >= LASTED {
            self.backoff.reset();
            self.backoff.next_wait();
            return Duration::ZERO;
        }
        let wait = self.backoff.next_wait();
        if is_first { Duration::ZERO } else { wait }
    }

    /// Another is ready.
    pub fn ready(&mut self, now: Duration) {
        self.since = now;
    }

    /// How often one ended or could not be started.
    pub fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_restart_waits_for_nothing_and_no_one_waits_longer_than_two_seconds() {
        let mut restarts = Restarts::new(s(0));
        assert_eq!(restarts.ended(s(1)), Duration::ZERO);
        restarts.ready(s(1));
        let waits: Vec<Duration> = (2..22)
            .map(|at| {
                let wait = restarts.ended(s(at));
                restarts.ready(s(at));
                wait
            })
            .collect();
        assert!(waits.iter().all(|wait| !wait.is_zero() && *wait <= LONGEST), "{waits:?}");
        assert!(waits[19] >= LONGEST / 2, "a process that crashes at every look does not keep the machine busy");
        assert_eq!(restarts.count(), 21);
    }

    #[test]
    fn one_that_has_lasted_a_minute_is_started_at_once_again() {
        let mut restarts = Restarts::new(s(0));
        for at in 1..10 {
            restarts.ended(s(at));
            restarts.ready(s(at));
        }
        assert_eq!(restarts.ended(s(9) + LASTED), Duration::ZERO);
        restarts.ready(s(70));
        assert!(!restarts.ended(s(71)).is_zero());
    }
}
