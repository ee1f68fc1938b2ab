//! The bundled detector with another manifest: a sound one of a later version, and one that is bad on purpose, to show how a
//! rollout catches it.

use std::path::Path;

use crate::model::bundled;
use crate::model::manifest::{Manifest, NoVersion};
use crate::model::package::{Blob, Envelope, PackageError, WriteError, write};

/// Why there is no such package.
#[derive(Debug, thiserror::Error)]
pub enum SpoilError {
    /// The bundled package cannot be read.
    #[error("reading the bundled package")]
    Read(#[from] PackageError),
    /// The version is none.
    #[error(transparent)]
    Version(#[from] NoVersion),
    /// The other one cannot be written.
    #[error("writing a package")]
    Write(#[from] WriteError),
}

/// A package that reports almost nothing of what it sees, and has no golden pictures that would tell.
///
/// # Errors
/// When it cannot be made.
pub fn blind() -> Result<Vec<u8>, SpoilError> {
    remade("1.0.1", |manifest| {
        manifest.thresholds.score = 0.99;
        manifest.golden.pictures.clear();
    })
}

/// The same detector as a later version.
///
/// # Errors
/// When it cannot be made.
pub fn sound() -> Result<Vec<u8>, SpoilError> {
    remade("1.0.2", |_| {})
}

fn remade(version: &str, change: impl FnOnce(&mut Manifest)) -> Result<Vec<u8>, SpoilError> {
    let bytes = bundled::find(Path::new(bundled::DETECTOR)).unwrap_or_default();
    let mut package = Envelope::parse(bytes)?.open()?;
    let blob = |name: &String| Some(Blob { name: name.clone(), content: package.blob(name)?.to_vec() });
    let blobs: Vec<Blob> = package.manifest.files.iter().filter_map(|file| blob(&file.name)).collect();
    package.manifest.version = version.parse()?;
    change(&mut package.manifest);
    Ok(write(package.manifest, &blobs, &[])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_packages_of_the_bundled_model_under_later_versions() {
        let version = |bytes: &[u8]| Envelope::parse(bytes).unwrap().open().unwrap().manifest.version;
        let own = version(bundled::find(Path::new(bundled::DETECTOR)).unwrap());
        assert!(own < version(&blind().unwrap()) && version(&blind().unwrap()) < version(&sound().unwrap()));
    }
}
