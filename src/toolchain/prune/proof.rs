//! Shows pictures to a model and to what was made of it, and compares every output that was kept.

use serde::Serialize;

use crate::detect::{Detector, Picture, RawOutput, RgbPicture};

use super::PruneError;
use super::cut::Cut;

/// Results differ by no more than this, in parts of the larger of 1 and the value: a layer with fewer channels may be
/// computed by another kernel, which adds in another order.
pub const TOLERANCE: f32 = 1e-4;

/// What the comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Proof {
    /// How many pictures were shown.
    pub pictures: usize,
    /// How many numbers were compared.
    pub values: usize,
    /// How many of them are not the same bit for bit.
    pub differing: usize,
    /// The largest difference, in parts of the larger of 1 and the value.
    pub largest_difference: f32,
    /// The most that is allowed.
    pub tolerance: f32,
}

impl Proof {
    /// Whether the outputs are equal within the tolerance. No comparison at all proves nothing.
    pub fn holds(&self) -> bool {
        self.values > 0 && self.largest_difference <= self.tolerance
    }
}

/// Compares what both make of the pictures. `cut` is what was kept of output `at`.
pub(super) fn compare(
    before: &mut Detector,
    after: &mut Detector,
    pictures: &[Picture],
    cut: Option<(usize, &Cut)>,
) -> Result<Proof, PruneError> {
    let mut proof =
        Proof { pictures: pictures.len(), values: 0, differing: 0, largest_difference: 0.0, tolerance: TOLERANCE };
    for picture in pictures {
        let whole = before.raw_outputs(picture).map_err(|source| PruneError::Run(Box::new(source)))?;
        let pruned = after.raw_outputs(picture).map_err(|source| PruneError::Run(Box::new(source)))?;
        if whole.len() != pruned.len() {
            proof.largest_difference = f32::INFINITY;
        }
        for (at, (whole, pruned)) in whole.iter().zip(&pruned).enumerate() {
            let kept = match cut.filter(|(cut_at, _)| *cut_at == at) {
                Some((_, cut)) => kept(whole, cut),
                None => whole.data.clone(),
            };
            proof.note(&kept, &pruned.data);
        }
    }
    Ok(proof)
}

impl Proof {
    fn note(&mut self, expected: &[f32], found: &[f32]) {
        if expected.len() != found.len() {
            self.largest_difference = f32::INFINITY;
        }
        for (a, b) in expected.iter().zip(found).filter(|(a, b)| a.to_bits() != b.to_bits()) {
            self.differing += 1;
            let difference = (a - b).abs() / a.abs().max(1.0);
            // What is no number is as far off as can be.
            let difference = if difference.is_nan() { f32::INFINITY } else { difference };
            self.largest_difference = self.largest_difference.max(difference);
        }
        self.values += expected.len().min(found.len());
    }
}

/// The kept places of an output.
fn kept(output: &RawOutput, cut: &Cut) -> Vec<f32> {
    let Some(&side) = output.shape.get(cut.axis) else { return Vec::new() };
    let inner: usize = output.shape[cut.axis + 1..].iter().product();
    let blocks = output.data.chunks_exact((side * inner).max(1));
    let row = |block: &[f32], at: usize| block.get(at * inner..(at + 1) * inner).unwrap_or_default().to_vec();
    blocks.flat_map(|block| cut.keep.iter().flat_map(|&at| row(block, at)).collect::<Vec<_>>()).collect()
}

/// The self-test picture and two of noise, for when there are no photographs: dark and bright places of every size wake
/// more channels than a drawing does.
pub(super) fn built_in() -> Vec<Picture> {
    let mut pictures = vec![crate::detect::self_test_picture()];
    for grain in [1, 16] {
        const SIDE: usize = 256;
        let byte = |place: usize| {
            let (x, y, colour) = (place / 3 % SIDE / grain, place / 3 / SIDE / grain, place % 3);
            let seed = (y * SIDE + x) * 3 + colour + grain;
            // Knuth's multiplicative hashing.
            ((seed as u32).wrapping_mul(2_654_435_761) >> 24) as u8
        };
        let bytes = (0..SIDE * SIDE * 3).map(byte).collect();
        pictures.extend(RgbPicture::new(SIDE as u32, SIDE as u32, bytes).ok().map(Picture::Rgb));
    }
    pictures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_places_are_picked_out_of_any_axis() {
        let output = RawOutput { name: "y".into(), shape: vec![2, 3, 2], data: (0..12).map(|n| n as f32).collect() };
        let picked = kept(&output, &Cut { axis: 1, keep: vec![0, 2] });
        assert_eq!(picked, [0.0, 1.0, 4.0, 5.0, 6.0, 7.0, 10.0, 11.0]);
        assert_eq!(kept(&output, &Cut { axis: 2, keep: vec![1] }), [1.0, 3.0, 5.0, 7.0, 9.0, 11.0]);
    }

    #[test]
    fn a_difference_a_missing_value_and_nothing_at_all_are_no_proof() {
        let fresh = || Proof { pictures: 1, values: 0, differing: 0, largest_difference: 0.0, tolerance: TOLERANCE };
        let noted = |expected: &[f32], found: &[f32]| {
            let mut proof = fresh();
            proof.note(expected, found);
            proof
        };
        assert!(noted(&[1.0, 1000.0], &[1.0, 1000.01]).holds());
        assert_eq!(noted(&[1.0, 1000.0], &[1.0, 1000.01]).differing, 1);
        assert!(!noted(&[1.0], &[1.001]).holds());
        assert!(!noted(&[1.0, 2.0], &[1.0]).holds());
        assert!(!noted(&[1.0], &[f32::NAN]).holds());
        assert!(!fresh().holds());
    }

    #[test]
    fn built_in_pictures_are_three_and_differ() {
        let pictures = built_in();
        assert_eq!(pictures.len(), 3);
        let (Picture::Rgb(fine), Picture::Rgb(coarse)) = (&pictures[1], &pictures[2]) else { panic!("noise is RGB") };
        assert_ne!(fine.data(), coarse.data());
    }
}
