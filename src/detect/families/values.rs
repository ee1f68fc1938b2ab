//! What the values of outputs can and cannot be, and the arithmetic that several families share.

use super::{Implausible, Tensor};

/// Checks what holds for every family: all outputs finite, all scores within 0..1 (to within rounding), and not all of
/// them exactly zero, as they are when a whole detector was quantised with one scale for boxes and scores.
pub(super) fn check_scores(outputs: &[Tensor<'_>], mut scores: impl Iterator<Item = f32>) -> Result<(), Implausible> {
    check_finite(outputs)?;
    let mut highest = f32::NEG_INFINITY;
    if let Some(score) = scores.find(|score| {
        highest = highest.max(*score);
        !is_score(*score)
    }) {
        return Err(Implausible::Broken(format!("a score is {score}; scores lie in 0..1")));
    }
    if highest <= 0.0 {
        let reason = "every score is exactly 0; was the whole model quantised, its last layers included?";
        return Err(Implausible::Broken(reason.to_owned()));
    }
    Ok(())
}

/// Whether `value` lies in 0..1, to within rounding.
pub(super) fn is_score(value: f32) -> bool {
    (-0.01..=1.01).contains(&value)
}

/// Checks that no output holds an infinity or NaN.
pub(super) fn check_finite(outputs: &[Tensor<'_>]) -> Result<(), Implausible> {
    for (index, output) in outputs.iter().enumerate() {
        if let Some(at) = output.data.iter().position(|v| !v.is_finite()) {
            return Err(Implausible::Broken(format!("output {index} is {} at element {at}", output.data[at])));
        }
    }
    Ok(())
}

/// The verdict of a check that a form either passes or, for `reason`, does not.
pub(super) fn form(fits: bool, reason: impl FnOnce() -> String) -> Result<(), Implausible> {
    if fits { Ok(()) } else { Err(Implausible::OtherForm(format!("on the golden picture {}", reason()))) }
}

/// The mean of `values`; 0 for none.
pub(super) fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0f64, 0u32), |(sum, count), v| (sum + f64::from(v), count + 1));
    if count == 0 { 0.0 } else { (sum / f64::from(count)) as f32 }
}

/// The share of `values` that are true, 0..1; 1 for none.
pub(super) fn share(values: impl Iterator<Item = bool>) -> f32 {
    let (hits, count) = values.fold((0u32, 0u32), |(hits, count), v| (hits + u32::from(v), count + 1));
    if count == 0 { 1.0 } else { (f64::from(hits) / f64::from(count)) as f32 }
}

/// The logistic function.
pub(super) fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// The value whose [`sigmoid`] is `share`, 0..1: where logits are compared, only those that pass need the exponential.
pub(super) fn logit(share: f32) -> f32 {
    (share / (1.0 - share)).ln()
}

const LANES: usize = 8;

/// The highest of `scores` and its index (the first of equal ones), if it reaches `threshold`. Most cells show nothing,
/// so the maximum is taken first, eight lanes at a time, and the index is looked for only where it counts.
pub(super) fn best(scores: &[f32], threshold: f32) -> Option<(usize, f32)> {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = scores.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &score) in lanes.iter_mut().zip(chunk) {
            // Not f32::max: its care for NaN costs instructions, and a NaN is no score either way.
            *lane = if score > *lane { score } else { *lane };
        }
    }
    let highest = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    if highest < threshold || highest == f32::NEG_INFINITY {
        return None;
    }
    scores.iter().position(|&score| score == highest).map(|at| (at, highest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_logit_is_undone_by_the_sigmoid() {
        for share in [0.01f32, 0.4, 0.5, 0.99] {
            assert!((sigmoid(logit(share)) - share).abs() < 1e-6);
        }
        assert_eq!((logit(0.0), logit(1.0)), (f32::NEG_INFINITY, f32::INFINITY));
    }

    proptest! {
        #[test]
        fn the_best_is_the_first_of_the_highest(scores in proptest::collection::vec(0u8..20, 0..40), limit in 0u8..20) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let (mut expected, limit) = (None, f32::from(limit));
            for (at, &score) in scores.iter().enumerate() {
                if score >= limit && expected.is_none_or(|(_, highest)| score > highest) {
                    expected = Some((at, score));
                }
            }
            prop_assert_eq!(best(&scores, limit), expected);
        }
    }
}
