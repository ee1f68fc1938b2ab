//! Whole files in a folder of this machine.
//!
//! ```text
//!   <folder>/<first two digits>/<sha256>     the whole file, read-only, never changed
//! ```
//!
//! A file comes there by one rename, after its digest was found right and its bytes were flushed. So whatever has a name
//! here is whole, also after a power cut.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::error::BlobError;
use super::incoming::Arrived;
use super::name::BlobName;

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The files in `path`, which is there.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where a file lies, if it is there.
    pub(super) fn find(&self, name: &BlobName) -> Option<PathBuf> {
        let path = self.place(name);
        path.is_file().then_some(path)
    }

    /// The size of a file in bytes, if it is there.
    pub(super) fn length(&self, name: &BlobName) -> Result<Option<u64>, BlobError> {
        match fs::metadata(self.place(name)) {
            Ok(facts) => Ok(Some(facts.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("looking at", name, error)),
        }
    }

    /// Takes in a file that lies on the same file system.
    pub(super) fn take_in(&self, arrived: &Arrived) -> Result<(), BlobError> {
        let place = self.place(&arrived.name);
        let folder = place.parent().unwrap_or(&self.path);
        let failed = |doing| move |source| self.failed(doing, &arrived.name, source);
        fs::create_dir_all(folder).map_err(failed("making the folder of"))?;
        move_read_only(&arrived.path, &place).map_err(failed("moving"))?;
        sync_folder(&self.path).map_err(failed("flushing the folder of"))
    }

    /// Takes a file away.
    pub(super) fn remove(&self, name: &BlobName) -> Result<(), BlobError> {
        match fs::remove_file(self.place(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed("deleting", name, error)),
            _ => Ok(()),
        }
    }

    fn place(&self, name: &BlobName) -> PathBuf {
        self.path.join(name.place())
    }

    fn failed(&self, doing: &'static str, name: &BlobName, source: io::Error) -> BlobError {
        BlobError::Disk { doing, name: name.as_str().to_owned(), folder: self.path.clone(), source }
    }
}

/// Moves a file whose bytes were flushed, and makes it read-only: after a power cut it lies whole at one of both places.
pub(super) fn move_read_only(from: &Path, to: &Path) -> io::Result<()> {
    fs::set_permissions(from, Permissions::from_mode(0o444))?;
    fs::rename(from, to)?;
    to.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all())
}
