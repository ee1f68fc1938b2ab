//! Photographs from files: which files are ones, and their pixels.

use std::fs;
use std::path::{Path, PathBuf};

use crate::detect::{self, Picture, PictureError};

/// Why there is no photograph to look at.
#[derive(Debug, thiserror::Error)]
pub enum PhotographError {
    /// The file or folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no JPEG or PNG, or a damaged one.
    #[error("cannot decode {path} as JPEG or PNG")]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
    /// The picture is too large.
    #[error("cannot use {path}")]
    Size {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PictureError,
    },
    /// A folder without photographs.
    #[error("{path} holds no .jpg, .jpeg or .png file")]
    NoneThere {
        /// The folder.
        path: PathBuf,
    },
}

/// Whether `path` is called like a photograph.
pub fn is_one(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|e| ["jpg", "jpeg", "png"].contains(&e.as_str()))
}

/// The photographs directly in `folder`, by name.
///
/// # Errors
/// When the folder cannot be read or holds none.
pub fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, PhotographError> {
    let read = |source| PhotographError::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if is_one(&path) {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(PhotographError::NoneThere { path: folder.to_owned() });
    }
    found.sort();
    Ok(found)
}

/// Reads a photograph the way up that its camera noted, as every viewer shows it.
///
/// # Errors
/// When the file cannot be read or decoded, or is too large.
pub fn read(path: &Path) -> Result<Picture, PhotographError> {
    let bytes = fs::read(path).map_err(|source| PhotographError::Read { path: path.to_owned(), source })?;
    detect::photograph(&bytes).map_err(|error| match error {
        detect::PhotographError::Decode(source) => PhotographError::Decode { path: path.to_owned(), source },
        detect::PhotographError::Size(source) => PhotographError::Size { path: path.to_owned(), source },
    })
}
