//! How long an inference may take before it is taken to hang. Pure.
//!
//! A provider's library or driver may never come back, and no thread can be ended from outside. So the worker only says
//! that it hangs; whoever watches over the program decides, and systemd starts it anew.

use std::time::Duration;

/// Every inference may take this long: a machine that swaps or is throttled is slow and does not hang.
const LEAST: Duration = Duration::from_secs(30);
/// The first one may take this long: providers compile an engine for a shape when they first meet it.
const FIRST: Duration = Duration::from_secs(300);
/// Later ones may take so many times as long as usual.
const TIMES_USUAL: u32 = 20;
/// One in so many is how much the last inference counts for what is usual.
const WEIGHT: u32 = 8;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    began: Option<Duration>,
    usual: Option<Duration>,
}

impl Deadline {
    /// An inference begins at `now`, on a monotonic clock.
    pub(super) fn begin(&mut self, now: Duration) {
        self.began = Some(now);
    }

    /// It has come back, however it went.
    pub(super) fn end(&mut self, now: Duration) {
        let Some(took) = self.began.take().map(|began| now.saturating_sub(began)) else { return };
        self.usual = Some(self.usual.map_or(took, |usual| usual - usual / WEIGHT + took / WEIGHT));
    }

    /// How long an inference may take as things are.
    pub(super) fn limit(&self) -> Duration {
        self.usual.map_or(FIRST, |usual| LEAST.max(usual * TIMES_USUAL))
    }

    /// For how long the present inference has been going on, where that is longer than it may.
    pub(super) fn overdue(&self, now: Duration) -> Option<Duration> {
        let lasts = now.saturating_sub(self.began?);
        (lasts >= self.limit()).then_some(lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_inference_hangs_after_half_a_minute_and_the_first_one_after_five() {
        let mut deadline = Deadline::default();
        assert_eq!(deadline.overdue(s(1000)), None, "where nothing runs, nothing hangs");
        deadline.begin(s(0));
        assert_eq!(deadline.overdue(s(299)), None);
        assert_eq!(deadline.overdue(s(300)), Some(s(300)));
        deadline.end(s(1));
        assert_eq!(deadline.overdue(s(1000)), None);
        deadline.begin(s(1000));
        assert_eq!(deadline.overdue(s(1029)), None);
        assert_eq!(deadline.overdue(s(1031)), Some(s(31)));
    }

    #[test]
    fn a_model_that_is_always_slow_is_given_twenty_times_its_time() {
        let mut deadline = Deadline::default();
        for look in 0..100 {
            deadline.begin(s(look * 10));
            deadline.end(s(look * 10 + 5));
        }
        deadline.begin(s(2000));
        assert_eq!(deadline.overdue(s(2090)), None);
        assert!(deadline.overdue(s(2101)).is_some());
    }
}
