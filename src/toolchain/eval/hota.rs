//! HOTA: detection and association weighed evenly, averaged over how strictly boxes must overlap.
//!
//! Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021, as TrackEval computes
//! it: in each frame one assignment, by overlap times how well the two objects match over the whole sequence; then for
//! each threshold the pairs that overlap enough are true positives.

use super::sequence::{EPSILON, Sequence};
use crate::track::assignment::Assignment;

/// Averages over the 19 thresholds .05, .10, … .95.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Hota {
    /// The geometric mean of detection and association accuracy.
    pub hota: f64,
    /// Detection accuracy.
    pub deta: f64,
    /// Association accuracy.
    pub assa: f64,
    /// How much matched boxes overlap.
    pub loca: f64,
}

const THRESHOLDS: usize = 19;

pub(super) fn hota(sequence: &Sequence) -> Hota {
    let presence = Presence::new(sequence);
    let alignment = presence.alignment(sequence);
    let mut tallies = vec![Tally::new(sequence); THRESHOLDS];
    let mut solver = Assignment::default();
    let mut costs = Vec::new();
    for frame in &sequence.frames {
        let pairs = frame.truths.iter().flat_map(|t| frame.tracks.iter().map(move |k| t * sequence.tracks + k));
        costs.clear();
        costs.extend(pairs.zip(&frame.overlap).map(|(pair, overlap)| -alignment[pair] * overlap));
        let matched = solver.solve(frame.truths.len(), frame.tracks.len(), &costs, 0.0);
        for (i, tally) in tallies.iter_mut().enumerate() {
            let threshold = 0.05 * (i + 1) as f64 - EPSILON;
            tally.boxes += frame.truths.len() + frame.tracks.len();
            for (row, column) in matched.iter().enumerate() {
                let Some(column) = *column else { continue };
                let overlap = frame.overlap[row * frame.tracks.len() + column];
                if overlap >= threshold {
                    tally.note(frame.truths[row] * sequence.tracks + frame.tracks[column], overlap);
                }
            }
        }
    }
    let mut mean = Hota::default();
    for part in tallies.iter().map(|tally| tally.scores(&presence)) {
        mean.hota += part.hota / THRESHOLDS as f64;
        mean.deta += part.deta / THRESHOLDS as f64;
        mean.assa += part.assa / THRESHOLDS as f64;
        mean.loca += part.loca / THRESHOLDS as f64;
    }
    mean
}

/// In how many frames each object is.
struct Presence {
    truths: Vec<f64>,
    tracks: Vec<f64>,
}

impl Presence {
    fn new(sequence: &Sequence) -> Self {
        let mut presence = Self { truths: vec![0.0; sequence.truths], tracks: vec![0.0; sequence.tracks] };
        for frame in &sequence.frames {
            frame.truths.iter().for_each(|&t| presence.truths[t] += 1.0);
            frame.tracks.iter().for_each(|&k| presence.tracks[k] += 1.0);
        }
        presence
    }

    /// In how many frames either or both of a pair are, given in how many they are together.
    fn either(&self, pair: usize, together: f64) -> f64 {
        self.truths[pair / self.tracks.len()] + self.tracks[pair % self.tracks.len()] - together
    }

    /// How well each truth (row) matches each track (column) over the whole sequence, 0..1.
    fn alignment(&self, sequence: &Sequence) -> Vec<f64> {
        let mut together = vec![0.0; sequence.truths * sequence.tracks];
        for frame in &sequence.frames {
            let columns = frame.tracks.len();
            let of_row = |r: usize| frame.overlap[r * columns..(r + 1) * columns].iter().sum::<f64>();
            let of_column = |c: usize| (0..frame.truths.len()).map(|r| frame.overlap[r * columns + c]).sum::<f64>();
            let column_sums: Vec<f64> = (0..columns).map(of_column).collect();
            for (r, truth) in frame.truths.iter().enumerate() {
                let row_sum = of_row(r);
                for (c, track) in frame.tracks.iter().enumerate() {
                    let overlap = frame.overlap[r * columns + c];
                    let around = row_sum + column_sums[c] - overlap;
                    if around > EPSILON {
                        together[truth * sequence.tracks + track] += overlap / around;
                    }
                }
            }
        }
        together.iter().enumerate().map(|(pair, t)| t / self.either(pair, *t)).collect()
    }
}

/// What is counted for one threshold.
#[derive(Clone)]
struct Tally {
    matches: Vec<f64>,
    true_positives: f64,
    overlap: f64,
    boxes: usize,
}

impl Tally {
    fn new(sequence: &Sequence) -> Self {
        Self { matches: vec![0.0; sequence.truths * sequence.tracks], true_positives: 0.0, overlap: 0.0, boxes: 0 }
    }

    fn note(&mut self, pair: usize, overlap: f64) {
        self.matches[pair] += 1.0;
        self.true_positives += 1.0;
        self.overlap += overlap;
    }

    fn scores(&self, presence: &Presence) -> Hota {
        // Matched boxes are in `boxes` twice, so this is true positives plus both kinds of errors.
        let deta = self.true_positives / (self.boxes as f64 - self.true_positives).max(1.0);
        let matched = self.matches.iter().enumerate().filter(|(_, m)| **m > 0.0);
        let associated: f64 = matched.map(|(pair, m)| m * m / presence.either(pair, *m).max(1.0)).sum();
        let assa = associated / self.true_positives.max(1.0);
        let loca = self.overlap.max(1e-10) / self.true_positives.max(1e-10);
        Hota { hota: (deta * assa).sqrt(), deta, assa, loca }
    }
}
