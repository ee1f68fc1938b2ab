//! Which numbers of one spool are settled: all up to the watermark, and ranges above it. Pure.
//!
//! A number is settled when its event is stored, or when the agent gave it up: says that it will not send it any more. A
//! number that was given up is known apart, for an event that was on its way all the same must be stored when it arrives.

use super::ranges::{NoRanges, Ranges};

/// The most ranges of each kind. An agent that publishes its oldest and its newest first makes a few; only one that counts
/// wrongly makes more, and must not grow a row without end.
const MOST_RANGES: usize = 4096;

/// The numbers, from 1, none above `i64::MAX`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watermark {
    upto: u64,
    /// Settled above `upto + 1`.
    above: Ranges,
    /// Those of all that are settled that were given up and are not stored.
    given_up: Ranges,
}

/// What became of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// It is new.
    New,
    /// It was there.
    Known,
    /// There is no room for another range.
    Full,
}

impl Watermark {
    /// From the three columns of a row.
    ///
    /// # Errors
    /// When `above` or `given_up` is no list of ranges.
    pub fn read(upto: u64, above: &str, given_up: &str) -> Result<Self, NoRanges> {
        Ok(Self { upto, above: above.parse()?, given_up: given_up.parse()? })
    }

    /// Everything up to this number is settled.
    pub fn upto(&self) -> u64 {
        self.upto
    }

    /// The settled ranges above, as a row holds them.
    pub fn above(&self) -> String {
        self.above.to_string()
    }

    /// The numbers that were given up and are not stored.
    pub fn given_up(&self) -> &Ranges {
        &self.given_up
    }

    /// Whether a number is settled.
    pub fn contains(&self, number: u64) -> bool {
        number <= self.upto || self.above.contains(number)
    }

    /// Adds a number whose event is to be stored.
    pub fn note(&mut self, number: u64) -> Noted {
        if self.given_up.remove(number) {
            return Noted::New;
        }
        if self.contains(number) {
            return Noted::Known;
        }
        if self.settle(number, number) { Noted::New } else { Noted::Full }
    }

    /// Settles all numbers from `first` to `last`: the agent will not send them any more. Where there is no room to know
    /// them apart, the lowest that were given up count as stored.
    pub fn give_up(&mut self, first: u64, last: u64) {
        let open = self.above.missing(first.max(self.upto + 1), last);
        if open.is_empty() || !self.settle(first.max(self.upto + 1), last) {
            return;
        }
        for (first, last) in open {
            self.given_up.insert(first, last);
        }
        while self.given_up.count() > MOST_RANGES {
            self.given_up.pop_first();
        }
    }

    /// Whether there was room.
    fn settle(&mut self, first: u64, last: u64) -> bool {
        let is_next = first == self.upto + 1;
        if !is_next && !self.above.touches(first, last) && self.above.count() >= MOST_RANGES {
            return false;
        }
        self.above.insert(first, last);
        if let Some((_, last)) = self.above.around(self.upto + 1) {
            self.upto = last;
            self.above.pop_first();
        }
        true
    }

    /// The ranges that are missing below the highest number that is settled.
    pub fn missing(&self) -> Vec<(u64, u64)> {
        self.above.missing(self.upto + 1, self.highest())
    }

    /// The highest number that is settled.
    pub fn highest(&self) -> u64 {
        self.above.iter().next_back().map_or(self.upto, |(_, last)| last)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_grow_together_and_are_written_as_they_are_read() {
        let mut watermark = Watermark::default();
        for number in [2, 4, 5, 9] {
            assert_eq!(watermark.note(number), Noted::New);
        }
        assert_eq!((watermark.upto(), watermark.above().as_str()), (0, "2,4-5,9"));
        assert_eq!(watermark.missing(), [(1, 1), (3, 3), (6, 8)]);
        assert_eq!(watermark.note(3), Noted::New);
        assert_eq!(watermark.note(4), Noted::Known);
        assert_eq!(watermark.note(1), Noted::New);
        assert_eq!((watermark.upto(), watermark.above().as_str(), watermark.highest()), (5, "9", 9));
        assert_eq!(Watermark::read(5, "9", "").unwrap(), watermark);
        assert!(Watermark::read(0, "7-x", "").is_err());
    }

    #[test]
    fn what_was_given_up_is_not_waited_for_and_is_new_when_it_comes_all_the_same() {
        let mut watermark = Watermark::default();
        for number in [1, 4, 8] {
            watermark.note(number);
        }
        watermark.give_up(1, 6);
        assert_eq!((watermark.upto(), watermark.above().as_str()), (6, "8"));
        assert_eq!(watermark.given_up().to_string(), "2-3,5-6", "what is stored is not given up");
        assert_eq!(watermark.missing(), [(7, 7)]);
        assert_eq!(watermark.note(3), Noted::New);
        assert_eq!(watermark.note(3), Noted::Known);
        assert_eq!((watermark.upto(), watermark.given_up().to_string().as_str()), (6, "2,5-6"));
        watermark.give_up(1, 6);
        assert_eq!(watermark.given_up().to_string(), "2,5-6", "said twice, it is the same");
    }

    #[test]
    fn one_that_counts_wrongly_cannot_grow_a_row_without_end() {
        let mut watermark = Watermark::default();
        let taken = (1..=20_000u64).filter(|n| watermark.note(n * 3) == Noted::New).count();
        assert_eq!(taken, MOST_RANGES);
        assert_eq!(watermark.note(4), Noted::New, "what touches a range makes no new one");
        assert_eq!(watermark.note(1), Noted::New);
        watermark.give_up(30_000, 30_010);
        assert!(!watermark.contains(30_000), "nor can what it gives up");
        watermark.give_up(1, i64::MAX as u64);
        assert_eq!((watermark.upto(), watermark.above().as_str()), (i64::MAX as u64, ""));
        assert!(watermark.given_up().count() <= MOST_RANGES);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Note(u64),
        GiveUp(u64, u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1u64..60).prop_map(Step::Note),
            1 => (1u64..60, 0u64..9).prop_map(|(first, more)| Step::GiveUp(first, first + more)),
        ]
    }

    proptest! {
        /// Against plain sets, whatever the order and the repetitions, and across being written and read.
        #[test]
        fn it_knows_exactly_what_it_was_told(steps in proptest::collection::vec(step(), 0..120)) {
            let (mut watermark, mut stored, mut given_up) = (Watermark::default(), BTreeSet::new(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Note(number) => {
                        let expected = if stored.insert(number) { Noted::New } else { Noted::Known };
                        prop_assert_eq!(watermark.note(number), expected);
                    }
                    Step::GiveUp(first, last) => {
                        watermark.give_up(first, last);
                        given_up.extend(first..=last);
                    }
                }
                let settled = |n: &u64| stored.contains(n) || given_up.contains(n);
                prop_assert_eq!(watermark.upto(), (1..).take_while(settled).count() as u64);
                prop_assert!((1..80).all(|n| watermark.contains(n) == settled(&n)));
                let known: BTreeSet<u64> = watermark.given_up().iter().flat_map(|(a, b)| a..=b).collect();
                prop_assert_eq!(known, given_up.difference(&stored).copied().collect::<BTreeSet<_>>());
                let highest = (1..80).filter(settled).max().unwrap_or(0);
                prop_assert_eq!(watermark.highest(), highest);
                let missing: Vec<u64> = watermark.missing().into_iter().flat_map(|(a, b)| a..=b).collect();
                prop_assert_eq!(missing, (1..highest).filter(|n| !settled(n)).collect::<Vec<_>>());
                let given_up = watermark.given_up().to_string();
                watermark = Watermark::read(watermark.upto(), &watermark.above(), &given_up).unwrap();
            }
        }

        /// Each number is stored or given up, in any order: then nothing is waited for.
        #[test]
        fn nothing_is_waited_for_ever(order in Just((1u64..=40).collect::<Vec<_>>()).prop_shuffle(), lost: u64) {
            let mut watermark = Watermark::default();
            for number in order {
                if (lost >> number) & 1 == 1 { watermark.give_up(number, number) } else { watermark.note(number); }
            }
            prop_assert_eq!((watermark.upto(), watermark.above()), (40, String::new()));
        }
    }
}
