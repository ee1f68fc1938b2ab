//! Reading a package, in the steps in which it earns trust: its form, its signatures, its manifest, its digests.

use super::{ALIGNMENT, HEADER, MAGIC, MOST_MANIFEST, MOST_SIGNATURES, SIGNATURE, VERSION, aligned};
use crate::model::keys::{PublicKey, Purpose, Signature};
use crate::model::manifest::{FileEntry, Manifest, ManifestError};
use crate::model::{sha256_hex, sniff};

/// The outer form of a package. Nothing in it is believed yet.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    manifest: &'a [u8],
    signatures: &'a [u8],
    blobs: &'a [u8],
}

/// A package whose manifest has been read. Its blobs are believed after [`Package::check_digests`].
#[derive(Debug)]
pub struct Package<'a> {
    /// What it says of itself.
    pub manifest: Manifest,
    /// SHA-256 of the manifest's bytes, in hex, which stands for the whole package.
    pub digest: String,
    blobs: &'a [u8],
}

/// Why bytes are no usable package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// They are something else.
    #[error("not a model package: found {found}")]
    NotAPackage {
        /// What they look like.
        found: &'static str,
    },
    /// The format is a later one.
    #[error("the package has format {found}, this program reads {VERSION}; update the program")]
    Format {
        /// Its version.
        found: u32,
    },
    /// The file is shorter than it says.
    #[error("the package is cut short: {size} bytes are there, {needed} are needed; fetch it again")]
    Truncated {
        /// What is there.
        size: u64,
        /// What is needed.
        needed: u64,
    },
    /// The file is longer than it says.
    #[error("{extra} bytes follow the end of the package; fetch it again")]
    Trailing {
        /// How many.
        extra: u64,
    },
    /// A part of it has another form than the one that every package has.
    #[error("the package is damaged: {what} at byte {at}; fetch it again")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where.
        at: u64,
    },
    /// A signature does not hold: it, its key or the manifest was changed.
    #[error(
        "the signature of the key {key} does not hold: the manifest or the signature was changed; fetch the package again"
    )]
    Signature {
        /// The id of the key.
        key: String,
    },
    /// The manifest cannot be used.
    #[error("the manifest of the package cannot be used")]
    Manifest(#[source] ManifestError),
    /// A blob does not lie where it must.
    #[error("the manifest places {file:?} at {found}, it must be at {expected}; make the package again")]
    Place {
        /// The file.
        file: String,
        /// Where the manifest has it.
        found: u64,
        /// Where the one before it ends.
        expected: u64,
    },
    /// A blob was changed.
    #[error("the content of {file:?} is not what the manifest says: its SHA-256 differs; fetch the package again")]
    Digest {
        /// The file.
        file: String,
    },
}

impl<'a> Envelope<'a> {
    /// Takes a package apart.
    ///
    /// # Errors
    /// When the bytes do not have the form of one.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PackageError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(not_a_package(bytes));
        }
        let truncated = |needed: usize| PackageError::Truncated { size: bytes.len() as u64, needed: needed as u64 };
        let header = bytes.first_chunk::<HEADER>().ok_or_else(|| truncated(HEADER))?;
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let malformed = |what, at: usize| Err(PackageError::Malformed { what, at: at as u64 });
        if word(8) != VERSION {
            return Err(PackageError::Format { found: word(8) });
        }
        let (manifest, signatures) = (word(12) as usize, word(16) as usize);
        if manifest == 0 || manifest > MOST_MANIFEST {
            return malformed("a manifest of an impossible length", 12);
        }
        if signatures > MOST_SIGNATURES {
            return malformed("an impossible number of signatures", 16);
        }
        if word(20) != 0 {
            return malformed("something where nothing may be", 20);
        }
        let size = u64::from(word(24)) | u64::from(word(28)) << 32;
        match (bytes.len() as u64).checked_sub(size) {
            Some(0) => {}
            Some(extra) => return Err(PackageError::Trailing { extra }),
            None => return Err(PackageError::Truncated { size: bytes.len() as u64, needed: size }),
        }
        let end = HEADER + manifest;
        let first_blob = aligned(end + signatures * SIGNATURE).unwrap_or(usize::MAX);
        let (head, blobs) = bytes.split_at_checked(first_blob).ok_or_else(|| truncated(first_blob))?;
        let (head, padding) = head.split_at(end + signatures * SIGNATURE);
        zeros(padding, head.len())?;
        let (head, signatures) = head.split_at(end);
        let envelope = Self { manifest: &head[HEADER..], signatures, blobs };
        envelope.check_order(end)?;
        Ok(envelope)
    }

    fn check_order(&self, at: usize) -> Result<(), PackageError> {
        let keys: Vec<&[u8]> = self.signatures.chunks_exact(SIGNATURE).map(|entry| &entry[..32]).collect();
        if keys.is_sorted_by(|a, b| a < b) {
            return Ok(());
        }
        Err(PackageError::Malformed { what: "signatures out of order", at: at as u64 })
    }

    fn signatures(&self) -> impl Iterator<Item = (PublicKey, Signature)> {
        self.signatures.chunks_exact(SIGNATURE).filter_map(|entry| {
            let (key, signature) = entry.split_first_chunk::<32>()?;
            Some((PublicKey::from_bytes(*key), Signature::from_bytes(signature.try_into().ok()?)))
        })
    }

    /// Who signed it. Every signature must hold, those of strangers too.
    ///
    /// # Errors
    /// When one does not.
    pub fn signers(&self) -> Result<Vec<PublicKey>, PackageError> {
        let check = |(key, signature): (PublicKey, Signature)| match key.verifies(
            Purpose::Package,
            self.manifest,
            &signature,
        ) {
            true => Ok(key),
            false => Err(PackageError::Signature { key: key.id() }),
        };
        self.signatures().map(check).collect()
    }

    /// Reads the manifest and finds every blob where it must be.
    ///
    /// # Errors
    /// When the manifest cannot be used or does not fit the file.
    pub fn open(&self) -> Result<Package<'a>, PackageError> {
        let manifest = Manifest::read(self.manifest).map_err(PackageError::Manifest)?;
        let mut end = 0;
        for (index, file) in manifest.files.iter().enumerate() {
            let start = if index == 0 { 0 } else { aligned(end).unwrap_or(usize::MAX) };
            if file.offset != start as u64 {
                let expected = start as u64;
                return Err(PackageError::Place { file: file.name.clone(), found: file.offset, expected });
            }
            let gap = self.blobs.get(end..start).ok_or_else(|| self.short(start as u64))?;
            zeros(gap, self.start() + end)?;
            let after = start as u64 + file.size;
            if after > self.blobs.len() as u64 {
                return Err(self.short(after));
            }
            end = start + file.size as usize;
        }
        match self.blobs.len() - end {
            0 => Ok(Package { manifest, digest: sha256_hex(self.manifest), blobs: self.blobs }),
            extra => Err(PackageError::Trailing { extra: extra as u64 }),
        }
    }

    /// Where the first blob begins in the file.
    fn start(&self) -> usize {
        (HEADER + self.manifest.len() + self.signatures.len()).next_multiple_of(ALIGNMENT)
    }

    fn short(&self, needed: u64) -> PackageError {
        let start = self.start() as u64;
        PackageError::Truncated { size: start + self.blobs.len() as u64, needed: start + needed }
    }

    /// The parts that a new signature is added to.
    pub(super) fn parts(&self) -> (&'a [u8], Vec<(PublicKey, Signature)>, &'a [u8]) {
        (self.manifest, self.signatures().collect(), self.blobs)
    }
}

fn not_a_package(bytes: &[u8]) -> PackageError {
    let found = match sniff::describe(bytes) {
        "bytes of no known kind" if bytes.first() == Some(&8) => "what may be an ONNX model, unsigned and by itself",
        other => other,
    };
    PackageError::NotAPackage { found }
}

fn zeros(padding: &[u8], at: usize) -> Result<(), PackageError> {
    match padding.iter().position(|byte| *byte != 0) {
        None => Ok(()),
        Some(found) => Err(PackageError::Malformed { what: "something where nothing may be", at: (at + found) as u64 }),
    }
}

impl<'a> Package<'a> {
    /// The content of the file called `name`, if there is one.
    pub fn blob(&self, name: &str) -> Option<&'a [u8]> {
        self.manifest.file(name).map(|file| self.content(file))
    }

    fn content(&self, file: &FileEntry) -> &'a [u8] {
        // `Envelope::open` has found every file within the blobs.
        let start = file.offset as usize;
        self.blobs.get(start..start.saturating_add(file.size as usize)).unwrap_or_default()
    }

    /// Holds every file against its digest.
    ///
    /// # Errors
    /// The first that differs.
    pub fn check_digests(&self) -> Result<(), PackageError> {
        let differs = |file: &&FileEntry| sha256_hex(self.content(file)) != file.sha256;
        match self.manifest.files.iter().find(differs) {
            None => Ok(()),
            Some(file) => Err(PackageError::Digest { file: file.name.clone() }),
        }
    }
}
