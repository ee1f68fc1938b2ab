//! Identity measures: how much of the truth the best one-to-one pairing of truths and tracks explains.
//!
//! Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016. Minimising false
//! positives and negatives over pairings, as the paper does, is the same as maximising the boxes that agree.

use super::sequence::{SAME_OBJECT, Sequence};
use crate::track::assignment::Assignment;

/// Counts over a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Identity {
    /// Boxes that agree with the pairing.
    pub true_positives: u64,
    /// Boxes of tracks that do not.
    pub false_positives: u64,
    /// Boxes of truths that do not.
    pub false_negatives: u64,
}

impl Identity {
    /// Share of truth that is found under the right identity.
    pub fn recall(&self) -> f64 {
        self.true_positives as f64 / ((self.true_positives + self.false_negatives) as f64).max(1.0)
    }

    /// Share of tracker boxes that have the right identity.
    pub fn precision(&self) -> f64 {
        self.true_positives as f64 / ((self.true_positives + self.false_positives) as f64).max(1.0)
    }

    /// The harmonic mean of both.
    pub fn f1(&self) -> f64 {
        let all = 2 * self.true_positives + self.false_positives + self.false_negatives;
        2.0 * self.true_positives as f64 / (all as f64).max(1.0)
    }
}

pub(super) fn identity(sequence: &Sequence) -> Identity {
    let mut costs = vec![0.0; sequence.truths * sequence.tracks];
    let (mut truth_boxes, mut track_boxes) = (0, 0);
    for frame in &sequence.frames {
        truth_boxes += frame.truths.len() as u64;
        track_boxes += frame.tracks.len() as u64;
        let pairs = frame.truths.iter().flat_map(|t| frame.tracks.iter().map(move |k| t * sequence.tracks + k));
        for (pair, _) in pairs.zip(&frame.overlap).filter(|(_, overlap)| **overlap >= SAME_OBJECT) {
            costs[pair] -= 1.0;
        }
    }
    let mut solver = Assignment::default();
    let paired = solver.solve(sequence.truths, sequence.tracks, &costs, 0.0);
    let agreed = |(row, column): (usize, &Option<usize>)| column.map_or(0.0, |c| -costs[row * sequence.tracks + c]);
    let true_positives = paired.iter().enumerate().map(agreed).sum::<f64>() as u64;
    Identity {
        true_positives,
        false_positives: track_boxes - true_positives,
        false_negatives: truth_boxes - true_positives,
    }
}
