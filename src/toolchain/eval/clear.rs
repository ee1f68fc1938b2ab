//! CLEAR MOT: misses, false boxes and identity switches, and MOTA made of them.
//!
//! Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics", 2008, as
//! TrackEval computes it: a pair that matched in the previous frame is kept before overlap decides, and a switch is a
//! truth whose track differs from the last one it ever had.

use super::sequence::{EPSILON, SAME_OBJECT, Sequence};
use crate::track::assignment::Assignment;

/// Counts over a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Clear {
    /// Boxes that match a truth.
    pub true_positives: u64,
    /// Boxes that match none.
    pub false_positives: u64,
    /// Truths without a box.
    pub false_negatives: u64,
    /// How often a truth changed its track.
    pub switches: u64,
    /// How often a truth was found again after not being found.
    pub fragments: u64,
    /// Sum of the overlaps of matched boxes.
    pub overlap: f64,
}

impl Clear {
    /// Multiple object tracking accuracy: 1 minus all errors per truth; can be negative.
    pub fn mota(&self) -> f64 {
        let right = self.true_positives as f64 - self.false_positives as f64 - self.switches as f64;
        right / ((self.true_positives + self.false_negatives) as f64).max(1.0)
    }

    /// Mean overlap of matched boxes.
    pub fn motp(&self) -> f64 {
        self.overlap / (self.true_positives as f64).max(1.0)
    }
}

/// More than any sum of overlaps in a frame, so that continuity decides before overlap.
const CONTINUITY: f64 = 1000.0;

/// What is remembered of each truth from frame to frame.
struct Memory {
    /// The track it had last, whenever that was.
    last: Vec<Option<usize>>,
    /// The track it had in the previous frame.
    previous: Vec<Option<usize>>,
    found_before: Vec<bool>,
}

pub(super) fn clear(sequence: &Sequence) -> Clear {
    let mut counts = Clear::default();
    let mut memory = Memory {
        last: vec![None; sequence.truths],
        previous: vec![None; sequence.truths],
        found_before: vec![false; sequence.truths],
    };
    let mut solver = Assignment::default();
    for frame in &sequence.frames {
        if frame.truths.is_empty() || frame.tracks.is_empty() {
            counts.false_negatives += frame.truths.len() as u64;
            counts.false_positives += frame.tracks.len() as u64;
            continue;
        }
        let pairs = frame.truths.iter().flat_map(|&t| frame.tracks.iter().map(move |&k| (t, k)));
        let cost = |((truth, track), &overlap): ((usize, usize), &f64)| match overlap {
            o if o < SAME_OBJECT - EPSILON => 0.0,
            o if memory.previous[truth] == Some(track) => -CONTINUITY - o,
            o => -o,
        };
        let costs: Vec<f64> = pairs.zip(&frame.overlap).map(cost).collect();
        let matched = solver.solve(frame.truths.len(), frame.tracks.len(), &costs, 0.0);
        let mut now = vec![None; sequence.truths];
        for (row, column) in matched.iter().enumerate() {
            let Some(column) = *column else { continue };
            let (truth, track) = (frame.truths[row], frame.tracks[column]);
            counts.true_positives += 1;
            counts.overlap += frame.overlap[row * frame.tracks.len() + column];
            counts.switches += u64::from(memory.last[truth].is_some_and(|last| last != track));
            counts.fragments += u64::from(memory.previous[truth].is_none() && memory.found_before[truth]);
            memory.last[truth] = Some(track);
            memory.found_before[truth] = true;
            now[truth] = Some(track);
        }
        let found = matched.iter().flatten().count() as u64;
        counts.false_negatives += frame.truths.len() as u64 - found;
        counts.false_positives += frame.tracks.len() as u64 - found;
        memory.previous = now;
    }
    counts
}
