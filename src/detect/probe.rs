//! A model run as a plain function of tensors, for the tools that take models apart: no family, no decoding.
//!
//! A [`Probe`] runs bytes that may have more outputs than the file they came from, and hands over every output by name.
//! [`simplify`] lets ONNX Runtime fold what is constant (batch normalisation into convolutions, shapes into numbers).

use std::path::Path;

use ort::session::builder::GraphOptimizationLevel;
use ort::session::{RunOptions, Session as OrtSession};
use ort::value::{DynTensor, TensorElementType};

use super::error::DetectError;
use super::feed::{self, Feed, Input};
use super::input::Inputs;
use super::letterbox::Element;
use super::local;
use super::runtime;
use super::session::Fill;
use crate::model::Facts;

/// How much ONNX Runtime may change before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Nothing: every tensor that the file names is computed as it says.
    AsWritten,
    /// Everything it does for a detector.
    Full,
}

/// One output of one run.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its sizes, outermost first.
    pub shape: &'a [i64],
    /// The elements; none where they are no 32-bit floats.
    pub floats: Option<&'a [f32]>,
}

/// A model on the CPU, fed with tensors.
pub struct Probe {
    session: OrtSession,
    options: RunOptions,
    input: Input,
    picture_name: String,
    constants: Vec<(String, DynTensor)>,
}

impl Probe {
    /// Makes the model in `bytes` ready. `size` is the width and height of the pictures it is fed, for files that leave
    /// them open.
    ///
    /// # Errors
    /// When ONNX Runtime is not loaded or refuses the model.
    pub fn open(bytes: &[u8], size: (u32, u32), effort: Effort, threads: usize) -> Result<Self, DetectError> {
        let environment = runtime::environment().ok_or(DetectError::NoRuntime)?;
        let refuse = |reason: String| DetectError::Probe { operation: "open", reason };
        let facts = Facts::parse(bytes).map_err(|error| refuse(error.to_string()))?;
        let inputs = Inputs::of(&facts, Some(size)).map_err(refuse)?;
        let level = match effort {
            Effort::AsWritten => GraphOptimizationLevel::Disable,
            Effort::Full => GraphOptimizationLevel::All,
        };
        let opened = || -> ort::Result<Self> {
            let mut builder = OrtSession::builder(environment)?
                .with_intra_threads(threads)?
                .with_inter_threads(1)?
                .with_intra_op_spinning(false)?
                .with_optimization_level(level)?;
            let off: Vec<&str> = local::disabled_by_file(&facts).collect();
            if !off.is_empty() {
                builder = builder.with_disabled_optimizers(off.join(";"))?;
            }
            let session = builder.commit_from_memory(bytes)?;
            let (input, constants) = (Input::new(&inputs.picture)?, feed::constants(&inputs)?);
            let picture_name = inputs.picture_name.clone();
            Ok(Self { session, options: local::quiet_options()?, input, picture_name, constants })
        };
        opened().map_err(|error| refused("open", &error))
    }

    /// Runs the model on `input` (as many elements as its input has) and hands every output to `read`, in the order of
    /// the file.
    ///
    /// # Errors
    /// When the run fails.
    pub fn run(&mut self, input: &[f32], mut read: impl FnMut(Value<'_>)) -> Result<(), DetectError> {
        self.input.fill(Given { values: input });
        let names: Vec<String> = self.session.outputs().iter().map(|output| output.name().to_owned()).collect();
        let feed = Feed { picture: &self.input, name: &self.picture_name, constants: &self.constants };
        let outputs = feed.run(&mut self.session, &self.options).map_err(|error| refused("run", &error))?;
        for (at, name) in names.iter().enumerate() {
            let value = &outputs[at];
            if value.dtype().tensor_type() == Some(TensorElementType::Float32)
                && let Ok((shape, data)) = value.try_extract_tensor::<f32>()
            {
                read(Value { name, shape, floats: Some(data) });
            } else {
                let shape = value.dtype().tensor_shape().map(|shape| shape.to_vec()).unwrap_or_default();
                read(Value { name, shape: &shape, floats: None });
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

struct Given<'a> {
    values: &'a [f32],
}

impl Fill for Given<'_> {
    type Output = ();

    fn fill<T: Element>(self, tensor: &mut [T]) {
        tensor.iter_mut().zip(self.values).for_each(|(to, &from)| *to = T::from_f32(from));
    }
}

/// The model in `bytes` after ONNX Runtime's basic optimisations, which keep its meaning on every provider: constants
/// folded, batch normalisation folded into convolutions, redundant operators gone. `scratch` is a file that is written,
/// read and removed.
///
/// # Errors
/// When ONNX Runtime is not loaded or refuses the model, or `scratch` cannot be used.
pub fn simplify(bytes: &[u8], scratch: &Path) -> Result<Vec<u8>, DetectError> {
    let environment = runtime::environment().ok_or(DetectError::NoRuntime)?;
    let write = || -> ort::Result<()> {
        OrtSession::builder(environment)?
            .with_optimization_level(GraphOptimizationLevel::Level1)?
            .with_optimized_model_path(scratch)?
            .commit_from_memory(bytes)
            .map(drop)
    };
    write().map_err(|error| refused("simplify", &error))?;
    let simplified = std::fs::read(scratch).map_err(|source| DetectError::Read { path: scratch.to_owned(), source });
    // What is left behind on a failure is a file that the caller named; it is in nobody's way.
    let _ = std::fs::remove_file(scratch);
    simplified
}

fn refused(operation: &'static str, error: &ort::Error) -> DetectError {
    DetectError::Probe { operation, reason: local::first_line(error) }
}
