//! What a session is fed: the tensor of the picture, written in place, and the values beside it that never change.

use std::borrow::Cow;

use half::f16;
use ort::memory::Allocator;
use ort::session::{IoBinding, RunOptions, Session as OrtSession, SessionInputValue};
use ort::value::{DynTensor, Tensor as OrtTensor};

use super::input::{ConstantValues, InputSpec, Inputs};
use super::letterbox::Layout;
use super::session::Fill;
use crate::model::ElementType;

/// The tensor that is fed. It lives as long as the session and is written in place, so that nothing is copied.
pub(super) enum Input {
    F32(OrtTensor<f32>),
    F16(OrtTensor<f16>),
    U8(OrtTensor<u8>),
}

impl Input {
    /// A tensor of zeros.
    pub(super) fn new(spec: &InputSpec) -> ort::Result<Self> {
        let shape = shape(spec);
        let len = shape.iter().product();
        Ok(match spec.element {
            ElementType::U8 => Self::U8(OrtTensor::from_array((shape, vec![0u8; len]))?),
            ElementType::F16 => Self::F16(OrtTensor::from_array((shape, vec![f16::ZERO; len]))?),
            _ => Self::F32(OrtTensor::from_array((shape, vec![0f32; len]))?),
        })
    }

    /// A tensor of whatever lay there before, where `allocator` has its memory; only [`Self::copy_into`] may write it.
    pub(super) fn within(allocator: &Allocator, spec: &InputSpec) -> ort::Result<Self> {
        let shape = shape(spec);
        Ok(match spec.element {
            ElementType::U8 => Self::U8(OrtTensor::new(allocator, shape)?),
            ElementType::F16 => Self::F16(OrtTensor::new(allocator, shape)?),
            _ => Self::F32(OrtTensor::new(allocator, shape)?),
        })
    }

    /// Fills the tensor.
    pub(super) fn fill<F: Fill>(&mut self, fill: F) -> F::Output {
        match self {
            Self::F32(tensor) => fill.fill(tensor.extract_tensor_mut().1),
            Self::F16(tensor) => fill.fill(tensor.extract_tensor_mut().1),
            Self::U8(tensor) => fill.fill(tensor.extract_tensor_mut().1),
        }
    }

    /// The tensor as bytes, in the machine's own order.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        match self {
            Self::F32(tensor) => bytemuck::cast_slice_mut(tensor.extract_tensor_mut().1),
            Self::F16(tensor) => bytemuck::cast_slice_mut(tensor.extract_tensor_mut().1),
            Self::U8(tensor) => tensor.extract_tensor_mut().1,
        }
    }

    /// Has `binding` take this tensor, where it lies, for the input `name`.
    pub(super) fn bind(&self, binding: &mut IoBinding, name: &str) -> ort::Result<()> {
        match self {
            Self::F32(tensor) => binding.bind_input(name, tensor),
            Self::F16(tensor) => binding.bind_input(name, tensor),
            Self::U8(tensor) => binding.bind_input(name, tensor),
        }
    }

    /// Copies the values to `target`, a tensor of the same form, wherever that lies.
    pub(super) fn copy_into(&self, target: &mut Self) -> ort::Result<()> {
        match (self, target) {
            (Self::F32(from), Self::F32(to)) => from.copy_into(to),
            (Self::F16(from), Self::F16(to)) => from.copy_into(to),
            (Self::U8(from), Self::U8(to)) => from.copy_into(to),
            _ => Err(ort::Error::new("the picture's tensors are of different types")),
        }
    }
}

fn shape(spec: &InputSpec) -> [usize; 4] {
    let (w, h) = (spec.width as usize, spec.height as usize);
    match spec.layout {
        Layout::Nchw => [1, 3, h, w],
        Layout::Nhwc => [1, h, w, 3],
    }
}

/// The inputs of a run.
pub(super) struct Feed<'a> {
    pub(super) picture: &'a Input,
    pub(super) name: &'a str,
    pub(super) constants: &'a [(String, DynTensor)],
}

impl Feed<'_> {
    pub(super) fn run<'s>(
        &self,
        session: &'s mut OrtSession,
        options: &'s RunOptions,
    ) -> ort::Result<ort::session::SessionOutputs<'s>> {
        let picture: SessionInputValue<'_> = match self.picture {
            Input::F32(tensor) => tensor.into(),
            Input::F16(tensor) => tensor.into(),
            Input::U8(tensor) => tensor.into(),
        };
        if self.constants.is_empty() {
            return session.run_with_options([picture], options);
        }
        let others = self.constants.iter().map(|(name, tensor)| (Cow::from(name), SessionInputValue::from(tensor)));
        let named: Vec<(Cow<'_, str>, SessionInputValue<'_>)> =
            std::iter::once((Cow::from(self.name), picture)).chain(others).collect();
        session.run_with_options(named, options)
    }
}

/// The tensors of the inputs beside the picture, by name.
pub(super) fn constants(inputs: &Inputs) -> ort::Result<Vec<(String, DynTensor)>> {
    let tensor = |values: &ConstantValues| -> ort::Result<DynTensor> {
        Ok(match values {
            ConstantValues::I64(pair) => OrtTensor::from_array(([1usize, 2], pair.to_vec()))?.upcast(),
            ConstantValues::F32(pair) => OrtTensor::from_array(([1usize, 2], pair.to_vec()))?.upcast(),
        })
    };
    inputs.constants.iter().map(|constant| Ok((constant.name.clone(), tensor(&constant.values)?))).collect()
}
