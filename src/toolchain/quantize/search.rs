//! How many of the worst tensors must stay floats: from none upwards until what is seen agrees with the float model.

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
        for count in counts {
            let found = self.candidate(&ranked[..count], std::mem::take(&mut best.tried))?;
            progress.step();
            let is_enough = self.gate.inaccuracy(&reference, &found.score).is_none();
            if is_enough || found.score.agreement > best.score.agreement {
                best = found;
            } else {
                best.tried = found.tried;
            }
            if is_enough {
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
        tried.push(Candidate { left_in_floats: left_out.len(), score });
        let left_out = left_out.iter().map(|ranked| ranked.tensor.clone()).collect();
        Ok(Found { model, score, seen, left_out, tried })
    }
}
