//! Which numbers of one spool are stored: all up to the watermark, and ranges above it. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The most ranges above the watermark. An agent that publishes its oldest and its newest first makes a few; only one
/// that counts wrongly makes more, and must not grow a row without end.
const MOST_RANGES: usize = 4096;

/// The numbers, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watermark {
    upto: u64,
    /// First and last of each range above `upto + 1`; neither touching nor overlapping.
    above: BTreeMap<u64, u64>,
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

/// A row of the database that is no list of ranges.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no list of ranges such as 7-9,12")]
pub struct NoRanges(String);

impl Watermark {
    /// From the two columns of a row.
    ///
    /// # Errors
    /// When `above` is no list of ranges.
    pub fn read(upto: u64, above: &str) -> Result<Self, NoRanges> {
        let mut read = Self { upto, above: BTreeMap::new() };
        for range in above.split(',').filter(|text| !text.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let number = |text: &str| u64::from_str(text).map_err(|_| NoRanges(above.chars().take(80).collect()));
            read.above.insert(number(first)?, number(last)?);
        }
        Ok(read)
    }

    /// Everything up to this number is there.
    pub fn upto(&self) -> u64 {
        self.upto
    }

    /// The ranges above, as a row holds them.
    pub fn above(&self) -> String {
        self.above.iter().map(|(first, last)| Range(*first, *last).to_string()).collect::<Vec<_>>().join(",")
    }

    /// Whether a number is there.
    pub fn contains(&self, number: u64) -> bool {
        number <= self.upto || self.above.range(..=number).next_back().is_some_and(|(_, last)| number <= *last)
    }

    /// Adds a number.
    pub fn note(&mut self, number: u64) -> Noted {
        if self.contains(number) {
            return Noted::Known;
        }
        let before = self.above.range(..number).next_back().map(|(first, last)| (*first, *last));
        let before = before.filter(|(_, last)| last + 1 == number);
        let after = self.above.get(&(number.saturating_add(1))).copied();
        let is_next = number == self.upto + 1;
        if before.is_none() && after.is_none() && !is_next && self.above.len() >= MOST_RANGES {
            return Noted::Full;
        }
        if after.is_some() {
            self.above.remove(&(number + 1));
        }
        let last = after.unwrap_or(number);
        if is_next {
            self.upto = last;
        } else {
            self.above.insert(before.map_or(number, |(first, _)| first), last);
        }
        Noted::New
    }

    /// The ranges that are missing below the highest number that is there.
    pub fn missing(&self) -> Vec<(u64, u64)> {
        let mut next = self.upto + 1;
        let gap = |(first, last): (&u64, &u64)| {
            let gap = (next, first - 1);
            next = last + 1;
            gap
        };
        self.above.iter().map(gap).collect()
    }

    /// The highest number that is there.
    pub fn highest(&self) -> u64 {
        self.above.last_key_value().map_or(self.upto, |(_, last)| *last)
    }
}

struct Range(u64, u64);

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 { write!(f, "{}", self.0) } else { write!(f, "{}-{}", self.0, self.1) }
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
        assert_eq!(Watermark::read(5, "9").unwrap(), watermark);
        assert!(Watermark::read(0, "7-x").is_err());
    }

    #[test]
    fn one_that_counts_wrongly_cannot_grow_a_row_without_end() {
        let mut watermark = Watermark::default();
        let taken = (1..=20_000u64).filter(|n| watermark.note(n * 3) == Noted::New).count();
        assert_eq!(taken, MOST_RANGES);
        assert_eq!(watermark.note(4), Noted::New, "what touches a range makes no new one");
        assert_eq!(watermark.note(1), Noted::New);
    }

    proptest! {
        /// Against a plain set, whatever the order and the repetitions, and across being written and read.
        #[test]
        fn it_knows_exactly_what_it_was_given(numbers in proptest::collection::vec(1u64..60, 0..120)) {
            let (mut watermark, mut model) = (Watermark::default(), BTreeSet::new());
            for number in numbers {
                let expected = if model.insert(number) { Noted::New } else { Noted::Known };
                prop_assert_eq!(watermark.note(number), expected);
                let upto = (1..).take_while(|n| model.contains(n)).count() as u64;
                prop_assert_eq!(watermark.upto(), upto);
                for n in 1..61 {
                    prop_assert_eq!(watermark.contains(n), model.contains(&n));
                }
                let highest = *model.last().unwrap();
                let missing: Vec<u64> = watermark.missing().into_iter().flat_map(|(a, b)| a..=b).collect();
                let expected: Vec<u64> = (1..highest).filter(|n| !model.contains(n)).collect();
                prop_assert_eq!(missing, expected);
                watermark = Watermark::read(watermark.upto(), &watermark.above()).unwrap();
            }
        }
    }
}
