//! A set of numbers as ranges, of which no two touch. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The ranges, each by its first and last number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges(BTreeMap<u64, u64>);

/// A text that is no list of ranges.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no list of ranges such as 7-9,12")]
pub struct NoRanges(String);

impl Ranges {
    /// How many ranges there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The ranges, the lowest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        self.0.iter().map(|(first, last)| (*first, *last))
    }

    /// The range that a number is in.
    pub fn around(&self, number: u64) -> Option<(u64, u64)> {
        let (first, last) = self.0.range(..=number).next_back()?;
        (number <= *last).then_some((*first, *last))
    }

    /// Whether a number is there.
    pub fn contains(&self, number: u64) -> bool {
        self.around(number).is_some()
    }

    /// Whether a range of these numbers would touch or overlap one that is there.
    pub fn touches(&self, first: u64, last: u64) -> bool {
        let below = self.0.range(..=last.saturating_add(1)).next_back();
        below.is_some_and(|(_, end)| end.saturating_add(1) >= first)
    }

    /// Adds the numbers from `first` to `last`; ranges that touch become one.
    pub fn insert(&mut self, first: u64, last: u64) {
        let (mut first, mut last) = (first, last);
        while let Some((start, end)) = self.0.range(..=last.saturating_add(1)).next_back().map(|(s, e)| (*s, *e)) {
            if end.saturating_add(1) < first {
                break;
            }
            self.0.remove(&start);
            (first, last) = (first.min(start), last.max(end));
        }
        self.0.insert(first, last);
    }

    /// Takes a number away; whether it was there.
    pub fn remove(&mut self, number: u64) -> bool {
        let Some((first, last)) = self.around(number) else { return false };
        self.0.remove(&first);
        if first < number {
            self.0.insert(first, number - 1);
        }
        if number < last {
            self.0.insert(number + 1, last);
        }
        true
    }

    /// Takes the lowest range away.
    pub fn pop_first(&mut self) -> Option<(u64, u64)> {
        self.0.pop_first()
    }

    /// The ranges from `first` to `last` that are missing here.
    pub fn missing(&self, first: u64, last: u64) -> Vec<(u64, u64)> {
        let mut next = self.around(first).map_or(first, |(_, end)| end.saturating_add(1));
        let mut missing = Vec::new();
        while next <= last {
            match self.0.range(next..=last).next() {
                Some((start, end)) => {
                    missing.push((next, start - 1));
                    next = end.saturating_add(1);
                }
                None => {
                    missing.push((next, last));
                    break;
                }
            }
        }
        missing
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (first, last)) in self.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

impl FromStr for Ranges {
    type Err = NoRanges;

    fn from_str(text: &str) -> Result<Self, NoRanges> {
        let mut read = Self::default();
        for range in text.split(',').filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let number = |text: &str| u64::from_str(text).map_err(|_| NoRanges(range.chars().take(80).collect()));
            read.0.insert(number(first)?, number(last)?);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u64, u64),
        Remove(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1u64..60, 0u64..9).prop_map(|(first, more)| Step::Insert(first, first + more)),
            (1u64..70).prop_map(Step::Remove),
        ]
    }

    proptest! {
        /// Against a plain set, and across being written and read.
        #[test]
        fn they_are_a_set(steps in proptest::collection::vec(step(), 0..60)) {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Insert(first, last) => {
                        let touches = (first.saturating_sub(1)..=last + 1).any(|n| model.contains(&n));
                        prop_assert_eq!(ranges.touches(first, last), touches);
                        ranges.insert(first, last);
                        model.extend(first..=last);
                    }
                    Step::Remove(number) => prop_assert_eq!(ranges.remove(number), model.remove(&number)),
                }
                prop_assert!((0..80).all(|n| ranges.contains(n) == model.contains(&n)));
                let missing: Vec<u64> = ranges.missing(5, 40).into_iter().flat_map(|(a, b)| a..=b).collect();
                prop_assert_eq!(missing, (5..=40).filter(|n| !model.contains(n)).collect::<Vec<_>>());
                let apart = ranges.iter().zip(ranges.iter().skip(1)).all(|((_, end), (start, _))| end + 1 < start);
                prop_assert!(apart, "{}", ranges);
                prop_assert_eq!(&ranges.to_string().parse::<Ranges>().unwrap(), &ranges);
            }
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert!("7-x".parse::<Ranges>().is_err());
        assert_eq!("".parse::<Ranges>().unwrap(), Ranges::default());
        assert_eq!("2,4-5,9".parse::<Ranges>().unwrap().to_string(), "2,4-5,9");
    }
}
