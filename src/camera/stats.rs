//! What a camera reports about itself.

use std::collections::VecDeque;
use std::time::Duration;

use crate::decode::{Counts, Info};
use crate::vocab::{CameraState, DropReason, WallTime};

/// A camera's state and counters. Counters are since it was started and survive reconnects.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraStats {
    /// How it is.
    pub state: CameraState,
    /// Why it is so.
    pub cause: String,
    /// Since when.
    pub since: WallTime,
    /// Bytes, packets and pictures.
    pub counts: Counts,
    /// How often a stream was opened again after the first.
    pub reconnects: u64,
    /// How often the camera's thread panicked and went on.
    pub panics: u64,
    /// Codec, decoder and size of the current or last stream.
    pub info: Info,
    /// Pictures delivered a second, over the last five.
    pub fps: f64,
}

impl CameraStats {
    pub(super) fn new(since: WallTime) -> Self {
        Self {
            state: CameraState::Disabled,
            cause: "not started".into(),
            since,
            counts: Counts::default(),
            reconnects: 0,
            panics: 0,
            info: Info::default(),
            fps: 0.0,
        }
    }

    /// How many pictures were dropped before they could be delivered, by reason.
    pub fn dropped(&self) -> [(DropReason, u64); 4] {
        [
            (DropReason::Superseded, self.counts.superseded),
            (DropReason::Rate, self.counts.dropped_rate),
            (DropReason::Idle, self.counts.dropped_idle),
            (DropReason::Corrupt, self.counts.corrupt),
        ]
    }
}

/// Measures a rate over the last five seconds.
#[derive(Debug, Default)]
pub(super) struct Meter {
    marks: VecDeque<(Duration, u64)>,
}

impl Meter {
    /// Takes note of a counter at `now`; returns its rate per second.
    pub fn mark(&mut self, now: Duration, count: u64) -> f64 {
        let apart = Duration::from_millis(500);
        if self.marks.back().is_none_or(|&(last, _)| now >= last + apart) {
            self.marks.push_back((now, count));
        }
        while self.marks.len() > 2 && self.marks[1].0 + Duration::from_secs(5) <= now {
            self.marks.pop_front();
        }
        let Some(&(from, before)) = self.marks.front() else { return 0.0 };
        let seconds = now.saturating_sub(from).as_secs_f64();
        if seconds > 0.0 { count.saturating_sub(before) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_follows_a_rate_and_forgets_what_is_old() {
        let mut meter = Meter::default();
        let mut last = 0.0;
        for tick in 0..1000u64 {
            let frames = if tick < 500 { tick * 5 / 2 } else { 1250 };
            last = meter.mark(Duration::from_millis(100 * tick), frames);
            if tick == 400 {
                assert!((last - 25.0).abs() < 1.0, "{last}");
            }
        }
        assert_eq!(last, 0.0);
        assert!(meter.marks.len() < 20);
    }
}
