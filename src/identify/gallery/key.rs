//! The key that opens a gallery: 32 random bytes in a file that its owner, and perhaps a group of his, can read.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

use crate::model::hex;

/// What the file begins with.
const PREFIX: &str = "vedette-gallery-key:";

/// A key. Never shown.
#[derive(Clone)]
pub struct Key([u8; 32]);

/// Why a key cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the key {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the key {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read it.
    #[error("others can read the key {path} (mode {mode:03o}); take it from them with `chmod 600`")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{path} holds no gallery key; `vedette gallery keygen` makes one")]
    Content {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

impl Key {
    /// A key of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Makes a key and writes it to a new file that its owner alone can read.
    ///
    /// # Errors
    /// When there is such a file already, or it cannot be written.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::Random)?;
        let failed = |source| KeyError::Write { path: path.to_owned(), source };
        // A key that is there already is never written over: what it seals would be lost.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        let text = format!("{PREFIX}{}\n", hex::encode(&bytes));
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(Self(bytes))
    }

    /// Reads a key. Nobody but its owner and a group may be able to read the file, and nobody but its owner to write it.
    ///
    /// # Errors
    /// When it cannot be read, others can read it too, or it is no key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        // systemd's credentials are readable by a group, in a folder that nobody else enters.
        if mode & 0o037 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        file.take(1024).read_to_string(&mut text).map_err(failed)?;
        let digits = text.trim_end().strip_prefix(PREFIX);
        digits.and_then(hex::decode).map(Self).ok_or_else(|| KeyError::Content { path: path.to_owned() })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_owners_alone_never_shown_and_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gallery.key");
        let key = Key::create(&path).unwrap();
        assert_eq!(Key::read(&path).unwrap().0, key.0);
        assert_eq!(format!("{key:?}"), "Key(…)");
        assert!(matches!(Key::create(&path), Err(KeyError::Write { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o440)).unwrap();
        assert!(Key::read(&path).is_ok(), "a credential of systemd's");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Key::read(&path), Err(KeyError::Exposed { mode: 0o644, .. })));
        let other = folder.path().join("other");
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&other).unwrap().write_all(b"abc").unwrap();
        let refused = Key::read(&other).unwrap_err().to_string();
        assert!(refused.contains("keygen") && !refused.contains("abc"), "{refused}");
    }
}
