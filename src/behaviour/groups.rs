//! Who stands together: people of whom each is within some distance of the next.

use super::presence::Presence;
use super::scale::{Distance, Scale};

/// People who stand together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Group {
    /// Indices of its members.
    pub members: Vec<usize>,
    /// The farthest that one of them is from the nearest other.
    pub widest: f32,
}

/// Finds the largest group, and keeps its memory.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// For each person another one of the same group, or himself.
    leader: Vec<usize>,
    /// How far the nearest other one is.
    nearest: Vec<f32>,
    size: Vec<usize>,
}

impl Groups {
    /// The largest group among `people`, where each is within `within` of the next; the first one where two are as large.
    pub(super) fn largest(&mut self, people: &[&Presence], scale: &Scale, within: Distance) -> Group {
        let count = people.len();
        self.leader.clear();
        self.leader.extend(0..count);
        self.nearest.clear();
        self.nearest.resize(count, f32::INFINITY);
        for (i, one) in people.iter().enumerate() {
            for (j, other) in people.iter().enumerate().skip(i + 1) {
                let (a, b) = (&one.track.bbox, &other.track.bbox);
                let height = (a.height() + b.height()) / 2.0;
                let apart = scale.apart(a.foot(), b.foot(), height, within);
                if let Some(apart) = apart.filter(|apart| *apart <= within.value()) {
                    self.nearest[i] = self.nearest[i].min(apart);
                    self.nearest[j] = self.nearest[j].min(apart);
                    let (a, b) = (self.head(i), self.head(j));
                    self.leader[a.max(b)] = a.min(b);
                }
            }
        }
        self.size.clear();
        self.size.resize(count, 0);
        for i in 0..count {
            let head = self.head(i);
            self.size[head] += 1;
        }
        let Some(head) = (0..count).rev().max_by_key(|i| self.size[*i]) else { return Group::default() };
        let members: Vec<usize> = (0..count).filter(|i| self.head(*i) == head).collect();
        let widest = members.iter().map(|i| self.nearest[*i]).filter(|apart| apart.is_finite()).fold(0.0, f32::max);
        Group { members, widest }
    }

    fn head(&self, mut person: usize) -> usize {
        while self.leader[person] != person {
            person = self.leader[person];
        }
        person
    }
}
