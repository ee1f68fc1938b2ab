//! The model package: one file with a manifest, signatures under it, and everything that the manifest lists.
//!
//! It is no archive: nothing is unpacked and no name in it is a path. All numbers are little-endian.
//!
//! ```text
//!   0   8 bytes   89 56 44 54 0d 0a 1a 0a: no text, and damaged by whatever damages line ends
//!   8   u32       version of this format, 1
//!  12   u32       M, bytes of the manifest, 1 to 1 MiB
//!  16   u32       S, signatures, 0 to 16
//!  20   u32       0
//!  24   u64       bytes of the whole file
//!  32   M bytes   the manifest: canonical JSON in UTF-8
//!       S times   32 bytes of an Ed25519 public key, 64 bytes of its signature; in ascending order of the keys, none twice
//!       zeros     up to the next multiple of 64
//!       blobs     one after the other in the order of the manifest's `files`; each begins at its `offset`, counted from the
//!                 first blob on, which is the end of the one before it, rounded up to 64 with zeros. The file ends with
//!                 the last byte of the last blob.
//! ```
//!
//! A signature covers `vedette model package v1\n` and the manifest's bytes. The manifest holds size, place and digest of
//! every blob, the rest of the file has one form only; so no byte can be changed without the package being refused, but for
//! the signatures of keys that nobody trusts, which may be taken away.
//!
//! Every length is held against the bytes that are there before it is used; reading copies nothing but the manifest.

mod read;
mod write;

pub use read::{Envelope, Package, PackageError};
pub use write::{Blob, WriteError, add_signature, write};

/// The first bytes of every package.
pub const MAGIC: [u8; 8] = *b"\x89VDT\r\n\x1a\n";
/// The version of the format.
const VERSION: u32 = 1;
/// Bytes before the manifest.
const HEADER: usize = 32;
/// Bytes of a manifest.
const MOST_MANIFEST: usize = 1 << 20;
/// Signatures under one manifest.
const MOST_SIGNATURES: usize = 16;
/// Bytes of a key and its signature.
const SIGNATURE: usize = 96;
/// Blobs begin at multiples of this.
const ALIGNMENT: usize = 64;
/// Bytes of a whole package: two files of the largest size.
pub const MOST_BYTES: u64 = 1 << 32;

/// Whether a file that begins with these bytes means to be a package.
pub fn is_package(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The next multiple of [`ALIGNMENT`]; none beyond the largest number.
fn aligned(at: usize) -> Option<usize> {
    at.checked_next_multiple_of(ALIGNMENT)
}
