//! Writing a package, and adding a signature to one.

use super::{ALIGNMENT, Envelope, HEADER, MAGIC, MOST_MANIFEST, MOST_SIGNATURES, PackageError, VERSION};
use crate::model::keys::{PublicKey, Purpose, SecretKey, Signature};
use crate::model::manifest::{FileEntry, Manifest, ManifestError};
use crate::model::sha256_hex;

/// Something that a package is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its name among the files.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// Why a package cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The manifest says something impossible.
    #[error("the package cannot be written")]
    Manifest(#[from] ManifestError),
    /// The package that is to be signed is none.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The manifest is too long.
    #[error("the manifest has {0} bytes, at most {MOST_MANIFEST} are allowed; use fewer golden pictures")]
    Length(usize),
    /// There are too many signatures.
    #[error("a package has at most {MOST_SIGNATURES} signatures")]
    Signatures,
}

/// Writes a package of `blobs`. `files` of the manifest is made here from them; `signers` sign.
///
/// # Errors
/// When the manifest says something impossible, or there is too much of something.
pub fn write(mut manifest: Manifest, blobs: &[Blob], signers: &[SecretKey]) -> Result<Vec<u8>, WriteError> {
    let mut content = Vec::new();
    manifest.files.clear();
    for blob in blobs {
        content.resize(content.len().next_multiple_of(ALIGNMENT), 0);
        manifest.files.push(FileEntry {
            name: blob.name.clone(),
            offset: content.len() as u64,
            size: blob.content.len() as u64,
            sha256: sha256_hex(&blob.content),
        });
        content.extend_from_slice(&blob.content);
    }
    let manifest = manifest.write()?;
    let signatures = signers.iter().map(|signer| sign(signer, &manifest)).collect();
    assemble(&manifest, signatures, &content)
}

/// The same package with one more signature, or with that of `signer` made anew.
///
/// # Errors
/// When the bytes are no package that could be used, or it has too many signatures already.
pub fn add_signature(bytes: &[u8], signer: &SecretKey) -> Result<Vec<u8>, WriteError> {
    let envelope = Envelope::parse(bytes)?;
    // A key says by its signature that the package is as it should be.
    envelope.signers()?;
    envelope.open()?.check_digests()?;
    let (manifest, mut signatures, blobs) = envelope.parts();
    signatures.push(sign(signer, manifest));
    assemble(manifest, signatures, blobs)
}

fn sign(signer: &SecretKey, manifest: &[u8]) -> (PublicKey, Signature) {
    (signer.public(), signer.sign(Purpose::Package, manifest))
}

fn assemble(manifest: &[u8], mut signatures: Vec<(PublicKey, Signature)>, blobs: &[u8]) -> Result<Vec<u8>, WriteError> {
    signatures.sort_by_key(|(key, _)| *key);
    signatures.dedup_by_key(|(key, _)| *key);
    let length = u32::try_from(manifest.len()).ok().filter(|_| manifest.len() <= MOST_MANIFEST);
    let length = length.ok_or(WriteError::Length(manifest.len()))?;
    let count = u32::try_from(signatures.len()).ok().filter(|_| signatures.len() <= MOST_SIGNATURES);
    let count = count.ok_or(WriteError::Signatures)?;
    let mut bytes = Vec::with_capacity(HEADER + manifest.len() + blobs.len() + 2048);
    bytes.extend_from_slice(&MAGIC);
    for word in [VERSION, length, count, 0, 0, 0] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(manifest);
    for (key, signature) in &signatures {
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(signature.as_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes.extend_from_slice(blobs);
    let size = bytes.len() as u64;
    bytes[24..HEADER].copy_from_slice(&size.to_le_bytes());
    Ok(bytes)
}
