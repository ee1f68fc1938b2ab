//! Any ONNX model as a function of named tensors: no family, no pictures.
//!
//! A [`TensorModel`] is a file or package that was read and passed the static checks; each [`TensorSession`] opened from
//! it runs on its own. Elements travel as bytes, little-endian and row by row, just as the Open Inference Protocol and
//! ONNX Runtime both have them: what comes from the network aligned is run where it lies.

mod convert;
mod datatype;
mod session;

use bytes::Bytes;

pub use datatype::{Datatype, UnknownDatatype};
pub use session::{Placed, TensorModel, TensorSession};

/// A tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// The name of the input that it is for, or of the output that it came from.
    pub name: String,
    /// The type of its elements.
    pub datatype: Datatype,
    /// Its sizes, outermost first; none for a scalar.
    pub shape: Vec<i64>,
    /// Its elements, as many as the shape says.
    pub elements: Elements,
}

/// The elements of a tensor, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elements {
    /// Of a type with a size: little-endian, without gaps. Truth values are a byte each, 0 or 1.
    Packed(Bytes),
    /// Of [`Datatype::Bytes`].
    Texts(Vec<Bytes>),
}

/// An input or output as the model declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub datatype: Datatype,
    /// Its sizes, outermost first; -1 where the model leaves it open.
    pub shape: Vec<i64>,
    /// The name of each size that is open, empty where the model gives none.
    pub symbols: Vec<String>,
}

impl Tensor {
    /// How many elements its shape has; `None` when that is negative or beyond all memory.
    pub fn element_count(&self) -> Option<usize> {
        element_count(&self.shape)
    }
}

/// How many elements a shape has; `None` when a size is negative or the product beyond all memory.
pub fn element_count(shape: &[i64]) -> Option<usize> {
    shape.iter().try_fold(1usize, |count, &side| count.checked_mul(usize::try_from(side).ok()?))
}
