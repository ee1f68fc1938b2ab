//! Ed25519 keys: who signs packages, and who is trusted to.
//!
//! A signature covers a prefix that names what is signed, then the exact bytes, so that a signature of one kind of
//! document is none of another. Nothing is parsed before its signature is checked where somebody is trusted.

mod list;
mod secret;

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature as DalekSignature, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::hex;
use super::sha256_hex;

pub use list::{KeyList, KeyListError, MOST_VERSIONS, NamedKey, SignedList, Trust, TrustError};
pub use secret::{KeyFileError, SecretKey};

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The manifest of a model package.
    Package,
    /// A list of trusted keys.
    KeyList,
    /// What a hub wants an agent to have.
    Desired,
}

impl Purpose {
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Package => b"vedette model package v1\n",
            Self::KeyList => b"vedette key list v1\n",
            Self::Desired => b"vedette desired state v1\n",
        }
    }

    fn message(self, bytes: &[u8]) -> Vec<u8> {
        [self.prefix(), bytes].concat()
    }
}

/// A public key. As text it is `ed25519:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// A signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// A text that is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no public key; one is `ed25519:` and 64 hexadecimal digits, as `vedette keys public` prints it")]
pub struct NoPublicKey(String);

impl PublicKey {
    /// From its 32 bytes, whether or not they are a point of the curve: one that is none verifies nothing.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What people call it: the first 16 hexadecimal digits of its SHA-256.
    pub fn id(&self) -> String {
        sha256_hex(&self.0)[..16].to_owned()
    }

    /// Whether it signed `bytes` for `purpose`. Strict: keys of small order and other encodings of a signature verify
    /// nothing.
    pub fn verifies(&self, purpose: Purpose, bytes: &[u8], signature: &Signature) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else { return false };
        key.verify_strict(&purpose.message(bytes), &DalekSignature::from_bytes(&signature.0)).is_ok()
    }
}

impl Signature {
    /// From its 64 bytes.
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Its 64 bytes.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", hex::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", hex::encode(&self.0[..4]))
    }
}

impl FromStr for PublicKey {
    type Err = NoPublicKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.strip_prefix("ed25519:").and_then(hex::decode);
        bytes.map(Self).ok_or_else(|| NoPublicKey(text.chars().take(80).collect()))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = NoPublicKey;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(&text).map(Self).ok_or_else(|| serde::de::Error::custom("a signature has 128 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_bytes_its_key_and_its_purpose_alone() {
        let (key, other) = (SecretKey::from_seed("a", [1; 32]), SecretKey::from_seed("b", [2; 32]));
        let signature = key.sign(Purpose::Package, b"manifest");
        assert!(key.public().verifies(Purpose::Package, b"manifest", &signature));
        assert!(!key.public().verifies(Purpose::KeyList, b"manifest", &signature));
        assert!(!key.public().verifies(Purpose::Package, b"manifesT", &signature));
        assert!(!other.public().verifies(Purpose::Package, b"manifest", &signature));
        assert!(!PublicKey::from_bytes([0; 32]).verifies(Purpose::Package, b"manifest", &signature));
    }

    #[test]
    fn rfc_8032_gives_the_same_key() {
        // RFC 8032, 7.1, test 1.
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let public = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(SecretKey::from_seed("test", seed).public().to_string(), public);
        assert_eq!(public.parse::<PublicKey>().unwrap(), SecretKey::from_seed("test", seed).public());
    }

    #[test]
    fn a_public_key_is_read_as_it_is_written_and_not_otherwise() {
        for wrong in
            ["", "ed25519:", "ed25519:00", "rsa:00", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68"]
        {
            assert!(wrong.parse::<PublicKey>().is_err(), "{wrong}");
        }
    }
}
