//! Starts that are not raised for a while, because somebody said that what stands there is no reason.
//!
//! - An entry names a **region**, until when it holds, and perhaps rules and labels. A start is held back while an entry holds
//!   whose region its object stands in: with the point by which the rule's own zone or line goes, which for most is the foot. The
//!   foot stays where it is when somebody comes to stand before the bush, and the centre does not.
//! - What is about a zone as a whole, such as an occupancy, is about no object, and is never held back.
//! - **Held back is not ended.** The happening goes on unheard. With each of its updates it is asked again, and as soon as no
//!   entry covers it, because its object has moved on or the entry has expired, it is raised as if it began then. If it ends
//!   before, nothing is told of it. What was raised before an entry came to hold goes on, and ends once.
//! - For cooldowns, and for what is remembered of parked objects, a happening that was held back is one that was told: right after
//!   an entry has expired, its object may be taken for the one before.
//! - Each start that is held back is counted under the entry, with the time of the last.

use super::labels::Wanted;
use super::settings::Anchor;
use crate::vocab::{Firing, FiringPhase, Id, Labels, MediaTime, Place, Polygon, WallTime};

/// A part of the picture in which nothing is raised for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Suppression {
    /// Its name.
    pub id: Id,
    /// The rules that it is about. Default: empty, which means all.
    pub rules: Vec<Id>,
    /// The labels that it is about, as in rules. Default: empty, which means all.
    pub labels: Vec<String>,
    /// Where.
    pub region: Polygon,
    /// Until when, on the wall clock.
    pub until: WallTime,
    /// Why, for people.
    pub reason: String,
}

/// What an entry has held back since these rules began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// The entry.
    pub id: Id,
    /// How many starts.
    pub count: u64,
    /// When the last of them was.
    pub last: Option<WallTime>,
    /// Until when the entry holds.
    pub until: WallTime,
}

/// The entries at work.
#[derive(Debug)]
pub(super) struct Suppressions {
    entries: Vec<Entry>,
    /// Happenings that go on and are held back, by rule and key.
    held: Vec<(Id, u64)>,
    /// Happenings that were raised late, and when: their end must not lie before.
    late: Vec<(Id, u64, MediaTime)>,
}

#[derive(Debug)]
struct Entry {
    settings: Suppression,
    wanted: Wanted,
    told: Suppressed,
}

impl Suppressions {
    pub(super) fn new(settings: Vec<Suppression>, labels: &Labels) -> Self {
        let entry = |settings: Suppression| Entry {
            wanted: Wanted::new(&settings.labels, labels),
            told: Suppressed { id: settings.id.clone(), count: 0, last: None, until: settings.until },
            settings,
        };
        Self { entries: settings.into_iter().map(entry).collect(), held: Vec::new(), late: Vec::new() }
    }

    /// What was held back, by entry.
    pub(super) fn told(&self) -> impl Iterator<Item = &Suppressed> {
        self.entries.iter().map(|entry| &entry.told)
    }

    /// Takes what is held back from `firings`. `anchor_at` says by which point of objects a place goes.
    pub(super) fn sift(&mut self, wall: WallTime, anchor_at: impl Fn(&Place) -> Anchor, firings: &mut Vec<Firing>) {
        if !self.entries.is_empty() {
            firings.retain_mut(|firing| self.passes(wall, &anchor_at, firing));
        }
    }

    fn passes(&mut self, wall: WallTime, anchor_at: impl Fn(&Place) -> Anchor, firing: &mut Firing) -> bool {
        let held = self.held.iter().position(|(rule, key)| *rule == firing.rule && *key == firing.key);
        match (firing.phase, held) {
            (FiringPhase::Instant | FiringPhase::Start, _) => {
                let is_held = self.covers(wall, &anchor_at, firing, true);
                if is_held && firing.phase == FiringPhase::Start {
                    self.held.push((firing.rule.clone(), firing.key));
                }
                !is_held
            }
            (FiringPhase::Update, Some(index)) => {
                if self.covers(wall, &anchor_at, firing, false) {
                    return false;
                }
                let (rule, key) = self.held.remove(index);
                self.late.push((rule, key, firing.at));
                firing.phase = FiringPhase::Start;
                true
            }
            (FiringPhase::End, Some(index)) => {
                self.held.remove(index);
                false
            }
            (FiringPhase::End, None) => {
                let raised = self.late.iter().position(|(rule, key, _)| *rule == firing.rule && *key == firing.key);
                if let Some((_, _, at)) = raised.map(|index| self.late.remove(index)) {
                    firing.at = firing.at.max(at);
                }
                true
            }
            (FiringPhase::Update, None) => true,
        }
    }

    /// Whether an entry covers the object of `firing`; counts it where it is a start.
    fn covers(
        &mut self,
        wall: WallTime,
        anchor_at: impl Fn(&Place) -> Anchor,
        firing: &Firing,
        is_start: bool,
    ) -> bool {
        let Some(track) = &firing.track else { return false };
        let foot = firing.place.as_ref().map_or(Anchor::Foot, anchor_at).of(&track.bbox);
        let covers = |entry: &&mut Entry| {
            let Suppression { rules, region, until, .. } = &entry.settings;
            let is_meant = rules.is_empty() || rules.contains(&firing.rule);
            wall < *until && is_meant && entry.wanted.has(track.class) && region.contains(foot)
        };
        let Some(entry) = self.entries.iter_mut().find(covers) else { return false };
        if is_start {
            entry.told.count += 1;
            entry.told.last = Some(wall);
        }
        true
    }
}
