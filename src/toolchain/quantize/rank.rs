//! Which tensors lose most in 8 bits: each is put through 8 bits alone, and what that does to the outputs of the last
//! convolutions is measured.
//!
//! The loss sits in tensors, not in operators: a convolution left in floats between two tensors in 8 bits gains nothing.

use std::collections::BTreeMap;

use crate::detect::probe::{Effort, Probe};
use crate::model::proto::{ModelProto, ValueInfoProto};

use super::error::QuantizeError;
use super::material::TensorFile;
use super::place::{self, Recipe};
use super::plan::Plan;
use super::progress::Progress;

/// Pictures that each tensor is tried on.
const PICTURES: usize = 8;

/// What 8 bits in one tensor cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// The tensor, or the first of several that share its steps.
    pub tensor: String,
    /// Squared error at the last convolutions, relative to the variance there, summed over them.
    pub error: f64,
}

/// All roots of the plan that are in use, worst first.
///
/// # Errors
/// When ONNX Runtime refuses a model or a tensor cannot be read back.
pub fn rank(
    model: &ModelProto,
    plan: &Plan<'_>,
    recipe: Recipe<'_>,
    tensors: &TensorFile,
    size: (u32, u32),
    progress: &mut dyn Progress,
) -> Result<Vec<Ranked>, QuantizeError> {
    let observed = observe(model, plan);
    let step = (tensors.count() / PICTURES).max(1);
    let numbers = (0..tensors.count()).step_by(step).take(PICTURES);
    let inputs = numbers.map(|at| tensors.read(at)).collect::<Result<Vec<_>, _>>()?;
    let reference = outputs(&observed, size, &inputs)?;
    let (chosen, _) = plan.choose(&std::collections::BTreeSet::new());
    let roots: std::collections::BTreeSet<&str> = chosen.iter().map(|tensor| plan.tensors[tensor]).collect();
    progress.begin("ranking tensors", roots.len());
    let mut ranked = Vec::with_capacity(roots.len());
    for root in roots {
        let found = outputs(&place::only(&observed, plan, recipe, root), size, &inputs)?;
        ranked.push(Ranked { tensor: root.to_owned(), error: difference(&reference, &found) });
        progress.step();
    }
    ranked.sort_by(|a, b| b.error.total_cmp(&a.error));
    Ok(ranked)
}

/// The model with the outputs of its last convolutions in place of its own: behind them boxes in pixels would drown scores.
fn observe(model: &ModelProto, plan: &Plan<'_>) -> ModelProto {
    let mut observed = model.clone();
    let heads = plan.heads.iter().filter_map(|at| plan.view.graph.node[*at].output.first());
    let ports: Vec<ValueInfoProto> =
        heads.map(|name| ValueInfoProto { name: Some(name.clone()), ..ValueInfoProto::default() }).collect();
    if let Some(graph) = observed.graph.as_mut().filter(|_| !ports.is_empty()) {
        graph.output = ports;
    }
    observed
}

/// The values of each output over all inputs.
type Outputs = BTreeMap<String, Vec<f32>>;

fn outputs(model: &ModelProto, size: (u32, u32), inputs: &[Vec<f32>]) -> Result<Outputs, QuantizeError> {
    let mut probe = Probe::open(&model.to_bytes(), size, Effort::Full, 1)?;
    let mut all = Outputs::new();
    for input in inputs {
        probe.run(input, |value| {
            if let Some(floats) = value.floats {
                all.entry(value.name.to_owned()).or_default().extend_from_slice(floats);
            }
        })?;
    }
    Ok(all)
}

fn difference(reference: &Outputs, found: &Outputs) -> f64 {
    let of = |(name, reference): (&String, &Vec<f32>)| {
        let found = found.get(name).map_or(&[][..], Vec::as_slice);
        let count = reference.len().max(1) as f64;
        let mean = reference.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let variance = reference.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>();
        let error: f64 = reference.iter().zip(found).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        error / variance.max(f64::MIN_POSITIVE)
    };
    reference.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_counts_relative_to_what_the_output_varies() {
        let outputs = |values: &[f32]| Outputs::from([("y".to_owned(), values.to_vec())]);
        let (large, small) = (outputs(&[0.0, 100.0]), outputs(&[0.0, 1.0]));
        assert_eq!(difference(&large, &large), 0.0);
        let (a, b) = (difference(&large, &outputs(&[0.0, 90.0])), difference(&small, &outputs(&[0.0, 0.9])));
        assert!((a - b).abs() < 1e-6 && a > 0.0, "{a} {b}");
    }
}
