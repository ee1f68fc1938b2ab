//! Whether a quantised model may replace the float one, and what is said of both.

use std::path::PathBuf;

use serde::Serialize;

use super::judge::Score;
use super::latency::Latency;

/// What is asked of a quantised model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gate {
    /// The least agreement with the float model, averaged over IoU .50 to .95, where there are no labels.
    pub agreement: f64,
    /// The least agreement at IoU .50, where there are no labels.
    pub agreement50: f64,
    /// The most mean average precision that it may lose, where there are labels.
    pub map_drop: f64,
    /// The most time it may take, as a share of the float model's.
    pub latency: f64,
}

impl Gate {
    /// Why a score is not good enough, if it is not.
    pub fn inaccuracy(&self, float: &Score, score: &Score) -> Option<String> {
        if let (Some(before), Some(after)) = (float.map, score.map) {
            let drop = before - after;
            let fault = || format!("it loses {drop:.3} mAP; at most {:.3} is allowed", self.map_drop);
            return (drop > self.map_drop).then(fault);
        }
        let pairs = [(score.agreement, self.agreement, ""), (score.agreement50, self.agreement50, " at IoU .50")];
        let fault = |(found, least, at)| {
            format!("it agrees to {found:.3}{at} with the float model; at least {least:.2} is asked")
        };
        pairs.into_iter().find(|(found, least, _)| found < least).map(fault)
    }

    /// Why a latency is not good enough, if it is not.
    pub fn slowness(&self, float: &Latency, quantised: &Latency) -> Option<String> {
        let share = quantised.p50_ms / float.p50_ms.max(f64::MIN_POSITIVE);
        let fault =
            || format!("it takes {share:.2} times as long as the float model; at most {:.2} is allowed", self.latency);
        (share > self.latency).then(fault)
    }
}

/// Figures of one of both models.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Side {
    /// How it does on the pictures held back.
    #[serde(flatten)]
    pub score: Score,
    /// How long it takes on one thread of this machine; none where the target is another kind of machine.
    #[serde(flatten)]
    pub latency: Option<Latency>,
    /// Size of the file.
    pub bytes: usize,
}

/// One model that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// How many of the worst tensors are floats.
    pub left_in_floats: usize,
    /// The share of its multiplications that is done in integers.
    pub integer_work: f64,
    /// How it does.
    #[serde(flatten)]
    pub score: Score,
}

/// What came of a quantisation; a JSON object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The float model.
    pub model: PathBuf,
    /// Where the quantised one lies: what was asked for, or beside it where it was rejected.
    pub file: PathBuf,
    /// SHA-256 of that file, in hex.
    pub sha256: String,
    /// Who is to run it.
    pub target: String,
    /// The family of both.
    pub family: String,
    /// Whether it may replace the float model.
    pub passed: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// The float model's figures.
    pub float: Side,
    /// The quantised model's figures.
    pub int8: Side,
    /// Pictures that ranges were learned from.
    pub calibrated_with: usize,
    /// Pictures that both were judged by.
    pub judged_by: usize,
    /// Operators that compute in integers, and how many there are in all.
    pub integer_operators: (usize, usize),
    /// The share of all multiplications that those do.
    pub integer_work: f64,
    /// Tensors that are floats because 8 bits cost too much.
    pub left_in_floats: Vec<String>,
    /// All that was tried, in turn.
    pub candidates: Vec<Candidate>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: Gate = Gate { agreement: 0.85, agreement50: 0.95, map_drop: 0.01, latency: 1.0 };

    fn score(agreement: f64, map: Option<f64>) -> Score {
        Score { agreement, agreement50: agreement, map, map50: map }
    }

    #[test]
    fn labels_decide_where_there_are_any_and_agreement_elsewhere() {
        assert_eq!(GATE.inaccuracy(&score(1.0, None), &score(0.96, None)), None);
        assert!(GATE.inaccuracy(&score(1.0, None), &score(0.8, None)).unwrap().contains("0.800 with"));
        assert!(GATE.inaccuracy(&score(1.0, None), &score(0.9, None)).unwrap().contains("0.900 at IoU .50"));
        assert_eq!(GATE.inaccuracy(&score(1.0, Some(0.5)), &score(0.2, Some(0.495))), None);
        assert!(GATE.inaccuracy(&score(1.0, Some(0.5)), &score(0.99, Some(0.48))).unwrap().contains("0.020 mAP"));
    }

    #[test]
    fn a_slower_model_is_no_gain() {
        let of = |p50_ms| Latency { p50_ms, p95_ms: p50_ms };
        assert_eq!(GATE.slowness(&of(10.0), &of(9.0)), None);
        assert!(GATE.slowness(&of(10.0), &of(13.0)).unwrap().contains("1.30 times"));
    }
}
