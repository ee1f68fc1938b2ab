//! COCO's mean average precision, with pycocotools' definitions: IoU .50 to .95 in steps of .05, precision interpolated at
//! 101 recalls, at most 100 detections per class and picture, objects of every size. Classes without truth are left out.
//!
//! Per class and IoU: detections of a picture, most confident first, each take the free truth with the highest IoU that
//! reaches the limit (of equal ones the later). Over all pictures, sorted by score, they give precision and recall;
//! precision is made to never rise with recall, and averaged over recalls 0, .01, …, 1, counting 0 where recall is never
//! reached (pycocotools 2.0, `cocoeval.py`: `evaluateImg`, `accumulate`).

/// A box in pixels: left, top, width, height, in double precision as in COCO.
pub type PixelBox = [f64; 4];

/// The truth and the detections of one picture.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// Class and box of each object that is there.
    pub truth: Vec<(u16, PixelBox)>,
    /// Class, score and box of each object that was seen.
    pub found: Vec<(u16, f64, PixelBox)>,
}

/// Average precision of one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassPrecision {
    /// Averaged over the ten IoU limits.
    pub ap: f64,
    /// At IoU .50.
    pub ap50: f64,
}

const LIMITS: usize = 10;
const RECALLS: usize = 101;
const MAX_PER_PICTURE: usize = 100;

/// Average precision of each class below `classes`; none for classes without truth.
pub fn evaluate(pictures: &[Judged], classes: u16) -> Vec<Option<ClassPrecision>> {
    (0..classes).map(|class| evaluate_class(pictures, class)).collect()
}

/// The mean over all classes that have truth: (AP, AP50); none if no class has.
pub fn mean(classes: &[Option<ClassPrecision>]) -> Option<(f64, f64)> {
    let known: Vec<_> = classes.iter().flatten().collect();
    let count = known.len() as f64;
    let average = |value: fn(&ClassPrecision) -> f64| known.iter().map(|c| value(c)).sum::<f64>() / count;
    (!known.is_empty()).then(|| (average(|c| c.ap), average(|c| c.ap50)))
}

/// A detection and, for each IoU limit, whether it found its object.
struct Scored {
    score: f64,
    is_hit: [bool; LIMITS],
}

fn evaluate_class(pictures: &[Judged], class: u16) -> Option<ClassPrecision> {
    let mut objects = 0;
    let mut scored = Vec::new();
    for picture in pictures {
        let truth: Vec<PixelBox> = picture.truth.iter().filter(|t| t.0 == class).map(|t| t.1).collect();
        let mut found: Vec<(f64, PixelBox)> =
            picture.found.iter().filter(|f| f.0 == class).map(|f| (f.1, f.2)).collect();
        // Stable, so that equal scores keep their order.
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.truncate(MAX_PER_PICTURE);
        objects += truth.len();
        scored.extend(match_picture(&truth, &found));
    }
    if objects == 0 {
        return None;
    }
    scored.sort_by(|a, b| b.score.total_cmp(&a.score));
    let precisions: Vec<f64> = (0..LIMITS).map(|limit| average_precision(&scored, limit, objects)).collect();
    Some(ClassPrecision { ap: precisions.iter().sum::<f64>() / LIMITS as f64, ap50: precisions[0] })
}

fn match_picture(truth: &[PixelBox], found: &[(f64, PixelBox)]) -> Vec<Scored> {
    let mut scored: Vec<Scored> = found.iter().map(|f| Scored { score: f.0, is_hit: [false; LIMITS] }).collect();
    for limit in 0..LIMITS {
        let mut is_taken = vec![false; truth.len()];
        for (scored, (_, bbox)) in scored.iter_mut().zip(found) {
            let mut best: Option<usize> = None;
            let mut best_iou = iou_limit(limit).min(1.0 - 1e-10);
            for (at, object) in truth.iter().enumerate().filter(|(at, _)| !is_taken[*at]) {
                let iou = iou(bbox, object);
                if iou >= best_iou {
                    (best, best_iou) = (Some(at), iou);
                }
            }
            if let Some(at) = best {
                is_taken[at] = true;
                scored.is_hit[limit] = true;
            }
        }
    }
    scored
}

fn iou_limit(index: usize) -> f64 {
    0.5 + 0.05 * index as f64
}

fn iou(a: &PixelBox, b: &PixelBox) -> f64 {
    let width = (a[0] + a[2]).min(b[0] + b[2]) - a[0].max(b[0]);
    let height = (a[1] + a[3]).min(b[1] + b[3]) - a[1].max(b[1]);
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let shared = width * height;
    shared / (a[2] * a[3] + b[2] * b[3] - shared)
}

/// Precision at 101 recalls, averaged. `scored` is sorted by falling score.
fn average_precision(scored: &[Scored], limit: usize, objects: usize) -> f64 {
    let mut hits = 0usize;
    let mut curve: Vec<(f64, f64)> = scored
        .iter()
        .enumerate()
        .map(|(at, s)| {
            hits += usize::from(s.is_hit[limit]);
            (hits as f64 / objects as f64, hits as f64 / (at + 1) as f64)
        })
        .collect();
    let mut highest = 0f64;
    for (_, precision) in curve.iter_mut().rev() {
        highest = highest.max(*precision);
        *precision = highest;
    }
    let at_recall = |index: usize| {
        let recall = index as f64 / (RECALLS - 1) as f64;
        let first = curve.partition_point(|(reached, _)| *reached < recall);
        curve.get(first).map_or(0.0, |(_, precision)| *precision)
    };
    (0..RECALLS).map(at_recall).sum::<f64>() / RECALLS as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOX: PixelBox = [10.0, 10.0, 20.0, 20.0];
    const FAR: PixelBox = [100.0, 100.0, 20.0, 20.0];

    fn ap(truth: Vec<(u16, PixelBox)>, found: Vec<(u16, f64, PixelBox)>) -> ClassPrecision {
        evaluate(&[Judged { truth, found }], 1)[0].unwrap()
    }

    #[test]
    fn the_truth_itself_is_perfect_and_nothing_found_is_zero() {
        assert_eq!(
            ap(vec![(0, BOX), (0, FAR)], vec![(0, 0.9, BOX), (0, 0.8, FAR)]),
            ClassPrecision { ap: 1.0, ap50: 1.0 }
        );
        assert_eq!(ap(vec![(0, BOX)], vec![]), ClassPrecision { ap: 0.0, ap50: 0.0 });
    }

    #[test]
    fn a_false_alarm_before_the_hit_halves_precision_and_one_behind_it_costs_nothing() {
        assert_eq!(ap(vec![(0, BOX)], vec![(0, 0.9, FAR), (0, 0.8, BOX)]).ap50, 0.5);
        assert_eq!(ap(vec![(0, BOX)], vec![(0, 0.9, BOX), (0, 0.8, FAR)]).ap50, 1.0);
    }

    #[test]
    fn half_of_the_objects_found_covers_51_of_101_recalls() {
        assert_eq!(ap(vec![(0, BOX), (0, FAR)], vec![(0, 0.9, BOX)]).ap50, 51.0 / 101.0);
    }

    #[test]
    fn a_shifted_box_counts_up_to_its_overlap() {
        // 16 of 20 columns shared: IoU 16 / 24 = .667, which passes .50, .55, .60 and .65.
        let shifted = [14.0, 10.0, 20.0, 20.0];
        let found = ap(vec![(0, BOX)], vec![(0, 0.9, shifted)]);
        assert!((found.ap - 0.4).abs() < 1e-12 && found.ap50 == 1.0, "{found:?}");
    }

    #[test]
    fn a_second_box_on_one_object_is_a_false_alarm() {
        let found = vec![(0, 0.9, BOX), (0, 0.8, BOX), (0, 0.7, FAR)];
        let precision = ap(vec![(0, BOX), (0, FAR)], found).ap50;
        let expected = (51.0 + 50.0 * 2.0 / 3.0) / 101.0;
        assert!((precision - expected).abs() < 1e-12, "{precision}, expected {expected}");
    }

    #[test]
    fn classes_without_truth_are_left_out_of_the_mean() {
        let picture = Judged { truth: vec![(1, BOX)], found: vec![(0, 0.9, BOX), (1, 0.9, BOX)] };
        let classes = evaluate(&[picture], 3);
        assert_eq!(classes, [None, Some(ClassPrecision { ap: 1.0, ap50: 1.0 }), None]);
        assert_eq!(mean(&classes), Some((1.0, 1.0)));
        assert_eq!(mean(&[None]), None);
    }

    fn any_box() -> impl Strategy<Value = PixelBox> {
        (0f64..100.0, 0f64..100.0, 1f64..50.0, 1f64..50.0).prop_map(|(x, y, w, h)| [x, y, w, h])
    }

    proptest! {
        #[test]
        fn precision_lies_in_0_to_1_and_falls_with_the_limit(
            truth in proptest::collection::vec(any_box(), 1..8),
            found in proptest::collection::vec((0f64..1.0, any_box()), 0..20),
        ) {
            let truth = truth.into_iter().map(|b| (0, b)).collect();
            let found = found.into_iter().map(|(s, b)| (0, s, b)).collect();
            let p = ap(truth, found);
            prop_assert!(0.0 <= p.ap && p.ap <= p.ap50 + 1e-12 && p.ap50 <= 1.0);
        }
    }
}
