//! How many of the worst tensors must stay floats: from none upwards until what is seen agrees with the float model, and a
//! few more where they cost next to nothing.

use std::collections::BTreeSet;

use crate::detect::Detector;
use crate::model::proto::ModelProto;

use super::error::QuantizeError;
use super::judge::{Judge, Score, Seen};
use super::place::{self, Recipe};
use super::plan::Plan;
use super::progress::Progress;
use super::rank::Ranked;
use super::verdict::{Candidate, Gate};
use super::workbench::Workbench;

/// How many tensors are left in floats, in turn. The first few bring most.
const COUNTS: [usize; 15] = [0, 1, 2, 3, 4, 6, 10, 16, 24, 32, 48, 64, 96, 128, 192];

/// How many candidates are tried behind the first that is accurate enough.
const FURTHER: usize = 3;
/// One of those is better if it agrees by so much more, and does at least this share of the first one's multiplications in
/// integers.
const GAIN: f64 = 0.01;
const WORK: f64 = 0.95;

/// What the candidates are made of and judged by.
pub(super) struct Search<'a> {
    pub(super) model: &'a ModelProto,
    pub(super) plan: &'a Plan<'a>,
    pub(super) recipe: Recipe<'a>,
    pub(super) bench: &'a Workbench,
    pub(super) float: &'a Detector,
    pub(super) judge: &'a Judge<'a>,
    pub(super) gate: Gate,
}

/// Ranks tensors, worst first.
pub(super) type Ranking<'a> = dyn FnMut(&mut dyn Progress) -> Result<Vec<Ranked>, QuantizeError> + 'a;

/// The candidate that was chosen.
pub(super) struct Found {
    pub(super) model: ModelProto,
    pub(super) score: Score,
    pub(super) seen: Seen,
    pub(super) left_out: Vec<String>,
    /// The share of its multiplications that is done in integers.
    pub(super) work: f64,
    pub(super) tried: Vec<Candidate>,
}

impl Search<'_> {
    /// Tries candidates until one is accurate enough; else the most accurate one. `ranked` is asked for only when the
    /// first is not, since ranking takes long.
    pub(super) fn run(&self, ranked: &mut Ranking<'_>, progress: &mut dyn Progress) -> Result<Found, QuantizeError> {
        let reference = self.judge.score(&self.judge.float);
        let mut best = self.candidate(&[], Vec::new())?;
        if self.gate.inaccuracy(&reference, &best.score).is_none() {
            return Ok(best);
        }
        let ranked = ranked(progress)?;
        let counts: Vec<usize> = COUNTS.into_iter().skip(1).filter(|count| *count < ranked.len()).collect();
        progress.begin("searching", counts.len());
        // Once one is accurate enough: how much work a better one must do in integers, and how many are still tried.
        let mut further: Option<(f64, usize)> = None;
        for count in counts {
            let found = self.candidate(&ranked[..count], std::mem::take(&mut best.tried))?;
            progress.step();
            let is_enough = self.gate.inaccuracy(&reference, &found.score).is_none();
            let gain = found.score.agreement - best.score.agreement;
            let is_better = match further {
                None => is_enough || gain > 0.0,
                Some((least, _)) => is_enough && gain > GAIN && found.work >= least,
            };
            further = match further {
                None => is_enough.then_some((found.work * WORK, FURTHER)),
                Some((least, left)) => Some((least, left - 1)),
            };
            if is_better {
                best = found;
            } else {
                best.tried = found.tried;
            }
            if further.is_some_and(|(_, left)| left == 0) {
                break;
            }
        }
        Ok(best)
    }

    fn candidate(&self, left_out: &[Ranked], mut tried: Vec<Candidate>) -> Result<Found, QuantizeError> {
        let names: BTreeSet<&str> = left_out.iter().map(|ranked| ranked.tensor.as_str()).collect();
        let model = place::place(self.model, self.plan, self.recipe, &names);
        let (score, seen) = self.bench.score(&model, self.float, self.judge)?;
        tracing::debug!(left_in_floats = left_out.len(), agreement = score.agreement, map = score.map, "tried");
        let work = self.plan.share_of_work(&self.plan.choose(&names).1);
        tried.push(Candidate { left_in_floats: left_out.len(), integer_work: work, score });
        let left_out = left_out.iter().map(|ranked| ranked.tensor.clone()).collect();
        Ok(Found { model, score, seen, left_out, work, tried })
    }
}
