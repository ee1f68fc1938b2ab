//! What was lost: every record that was given up, in ranges, kept until somebody has been told.

use serde::{Deserialize, Serialize};

use super::{Class, RecordId};

/// Why records were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossReason {
    /// There was no room left.
    Quota,
    /// Their bytes on the disk had changed.
    Damaged,
    /// Not lost: the same content was committed again under another id, because the disk failed while it was written.
    Renumbered,
}

/// A range of records that will never arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Of this class.
    pub class: Class,
    /// Of this epoch.
    pub epoch: u64,
    /// The first that is missing.
    pub from: u64,
    /// The last that is missing.
    pub to: u64,
    /// How many of them are missing: fewer than the range where others of it had been acknowledged before.
    pub count: u64,
    /// Why.
    pub reason: LossReason,
}

/// How many ranges are kept apart. Beyond it, ranges of the same kind are joined; their counts stay exact.
const RANGES: usize = 256;

/// Losses that were not told yet, and how many there ever were.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Losses {
    gaps: Vec<Gap>,
    total: [u64; 3],
}

impl Losses {
    /// Every number and count in it.
    pub(super) fn counts(&self) -> impl Iterator<Item = u64> {
        let gaps = self.gaps.iter().flat_map(|gap| [gap.from, gap.to, gap.count]);
        self.total.into_iter().chain(gaps)
    }

    /// Notes that `id` is gone.
    pub(super) fn add(&mut self, id: RecordId, reason: LossReason) {
        let RecordId { class, epoch, seq } = id;
        if reason != LossReason::Renumbered {
            self.total[class.index()] += 1;
        }
        let full = self.gaps.len() >= RANGES;
        let kin = |g: &&mut Gap| (g.class, g.epoch, g.reason) == (class, epoch, reason);
        let joinable = self.gaps.iter_mut().rev().filter(kin).find(|g| full || g.to + 1 == seq);
        match joinable {
            Some(gap) => {
                gap.from = gap.from.min(seq);
                gap.to = gap.to.max(seq);
                gap.count += 1;
            }
            None => self.gaps.push(Gap { class, epoch, from: seq, to: seq, count: 1, reason }),
        }
    }

    /// Takes over what another has noted.
    pub(super) fn merge(&mut self, other: Self) {
        self.gaps.extend(other.gaps);
        for (mine, theirs) in self.total.iter_mut().zip(other.total) {
            *mine += theirs;
        }
    }

    /// What was not told yet.
    pub(super) fn open(&self) -> &[Gap] {
        &self.gaps
    }

    /// How many of `class` were ever lost.
    pub(super) fn total(&self, class: Class) -> u64 {
        self.total[class.index()]
    }

    /// Forgets what was told. A range that has grown since keeps what was added.
    pub(super) fn settle(&mut self, told: &[Gap]) {
        for gap in told {
            let same = |g: &Gap| {
                (g.class, g.epoch, g.reason, g.from) == (gap.class, gap.epoch, gap.reason, gap.from)
                    && g.count >= gap.count
            };
            let Some(at) = self.gaps.iter().position(same) else { continue };
            if self.gaps[at].count == gap.count {
                self.gaps.remove(at);
            } else {
                self.gaps[at].from = gap.to + 1;
                self.gaps[at].count -= gap.count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(seq: u64) -> RecordId {
        RecordId { class: Class::Event, epoch: 7, seq }
    }

    #[test]
    fn neighbours_become_one_range_and_a_range_that_grew_is_told_once() {
        let mut losses = Losses::default();
        for seq in [1, 2, 3, 7] {
            losses.add(id(seq), LossReason::Quota);
        }
        let told: Vec<Gap> = losses.open().to_vec();
        assert_eq!(told.iter().map(|g| (g.from, g.to, g.count)).collect::<Vec<_>>(), [(1, 3, 3), (7, 7, 1)]);
        losses.add(id(8), LossReason::Quota);
        losses.settle(&told);
        assert_eq!(losses.open().iter().map(|g| (g.from, g.to, g.count)).collect::<Vec<_>>(), [(8, 8, 1)]);
        losses.settle(&told);
        assert_eq!(losses.open().len(), 1, "telling twice forgets nothing else");
        assert_eq!(losses.total(Class::Event), 5);
    }

    #[test]
    fn the_list_is_bounded_and_its_counts_stay_exact() {
        let mut losses = Losses::default();
        for seq in 0..10_000u64 {
            losses.add(id(seq * 2 + 1), LossReason::Quota);
        }
        assert_eq!(losses.open().len(), RANGES);
        assert_eq!(losses.open().iter().map(|g| g.count).sum::<u64>(), 10_000);
    }
}
