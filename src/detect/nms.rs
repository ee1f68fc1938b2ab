//! Non-maximum suppression: of boxes of one class that overlap too much, keeps the most confident.

use std::cmp::Ordering;

use crate::vocab::Detection;

/// More candidates than this are cut to the most confident ones first, which bounds the time of one frame: suppression
/// compares every kept box with every later one.
pub const MAX_CANDIDATES: usize = 4096;

/// Sorts `detections` by falling score and drops every box that overlaps a kept one of its class by more than `iou`,
/// and what exceeds `limit`. Boxes that are empty or not finite are dropped. The result does not depend on the order of
/// the candidates. Allocates nothing.
pub fn suppress(detections: &mut Vec<Detection>, iou: f32, limit: usize) {
    detections.retain(|d| d.score.is_finite() && d.bbox.is_finite() && d.bbox.area() > 0.0);
    detections.sort_unstable_by(before);
    detections.truncate(MAX_CANDIDATES);
    if iou >= 1.0 {
        // Nothing overlaps by more than all of it.
        detections.truncate(limit);
        return;
    }
    let mut kept = 0;
    for at in 0..detections.len() {
        let candidate = detections[at];
        let is_covered = detections[..kept].iter().any(|k| k.class == candidate.class && overlaps(k, &candidate, iou));
        if !is_covered {
            detections[kept] = candidate;
            kept += 1;
            if kept == limit {
                break;
            }
        }
    }
    detections.truncate(kept);
}

/// Most confident first; the rest only makes the order certain.
fn before(a: &Detection, b: &Detection) -> Ordering {
    let place = |d: &Detection| [d.bbox.x1, d.bbox.y1, d.bbox.x2, d.bbox.y2];
    let by_place = || place(a).iter().zip(&place(b)).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
    let by_score = b.score.total_cmp(&a.score).then_with(|| a.class.cmp(&b.class));
    by_score.then_with(|| by_place().unwrap_or(Ordering::Equal))
}

/// Whether intersection over union exceeds `iou`, without the division. Most boxes of a crowd do not even touch, so that
/// is asked first.
fn overlaps(a: &Detection, b: &Detection, iou: f32) -> bool {
    let (a, b) = (&a.bbox, &b.bbox);
    let do_touch = a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2;
    do_touch && {
        let shared = a.intersection(b).area();
        shared > iou * (a.area() + b.area() - shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::Rect;
    use proptest::prelude::*;

    fn detection(class: u16, score: f32, x: f32) -> Detection {
        Detection::new(class, score, Rect::new(x, 0.0, x + 1.0, 1.0))
    }

    #[test]
    fn of_two_boxes_of_one_class_the_more_confident_stays_and_another_class_is_left_alone() {
        let mut found =
            vec![detection(0, 0.5, 0.0), detection(0, 0.9, 0.1), detection(1, 0.4, 0.1), detection(0, 0.3, 0.9)];
        suppress(&mut found, 0.45, 300);
        let kept: Vec<_> = found.iter().map(|d| (d.class, d.score)).collect();
        assert_eq!(kept, [(0, 0.9), (1, 0.4), (0, 0.3)]);
    }

    #[test]
    fn what_is_no_box_is_dropped() {
        let mut found = vec![detection(0, f32::NAN, 0.0), detection(0, 0.5, f32::INFINITY)];
        found.push(Detection { bbox: Rect::new(0.5, 0.5, 0.4, 0.6), ..detection(0, 0.5, 0.0) });
        suppress(&mut found, 0.45, 300);
        assert!(found.is_empty());
    }

    fn any_detections() -> impl Strategy<Value = Vec<Detection>> {
        let one = (0u16..3, 0.0f32..1.0, 0.0f32..1.0, 0.0f32..1.0, 0.01f32..0.5, 0.01f32..0.5);
        proptest::collection::vec(one, 0..80).prop_map(|all| {
            let make = |(class, score, x, y, w, h): (u16, f32, f32, f32, f32, f32)| {
                Detection::new(class, score, Rect::new(x, y, x + w, y + h))
            };
            all.into_iter().map(make).collect()
        })
    }

    proptest! {
        #[test]
        fn what_stays_is_sorted_apart_and_covers_what_went(all in any_detections(), iou in 0.1f32..0.9) {
            let mut kept = all.clone();
            suppress(&mut kept, iou, usize::MAX);
            prop_assert!(kept.windows(2).all(|w| w[0].score >= w[1].score));
            for (i, a) in kept.iter().enumerate() {
                prop_assert!(kept[..i].iter().all(|b| a.class != b.class || a.bbox.iou(&b.bbox) <= iou + 1e-4));
            }
            for gone in all.iter().filter(|d| !kept.contains(d)) {
                let covered = |k: &Detection| k.class == gone.class && k.score >= gone.score && k.bbox.iou(&gone.bbox) > iou - 1e-4;
                prop_assert!(kept.iter().any(covered));
            }
            let mut turned: Vec<_> = all.iter().rev().copied().collect();
            suppress(&mut turned, iou, usize::MAX);
            prop_assert_eq!(&turned, &kept);
            let again = kept.clone();
            suppress(&mut kept, iou, usize::MAX);
            prop_assert_eq!(kept, again);
        }

        #[test]
        fn the_limit_keeps_the_most_confident(all in any_detections(), limit in 1usize..10) {
            let (mut free, mut limited) = (all.clone(), all);
            suppress(&mut free, 0.5, usize::MAX);
            suppress(&mut limited, 0.5, limit);
            free.truncate(limit);
            prop_assert_eq!(limited, free);
        }
    }
}
