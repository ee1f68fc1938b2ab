//! How far one detector sees what another sees: objects of the same class in nearly the same place.

use serde::Serialize;

use crate::vocab::Rect;

/// Boxes that overlap by at least this much are the same object, as intersection over union.
const SAME_PLACE: f32 = 0.5;

/// An object by the name of its class, because two files may number their classes differently.
pub(super) type Seen = (String, Rect);

/// How far a detector sees what the reference sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// Objects that the reference sees.
    pub expected: usize,
    /// Those of them that it sees too.
    pub shared: usize,
    /// All that it sees.
    pub found: usize,
}

impl Agreement {
    /// Picture by picture; none where the reference sees nothing. Classes that the other file lacks count as missed.
    pub(super) fn of(expected: &[Vec<Seen>], found: &[Vec<Seen>]) -> Option<Self> {
        let shared = expected.iter().zip(found).map(|(expected, found)| shared(expected, found)).sum();
        let count = |all: &[Vec<Seen>]| all.iter().map(Vec::len).sum();
        let agreement = Self { expected: count(expected), shared, found: count(found) };
        (agreement.expected > 0).then_some(agreement)
    }

    /// Twice the shared objects over all that either sees: 1 where they see the same, and less for what is missed as
    /// well as for what is made up.
    pub fn score(self) -> f64 {
        2.0 * self.shared as f64 / (self.expected + self.found).max(1) as f64
    }
}

/// Each object of `expected` takes the best free one of `found`.
fn shared(expected: &[Seen], found: &[Seen]) -> usize {
    let mut is_taken = vec![false; found.len()];
    let mut shared = 0;
    for (label, place) in expected {
        let free = found.iter().enumerate().filter(|(at, (other, _))| !is_taken[*at] && other == label);
        let best = free.map(|(at, (_, other))| (at, place.iou(other))).max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((at, _)) = best.filter(|(_, iou)| *iou >= SAME_PLACE) {
            is_taken[at] = true;
            shared += 1;
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(label: &str, left: f32) -> Seen {
        (label.to_owned(), Rect::new(left, 0.0, left + 0.2, 0.2))
    }

    #[test]
    fn what_is_missed_and_what_is_made_up_both_count() {
        let expected = [vec![seen("person", 0.0), seen("car", 0.5)], vec![seen("person", 0.3)]];
        let same = Agreement::of(&expected, &expected).unwrap();
        assert_eq!((same.shared, same.score()), (3, 1.0));
        let found = [vec![seen("person", 0.02), seen("dog", 0.5)], vec![]];
        let agreement = Agreement::of(&expected, &found).unwrap();
        assert_eq!(agreement, Agreement { expected: 3, shared: 1, found: 2 });
        assert_eq!(agreement.score(), 0.4);
        assert_eq!(Agreement::of(&[vec![]], &[vec![seen("dog", 0.0)]]), None, "there is nothing to agree on");
    }

    #[test]
    fn one_box_is_not_two_objects() {
        let expected = [vec![seen("person", 0.0), seen("person", 0.01)]];
        assert_eq!(Agreement::of(&expected, &[vec![seen("person", 0.0)]]).unwrap().shared, 1);
    }
}
