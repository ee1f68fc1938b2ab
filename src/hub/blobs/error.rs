//! Why a file is not received, found or handed over.

use std::io;
use std::path::PathBuf;

use super::bucket::BucketError;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The disk.
    #[error("{doing} the file {name} in {folder}")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// The file.
        name: String,
        /// The folder of all files.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk, with no file in particular.
    #[error("{doing} {folder}")]
    Folder {
        /// What was being done.
        doing: &'static str,
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The bucket does not do what it is asked, or cannot be reached.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// What the bucket has under this name is another file.
    #[error("what {place} has as the file {name} has the SHA-256 {found}: it was damaged there and must be sent again")]
    Damaged {
        /// The bucket.
        place: String,
        /// The file.
        name: String,
        /// What its digest is.
        found: String,
    },
    /// The piece does not begin where the last one ended.
    #[error("{received} bytes have been received, so the next piece must begin there, not at {given}")]
    Offset {
        /// How much is there.
        received: u64,
        /// Where the piece begins.
        given: u64,
    },
    /// It would be larger than is allowed.
    #[error("the file would be larger than the {limit} bytes that are allowed")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// All of it came, and it is another file. What came was thrown away.
    #[error("what was received has the SHA-256 {found}: it was damaged on the way or is another file; send it again")]
    Digest {
        /// What its digest is.
        found: String,
    },
    /// Somebody else is sending the same file at this moment.
    #[error("this file is being received from somebody else at this moment")]
    Busy,
    /// It is not there, or not all of it.
    #[error("there is no file {name}, or not all of it yet")]
    Missing {
        /// Which.
        name: String,
    },
}
