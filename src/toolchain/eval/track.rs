//! The scores of a tracker on one sequence: HOTA, MOTA, IDF1 and what they are made of, with TrackEval's definitions.

use serde::Serialize;

use super::{clear, hota, identity, sequence::Sequence};
use crate::toolchain::mot::{MotError, Row};

/// All scores of one sequence. Ratios are 0..1, except `mota`, which false positives can push below 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    /// HOTA, averaged over 19 overlap thresholds.
    pub hota: f64,
    /// Detection accuracy, averaged likewise.
    pub deta: f64,
    /// Association accuracy, averaged likewise.
    pub assa: f64,
    /// Localisation accuracy, averaged likewise.
    pub loca: f64,
    /// Multiple object tracking accuracy at overlap .5.
    pub mota: f64,
    /// Mean overlap of the boxes that match at .5.
    pub motp: f64,
    /// Identity F1 at overlap .5.
    pub idf1: f64,
    /// Identity precision.
    pub idp: f64,
    /// Identity recall.
    pub idr: f64,
    /// How often a true object changed its track.
    pub id_switches: u64,
    /// How often a true object was found again after a gap.
    pub fragments: u64,
    /// Boxes that match a truth.
    pub tp: u64,
    /// Boxes that match none.
    pub fp: u64,
    /// Truths without a box.
    #[serde(rename = "fn")]
    pub misses: u64,
    /// True objects in the sequence.
    pub objects: usize,
    /// Tracks in the output.
    pub tracks: usize,
}

/// Scores tracker `output` against `truth`.
///
/// # Errors
/// When an object has two boxes in one frame, in either.
pub fn score(truth: &[Row], output: &[Row]) -> Result<Scores, MotError> {
    let sequence = Sequence::new(truth, output)?;
    let hota = hota::hota(&sequence);
    let clear = clear::clear(&sequence);
    let identity = identity::identity(&sequence);
    Ok(Scores {
        hota: rounded(hota.hota),
        deta: rounded(hota.deta),
        assa: rounded(hota.assa),
        loca: rounded(hota.loca),
        mota: rounded(clear.mota()),
        motp: rounded(clear.motp()),
        idf1: rounded(identity.f1()),
        idp: rounded(identity.precision()),
        idr: rounded(identity.recall()),
        id_switches: clear.switches,
        fragments: clear.fragments,
        tp: clear.true_positives,
        fp: clear.false_positives,
        misses: clear.false_negatives,
        objects: sequence.truths,
        tracks: sequence.tracks,
    })
}

/// To nine places, so that a perfect score reads as 1 whatever the order of the additions.
fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Objects that stand still at `id * 100`, in these frames.
    fn standing(id: i64, place: i64, frames: std::ops::RangeInclusive<u32>) -> Vec<Row> {
        let row =
            |frame| Row { frame, id, left: place as f64, top: 0.0, width: 50.0, height: 50.0, score: 1.0, class: -1 };
        frames.map(row).collect()
    }

    #[test]
    fn the_truth_itself_scores_one() {
        let truth = [standing(1, 100, 1..=10), standing(2, 200, 3..=12)].concat();
        let scores = score(&truth, &truth).unwrap();
        assert_eq!((scores.hota, scores.mota, scores.idf1, scores.id_switches), (1.0, 1.0, 1.0, 0));
        assert_eq!((scores.tp, scores.fp, scores.misses, scores.objects, scores.tracks), (20, 0, 0, 2, 2));
    }

    #[test]
    fn a_track_cut_in_half_costs_one_switch_and_half_the_association() {
        let truth = standing(1, 100, 1..=10);
        let cut = [standing(7, 100, 1..=5), standing(8, 100, 6..=10)].concat();
        let scores = score(&truth, &cut).unwrap();
        assert_eq!((scores.id_switches, scores.mota, scores.idf1), (1, 0.9, 0.5));
        assert_eq!((scores.deta, scores.assa), (1.0, 0.5));
        assert_eq!(scores.hota, rounded(0.5f64.sqrt()));
    }

    #[test]
    fn misses_false_boxes_and_a_gap_are_counted() {
        let truth = standing(1, 100, 1..=10);
        let output = [standing(7, 100, 1..=3), standing(7, 100, 6..=10), standing(9, 900, 1..=2)].concat();
        let scores = score(&truth, &output).unwrap();
        assert_eq!((scores.tp, scores.fp, scores.misses, scores.id_switches), (8, 2, 2, 0));
        assert_eq!(scores.mota, 0.6);
        assert_eq!(scores.idf1, rounded(16.0 / 20.0));
    }

    #[test]
    fn an_empty_side_gives_zeros_and_no_division_by_zero() {
        let truth = standing(1, 100, 1..=10);
        let none = score(&truth, &[]).unwrap();
        assert_eq!((none.hota, none.mota, none.idf1, none.misses), (0.0, 0.0, 0.0, 10));
        let only_false = score(&[], &truth).unwrap();
        assert_eq!((only_false.hota, only_false.mota, only_false.idf1, only_false.fp), (0.0, -10.0, 0.0, 10));
        assert_eq!(score(&[], &[]).unwrap().hota, 0.0);
    }
}
