//! Whether a model sees in a golden picture what it is expected to see. Pure.
//!
//! Machines and providers compute the last digits differently, so scores and boxes may be off a little. A detection that
//! is that close to the threshold may as well be missing, or be there where none is expected.

use super::manifest::{Expected, Golden};
use crate::vocab::Rect;

/// One object that was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<'a> {
    /// The name of its class.
    pub label: &'a str,
    /// Confidence, 0..1.
    pub score: f32,
    /// Where, normalised over the picture.
    pub bbox: Rect,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Difference {
    /// An object is not seen.
    #[error("{label} {score:.2} is expected and not seen{nearest}")]
    Missing {
        /// Its class.
        label: String,
        /// Its expected score.
        score: f64,
        /// What comes nearest, as a phrase.
        nearest: String,
    },
    /// Something is seen that is not expected.
    #[error("{label} {score:.2} is seen and not expected")]
    Extra {
        /// Its class.
        label: String,
        /// Its score.
        score: f64,
    },
}

/// Holds what was seen at `threshold` against what is expected, in the tolerances of `golden`.
///
/// # Errors
/// The first difference.
pub fn compare(expected: &[Expected], seen: &[Seen<'_>], golden: &Golden, threshold: f64) -> Result<(), Difference> {
    let mut free: Vec<&Seen<'_>> = seen.iter().collect();
    let is_firm = |score: f64| score > threshold + golden.score_tolerance;
    for object in expected {
        let bbox = object.rect();
        let overlap = |seen: &&Seen<'_>| (seen.label == object.label).then(|| f64::from(seen.bbox.iou(&bbox)));
        let best = free.iter().enumerate().filter_map(|(at, seen)| Some((at, overlap(seen)?)));
        let best = best.max_by(|a, b| a.1.total_cmp(&b.1));
        match best {
            Some((at, iou)) if iou >= golden.min_iou && near(free[at], object, golden) => drop(free.remove(at)),
            _ if !is_firm(object.score) => {}
            best => {
                let (label, score) = (object.label.clone(), object.score);
                return Err(Difference::Missing {
                    label,
                    score,
                    nearest: nearest(best.map(|(at, iou)| (free[at], iou))),
                });
            }
        }
    }
    match free.iter().find(|seen| is_firm(f64::from(seen.score))) {
        None => Ok(()),
        Some(extra) => Err(Difference::Extra { label: extra.label.to_owned(), score: f64::from(extra.score) }),
    }
}

fn near(seen: &Seen<'_>, expected: &Expected, golden: &Golden) -> bool {
    (f64::from(seen.score) - expected.score).abs() <= golden.score_tolerance
}

fn nearest(best: Option<(&Seen<'_>, f64)>) -> String {
    best.map_or_else(String::new, |(seen, iou)| {
        format!("; the nearest has score {:.2} and overlaps it by {iou:.2}", seen.score)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: Golden = Golden { score_tolerance: 0.05, min_iou: 0.8, pictures: Vec::new() };

    fn expected(label: &str, score: f64, x: f64) -> Expected {
        Expected { label: label.into(), score, bbox: [x, 0.1, x + 0.2, 0.5] }
    }

    fn seen(label: &'static str, score: f32, x: f32) -> Seen<'static> {
        Seen { label, score, bbox: Rect { x1: x, y1: 0.1, x2: x + 0.2, y2: 0.5 } }
    }

    fn judge(expected: &[Expected], seen: &[Seen<'_>]) -> Result<(), Difference> {
        compare(expected, seen, &GOLDEN, 0.4)
    }

    #[test]
    fn small_differences_of_score_and_place_are_none() {
        let two = [expected("person", 0.9, 0.1), expected("person", 0.7, 0.5)];
        assert_eq!(judge(&two, &[seen("person", 0.72, 0.51), seen("person", 0.88, 0.1)]), Ok(()));
    }

    #[test]
    fn what_is_missing_shifted_fainter_or_of_another_class_is_told() {
        let one = [expected("person", 0.9, 0.1)];
        for wrong in
            [vec![], vec![seen("dog", 0.9, 0.1)], vec![seen("person", 0.8, 0.1)], vec![seen("person", 0.9, 0.2)]]
        {
            assert!(matches!(judge(&one, &wrong), Err(Difference::Missing { .. })), "{wrong:?}");
        }
        let extra = [seen("person", 0.9, 0.1), seen("person", 0.6, 0.6)];
        assert!(matches!(judge(&one, &extra), Err(Difference::Extra { .. })));
    }

    #[test]
    fn what_is_close_to_the_threshold_may_be_there_or_not() {
        let faint = [expected("person", 0.43, 0.1)];
        assert_eq!(judge(&faint, &[]), Ok(()));
        assert_eq!(judge(&[], &[seen("person", 0.44, 0.1)]), Ok(()));
    }
}
