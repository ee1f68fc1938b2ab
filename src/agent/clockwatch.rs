//! How far the wall clock can be believed, and whether somebody has set it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use crate::base::clock::SharedClock;
use crate::vocab::{ClockState, WallTime};

/// A difference between the two clocks that grows by more than this between two looks is a step, not a drift.
const STEP: Duration = Duration::from_millis(250);

/// 2026-01-01: this program did not exist earlier, so a clock that says so is wrong.
const EARLIEST_UNIX_NANOS: i64 = 1_767_225_600_000_000_000;

/// Watches the wall clock against the monotonic one.
pub struct ClockWatch {
    clock: SharedClock,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Wall clock minus monotonic clock, in nanoseconds.
    offset: i64,
    state: ClockState,
}

impl ClockWatch {
    /// Starts watching.
    pub fn new(clock: SharedClock) -> Self {
        let seen = Seen { offset: offset(&clock), state: ClockState::Unsynced };
        let watch = Self { clock, seen: Mutex::new(seen) };
        watch.look();
        watch
    }

    /// How far the clock could be believed at the last [`ClockWatch::look`].
    pub fn state(&self) -> ClockState {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).state
    }

    /// Looks at the clock. When it was set since the last look: what it would have shown and what it shows.
    pub fn look(&self) -> Option<(WallTime, WallTime)> {
        let (wall, offset) = (self.clock.unix_nanos(), offset(&self.clock));
        let is_synchronised = self.clock.is_synchronised();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.state = match seen.state {
            _ if wall < EARLIEST_UNIX_NANOS => ClockState::Unsynced,
            _ if is_synchronised => ClockState::Synced,
            ClockState::Unsynced => ClockState::Unsynced,
            _ => ClockState::Holdover,
        };
        let moved = offset.saturating_sub(seen.offset);
        seen.offset = offset;
        let is_step = moved.unsigned_abs() > STEP.as_nanos() as u64;
        is_step.then(|| (WallTime::from_unix_nanos(wall.saturating_sub(moved)), WallTime::from_unix_nanos(wall)))
    }
}

fn offset(clock: &SharedClock) -> i64 {
    clock.unix_nanos().saturating_sub(i64::try_from(clock.mono().as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SimulatedClock;

    #[test]
    fn a_step_is_told_once_and_a_drift_is_not() {
        let start = EARLIEST_UNIX_NANOS;
        let clock = SimulatedClock::at(start);
        let watch = ClockWatch::new(clock.clone());
        clock.advance(Duration::from_secs(10));
        assert_eq!(watch.look(), None);
        clock.set_wall(start + 10_200_000_000);
        assert_eq!(watch.look(), None, "200 ms are drift");
        clock.set_wall(start + 70_000_000_000);
        let (before, after) = watch.look().unwrap();
        assert_eq!((before.unix_nanos(), after.unix_nanos()), (start + 10_200_000_000, start + 70_000_000_000));
        assert_eq!(watch.look(), None);
    }

    #[test]
    fn a_clock_before_this_program_existed_is_not_believed() {
        let clock = SimulatedClock::at(0);
        let watch = ClockWatch::new(clock.clone());
        assert_eq!(watch.state(), ClockState::Unsynced);
        clock.set_wall(EARLIEST_UNIX_NANOS + 1);
        watch.look();
        assert_eq!(watch.state(), ClockState::Synced);
    }
}
