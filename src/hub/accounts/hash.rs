//! A password as mosquitto keeps it: `$7$ITERATIONS$SALT$HASH`, PBKDF2 with HMAC-SHA-512, 12 bytes of salt and 64 of hash in
//! base64.
//!
//! The iterations are those of `mosquitto_passwd`. Many would slow nobody down who tries to guess 256 random bits, but they
//! would the broker: it has one thread, and counts them for every client when it reads its files again.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA512};

use crate::hub::access::{AccessError, secret};
use crate::vocab::Secret;

const ITERATIONS: NonZeroU32 = match NonZeroU32::new(101) {
    Some(iterations) => iterations,
    None => NonZeroU32::MIN,
};
/// The most that is counted for a hash that somebody else made.
const MOST_ITERATIONS: u32 = 1_000_000;
const SALT: usize = 12;
const HASH: usize = 64;

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    iterations: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// Why a text is no [`PasswordHash`]. It repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no hash of a password as mosquitto keeps it: $7$iterations$salt$hash")]
pub struct HashError;

impl PasswordHash {
    /// The hash of `password`, with a salt of its own.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn of(password: &Secret) -> Result<Self, AccessError> {
        let (salt, mut hash) = (secret::bytes::<SALT>()?.to_vec(), vec![0; HASH]);
        pbkdf2::derive(PBKDF2_HMAC_SHA512, ITERATIONS, &salt, password.expose().as_bytes(), &mut hash);
        Ok(Self { iterations: ITERATIONS, salt, hash })
    }

    /// Whether this is the hash of `password`.
    pub fn is_of(&self, password: &Secret) -> bool {
        let password = password.expose().as_bytes();
        pbkdf2::verify(PBKDF2_HMAC_SHA512, self.iterations, &self.salt, password, &self.hash).is_ok()
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$7${}${}${}", self.iterations, STANDARD.encode(&self.salt), STANDARD.encode(&self.hash))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl FromStr for PasswordHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let mut parts = text.strip_prefix("$7$").ok_or(HashError)?.split('$');
        let mut part = || parts.next().ok_or(HashError);
        let iterations: NonZeroU32 = part()?.parse().map_err(|_| HashError)?;
        let salt = STANDARD.decode(part()?).map_err(|_| HashError)?;
        let hash = STANDARD.decode(part()?).map_err(|_| HashError)?;
        let is_whole = iterations.get() <= MOST_ITERATIONS && hash.len() == HASH && parts.next().is_none();
        if is_whole { Ok(Self { iterations, salt, hash }) } else { Err(HashError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn what_mosquitto_passwd_has_made_is_read() {
        let made = "$7$101$emPuf9krZKzrKEPV$KfPgQBmUB8u1rz09BHzhljYsUfs0TW+YShhN/PqfJc5g0AWmopOqIQ9Tn+l+Nx46f7DIbdTDZ+birVF9QVCGCA==";
        let hash: PasswordHash = made.parse().unwrap();
        assert!(hash.is_of(&secret("pa")) && !hash.is_of(&secret("pb")) && !hash.is_of(&secret("")));
        assert_eq!(hash.to_string(), made);
    }

    #[test]
    fn a_password_has_another_hash_each_time_and_nothing_of_it_is_shown() {
        let (one, other) =
            (PasswordHash::of(&secret("hunter2")).unwrap(), PasswordHash::of(&secret("hunter2")).unwrap());
        assert_ne!(one, other);
        assert!(one.is_of(&secret("hunter2")) && other.is_of(&secret("hunter2")));
        assert_eq!(one.to_string().parse(), Ok(one.clone()));
        assert_eq!(format!("{one:?}"), "PasswordHash(…)");
    }

    #[test]
    fn anything_else_is_no_hash() {
        let long = format!("$7$101$AAAA${}", STANDARD.encode([0; 63]));
        let slow = format!("$7$4000000000$AAAA${}", STANDARD.encode([0; 64]));
        let more = format!("$7$101$AAAA${}$", STANDARD.encode([0; 64]));
        for text in ["", "$7$", "$7$0$AAAA$AAAA", "$6$101$AAAA$AAAA", "hunter2", &long, &slow, &more] {
            assert_eq!(text.parse::<PasswordHash>(), Err(HashError), "{text}");
        }
    }
}
