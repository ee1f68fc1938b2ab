//! Whether what is published is acknowledged at all. A broker that takes everything and passes nothing on, or a hub that
//! stores nothing, looks sound from everywhere else: the connection stands, and whoever is asked answers.

use std::time::Duration;

/// How long nothing may be acknowledged while something waits for it: three times as long as the hub may take before an
/// event is published again.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What there is to say since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing was acknowledged for [`PATIENCE`].
    Stalled,
    /// Something was, after all.
    Over,
}

/// Watches over one connection after the other. Times are on the monotonic clock.
#[derive(Debug, Default)]
pub struct Stall {
    /// Since when something waits while nothing is acknowledged.
    waiting: Option<Duration>,
    told: bool,
}

impl Stall {
    /// Something waits to be acknowledged.
    pub fn waits(&mut self, now: Duration) {
        self.waiting.get_or_insert(now);
    }

    /// Something was acknowledged; whether others wait.
    pub fn acknowledged(&mut self, now: Duration, others: bool) {
        self.waiting = others.then_some(now);
    }

    /// The connection was lost: that is told elsewhere, and the next one begins anew.
    pub fn disconnected(&mut self) {
        *self = Self::default();
    }

    /// Since when delivery is stalled, if it is.
    pub fn since(&self, now: Duration) -> Option<Duration> {
        self.waiting.filter(|since| now.saturating_sub(*since) >= PATIENCE)
    }

    /// What has changed since it was last asked.
    pub fn news(&mut self, now: Duration) -> Option<News> {
        let stalled = self.since(now).is_some();
        let before = std::mem::replace(&mut self.told, stalled);
        (before != stalled).then_some(if stalled { News::Stalled } else { News::Over })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_is_told_once_that_nothing_is_acknowledged_and_once_that_it_is_over() {
        let mut stall = Stall::default();
        assert_eq!(stall.since(SECOND * 1000), None, "nothing waits");
        stall.waits(SECOND);
        stall.waits(SECOND * 20);
        assert_eq!((stall.since(SECOND * 30), stall.news(SECOND * 30)), (None, None));
        assert_eq!((stall.since(SECOND * 31), stall.news(SECOND * 31)), (Some(SECOND), Some(News::Stalled)));
        assert_eq!(stall.news(SECOND * 40), None);
        stall.acknowledged(SECOND * 50, true);
        assert_eq!((stall.since(SECOND * 50), stall.news(SECOND * 50)), (None, Some(News::Over)));
        assert_eq!(stall.news(SECOND * 80), Some(News::Stalled), "the others wait from then on");
    }

    #[test]
    fn a_slow_hub_and_a_lost_connection_are_no_stall() {
        let mut stall = Stall::default();
        for second in (0..600).step_by(20) {
            stall.waits(SECOND * second);
            stall.acknowledged(SECOND * second, true);
            assert_eq!(stall.news(SECOND * second), None);
        }
        assert_eq!(stall.news(SECOND * 700), Some(News::Stalled));
        stall.disconnected();
        assert_eq!((stall.since(SECOND * 700), stall.news(SECOND * 700)), (None, None), "nothing was acknowledged");
    }
}
