//! A secret key and the text of its file.
//!
//! The file is one line of JSON: `{"kind":"vedette secret key","name":"…","seed":"64 hexadecimal digits"}`. It is never
//! printed, and neither `Debug` nor an error shows any part of the seed.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use serde::{Deserialize, Serialize};

use crate::vocab::Secret;

use super::super::hex;
use super::{PublicKey, Purpose, Signature};

const KIND: &str = "vedette secret key";
/// The longest file, in bytes.
const LONGEST_FILE: usize = 4096;

/// A secret key with the name that people gave it. Dropping it wipes it.
#[derive(Clone)]
pub struct SecretKey {
    name: String,
    key: SigningKey,
}

/// A text that is no secret key's file. Says nothing of the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no secret key as `vedette keys new` writes it")]
pub struct KeyFileError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kind: String,
    name: String,
    seed: String,
}

impl SecretKey {
    /// From 32 random bytes.
    pub fn from_seed(name: impl Into<String>, seed: [u8; 32]) -> Self {
        Self { name: name.into(), key: SigningKey::from_bytes(&seed) }
    }

    /// From the text of its file.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_file(text: &Secret) -> Result<Self, KeyFileError> {
        let text = text.expose();
        if text.len() > LONGEST_FILE {
            return Err(KeyFileError);
        }
        let file: File = serde_json::from_str(text).map_err(|_| KeyFileError)?;
        let seed = hex::decode(&file.seed).filter(|_| file.kind == KIND).ok_or(KeyFileError)?;
        Ok(Self::from_seed(file.name, seed))
    }

    /// The text of its file. It holds the secret.
    pub fn to_file(&self) -> Secret {
        let seed = hex::encode(self.key.as_bytes());
        let file = File { kind: KIND.to_owned(), name: self.name.clone(), seed };
        // A struct of three texts always has a JSON form.
        Secret::new(serde_json::to_string(&file).unwrap_or_default() + "\n")
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key with which others check what this one signed.
    pub fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.key.verifying_key().to_bytes())
    }

    /// Signs `bytes` for `purpose`.
    pub fn sign(&self, purpose: Purpose, bytes: &[u8]) -> Signature {
        Signature::from_bytes(self.key.sign(&purpose.message(bytes)).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("name", &self.name).field("public", &self.public()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_gives_the_same_key_again_and_debug_shows_no_secret() {
        let key = SecretKey::from_seed("release", [0xab; 32]);
        let again = SecretKey::from_file(&key.to_file()).unwrap();
        assert_eq!((again.name(), again.public()), ("release", key.public()));
        assert!(!format!("{key:?}").contains("abab"), "{key:?}");
    }

    #[test]
    fn what_is_no_key_file_is_refused_without_showing_it() {
        for text in ["", "{}", "hunter2", r#"{"kind":"vedette secret key","name":"x","seed":"hunter2"}"#] {
            let error = SecretKey::from_file(&Secret::new(text)).unwrap_err();
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
