//! Which models there are to be served, and where their files lie.
//!
//! [`Folder`] is a folder as Triton has it: `<name>/<version>/model.onnx`, or a `.vedette` package in its place, and beside
//! the versions an optional `aliases.json`, `{"champion": 3}`. It is read anew at every question, so a file that is put
//! there is seen by the next load.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::hub::blobs::LocalFile;

/// Which models there are.
pub trait Catalogue: Send + Sync {
    /// All of them, by name.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    fn models(&self) -> Result<Vec<Entry>, CatalogueError>;

    /// One of them; `None` where there is none of that name.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    fn model(&self, name: &str) -> Result<Option<Entry>, CatalogueError> {
        Ok(self.models()?.into_iter().find(|entry| entry.name == name))
    }

    /// The ONNX file or package of a version. It stays where it is while that is held. May block on the network.
    ///
    /// # Errors
    /// When there is none, or it cannot be had now.
    fn file(&self, name: &str, version: u64) -> Result<LocalFile, CatalogueError>;
}

/// A model of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Its name, one that [`is_name`] allows.
    pub name: String,
    /// Its versions, in rising order.
    pub versions: Vec<u64>,
    /// Other names of versions, such as `champion`.
    pub aliases: BTreeMap<String, u64>,
}

/// Why the catalogue gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A folder or file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of aliases says something else.
    #[error("cannot use {path}: expected {{\"alias\": version, …}}")]
    Aliases {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A version has no file.
    #[error("{path} holds no model.onnx and no .vedette package")]
    NoFile {
        /// The folder of the version.
        path: PathBuf,
    },
    /// The store of the files does not give it.
    #[error("cannot fetch version {version} of {model}: {reason}")]
    Fetch {
        /// The model.
        model: String,
        /// The version.
        version: u64,
        /// Why.
        reason: String,
    },
}

/// Whether a model may have this name: letters, digits, `_`, `-` and `.`, at most 128, not starting with a dot; and not
/// `stats`, which is a path of its own.
pub fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=128).contains(&text.len()) && text.bytes().all(is_allowed) && !text.starts_with('.') && text != "stats"
}

/// A folder with a folder for each model.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The catalogue in this folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn entry(&self, name: &str) -> Result<Entry, CatalogueError> {
        let folder = self.path.join(name);
        let mut versions: Vec<u64> = names_in(&folder)?.iter().filter_map(|name| name.parse().ok()).collect();
        versions.sort_unstable();
        Ok(Entry { name: name.to_owned(), versions, aliases: aliases(&folder.join("aliases.json"))? })
    }
}

impl Catalogue for Folder {
    fn models(&self) -> Result<Vec<Entry>, CatalogueError> {
        let mut names = names_in(&self.path)?;
        names.retain(|name| is_name(name) && self.path.join(name).is_dir());
        names.sort_unstable();
        names.iter().map(|name| self.entry(name)).collect()
    }

    fn model(&self, name: &str) -> Result<Option<Entry>, CatalogueError> {
        if !is_name(name) || !self.path.join(name).is_dir() {
            return Ok(None);
        }
        self.entry(name).map(Some)
    }

    fn file(&self, name: &str, version: u64) -> Result<LocalFile, CatalogueError> {
        let folder = self.path.join(name).join(version.to_string());
        let plain = folder.join("model.onnx");
        if plain.is_file() {
            return Ok(LocalFile::lasting(plain));
        }
        let package = names_in(&folder)?.into_iter().filter(|name| name.ends_with(".vedette")).min();
        let package = package.map(|name| LocalFile::lasting(folder.join(name)));
        package.ok_or(CatalogueError::NoFile { path: folder })
    }
}

/// Names that are no Unicode are nobody's model.
fn names_in(folder: &Path) -> Result<Vec<String>, CatalogueError> {
    let read = |source| CatalogueError::Read { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        names.extend(entry.map_err(read)?.file_name().into_string().ok());
    }
    Ok(names)
}

fn aliases(path: &Path) -> Result<BTreeMap<String, u64>, CatalogueError> {
    match std::fs::read(path) {
        Ok(text) => {
            serde_json::from_slice(&text).map_err(|source| CatalogueError::Aliases { path: path.to_owned(), source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(source) => Err(CatalogueError::Read { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_tells_its_models_versions_and_aliases() {
        let dir = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("street/2/model.onnx", "");
        put("street/10/street.vedette", "");
        put("street/notes/readme", "");
        put("street/aliases.json", r#"{"champion": 2}"#);
        put("stats/1/model.onnx", "");
        put("README", "");
        let folder = Folder::new(dir.path());
        let entry = Entry {
            name: "street".to_owned(),
            versions: vec![2, 10],
            aliases: BTreeMap::from([("champion".to_owned(), 2)]),
        };
        assert_eq!(folder.models().unwrap(), std::slice::from_ref(&entry));
        assert_eq!(folder.model("street").unwrap(), Some(entry));
        assert_eq!(folder.model("../street").unwrap(), None);
        assert!(folder.file("street", 2).unwrap().path().ends_with("street/2/model.onnx"));
        assert!(folder.file("street", 10).unwrap().path().ends_with("street/10/street.vedette"));
        assert!(folder.file("street", 3).is_err());
        put("street/aliases.json", "[]");
        assert!(folder.models().unwrap_err().to_string().contains("aliases.json"));
    }
}
