//! A suspicion that must last before it is believed, and a belief that must be disproved for a while before it is given up.
//!
//! Only time counts in which there was something to be judged. Between two judgements no more than [`LONGEST_STEP`] passes,
//! so that an outage proves nothing.

use std::time::Duration;

use crate::vocab::MediaTime;

/// The most time that may pass between two judgements and still count for either.
const LONGEST_STEP: Duration = Duration::from_secs(30);

/// How much faster a judgement to the contrary takes away than one adds.
const FORGIVES: u32 = 3;

/// See the file's head.
#[derive(Debug, Clone)]
pub struct Latch {
    /// How long a suspicion must last.
    after: Duration,
    /// How long it must be disproved.
    recover: Duration,
    lasted: Duration,
    since: MediaTime,
    is_on: bool,
}

/// What a judgement has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The suspicion, first had at this moment, is believed.
    On(MediaTime),
    /// It is not believed any more.
    Off(MediaTime),
}

impl Latch {
    /// One that believes after `after`, and takes as long to give up, but no longer than `recover`.
    pub fn new(after: Duration, recover: Duration) -> Self {
        let recover = recover.min(after);
        Self { after, recover, lasted: Duration::ZERO, since: MediaTime::ZERO, is_on: false }
    }

    /// Takes in a judgement at `now`, `passed` after the one before: whether there is something to suspect, or that nothing
    /// can be said.
    pub fn step(&mut self, now: MediaTime, passed: Duration, suspect: Option<bool>) -> Option<Turn> {
        let suspect = suspect?;
        let passed = passed.min(LONGEST_STEP);
        if suspect == self.is_on {
            // Who walks by may hide for a moment what goes on.
            self.lasted = self.lasted.saturating_sub(passed * FORGIVES);
            return None;
        }
        if self.lasted.is_zero() && !self.is_on {
            self.since = now;
        }
        // The first judgement of a row begins it.
        let begins = self.lasted.is_zero();
        self.lasted += if begins { Duration::from_nanos(1) } else { passed };
        let wanted = if self.is_on { self.recover } else { self.after };
        if self.lasted < wanted {
            return None;
        }
        self.is_on = suspect;
        self.lasted = Duration::ZERO;
        Some(if suspect { Turn::On(self.since) } else { Turn::Off(self.since) })
    }

    /// Whether it is believed.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether it is suspected and not yet believed.
    pub fn is_suspected(&self) -> bool {
        !self.is_on && !self.lasted.is_zero()
    }

    /// Since when it has been suspected or believed.
    pub fn since(&self) -> MediaTime {
        self.since
    }

    /// Forgets everything. Returns whether it was believed.
    pub fn reset(&mut self) -> bool {
        self.lasted = Duration::ZERO;
        std::mem::take(&mut self.is_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What a row of judgements, a second apart, turns, by the second.
    fn turns(judgements: &[Option<bool>]) -> Vec<(usize, Turn)> {
        let mut latch = Latch::new(3 * SECOND, 2 * SECOND);
        let turn = |(i, judged): (usize, &Option<bool>)| {
            let at = MediaTime::from_millis(i as u64 * 1000);
            Some((i, latch.step(at, SECOND, *judged)?))
        };
        judgements.iter().enumerate().filter_map(turn).collect()
    }

    #[test]
    fn a_suspicion_is_believed_once_it_has_lasted_and_given_up_once_disproved() {
        let (yes, no) = (Some(true), Some(false));
        let first = MediaTime::from_millis(1000);
        let row = [no, yes, yes, yes, yes, no, yes, no, no, no];
        let told = turns(&row);
        assert_eq!(told, [(4, Turn::On(first)), (9, Turn::Off(first))]);
    }

    #[test]
    fn what_cannot_be_judged_neither_counts_nor_forgives() {
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(turns(&[yes, yes, None, None, None, yes]), []);
        assert_eq!(turns(&[yes, yes, None, yes, yes]), [(4, Turn::On(MediaTime::ZERO))]);
        assert_eq!(turns(&[yes, yes, no, yes, yes]), []);
    }

    #[test]
    fn an_outage_proves_nothing() {
        let hour = Duration::from_secs(3600);
        let mut latch = Latch::new(hour, hour);
        latch.step(MediaTime::ZERO, SECOND, Some(true));
        let after = MediaTime::ZERO + 2 * hour;
        assert_eq!(latch.step(after, 2 * hour, Some(true)), None);
        assert!(latch.is_suspected() && !latch.is_on());
    }
}
