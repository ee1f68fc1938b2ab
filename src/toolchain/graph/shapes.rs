//! The type and shape of every tensor of a model, as a run gives them: no inference rules to get wrong.

use std::collections::BTreeMap;

use crate::detect::DetectError;
use crate::detect::probe::{Effort, Probe, Value};
use crate::model::proto::{ModelProto, ValueInfoProto};

/// A tensor as a run gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Sizes, outermost first.
    pub dims: Vec<i64>,
    /// Whether its elements are 32-bit floats.
    pub is_f32: bool,
}

/// Makes the tensors in `names` outputs of `model`, those that are none yet.
pub fn expose<'a>(model: &mut ModelProto, names: impl IntoIterator<Item = &'a str>) {
    let Some(graph) = model.graph.as_mut() else { return };
    for name in names {
        if !graph.output.iter().any(|output| output.name() == name) {
            // Without a type: ONNX Runtime infers it.
            graph.output.push(ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() });
        }
    }
}

/// Runs `model` once on `input`, a picture of `size`, and notes every tensor that its nodes make.
///
/// # Errors
/// When ONNX Runtime refuses the model.
pub fn of(model: &ModelProto, size: (u32, u32), input: &[f32]) -> Result<BTreeMap<String, Shape>, DetectError> {
    let mut exposed = model.clone();
    let nodes = model.graph.iter().flat_map(|graph| &graph.node);
    let names: Vec<&str> = nodes.flat_map(|n| &n.output).map(String::as_str).filter(|name| !name.is_empty()).collect();
    expose(&mut exposed, names);
    let mut found = BTreeMap::new();
    let mut probe = Probe::open(&exposed.to_bytes(), size, Effort::AsWritten, 1)?;
    probe.run(input, |value: Value<'_>| {
        let shape = Shape { dims: value.shape.to_vec(), is_f32: value.floats.is_some() };
        found.insert(value.name.to_owned(), shape);
    })?;
    Ok(found)
}
