//! One media time for a camera's whole life, across reconnects and clocks that jump. Pure.
//!
//! Each connection has a clock of its own that starts somewhere. Media time follows it; across a reconnect it goes on by
//! the time that really passed. A timestamp is a jump if it lies more than a second ahead of where the clock of the
//! connection has been so far *relative to arrival*, or goes back: pictures held up by the network arrive late, in a
//! burst, and that is no jump, while a picture can never arrive before it was taken.

use std::time::Duration;

use crate::vocab::MediaTime;

/// A break in a stream: what was measured before it may not continue behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discontinuity {
    /// A new connection, this long after the last picture.
    Reconnected {
        /// How long there was no picture.
        gap: Duration,
    },
    /// The stream's clock jumped.
    ClockJump {
        /// By how much, in milliseconds; negative is back.
        millis: i64,
    },
    /// Pictures have another size.
    SizeChanged {
        /// Width and height before, in pixels.
        from: (u32, u32),
        /// Width and height from now on.
        to: (u32, u32),
    },
    /// Pictures are encoded differently since the last connection.
    CodecChanged,
}

/// How far a timestamp may lie ahead.
const JUMP: Duration = Duration::from_secs(1);
/// How far one may go back without meaning anything: less than two pictures, as reordering and rounding can make.
const WOBBLE: Duration = Duration::from_millis(100);
/// What the media clock advances by where a stream's clock stands still or goes back.
const LEAST: Duration = Duration::from_micros(1);

#[derive(Debug, Default)]
pub(super) struct MediaClock {
    last: Option<Last>,
    lead: Option<Lead>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    media: MediaTime,
    /// On the clock of its connection; `None` if that is over.
    stream: Option<Duration>,
    arrived: Duration,
}

/// How far the stream's clock has been ahead of arrival at most, in nanoseconds, as seen when.
#[derive(Debug, Clone, Copy)]
struct Lead {
    nanos: i128,
    at: Duration,
}

impl MediaClock {
    /// A new connection begins.
    pub fn reconnect(&mut self) {
        if let Some(last) = &mut self.last {
            last.stream = None;
        }
        self.lead = None;
    }

    /// The media time at `now`, for what happens without a picture.
    pub fn at(&self, now: Duration) -> MediaTime {
        self.last.map_or(MediaTime::ZERO, |last| last.media + now.saturating_sub(last.arrived))
    }

    /// The media time of a picture with timestamp `stream` that arrived at `now`, and the break before it, if any.
    pub fn stamp(&mut self, stream: Duration, now: Duration) -> (MediaTime, Option<Discontinuity>) {
        let lead = nanos(stream) - nanos(now);
        let (media, discontinuity) = match self.last {
            None => (MediaTime::ZERO, None),
            Some(Last { media, stream: None, arrived }) => {
                let gap = now.saturating_sub(arrived);
                (media + gap.max(LEAST), Some(Discontinuity::Reconnected { gap }))
            }
            Some(Last { media, stream: Some(before), arrived }) => match self.jump(before, stream, lead, now) {
                None => (media + stream.saturating_sub(before).max(LEAST), None),
                Some(by) => {
                    self.lead = None;
                    let millis = i64::try_from(by / 1_000_000).unwrap_or(i64::MAX);
                    (media + now.saturating_sub(arrived).max(LEAST), Some(Discontinuity::ClockJump { millis }))
                }
            },
        };
        self.last = Some(Last { media, stream: Some(stream), arrived: now });
        if self.lead_at(now).is_none_or(|known| lead > known) {
            self.lead = Some(Lead { nanos: lead, at: now });
        }
        (media, discontinuity)
    }

    /// By how many nanoseconds the clock jumped, if it did.
    fn jump(&self, before: Duration, stream: Duration, lead: i128, now: Duration) -> Option<i128> {
        let step = nanos(stream) - nanos(before);
        if step < -nanos(WOBBLE) {
            return Some(step);
        }
        let ahead = lead - self.lead_at(now)?;
        (step > nanos(JUMP) && ahead > nanos(JUMP)).then_some(ahead)
    }

    /// The lead, made smaller by a thousandth of the time since, so that a camera's slow clock does not hide a jump.
    fn lead_at(&self, now: Duration) -> Option<i128> {
        let lead = self.lead?;
        Some(lead.nanos - nanos(now.saturating_sub(lead.at)) / 1000)
    }
}

fn nanos(d: Duration) -> i128 {
    i128::try_from(d.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn media_time_is_the_time_since_the_first_picture() {
        let mut clock = MediaClock::default();
        assert_eq!(clock.stamp(ms(7000), ms(100)), (MediaTime::ZERO, None));
        assert_eq!(clock.stamp(ms(7040), ms(150)), (MediaTime::from_millis(40), None));
    }

    #[test]
    fn a_reconnect_goes_on_by_the_time_that_passed() {
        let mut clock = MediaClock::default();
        clock.stamp(ms(0), ms(1000));
        clock.stamp(ms(400), ms(1400));
        clock.reconnect();
        let gap = Discontinuity::Reconnected { gap: ms(8000) };
        assert_eq!(clock.stamp(ms(3), ms(9400)), (MediaTime::from_millis(8400), Some(gap)));
        assert_eq!(clock.stamp(ms(43), ms(9440)), (MediaTime::from_millis(8440), None));
    }

    #[test]
    fn a_burst_after_a_hold_up_is_no_jump_even_when_pictures_in_it_are_dropped() {
        let mut clock = MediaClock::default();
        clock.stamp(ms(0), ms(0));
        clock.stamp(ms(40), ms(40));
        assert_eq!(clock.stamp(ms(80), ms(3080)).1, None);
        let (media, jump) = clock.stamp(ms(3080), ms(3090));
        assert_eq!((media, jump), (MediaTime::from_millis(3080), None));
    }

    #[test]
    fn a_lost_stretch_is_no_jump_but_a_clock_set_ahead_or_back_is() {
        let mut clock = MediaClock::default();
        clock.stamp(ms(0), ms(0));
        assert_eq!(clock.stamp(ms(2600), ms(2600)).1, None);
        let ahead = clock.stamp(ms(3_602_640), ms(2640));
        assert_eq!(ahead, (MediaTime::from_millis(2640), Some(Discontinuity::ClockJump { millis: 3_600_000 })));
        let back = clock.stamp(ms(40), ms(2680));
        assert_eq!(back, (MediaTime::from_millis(2680), Some(Discontinuity::ClockJump { millis: -3_602_600 })));
        assert_eq!(clock.stamp(ms(80), ms(2720)), (MediaTime::from_millis(2720), None));
    }

    #[test]
    fn a_small_step_back_is_ridden_out() {
        let mut clock = MediaClock::default();
        clock.stamp(ms(100), ms(0));
        clock.stamp(ms(140), ms(40));
        let (media, jump) = clock.stamp(ms(120), ms(80));
        assert!(jump.is_none() && media > MediaTime::from_millis(40));
    }

    proptest! {
        #[test]
        fn media_time_always_advances(steps in prop::collection::vec((-5_000i64..5_000, 0u64..3_000, 0u8..20), 1..200)) {
            let mut clock = MediaClock::default();
            let (mut stream, mut now, mut last) = (60_000i64, 0u64, None);
            for (step, wait, chance) in steps {
                stream = (stream + step).max(0);
                now += wait;
                if chance == 0 {
                    clock.reconnect();
                }
                let (media, _) = clock.stamp(ms(stream.unsigned_abs()), ms(now));
                prop_assert!(last.is_none_or(|last| media > last));
                last = Some(media);
            }
        }

        #[test]
        fn drift_of_200_ppm_never_becomes_a_jump(fast in any::<bool>()) {
            let mut clock = MediaClock::default();
            let rate = if fast { 1.0002 } else { 0.9998 };
            for minute in 0..24 * 60u32 {
                let now = Duration::from_secs(60) * minute;
                prop_assert_eq!(clock.stamp(now.mul_f64(rate), now).1, None);
            }
        }
    }
}
