//! Why a gallery is neither shown nor published.

use crate::hub::access::AccessError;
use crate::hub::database::DatabaseError;
use crate::hub::fleet::FleetError;
use crate::hub::registry::RegistryError;
use crate::vocab::Id;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum GalleryError {
    /// There is none of this name.
    #[error("there is no gallery named {gallery}: `vedette gallery publish` puts one here")]
    NoGallery {
        /// The name.
        gallery: Id,
    },
    /// The file has not been received.
    #[error("no gallery with the SHA-256 {sha256} has been received: send it to /api/v1/uploads/{sha256} first")]
    NoFile {
        /// Its digest.
        sha256: String,
    },
    /// The file is no gallery.
    #[error("the file is refused: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// It is not newer than the one that is there.
    #[error(
        "the file has revision {offered}, and revision {present} of {gallery} is here: agents would refuse it. Whoever \
         begins a gallery anew gives it a new name"
    )]
    NotNewer {
        /// The name.
        gallery: Id,
        /// The file's revision.
        offered: u64,
        /// That of the one which is here.
        present: u64,
    },
    /// The store of files.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The agents that take it are not known.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The right to it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
