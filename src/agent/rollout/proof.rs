//! Whether a new model has proved itself, judged by what was measured. Pure.

use super::Measures;
use crate::wire::{Proof, ProofEvidence};

/// Fewer objects than this in both models' pictures together say nothing about how many there are.
const FEWEST_OBJECTS: u64 = 8;
/// Fewer pictures than this say nothing about how many come too fast.
const FEWEST_PICTURES: u64 = 50;
/// The quantile of the normal distribution that a difference must exceed to be no accident: two-sided, p < 0.01.
const NO_ACCIDENT: f64 = 2.576;
/// A time difference below this is the clock's, in milliseconds.
const NOTICEABLE_MS: f64 = 1.0;

/// Judges what was seen in the shadow of the model in force.
///
/// # Errors
/// In words, what was not as it has to be.
pub fn judge_shadow(proof: &Proof, seen: &ProofEvidence) -> Result<(), String> {
    if seen.looks == 0 {
        return Err(format!(
            "no camera showed anything to look at within {} s, so it was not proved",
            proof.shadow_seconds
        ));
    }
    let (before, now) = (seen.look_before_ms, seen.look_ms);
    if now > before * proof.latency_ratio && now - before > NOTICEABLE_MS {
        return Err(format!(
            "too slow: a look took {now:.1} ms where the model in force took {before:.1} ms on the same {} pictures, {} times \
             as long is allowed",
            seen.looks, proof.latency_ratio
        ));
    }
    let (old, new) = (seen.objects_before, seen.objects);
    if is_no_accident(old, new) {
        let ratio = new as f64 / old.max(1) as f64;
        let told = |what: &str| {
            format!(
                "{what}: it saw {new} objects where the model in force saw {old}, in the same {} pictures",
                seen.looks
            )
        };
        if ratio * proof.objects_ratio < 1.0 {
            return Err(told("blind"));
        }
        if ratio > proof.objects_ratio {
            return Err(told("noisy"));
        }
    }
    match proof.agreement {
        Some(least) if old + new >= FEWEST_OBJECTS && seen.agreement() < least => Err(format!(
            "it agrees with the model in force to {:.2} (F1 at an overlap of 0.5) in {} pictures, {least} is asked for",
            seen.agreement(),
            seen.looks
        )),
        _ => Ok(()),
    }
}

/// Whether two counts over the same pictures differ by more than chance: given their sum, each is binomial with one half
/// if both models see equally much (the conditional test of Przyborowski and Wilenski, 1940), here by its normal
/// approximation with continuity correction.
fn is_no_accident(one: u64, other: u64) -> bool {
    let sum = (one + other) as f64;
    one + other >= FEWEST_OBJECTS && (one.abs_diff(other) as f64 - 1.0) / sum.sqrt() > NO_ACCIDENT
}

/// Adds to `seen` what two stretches of time came to: before the trial, and on trial.
pub fn compare_trial(seen: &mut ProofEvidence, before: [Measures; 2], trial: [Measures; 2]) {
    (seen.frame_rate_before, seen.superseded_before) = rates(before);
    (seen.frame_rate, seen.superseded) = rates(trial);
    (seen.memory_before, seen.memory) = (before[1].memory, trial[1].memory);
}

fn rates([from, to]: [Measures; 2]) -> (f64, f64) {
    let seconds = to.at.saturating_sub(from.at).as_secs_f64();
    let rate = if seconds > 0.0 { to.frames.saturating_sub(from.frames) as f64 / seconds } else { 0.0 };
    let superseded = to.superseded.saturating_sub(from.superseded);
    let pictures = superseded + to.looked.saturating_sub(from.looked);
    (rate, if pictures >= FEWEST_PICTURES { superseded as f64 / pictures as f64 } else { 0.0 })
}

/// Judges what was measured on trial; `failed` looks failed in it.
///
/// # Errors
/// In words, what was not as it has to be.
pub fn judge_trial(proof: &Proof, seen: &ProofEvidence, failed: u64) -> Result<(), String> {
    if failed > 0 {
        return Err(format!("{failed} looks failed on trial"));
    }
    if seen.frame_rate < seen.frame_rate_before * proof.frame_rate {
        return Err(format!(
            "the cameras' frame rate fell from {:.1} to {:.1} a second on trial",
            seen.frame_rate_before, seen.frame_rate
        ));
    }
    if seen.superseded > seen.superseded_before + proof.superseded {
        return Err(format!(
            "{:.1} % of the pictures came too fast for it on trial, {:.1} % before",
            seen.superseded * 100.0,
            seen.superseded_before * 100.0
        ));
    }
    if seen.memory as f64 > seen.memory_before as f64 * proof.memory_ratio {
        let mib = |bytes: u64| bytes >> 20;
        return Err(format!(
            "the agent took {} MiB on trial, {} MiB before",
            mib(seen.memory),
            mib(seen.memory_before)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn seen() -> ProofEvidence {
        ProofEvidence {
            looks: 200,
            objects_before: 100,
            objects: 104,
            same: 95,
            look_before_ms: 14.0,
            look_ms: 15.0,
            ..ProofEvidence::default()
        }
    }

    fn refused(proof: &Proof, seen: &ProofEvidence) -> String {
        judge_shadow(proof, seen).unwrap_err()
    }

    #[test]
    fn a_model_that_is_as_good_passes() {
        assert_eq!(judge_shadow(&Proof::default(), &seen()), Ok(()));
        assert_eq!(judge_shadow(&Proof { agreement: Some(0.9), ..Proof::default() }, &seen()), Ok(()));
        let still = ProofEvidence { objects: 0, objects_before: 0, same: 0, ..seen() };
        assert_eq!(judge_shadow(&Proof { agreement: Some(0.9), ..Proof::default() }, &still), Ok(()), "an empty yard");
    }

    #[test]
    fn slow_blind_noisy_and_different_ones_are_told_apart_in_words() {
        let proof = Proof::default();
        assert!(
            refused(&proof, &ProofEvidence { look_ms: 17.0, ..seen() }).starts_with("too slow: a look took 17.0 ms")
        );
        assert!(
            refused(&proof, &ProofEvidence { objects: 3, same: 2, ..seen() }).starts_with("blind: it saw 3 objects")
        );
        assert!(refused(&proof, &ProofEvidence { objects: 250, ..seen() }).starts_with("noisy: it saw 250 objects"));
        let strict = Proof { agreement: Some(0.95), ..proof.clone() };
        assert!(refused(&strict, &seen()).contains("agrees with the model in force to 0.93"));
        assert!(refused(&proof, &ProofEvidence::default()).contains("within 600 s"));
    }

    #[test]
    fn a_difference_that_may_be_chance_is_none() {
        let few = ProofEvidence { objects_before: 5, objects: 2, same: 2, ..seen() };
        assert_eq!(judge_shadow(&Proof::default(), &few), Ok(()));
        let fast = ProofEvidence { look_before_ms: 0.2, look_ms: 0.9, ..seen() };
        assert_eq!(judge_shadow(&Proof::default(), &fast), Ok(()), "below what a clock tells");
    }

    fn at(seconds: u64, frames: u64, looked: u64, superseded: u64, mib: u64) -> Measures {
        Measures { at: Duration::from_secs(seconds), frames, looked, superseded, failed: 0, memory: mib << 20 }
    }

    #[test]
    fn a_trial_is_held_against_the_time_before_it() {
        let before = [at(0, 0, 0, 0, 90), at(10, 250, 50, 0, 100)];
        let judge = |trial| {
            let mut seen = seen();
            compare_trial(&mut seen, before, trial);
            judge_trial(&Proof::default(), &seen, 0)
        };
        assert_eq!(judge([at(20, 500, 100, 0, 100), at(30, 748, 150, 0, 140)]), Ok(()));
        assert!(judge([at(20, 500, 100, 0, 100), at(30, 700, 150, 0, 100)]).unwrap_err().contains("25.0 to 20.0"));
        assert!(judge([at(20, 500, 100, 0, 100), at(30, 750, 140, 10, 100)]).unwrap_err().contains("20.0 %"));
        assert!(judge([at(20, 500, 100, 0, 100), at(30, 750, 150, 0, 151)]).unwrap_err().contains("151 MiB"));
        assert!(judge_trial(&Proof::default(), &seen(), 2).unwrap_err().contains("2 looks failed"));
    }

    proptest! {
        #[test]
        fn whoever_sees_the_same_passes_and_whoever_sees_ten_times_as_much_does_not(objects in 20u64..10_000) {
            let same = ProofEvidence { objects_before: objects, objects, same: objects, ..seen() };
            prop_assert_eq!(judge_shadow(&Proof::default(), &same), Ok(()));
            let more = ProofEvidence { objects_before: objects, objects: objects * 10, same: objects, ..seen() };
            prop_assert!(judge_shadow(&Proof::default(), &more).is_err());
            let less = ProofEvidence { objects_before: objects * 10, objects, same: objects, ..seen() };
            prop_assert!(judge_shadow(&Proof::default(), &less).is_err());
        }
    }
}
