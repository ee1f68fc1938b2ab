//! Makes a model ready to be worked on: weights no longer inputs, constants and batch normalisation folded, operator set
//! 13 or later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::detect::DetectError;
use crate::detect::probe::simplify;
use crate::model::proto::{ModelProto, ProtoError};

use super::opset::{self, OpsetError};
use super::shapes::{self, Shape};

/// A model that was made ready.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The model.
    pub model: ModelProto,
    /// Type and shape of every tensor that its nodes make.
    pub shapes: BTreeMap<String, Shape>,
}

/// Why a model cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// It cannot be taken apart.
    #[error(transparent)]
    Proto(#[from] ProtoError),
    /// Its weights lie in other files.
    #[error("the model's weights lie in other files; save it as one file first")]
    External,
    /// Its operator set is too old or cannot be lifted.
    #[error(transparent)]
    Opset(#[from] OpsetError),
    /// ONNX Runtime refuses it.
    #[error(transparent)]
    Runtime(#[from] DetectError),
}

/// Values of IR version 8: what ONNX Runtime 1.20 reads and operator set 13 needs.
const IR: i64 = 8;

/// Makes the model in `bytes` ready. `size` and `input` are how a detector feeds it; `scratch` is a file that is written
/// and removed.
///
/// # Errors
/// See [`PrepareError`].
pub fn prepare(bytes: &[u8], size: (u32, u32), input: &[f32], scratch: &Path) -> Result<Prepared, PrepareError> {
    let mut model = ModelProto::parse(bytes)?;
    let metadata = model.metadata_props.clone();
    own_weights(&mut model)?;
    let mut model = ModelProto::parse(&simplify(&model.to_bytes(), scratch)?)?;
    keep_used_imports(&mut model);
    let shapes = shapes::of(&model, size, input)?;
    let ranks = shapes.iter().map(|(name, shape)| (name.clone(), shape.dims.len())).collect();
    opset::lift(&mut model, &ranks)?;
    model.ir_version = Some(model.ir_version.unwrap_or(0).max(IR));
    model.metadata_props = metadata;
    // Types of what lies between may no longer be true.
    model.graph.iter_mut().for_each(|graph| graph.value_info.clear());
    let shapes = shapes::of(&model, size, input)?;
    Ok(Prepared { model, shapes })
}

/// Weights that are listed as inputs could be replaced by a caller, so nothing may be folded into them; no detector's
/// caller does.
fn own_weights(model: &mut ModelProto) -> Result<(), PrepareError> {
    let Some(graph) = model.graph.as_mut() else { return Ok(()) };
    if graph.initializer.iter().any(|tensor| tensor.data_location.unwrap_or(0) != 0) {
        return Err(PrepareError::External);
    }
    let weights: BTreeSet<&str> = graph.initializer.iter().map(|tensor| tensor.name()).collect();
    graph.input.retain(|input| !weights.contains(input.name()));
    // Before IR version 4 a weight had to be an input.
    model.ir_version = Some(model.ir_version.unwrap_or(0).max(4));
    Ok(())
}

/// ONNX Runtime imports every operator set that it has.
fn keep_used_imports(model: &mut ModelProto) {
    let nodes = model.graph.iter().flat_map(|graph| &graph.node);
    let used: BTreeSet<&str> = nodes.map(|node| node.domain()).chain([""]).collect();
    let keep: Vec<bool> = model.opset_import.iter().map(|import| used.contains(import.domain())).collect();
    let mut keep = keep.into_iter();
    model.opset_import.retain(|_| keep.next().unwrap_or(true));
}
