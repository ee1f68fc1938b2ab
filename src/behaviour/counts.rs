//! How many are in each zone, and how many went over each line: live, and kept over a restart.
//!
//! The counts know no rules: every zone and every line has them. A line counts each crossing of a confirmed track by label
//! and direction, for ever, and a journey each time it was made. How many are in a zone is known only while looking, and is not kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vocab::{Id, Place, Side};

/// What is kept over a restart: the crossings of each line, by label. Lines that are not configured now stay in it, so
/// that a configuration that is taken back finds its counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// By line, then by label.
    pub lines: BTreeMap<Id, BTreeMap<String, Passages>>,
    /// How often each journey was made: by rule, then by label. Nothing in what an older program kept.
    #[serde(default)]
    pub journeys: BTreeMap<Id, BTreeMap<String, u64>>,
}

/// How often a line was crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Passages {
    /// From the left side to the right one, seen from the line's start to its end.
    pub left_to_right: u64,
    /// From the right side to the left one.
    pub right_to_left: u64,
}

/// The counts of one zone or line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Where.
    pub place: Place,
    /// How many are in the zone now; 0 for a line.
    pub occupancy: u32,
    /// Crossings from left to right since counting began; 0 for a zone.
    pub left_to_right: u64,
    /// Crossings from right to left since counting began; 0 for a zone.
    pub right_to_left: u64,
    /// The same by label. A label that was never counted is left out.
    pub by_label: BTreeMap<String, LabelCount>,
    /// How often journeys that end at the line were made, by their rules; empty for a zone.
    pub journeys: BTreeMap<Id, u64>,
}

/// The part of a [`Count`] that is one label's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LabelCount {
    /// How many are in the zone now.
    pub occupancy: u32,
    /// Crossings from left to right.
    pub left_to_right: u64,
    /// Crossings from right to left.
    pub right_to_left: u64,
}

impl Counts {
    pub(super) fn count(&mut self, line: &Id, label: &str, to: Side) {
        let by_label = self.lines.entry(line.clone()).or_default();
        let passages = by_label.entry(label.to_owned()).or_default();
        match to {
            Side::Right => passages.left_to_right += 1,
            Side::Left => passages.right_to_left += 1,
        }
    }

    pub(super) fn count_journey(&mut self, rule: &Id, label: &str) {
        let made = self.journeys.entry(rule.clone()).or_default().entry(label.to_owned()).or_default();
        *made = made.saturating_add(1);
    }

    /// How often the journey of a rule was made, by whatever.
    pub fn of_journey(&self, rule: &Id) -> u64 {
        self.journeys.get(rule).into_iter().flat_map(BTreeMap::values).fold(0, |all, made| all.saturating_add(*made))
    }

    /// Adds what was counted elsewhere.
    pub(super) fn add(&mut self, other: Self) {
        for (rule, labels) in other.journeys {
            let by_label = self.journeys.entry(rule).or_default();
            for (label, more) in labels {
                let made = by_label.entry(label).or_default();
                *made = made.saturating_add(more);
            }
        }
        for (line, labels) in other.lines {
            let by_label = self.lines.entry(line).or_default();
            for (label, more) in labels {
                let passages = by_label.entry(label).or_default();
                passages.left_to_right = passages.left_to_right.saturating_add(more.left_to_right);
                passages.right_to_left = passages.right_to_left.saturating_add(more.right_to_left);
            }
        }
    }

    /// The count of one line, at which the journeys of these rules end.
    pub(super) fn of_line<'r>(&self, line: &Id, journeys: impl Iterator<Item = &'r Id>) -> Count {
        let mut count = Count::none(Place::Line(line.clone()));
        count.journeys = journeys.map(|rule| (rule.clone(), self.of_journey(rule))).collect();
        for (label, passages) in self.lines.get(line).into_iter().flatten() {
            let Passages { left_to_right, right_to_left } = *passages;
            count.left_to_right = count.left_to_right.saturating_add(left_to_right);
            count.right_to_left = count.right_to_left.saturating_add(right_to_left);
            count.by_label.insert(label.clone(), LabelCount { occupancy: 0, left_to_right, right_to_left });
        }
        count
    }
}

impl Count {
    fn none(place: Place) -> Self {
        Self {
            place,
            occupancy: 0,
            left_to_right: 0,
            right_to_left: 0,
            by_label: BTreeMap::new(),
            journeys: BTreeMap::new(),
        }
    }

    /// The count of one zone, from how many of each label are in it.
    pub(super) fn of_zone<'a>(zone: &Id, labels: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let mut count = Self::none(Place::Zone(zone.clone()));
        for (label, occupancy) in labels.filter(|(_, n)| *n > 0) {
            count.occupancy += occupancy;
            count.by_label.entry(label.to_owned()).or_default().occupancy += occupancy;
        }
        count
    }
}
