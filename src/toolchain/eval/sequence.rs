//! Truth and tracker output of one sequence side by side: who is in each frame, and how much their boxes overlap.

use std::collections::BTreeMap;

use crate::toolchain::mot::{MotError, Row};
use crate::track::assignment::Assignment;

/// Numbers closer than this count as equal, as in TrackEval.
pub(super) const EPSILON: f64 = f64::EPSILON;

/// Boxes that overlap at least this much can be the same object, for CLEAR and identity measures.
pub(super) const SAME_OBJECT: f64 = 0.5;

/// The class of MOT16 and later that is scored.
const PEDESTRIAN: i32 = 1;

/// Classes of MOT16 and later that a tracker may report or not: person on a vehicle, static person, distractor,
/// reflection. What matches them is neither right nor wrong.
const NEUTRAL: [i32; 4] = [2, 7, 8, 12];

/// One sequence, ready to be scored.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// How many true objects there are; they are numbered from 0.
    pub truths: usize,
    /// How many tracks there are; they are numbered from 0.
    pub tracks: usize,
    /// Every frame in which anything is, in order.
    pub frames: Vec<Frame>,
}

/// One frame.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// The true objects in it.
    pub truths: Vec<usize>,
    /// The tracks in it.
    pub tracks: Vec<usize>,
    /// Intersection over union of each truth (row) with each track (column).
    pub overlap: Vec<f64>,
}

impl Sequence {
    /// Lines truth and tracker output up.
    ///
    /// Truth lines whose flag is 0 are left out. Where truth names classes, as MOT16 and later do, only pedestrians
    /// count, and tracker boxes that match one of the neutral classes are left out as TrackEval does.
    ///
    /// # Errors
    /// When an object has two boxes in one frame.
    pub fn new(truth: &[Row], output: &[Row]) -> Result<Self, MotError> {
        let mut frames: BTreeMap<u32, (Vec<&Row>, Vec<&Row>)> = BTreeMap::new();
        for row in truth {
            frames.entry(row.frame).or_default().0.push(row);
        }
        for row in output {
            frames.entry(row.frame).or_default().1.push(row);
        }
        let with_classes = truth.iter().any(|row| row.class > 0);
        let (mut truth_ids, mut track_ids) = (Numbering::default(), Numbering::default());
        let mut sequence = Self::default();
        for (mut truths, mut tracks) in frames.into_values() {
            if with_classes {
                drop_neutral(&truths, &mut tracks);
            }
            truths.retain(|row| row.score != 0.0 && (!with_classes || row.class == PEDESTRIAN));
            sequence.frames.push(Frame {
                overlap: overlaps(&truths, &tracks),
                truths: truth_ids.number(&truths)?,
                tracks: track_ids.number(&tracks)?,
            });
        }
        (sequence.truths, sequence.tracks) = (truth_ids.0.len(), track_ids.0.len());
        Ok(sequence)
    }
}

/// Numbers objects from 0 in the order in which they appear.
#[derive(Default)]
struct Numbering(BTreeMap<i64, usize>);

impl Numbering {
    fn number(&mut self, rows: &[&Row]) -> Result<Vec<usize>, MotError> {
        let mut numbers = Vec::with_capacity(rows.len());
        for row in rows {
            let next = self.0.len();
            let number = *self.0.entry(row.id).or_insert(next);
            if numbers.contains(&number) {
                return Err(MotError::Twice { frame: row.frame, id: row.id });
            }
            numbers.push(number);
        }
        Ok(numbers)
    }
}

fn overlaps(truths: &[&Row], tracks: &[&Row]) -> Vec<f64> {
    truths.iter().flat_map(|truth| tracks.iter().map(|track| overlap(truth, track))).collect()
}

fn overlap(a: &Row, b: &Row) -> f64 {
    let width = (a.left + a.width).min(b.left + b.width) - a.left.max(b.left);
    let height = (a.top + a.height).min(b.top + b.height) - a.top.max(b.top);
    let shared = width.max(0.0) * height.max(0.0);
    let union = a.width * a.height + b.width * b.height - shared;
    if union > EPSILON { shared / union } else { 0.0 }
}

fn drop_neutral(truths: &[&Row], tracks: &mut Vec<&Row>) {
    let costs: Vec<f64> =
        overlaps(truths, tracks).iter().map(|o| if *o < SAME_OBJECT - EPSILON { 0.0 } else { -o }).collect();
    let mut solver = Assignment::default();
    let matched = solver.solve(truths.len(), tracks.len(), &costs, 0.0);
    let neutral: Vec<usize> = truths
        .iter()
        .zip(matched)
        .filter(|(truth, _)| NEUTRAL.contains(&truth.class))
        .filter_map(|(_, c)| *c)
        .collect();
    let mut column = 0;
    tracks.retain(|_| {
        column += 1;
        !neutral.contains(&(column - 1))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(frame: u32, id: i64, left: f64, flag: f64, class: i32) -> Row {
        Row { frame, id, left, top: 0.0, width: 10.0, height: 10.0, score: flag, class }
    }

    #[test]
    fn boxes_on_neutral_classes_and_truth_flagged_zero_do_not_count() {
        let truth =
            [row(1, 1, 0.0, 1.0, 1), row(1, 2, 100.0, 0.0, 8), row(1, 3, 200.0, 0.0, 1), row(1, 4, 300.0, 1.0, 3)];
        let output = [row(1, 7, 0.0, 1.0, -1), row(1, 8, 101.0, 1.0, -1), row(1, 9, 200.0, 1.0, -1)];
        let sequence = Sequence::new(&truth, &output).unwrap();
        assert_eq!(
            (sequence.truths, sequence.tracks),
            (1, 2),
            "8 sits on a distractor; 9 on an ignored pedestrian stays"
        );
        assert_eq!(sequence.frames[0].overlap, [1.0, 0.0]);
    }

    #[test]
    fn an_object_with_two_boxes_in_a_frame_is_refused() {
        let twice = [row(4, 1, 0.0, 1.0, -1), row(4, 1, 50.0, 1.0, -1)];
        assert_eq!(Sequence::new(&twice, &[]).unwrap_err(), MotError::Twice { frame: 4, id: 1 });
    }
}
