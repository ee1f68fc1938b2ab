//! Where a detector comes from: an ONNX file, or a package with a file per provider. Both are read within bounds and
//! checked before anything of them reaches ONNX Runtime.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::base::clock::Clock;
use crate::model::Facts;
use crate::model::bundled;
use crate::model::hostile;
use crate::model::keys::{PublicKey, Trust};
use crate::model::manifest::{Golden, Manifest, Moment, Thresholds, Version};
use crate::model::package::{self, is_package};
use crate::model::policy::{self, Admitted, Hardware, Terms};

use super::error::DetectError;
use super::provider::Provider;
use super::runtime;
use super::settings::Settings;

/// An ONNX file that may be handed to ONNX Runtime.
pub(super) struct ModelFile {
    /// Its name in the package; empty for a file of its own.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) facts: Facts,
    /// Optimisers that must stay off.
    pub(super) disabled_optimizers: Vec<String>,
}

/// A model as it came from the disk.
pub(super) struct Source {
    files: Vec<ModelFile>,
    pub(super) package: Option<Opened>,
}

/// A package that was admitted, less its ONNX files.
pub(super) struct Opened {
    pub(super) manifest: Manifest,
    pub(super) facts: PackageFacts,
    /// The golden pictures by name.
    pub(super) pictures: Vec<(String, Vec<u8>)>,
}

/// What is known of the package that a detector came from.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageFacts {
    /// The model's name.
    pub name: String,
    /// Its version for people.
    pub version: Version,
    /// Its security version.
    pub security_version: u64,
    /// SHA-256 of the manifest, in hex, which stands for the whole package.
    pub digest: String,
    /// Who signed it.
    pub signers: Vec<PublicKey>,
    /// Whether those were asked for and are enough, or the program itself brought it.
    pub is_trusted: bool,
    /// Whether it has expired since it was accepted.
    pub is_expired: bool,
    /// What is asked of a detection where the configuration does not say.
    pub thresholds: Thresholds,
}

/// The machine that this program runs on. Before ONNX Runtime is loaded it is known to have the CPU alone.
pub fn this_machine() -> Hardware {
    let found = runtime::loaded().map(|facts| facts.providers).unwrap_or_default();
    let providers = found.into_iter().chain([Provider::Cpu]).map(|provider| provider.as_str().to_owned()).collect();
    Hardware { architecture: std::env::consts::ARCH.to_owned(), providers, agent: Version::of_this_program() }
}

/// The content of a model's file, which is an ONNX file or a package; or the bundled package.
///
/// # Errors
/// When it cannot be read or is larger than any package.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if let Some(bytes) = bundled::find(path) {
        return Ok(bytes.to_vec());
    }
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > package::MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than any model package"));
    }
    let mut bytes = Vec::new();
    // A file that grows while it is read is cut, which is then noticed.
    file.take(package::MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads whom to trust from a file: a list of keys, or public keys one per line.
///
/// # Errors
/// When the file cannot be read, or says nothing of the kind.
pub fn read_trust(path: &Path) -> Result<Trust, DetectError> {
    const MOST: u64 = 1 << 20;
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text));
    read.map_err(|source| DetectError::ReadTrust { path: path.to_owned(), source })?;
    Trust::from_file(&text).map_err(|source| DetectError::Trust { path: path.to_owned(), source })
}

impl Source {
    /// Reads what the settings name.
    ///
    /// # Errors
    /// When it cannot be read, or must not be used.
    pub(super) fn read(settings: &Settings, clock: &dyn Clock) -> Result<Self, DetectError> {
        let path = &settings.file;
        let bytes = read_file(path).map_err(|source| DetectError::Read { path: path.clone(), source })?;
        Self::from_bytes(bytes, settings, clock)
    }

    /// Takes what was read from elsewhere; the settings' `file` names it in errors.
    ///
    /// # Errors
    /// When it must not be used.
    pub(super) fn from_bytes(bytes: Vec<u8>, settings: &Settings, clock: &dyn Clock) -> Result<Self, DetectError> {
        let path = &settings.file;
        if is_package(&bytes) {
            return Self::from_package(&bytes, settings, clock);
        }
        let facts = Facts::parse(&bytes).map_err(|source| DetectError::Model { path: path.clone(), source })?;
        if settings.require_signed {
            return Err(DetectError::NotAPackage { path: path.clone() });
        }
        hostile::check(&bytes).map_err(|source| DetectError::Hostile { path: path.clone(), source })?;
        let file = ModelFile { name: String::new(), bytes, facts, disabled_optimizers: Vec::new() };
        Ok(Self { files: vec![file], package: None })
    }

    fn from_package(bytes: &[u8], settings: &Settings, clock: &dyn Clock) -> Result<Self, DetectError> {
        let is_bundled = bundled::find(&settings.file).is_some();
        let trust = settings.trust.as_deref().filter(|_| !is_bundled).map(read_trust).transpose()?;
        if trust.is_none() && settings.require_signed && !is_bundled {
            return Err(DetectError::NobodyTrusted { model: settings.name.clone() });
        }
        let terms = Terms {
            trust,
            hardware: this_machine(),
            now: Moment::from_unix_seconds(clock.unix_nanos().div_euclid(1_000_000_000)),
            security_floor: 0,
            accepted: settings.accepted.clone(),
        };
        let refused = |source| DetectError::Package { path: settings.file.clone(), source: Box::new(source) };
        let mut admitted = policy::admit(bytes, &terms).map_err(refused)?;
        admitted.is_trusted |= is_bundled;
        Ok(Self::take(admitted))
    }

    fn take(admitted: Admitted<'_>) -> Self {
        let Admitted { package, signers, is_trusted, is_expired, facts } = admitted;
        let files = package.manifest.profiles.iter().zip(facts).map(|(profile, facts)| ModelFile {
            name: profile.file.clone(),
            bytes: package.blob(&profile.file).unwrap_or_default().to_vec(),
            facts,
            disabled_optimizers: profile.session.disabled_optimizers.clone(),
        });
        let files = files.collect();
        let names: BTreeSet<&String> = package.manifest.golden.pictures.iter().map(|golden| &golden.picture).collect();
        let picture = |name: &String| (name.clone(), package.blob(name).unwrap_or_default().to_vec());
        let pictures = names.into_iter().map(picture).collect();
        let manifest = package.manifest.clone();
        let facts = PackageFacts {
            name: manifest.name.to_string(),
            version: manifest.version,
            security_version: manifest.security_version,
            digest: package.digest,
            signers,
            is_trusted,
            is_expired,
            thresholds: manifest.thresholds,
        };
        Self { files, package: Some(Opened { manifest, facts, pictures }) }
    }

    /// The file for a provider: the only one, or that of the provider's profile, where there is one.
    pub(super) fn file(&self, provider: Provider) -> Option<&ModelFile> {
        match &self.package {
            None => self.files.first(),
            Some(package) => {
                let profile = package.manifest.profile(provider.as_str())?;
                self.files.iter().find(|file| file.name == profile.file)
            }
        }
    }
}

impl Opened {
    /// The golden pictures.
    pub(super) fn golden(&self) -> &Golden {
        &self.manifest.golden
    }
}

impl ModelFile {
    /// How it must be run, beside what the settings say.
    pub(super) fn settings(&self, settings: &Settings) -> Settings {
        Settings { disabled_optimizers: self.disabled_optimizers.clone(), ..settings.clone() }
    }
}
