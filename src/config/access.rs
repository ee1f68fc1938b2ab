//! How cameras and the broker are reached: URLs without secrets, logins, TLS files, and where relative paths start.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use url::Url;

use crate::detect::bundled;
use crate::vocab::{Secret, shown_path};

/// The longest password, in bytes; more is a wrong file.
const LONGEST_PASSWORD: u64 = 4096;

/// Whom to trust over TLS, and who we are. Files are read at every connect, so that renewed ones are taken up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Certificates of trusted authorities; those of the system where there is none.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and its key.
    pub identity: Option<Identity>,
}

/// A certificate and its private key, both PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate.
    pub cert_file: PathBuf,
    /// The key.
    pub key_file: PathBuf,
}

/// A user name, and where its password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub username: String,
    /// Its password, where it has one.
    pub password: Option<Password>,
}

/// Where a password is. It is read when it is needed, so that a changed one is taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// In this file; a line end at its end does not count.
    File(PathBuf),
    /// It stood in the URL.
    Inline(Secret),
}

/// A password that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The file could not be read.
    #[error("reading the password file {path}")]
    Read {
        /// The file, as far as [`shown_path`] shows it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is empty, is no text, or is longer than any password.
    #[error("the password file {path} does not hold one line of text of at most 4096 bytes")]
    Content {
        /// The file.
        path: PathBuf,
    },
}

/// A URL whose query, which may hold a password, is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Source(Url);

impl Password {
    /// Reads it.
    ///
    /// # Errors
    /// When the file cannot be read or does not hold a password. The error shows nothing of its content.
    pub fn read(&self) -> Result<Secret, PasswordError> {
        let path = match self {
            Self::Inline(secret) => return Ok(secret.clone()),
            Self::File(path) => path,
        };
        let failed = |source| PasswordError::Read { path: shown_path(path, &source), source };
        let mut bytes = Vec::new();
        File::open(path).map_err(failed)?.take(LONGEST_PASSWORD + 2).read_to_end(&mut bytes).map_err(failed)?;
        let unusable = || PasswordError::Content { path: path.clone() };
        let text = String::from_utf8(bytes).map_err(|_| unusable())?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let usable = !line.is_empty() && line.len() as u64 <= LONGEST_PASSWORD && !line.contains(['\n', '\r', '\0']);
        if usable { Ok(Secret::new(line)) } else { Err(unusable()) }
    }
}

impl Source {
    pub(super) fn new(url: Url) -> Self {
        Self(url)
    }

    /// The whole URL, query included. Never format what this returns.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The path of a clip, where it is one.
    pub fn file(&self) -> Option<PathBuf> {
        (self.0.scheme() == "file").then(|| self.0.to_file_path().ok()).flatten()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_str();
        match text.split_once(['?', '#']) {
            Some((shown, _)) => write!(f, "{shown}?…"),
            None => f.write_str(text),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where relative paths start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The configuration's own folder; absolute.
    pub config: PathBuf,
    /// systemd's credentials directory, where there is one.
    pub credentials: Option<PathBuf>,
}

impl Folders {
    /// The place of an ordinary file.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        self.config.join(path)
    }

    /// The place of a model, unless it is the one that the program brings.
    pub(super) fn model(&self, path: &str) -> PathBuf {
        if path == bundled::DETECTOR { path.into() } else { self.file(path) }
    }

    /// The place of a secret file.
    pub(super) fn secret(&self, path: &str) -> PathBuf {
        let folder: &Path = self.credentials.as_deref().unwrap_or(&self.config);
        folder.join(path)
    }
}
