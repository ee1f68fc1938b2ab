//! Which decoded pictures are delivered when only so many a second are wanted. Pure, on timestamps.

use std::time::Duration;

/// Passes about one picture per interval, without drifting: over a long time exactly one per interval, however the
/// source's own rate falls against it.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    due: Option<Duration>,
}

impl Limiter {
    /// Whether the picture of `time` is delivered. `interval` may change at any time; zero delivers all.
    pub fn passes(&mut self, interval: Duration, time: Option<Duration>) -> bool {
        let (Some(time), false) = (time, interval.is_zero()) else {
            self.due = None;
            return true;
        };
        // Half a millisecond, as timestamps of 1/25 s or 1/30 s are rounded.
        let early = Duration::from_micros(500);
        match self.due {
            Some(due) if time + early < due && due - time <= interval => false,
            Some(due) if time < due + interval && due <= time + early => {
                self.due = Some(due + interval);
                true
            }
            // The first, one after a gap, or one of a clock that jumped: count from here.
            _ => {
                self.due = Some(time + interval);
                true
            }
        }
    }

    /// From now on counts intervals from `anchor`, without delivering anything sooner than half an interval before it was
    /// due until now, nor later than half an interval after.
    pub fn align(&mut self, anchor: Duration, interval: Duration) {
        let Some(due) = self.due.filter(|due| *due >= anchor && !interval.is_zero()) else { return };
        let since = (due - anchor).as_nanos() + interval.as_nanos() / 2;
        let intervals = u32::try_from(since / interval.as_nanos()).unwrap_or(u32::MAX);
        self.due = Some(anchor + interval.saturating_mul(intervals));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn delivered(fps: f64, times: impl Iterator<Item = Duration>) -> usize {
        let mut limiter = Limiter::default();
        times.filter(|&t| limiter.passes(Duration::from_secs_f64(1.0 / fps), Some(t))).count()
    }

    #[test]
    fn five_a_second_of_any_rate_are_five_a_second() {
        for source in [5.0, 10.0, 12.0, 25.0, 29.97, 30.0, 60.0] {
            let times = (0..(60.0 * source) as u64).map(|n| Duration::from_secs_f64(n as f64 / source));
            let got = delivered(5.0, times);
            assert!((299..=301).contains(&got), "{got} of a {source} fps source");
        }
    }

    #[test]
    fn a_gap_or_a_jump_back_starts_afresh_without_a_burst() {
        let ms = Duration::from_millis;
        let mut limiter = Limiter::default();
        let fifth = ms(200);
        let taken: Vec<u64> = [0, 100, 200, 5000, 5100, 5200, 40, 140, 240]
            .into_iter()
            .filter(|&t| limiter.passes(fifth, Some(ms(t))))
            .collect();
        assert_eq!(taken, [0, 200, 5000, 5200, 40, 240]);
    }

    #[test]
    fn aligned_it_counts_from_the_anchor() {
        let ms = Duration::from_millis;
        for (last, next) in [(1000, 1200), (1200, 1600), (1400, 1600), (1600, 2000)] {
            let mut limiter = Limiter::default();
            assert!(limiter.passes(ms(200), Some(ms(last))));
            limiter.align(ms(800), ms(400));
            let first = (last + 1..).find(|&t| limiter.passes(ms(400), Some(ms(t))));
            assert_eq!(first, Some(next), "after {last}");
        }
    }

    proptest! {
        #[test]
        fn never_more_than_wanted(fps in 0.5f64..30.0, steps in prop::collection::vec(0u64..200, 1..300)) {
            let mut now = 0;
            let times: Vec<Duration> = steps.iter().map(|s| { now += s; Duration::from_millis(now) }).collect();
            let limit = (now as f64 / 1000.0 * fps).ceil() as usize + 1;
            prop_assert!(delivered(fps, times.into_iter()) <= limit);
        }
    }
}
