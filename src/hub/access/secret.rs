//! Random texts that are shown once, and what is kept of them.

use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest as _, Sha256};

use super::AccessError;
use crate::model::hex;
use crate::vocab::Secret;

/// What every token begins with, so that one that leaked is recognised by whoever looks for secrets in files.
pub(super) const PREFIX: &str = "vedette_";

/// `N` bytes from the kernel.
pub(in crate::hub) fn bytes<const N: usize>() -> Result<[u8; N], AccessError> {
    let mut bytes = [0; N];
    // Up to 256 bytes come whole or not at all.
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(length) if length == N => Ok(bytes),
        Ok(_) => Err(AccessError::Chance { reason: "too few bytes".to_owned() }),
        Err(error) => Err(AccessError::Chance { reason: error.to_string() }),
    }
}

/// `N` bytes from the kernel, as hexadecimal digits.
pub(in crate::hub) fn random<const N: usize>() -> Result<String, AccessError> {
    Ok(hex::encode(&bytes::<N>()?))
}

/// A new token of 256 random bits.
pub(super) fn token() -> Result<Secret, AccessError> {
    Ok(Secret::new(format!("{PREFIX}{}", random::<32>()?)))
}

/// What is kept of a secret.
pub(super) fn digest(secret: &str) -> String {
    hex::encode(&Sha256::digest(secret.as_bytes()))
}
