//! The texts of overlays, a file each, named by its content.
//!
//! A text is written beside, flushed, renamed, and the folder flushed, before the ledger speaks of it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::ledger::LedgerError;
use crate::wire::OverlayRef;

/// The folder, in the state folder.
const FOLDER: &str = "overlays";

/// Where the texts lie.
#[derive(Debug, Clone)]
pub struct Overlays(PathBuf);

impl Overlays {
    /// Those in the state folder.
    pub fn of(state_dir: &Path) -> Self {
        Self(state_dir.join(FOLDER))
    }

    fn file(&self, sha256: &str) -> PathBuf {
        self.0.join(format!("{sha256}.yaml"))
    }

    /// Keeps a text.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, overlay: &OverlayRef, text: &str) -> Result<(), LedgerError> {
        if self.read(overlay).is_ok() {
            return Ok(());
        }
        let (path, next) = (self.file(&overlay.sha256), self.0.join("next"));
        let failed = |doing| {
            let path = path.clone();
            move |source| LedgerError::File { doing, path, source }
        };
        fs::create_dir_all(&self.0).map_err(failed("making the folder of"))?;
        let mut file = File::create(&next).map_err(failed("writing"))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("writing"))?;
        fs::rename(&next, &path).map_err(failed("replacing"))?;
        let flushed = [Some(self.0.as_path()), self.0.parent()]
            .into_iter()
            .flatten()
            .try_for_each(|folder| File::open(folder).and_then(|folder| folder.sync_all()));
        flushed.map_err(failed("flushing the folder of"))
    }

    /// Reads a text, if it is whole.
    ///
    /// # Errors
    /// In words, why this agent does not have it.
    pub fn read(&self, overlay: &OverlayRef) -> Result<String, String> {
        let text = match fs::read_to_string(self.file(&overlay.sha256)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err("this agent does not have the overlay's text, and the hub did not send it".to_owned());
            }
            Err(error) => return Err(format!("the overlay's text cannot be read: {error}")),
        };
        if OverlayRef::of(&text) == *overlay { Ok(text) } else { Err("the overlay's text is damaged".to_owned()) }
    }

    /// Deletes the texts that are not `needed`.
    pub fn sweep(&self, needed: &[String]) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !needed.iter().any(|sha256| name.starts_with(sha256))
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::warn!(file = name, %error, "an overlay that nobody needs cannot be deleted");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_until_nothing_needs_it_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let overlays = Overlays::of(folder.path());
        let (one, other) = (OverlayRef::of("cameras: {}"), OverlayRef::of("{}"));
        assert!(overlays.read(&one).unwrap_err().contains("does not have"));
        overlays.keep(&one, "cameras: {}").unwrap();
        overlays.keep(&other, "{}").unwrap();
        assert_eq!(overlays.read(&one).unwrap(), "cameras: {}");
        fs::write(overlays.file(&one.sha256), "cameras: { door").unwrap();
        assert!(overlays.read(&one).unwrap_err().contains("damaged"));
        overlays.keep(&one, "cameras: {}").unwrap();
        assert!(overlays.read(&one).is_ok(), "it is written anew");
        overlays.sweep(std::slice::from_ref(&other.sha256));
        assert_eq!((overlays.read(&one).is_ok(), overlays.read(&other).is_ok()), (false, true));
    }
}
