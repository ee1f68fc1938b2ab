//! When each packet of a file is decoded and shown, made of when it is shown alone. Pure.
//!
//! Cameras say over RTP when a picture is shown, not when it is decoded, and a file needs both. Packets come in the order in
//! which they are decoded; so the times at which they are shown, put in order, are times at which one after the other can
//! be decoded, if all are shown a little later: by as much as the most delayed one needs. Without pictures that refer to
//! later ones that is nothing.

use std::time::Duration;

use crate::vocab::{MediaTime, Packet};

/// A step that keeps the times of decoding apart where a stream gives two pictures one time.
const LEAST: u64 = 1_000;

/// When a packet is decoded and shown, in nanoseconds since the file's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub decoded: u64,
    pub shown: u64,
}

/// Stamps the packets of one file, group by group.
#[derive(Debug, Default)]
pub(super) struct Timing {
    begun: Option<Begun>,
    last_decoded: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Begun {
    /// When the first picture is shown, on the stream's clock.
    base: MediaTime,
    /// How much later all are shown.
    delay: u64,
}

impl Timing {
    /// The times of `packets`, whole groups in the order in which they are decoded; none for one that is not to be
    /// written: it is shown before the first keyframe, and needs what was before that.
    pub fn stamp(&mut self, packets: &[Packet]) -> Vec<Option<Times>> {
        let Some(first) = packets.first() else { return Vec::new() };
        let base = self.begun.map_or(first.pts, |begun| begun.base);
        let mut shown: Vec<u64> =
            packets.iter().filter(|packet| packet.pts >= base).map(|packet| nanos(packet.pts.since(base))).collect();
        let mut in_order = shown.clone();
        in_order.sort_unstable();
        let needed = in_order.iter().zip(&shown).map(|(decoded, shown)| decoded.saturating_sub(*shown)).max();
        let begun = *self.begun.get_or_insert(Begun { base, delay: needed.unwrap_or(0) });
        shown.iter_mut().for_each(|shown| *shown += begun.delay);
        let mut stamps = in_order.into_iter().zip(shown);
        let stamped = packets.iter().map(|packet| {
            let (decoded, shown) = if packet.pts < base { None } else { stamps.next() }?;
            let decoded = decoded.min(shown).max(self.last_decoded.map_or(0, |last| last + LEAST));
            self.last_decoded = Some(decoded);
            Some(Times { decoded, shown })
        });
        stamped.collect()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::vocab::WallTime;

    fn packet(ms: u64, keyframe: bool) -> Packet {
        Packet { data: Bytes::new(), pts: MediaTime::from_millis(ms), keyframe, captured: WallTime::default() }
    }

    fn stamped(timing: &mut Timing, times: &[u64]) -> Vec<Option<(u64, u64)>> {
        let packets: Vec<Packet> = times.iter().enumerate().map(|(i, ms)| packet(*ms, i == 0)).collect();
        let in_ms = |times: Times| (times.decoded / 1_000_000, times.shown / 1_000_000);
        timing.stamp(&packets).into_iter().map(|times| times.map(in_ms)).collect()
    }

    #[test]
    fn without_pictures_that_refer_to_later_ones_both_times_are_the_same_from_nothing_on() {
        let mut timing = Timing::default();
        assert_eq!(stamped(&mut timing, &[7000, 7040, 7080]), [Some((0, 0)), Some((40, 40)), Some((80, 80))]);
        assert_eq!(stamped(&mut timing, &[7120]), [Some((120, 120))]);
    }

    #[test]
    fn pictures_that_refer_to_later_ones_are_shown_after_they_are_decoded() {
        let mut timing = Timing::default();
        // I0 P3 B1 B2 P6 B4 B5
        let times = stamped(&mut timing, &[0, 120, 40, 80, 240, 160, 200]);
        let times: Vec<_> = times.into_iter().map(Option::unwrap).collect();
        assert_eq!(times, [(0, 40), (40, 160), (80, 80), (120, 120), (160, 280), (200, 200), (240, 240)]);
    }

    #[test]
    fn what_is_shown_before_the_first_keyframe_is_left_out() {
        let mut timing = Timing::default();
        assert_eq!(stamped(&mut timing, &[400, 320, 360, 440]), [Some((0, 0)), None, None, Some((40, 40))]);
        // The same at a later keyframe can be decoded.
        let later = stamped(&mut timing, &[600, 520, 560]);
        assert!(later.iter().all(Option::is_some), "{later:?}");
    }

    proptest! {
        #[test]
        fn everything_is_decoded_in_order_and_before_it_is_shown(groups in prop::collection::vec(1usize..8, 1..8), depth in 0usize..4) {
            let mut timing = Timing::default();
            let mut last = None;
            let mut first = 0;
            for group in groups {
                // A keyframe, and then the last of each `depth + 1` pictures before the others, as encoders order them.
                let mut order = vec![first];
                for start in (0..group).map(|i| first + 1 + (i * (depth + 1)) as u64) {
                    order.push(start + depth as u64);
                    order.extend(start..start + depth as u64);
                }
                first += 1 + (group * (depth + 1)) as u64;
                let packets: Vec<Packet> = order.iter().enumerate().map(|(i, n)| packet(n * 40, i == 0)).collect();
                for times in timing.stamp(&packets).into_iter().map(Option::unwrap) {
                    prop_assert!(last.is_none_or(|last| times.decoded > last));
                    prop_assert!(times.decoded <= times.shown);
                    last = Some(times.decoded);
                }
            }
        }
    }
}
