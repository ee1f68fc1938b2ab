//! Why a model is not quantised.

use std::io;
use std::path::PathBuf;

use crate::detect::{DetectError, PictureError};
use crate::toolchain::eval::detect::EvalError;
use crate::toolchain::graph::prepare::PrepareError;
use crate::toolchain::pictures::InputError;

/// Why a model is not quantised.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// The model cannot be read.
    #[error("cannot read the model {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The float model would be lost.
    #[error("the result would overwrite the float model {path}; name another file")]
    Overwrites {
        /// The file.
        path: PathBuf,
    },
    /// A package holds models for several machines, and its signature would not survive.
    #[error("{path} is a package; quantise the ONNX file that it was made from and make a new package")]
    Package {
        /// The file.
        path: PathBuf,
    },
    /// It was quantised before.
    #[error("the model {path} is 8-bit already: it has {operator}; quantise the float model that it was made from")]
    Quantised {
        /// The file.
        path: PathBuf,
        /// The operator that tells.
        operator: String,
    },
    /// It cannot be made ready.
    #[error("cannot prepare the model {path}")]
    Prepare {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<PrepareError>,
    },
    /// No operator of it would compute in integers.
    #[error(
        "nothing of the model {path} would be 8-bit for {target}: no convolution or matrix product with weights of its own stands before its last ones"
    )]
    NothingToDo {
        /// The file.
        path: PathBuf,
        /// Who would run it.
        target: String,
    },
    /// An input of calibration cannot be used.
    #[error("cannot calibrate with {from}")]
    Input {
        /// The folder, file or address.
        from: String,
        /// Why.
        source: Box<InputError>,
    },
    /// A picture cannot be drawn into the model's input.
    #[error("cannot calibrate with {from}")]
    Picture {
        /// Where it comes from.
        from: String,
        /// Why.
        source: PictureError,
    },
    /// Too few pictures to learn ranges from and to judge by.
    #[error(
        "found {found} pictures to calibrate with; at least {least} are needed, and 200 to 500 of the cameras it will watch are good"
    )]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many are needed.
        least: usize,
    },
    /// Nothing to compare.
    #[error(
        "the float model sees nothing in the {pictures} pictures that are held back to judge by; calibrate with pictures that show what it detects"
    )]
    NothingSeen {
        /// How many there are.
        pictures: usize,
    },
    /// Labels cannot be used.
    #[error(transparent)]
    Labels(#[from] EvalError),
    /// A working file cannot be used.
    #[error("cannot use the working file {path}")]
    Scratch {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The result cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// ONNX Runtime or the detector fails.
    #[error(transparent)]
    Detect(#[from] DetectError),
}

impl QuantizeError {
    /// Whether the fault lies in what was given, not in the work.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Scratch { .. } | Self::Write { .. } | Self::Detect(DetectError::Run { .. }))
    }
}
