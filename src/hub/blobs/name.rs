//! What a file is called: its SHA-256.

use sha2::{Digest as _, Sha256};

use crate::model::hex;

/// The name of a file: 64 hex digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobName(String);

/// Why a text names no file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a file is named by its SHA-256, 64 hex digits in lower case")]
pub struct NoBlobName;

impl BlobName {
    /// Checks `text` and makes it a name.
    ///
    /// # Errors
    /// When it is anything but 64 hex digits in lower case.
    pub fn new(text: &str) -> Result<Self, NoBlobName> {
        hex::decode::<32>(text).map(|_| Self(text.to_owned())).ok_or(NoBlobName)
    }

    /// The name of a file that holds these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::hashed(Sha256::new_with_prefix(bytes))
    }

    /// The name of a file whose bytes have gone through `hash`.
    pub(super) fn hashed(hash: Sha256) -> Self {
        Self(hex::encode(&hash.finalize()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it lies in a store, so that no folder holds very many: `<first two digits>/<all digits>`.
    pub(super) fn place(&self) -> String {
        format!("{}/{}", &self.0[..2], self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_digest_and_nothing_else() {
        for text in ["", "../../etc/passwd", &"A".repeat(64), &"a".repeat(63), &"g".repeat(64)] {
            assert_eq!(BlobName::new(text), Err(NoBlobName), "{text}");
        }
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(BlobName::of(b""), BlobName::new(empty).unwrap());
        assert_eq!(BlobName::of(b"").place(), format!("e3/{empty}"));
    }
}
