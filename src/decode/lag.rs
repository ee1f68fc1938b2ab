//! Whether decoding falls behind what arrives. Pure.
//!
//! Packets of a live stream reach the decoder about when their timestamps say. When the machine is too busy they come
//! later and later, and waiting longer does not help: some must be left out. How late they are in absolute terms means
//! nothing, as cameras' clocks and networks differ; what counts is by how much more than lately.

use std::time::Duration;

/// This much later than lately is too late. Shorter hold-ups of the network come and go without loss.
const LIMIT: f64 = 3.0;
/// What counts as usual follows a lateness that stays, by this much a second.
const FOLLOW: f64 = 0.1;

#[derive(Debug, Default)]
pub(super) struct Lag {
    usual: Option<(f64, Duration)>,
}

impl Lag {
    /// Whether a packet of timestamp `time` that reaches the decoder at `now` is too late; both on the pipeline's clock.
    pub fn is_late(&mut self, time: Duration, now: Duration) -> bool {
        let lateness = now.as_secs_f64() - time.as_secs_f64();
        let usual = match self.usual {
            Some((usual, at)) => lateness.min(usual + now.saturating_sub(at).as_secs_f64() * FOLLOW),
            None => lateness,
        };
        self.usual = Some((usual, now));
        lateness > usual + LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_decoder_that_falls_behind_is_late_until_it_has_caught_up() {
        let mut lag = Lag::default();
        let mut now = 1000;
        let mut late = Vec::new();
        // Each packet of 40 ms takes 80 ms.
        for n in 0..200 {
            if lag.is_late(ms(40 * n), ms(now)) {
                late.push(n);
            }
            now += 80;
        }
        let first = late[0];
        assert!((75..140).contains(&first), "late from packet {first}");
        assert!(!lag.is_late(ms(now - 1000), ms(now)), "caught up");
    }

    #[test]
    fn a_camera_that_is_always_behind_is_not_late_nor_is_a_short_hold_up() {
        let mut lag = Lag::default();
        assert!((0..1000).all(|n| !lag.is_late(ms(40 * n), ms(40 * n + 30_000))));
        assert!(!lag.is_late(ms(40_000), ms(72_500)), "2.5 s of hold-up");
    }

    #[test]
    fn a_lateness_that_stays_becomes_usual() {
        let mut lag = Lag::default();
        lag.is_late(ms(0), ms(0));
        let late = (1..2000).filter(|&n| lag.is_late(ms(40 * n), ms(40 * n + 8_000))).count();
        assert!(late * 40 < 60_000, "late for {late} packets");
    }
}
