//! Whether a model's rows are independent of each other, so that requests may be run together.
//!
//! A free first size is not enough: it may be a length in time, and a model that quantises on the fly takes one scale from
//! all rows. So a model is shown two rows, alone and together, before its requests are; this warms it up as well.

use bytes::Bytes;

use super::batch;
use crate::detect::tensors::{Datatype, Elements, Tensor, TensorSession, TensorSpec, element_count};

/// What a free size other than the first is taken as.
const USUAL_SIDE: i64 = 32;
/// Models with larger rows are run one request at a time anyway.
const MOST_ELEMENTS: usize = 1 << 24;

/// Whether every row's outputs are the same alone and together with another, within the noise of floats.
pub fn rows_are_independent(session: &mut TensorSession) -> bool {
    let is_free = |spec: &TensorSpec| spec.shape.first() == Some(&-1);
    if !session.inputs().iter().chain(session.outputs()).all(is_free) || session.inputs().is_empty() {
        return false;
    }
    let row = |seed: u64| session.inputs().iter().map(|spec| made_up(spec, seed)).collect::<Option<Vec<_>>>();
    let (Some(first), Some(second)) = (row(1), row(2)) else { return false };
    let wanted: Vec<usize> = (0..session.outputs().len()).collect();
    let mut outputs = |inputs: &[Tensor]| session.run(inputs, &wanted).ok();
    let alone = [outputs(&first), outputs(&second)];
    let together = outputs(&batch::join(&[&first, &second])).and_then(|both| batch::split(&both, &[1, 1]));
    let (Some(together), [Some(first), Some(second)]) = (together, alone) else { return false };
    [first, second].iter().zip(&together).all(|(a, b)| a.iter().zip(b).all(|(a, b)| are_alike(a, b)))
}

/// One row of numbers that an input may hold: floats from 0 to 1, integers 0 and 1.
fn made_up(spec: &TensorSpec, seed: u64) -> Option<Tensor> {
    let mut shape: Vec<i64> = spec.shape.iter().map(|&side| if side < 0 { USUAL_SIDE } else { side }).collect();
    *shape.first_mut()? = 1;
    let count = element_count(&shape).filter(|&count| count <= MOST_ELEMENTS)?;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut packed = Vec::new();
    for _ in 0..count {
        let value = random.f32();
        match spec.datatype {
            Datatype::Fp32 => packed.extend(value.to_le_bytes()),
            Datatype::Fp64 => packed.extend(f64::from(value).to_le_bytes()),
            Datatype::Fp16 => packed.extend(half::f16::from_f32(value).to_le_bytes()),
            Datatype::Bf16 => packed.extend(half::bf16::from_f32(value).to_le_bytes()),
            other => packed.extend(u64::from(value > 0.5).to_le_bytes().iter().take(other.size()?)),
        }
    }
    Some(Tensor { name: spec.name.clone(), datatype: spec.datatype, shape, elements: Elements::Packed(packed.into()) })
}

fn are_alike(a: &Tensor, b: &Tensor) -> bool {
    match (&a.elements, &b.elements) {
        (Elements::Packed(x), Elements::Packed(y)) => a.shape == b.shape && floats_are_alike(a.datatype, x, y),
        (x, y) => a.shape == b.shape && x == y,
    }
}

fn floats_are_alike(datatype: Datatype, x: &Bytes, y: &Bytes) -> bool {
    let near = |(a, b): (f64, f64)| (a - b).abs() <= 1e-4 + 1e-3 * a.abs() || (a.is_nan() && b.is_nan()) || a == b;
    match (floats(datatype, x), floats(datatype, y)) {
        (Some(x), Some(y)) => x.len() == y.len() && x.into_iter().zip(y).all(near),
        _ => x == y,
    }
}

fn floats(datatype: Datatype, bytes: &[u8]) -> Option<Vec<f64>> {
    let halves = || bytes.as_chunks::<2>().0.iter();
    match datatype {
        Datatype::Fp32 => Some(bytes.as_chunks().0.iter().map(|&four| f64::from(f32::from_le_bytes(four))).collect()),
        Datatype::Fp64 => Some(bytes.as_chunks().0.iter().map(|&eight| f64::from_le_bytes(eight)).collect()),
        Datatype::Fp16 => Some(halves().map(|&two| half::f16::from_le_bytes(two).to_f64()).collect()),
        Datatype::Bf16 => Some(halves().map(|&two| half::bf16::from_le_bytes(two).to_f64()).collect()),
        _ => None,
    }
}
