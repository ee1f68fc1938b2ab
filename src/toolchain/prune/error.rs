//! Why a detector was not pruned: what is wrong with the file, what stands in the way, or what came out unequal.

use std::path::PathBuf;

use crate::detect::DetectError;
use crate::model::hostile::HostileError;
use crate::model::proto::ProtoError;

use super::super::bench::BenchError;
use super::super::keys::KeysError;
use super::super::photographs::PhotographError;
use super::cut::Blocked;

/// Why nothing was pruned.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The result would take the place of the file.
    #[error("the output {path} is the file itself; name another one")]
    Same {
        /// The file.
        path: PathBuf,
    },
    /// It is a package, whose content is signed.
    #[error(
        "{path} is a package, and what is in it is signed; prune the ONNX file that it was made of, then make it again"
    )]
    Package {
        /// The file.
        path: PathBuf,
    },
    /// It is not handed to ONNX Runtime.
    #[error("{path} is refused")]
    Hostile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: HostileError,
    },
    /// It cannot be taken apart.
    #[error("cannot prune {path}")]
    Proto {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ProtoError,
    },
    /// It is no detector that runs here.
    #[error("cannot prune what does not run as a detector")]
    Open(#[source] Box<DetectError>),
    /// A class is to be kept that there is none of.
    #[error("no class is called {name:?}; there are {known}")]
    Label {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// It is not known where this family has its classes.
    #[error(
        "the classes of the family {family} with {outputs} outputs cannot be cut; those with one output of {known} can. \
         Without --classes everything else is pruned"
    )]
    Family {
        /// The family.
        family: String,
        /// How many outputs the file has.
        outputs: usize,
        /// The families of which it is known.
        known: String,
    },
    /// The class head cannot be followed.
    #[error("the class head cannot be followed from the output {output:?}")]
    Head {
        /// The output.
        output: String,
        /// What stands in the way.
        source: Blocked,
    },
    /// A change came out otherwise than planned, which is a fault of this program.
    #[error("pruning made {found:?} of the value {value:?}, not {expected:?}; please report this file")]
    Inconsistent {
        /// The value.
        value: String,
        /// Its planned sizes.
        expected: Vec<usize>,
        /// Its sizes.
        found: Vec<usize>,
    },
    /// The result cannot be written.
    #[error("cannot write the pruned model")]
    Write(#[source] Box<KeysError>),
    /// The result cannot be moved.
    #[error("cannot move the pruned model to {path}")]
    Move {
        /// Where it should go.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The pictures cannot be used.
    #[error("cannot use the pictures")]
    Photograph(#[from] PhotographError),
    /// An inference failed.
    #[error("the proof failed to run")]
    Run(#[source] Box<DetectError>),
    /// The measurement failed.
    #[error("the effect cannot be measured")]
    Bench(#[source] Box<BenchError>),
    /// The result is not what is left of the model.
    #[error("the pruned model is not equal: {reason}; it was kept aside as {aside}")]
    NotEqual {
        /// What differs.
        reason: String,
        /// Where it is.
        aside: PathBuf,
    },
}

impl PruneError {
    /// Whether the input is refused for what it is, rather than for what became of it.
    pub fn is_refusal(&self) -> bool {
        use PruneError::{Bench, Inconsistent, Move, NotEqual, Run, Write};
        !matches!(self, Bench(_) | Inconsistent { .. } | Move { .. } | NotEqual { .. } | Run(_) | Write(_))
    }
}
