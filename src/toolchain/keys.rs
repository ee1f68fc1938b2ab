//! Files of keys: a secret key is readable by its owner alone, a list of trusted keys by anybody.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::detect;
use crate::model::keys::NoPublicKey;
use crate::model::package::{self, WriteError};
use crate::vocab::Secret;

pub use crate::model::keys::{KeyFileError, KeyList, KeyListError, NamedKey, PublicKey, SecretKey, SignedList, Trust};

/// The largest file of keys, in bytes.
const MOST: u64 = 1 << 20;

/// Why keys cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read a secret key.
    #[error(
        "others can read the secret key {path} (mode {mode:03o}); take it from them with `chmod 600`, and consider to rotate it"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file is no secret key.
    #[error("cannot use the key {path}")]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyFileError,
    },
    /// The kernel gives no random bytes.
    #[error("the kernel gives no random bytes")]
    Random(#[source] io::Error),
    /// A text is no public key, and no file that holds one.
    #[error("cannot use the public key {text}")]
    Public {
        /// The text.
        text: String,
        /// Why.
        source: NoPublicKey,
    },
    /// A list of keys cannot be used.
    #[error("cannot use the list of keys {path}")]
    List {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyListError,
    },
    /// A package cannot be signed.
    #[error("cannot sign {path}")]
    Sign {
        /// The file.
        path: PathBuf,
        /// Why.
        source: WriteError,
    },
    /// A key is to be removed that is not there.
    #[error("no key of the list is called {0:?}, by name, id or in full")]
    NoSuchKey(String),
}

/// Makes a secret key from the kernel's random bytes and writes it to a new file that its owner alone can read.
///
/// # Errors
/// When there is such a file already, or it cannot be written.
pub fn create(path: &Path, name: &str) -> Result<SecretKey, KeysError> {
    let mut seed = [0; 32];
    let filled = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty());
    match filled {
        Ok(32) => {}
        Ok(_) => return Err(KeysError::Random(io::ErrorKind::UnexpectedEof.into())),
        Err(error) => return Err(KeysError::Random(error.into())),
    }
    let key = SecretKey::from_seed(name, seed);
    let failed = |source| KeysError::Write { path: path.to_owned(), source };
    // A key that is there already is never written over.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(key.to_file().expose().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(key)
}

/// Reads a secret key. The file must be its owner's alone.
///
/// # Errors
/// When it cannot be read, others can read it too, or it is no key.
pub fn read_secret(path: &Path) -> Result<SecretKey, KeysError> {
    let failed = |source| KeysError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeysError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text).map_err(failed)?;
    SecretKey::from_file(&Secret::new(text)).map_err(|source| KeysError::Secret { path: path.to_owned(), source })
}

/// A public key from its text, or from a file that holds one or the secret one. `name` is for a file that does not say how
/// its key is called.
///
/// # Errors
/// When the text is neither.
pub fn public(text: &str, name: &str) -> Result<NamedKey, KeysError> {
    let wrong = |source| KeysError::Public { text: text.to_owned(), source };
    let path = Path::new(text);
    if !path.is_file() {
        let key: PublicKey = text.parse().map_err(wrong)?;
        return Ok(NamedKey { name: key.id(), key });
    }
    let content = read_text(path)?;
    match content.trim().parse() {
        Ok(key) => Ok(NamedKey { name: name.to_owned(), key }),
        Err(error) if !content.trim_start().starts_with('{') => Err(wrong(error)),
        Err(_) => read_secret(path).map(|key| NamedKey { name: key.name().to_owned(), key: key.public() }),
    }
}

/// Reads a list of keys; says nothing yet of its signatures.
///
/// # Errors
/// When it cannot be read or is no list.
pub fn read_list(path: &Path) -> Result<SignedList, KeysError> {
    SignedList::from_json(&read_text(path)?).map_err(|source| KeysError::List { path: path.to_owned(), source })
}

/// Writes a file in one step: whoever reads it meanwhile sees the old one or the new one.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, content: &[u8]) -> Result<(), KeysError> {
    let failed = |source| KeysError::Write { path: path.to_owned(), source };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = File::create(&beside).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

/// The keys of a list less those that `removed` names, and `added`.
///
/// # Errors
/// When one that is to be removed is not there.
pub fn changed(list: Option<&KeyList>, added: Vec<NamedKey>, removed: &[String]) -> Result<Vec<NamedKey>, KeysError> {
    let mut keys = list.map(|list| list.keys.clone()).unwrap_or_default();
    for name in removed {
        let is_it = |key: &NamedKey| key.name == *name || key.key.id() == *name || key.key.to_string() == *name;
        let before = keys.len();
        keys.retain(|key| !is_it(key));
        if keys.len() == before {
            return Err(KeysError::NoSuchKey(name.clone()));
        }
    }
    keys.extend(added);
    Ok(keys)
}

/// Signs a package or the newest version of a list of keys, in place.
///
/// # Errors
/// When the file is neither, or cannot be read or written.
pub fn sign(path: &Path, key: &SecretKey) -> Result<(), KeysError> {
    let bytes = detect::read_file(path).map_err(|source| KeysError::Read { path: path.to_owned(), source })?;
    let is_list = bytes.trim_ascii_start().starts_with(b"{");
    if is_list {
        let mut list = read_list(path)?;
        list.sign(key);
        return write(path, list.to_json().as_bytes());
    }
    let signed =
        package::add_signature(&bytes, key).map_err(|source| KeysError::Sign { path: path.to_owned(), source })?;
    write(path, &signed)
}

fn read_text(path: &Path) -> Result<String, KeysError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text));
    read.map(|_| text).map_err(|source| KeysError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_its_owners_alone_and_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("release.key");
        let key = create(&path, "release").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_secret(&path).unwrap().public(), key.public());
        assert!(matches!(create(&path, "other"), Err(KeysError::Write { .. })));
        assert_eq!(read_secret(&path).unwrap().public(), key.public());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read_secret(&path), Err(KeysError::Exposed { mode: 0o644, .. })));
    }

    #[test]
    fn a_public_key_is_given_as_text_as_its_file_or_as_the_secret_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("release.key");
        let key = create(&path, "release").unwrap();
        let text = key.public().to_string();
        let file = dir.path().join("release.pub");
        std::fs::write(&file, format!("{text}\n")).unwrap();
        for given in [text.as_str(), file.to_str().unwrap(), path.to_str().unwrap()] {
            assert_eq!(public(given, "x").unwrap().key, key.public());
        }
        assert!(matches!(public("nonsense", "x"), Err(KeysError::Public { .. })));
        let keys = changed(None, vec![public(&text, "a").unwrap()], &[]).unwrap();
        assert!(matches!(changed(None, keys, &["b".to_owned()]), Err(KeysError::NoSuchKey(_))));
    }
}
