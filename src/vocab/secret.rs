//! A text that must never be printed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A password or key. Its `Debug` shows no part of it, and it has neither `Display` nor `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one call that needs it. Never format what this returns.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What may be shown of the path of a secret's file that could not be read: nothing where there is no such file, for somebody
/// may have written the secret itself where its file belongs.
pub fn shown_path(path: &Path, error: &io::Error) -> PathBuf {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    let is_there = ![InvalidFilename, InvalidInput, NotADirectory, NotFound].contains(&error.kind());
    if is_there { path.to_owned() } else { PathBuf::from("…") }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_place_of_its_file_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for name in ["hunter2", "hunter2/canary", "file/hunter2", "hunter2\0", &"hunter2".repeat(60)] {
            let path = folder.path().join(name);
            let error = std::fs::read(&path).unwrap_err();
            assert_eq!(shown_path(&path, &error), Path::new("…"), "{error:?}");
        }
        let refused = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(shown_path(&file, &refused), file);
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }
}
