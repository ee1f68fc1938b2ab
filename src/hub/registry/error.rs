//! Why the registry does not do what it is asked.

use crate::hub::access::AccessError;
use crate::hub::blobs::{BlobError, NoBlobName};
use crate::hub::database::DatabaseError;
use crate::toolchain::package::verify::VerifyError;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There is no such model.
    #[error("there is no model named {model}")]
    NoModel {
        /// The name.
        model: String,
    },
    /// There is no such version.
    #[error("the model {model} has no version {version}")]
    NoVersion {
        /// The model.
        model: String,
        /// Its number or alias.
        version: String,
    },
    /// Its package has not been received.
    #[error("no package with the SHA-256 {sha256} has been received: send it to /api/v1/uploads/{sha256} first")]
    NoFile {
        /// Which.
        sha256: String,
    },
    /// Its package is being deleted.
    #[error("the package with the SHA-256 {sha256} is being deleted at this moment: send it again in a minute")]
    Leaving {
        /// Which.
        sha256: String,
    },
    /// The package is refused, or does not do what it says.
    #[error("the package is refused ({code}): {sentence}")]
    Refused {
        /// A word for programs: those of `vedette model verify`.
        code: &'static str,
        /// The whole reason.
        sentence: String,
    },
    /// An alias points at it.
    #[error("version {version} of {model} is what {aliases} points at: point it elsewhere first")]
    Pointed {
        /// The model.
        model: String,
        /// The version.
        version: i64,
        /// The aliases.
        aliases: String,
    },
    /// It is on its way to agents.
    #[error("version {version} of {model} is what the rollout {rollout} brings to agents: abort that first")]
    OnItsWay {
        /// The model.
        model: String,
        /// The version.
        version: i64,
        /// The rollout.
        rollout: String,
    },
    /// A name of a file that is none.
    #[error(transparent)]
    Name(#[from] NoBlobName),
    /// The files.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The record of changes.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The check itself came to an end that it should not.
    #[error("checking the package broke off: {reason}")]
    Broken {
        /// How.
        reason: String,
    },
}

impl From<VerifyError> for RegistryError {
    fn from(error: VerifyError) -> Self {
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        // The path is the hub's own business; what follows it is what the sender can mend.
        let mut sentences: Vec<String> = causes.map(ToString::to_string).collect();
        if sentences.is_empty() {
            sentences.push(error.to_string());
        }
        Self::Refused { code: error.code(), sentence: sentences.join(": ") }
    }
}
