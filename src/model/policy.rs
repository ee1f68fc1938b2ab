//! Whether a package may be used here and now. Pure: everything it depends on is handed in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::hostile::{self, HostileError};
use super::keys::{PublicKey, Trust};
use super::manifest::{ANY_PROVIDER, Manifest, Moment, Version};
use super::onnx::{Facts, ModelError};
use super::package::{Envelope, Package, PackageError};

/// The machine that a package is to run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// The instruction set as Rust names it, such as `x86_64`.
    pub architecture: String,
    /// The execution providers that are there, as the configuration names them.
    pub providers: BTreeSet<String>,
    /// The version of the program.
    pub agent: Version,
}

/// What is asked of a package.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Who must have signed it; anybody or nobody, where there is none.
    pub trust: Option<Trust>,
    /// Where it is to run.
    pub hardware: Hardware,
    /// What time it is.
    pub now: Moment,
    /// The lowest security version that is accepted.
    pub security_floor: u64,
    /// What was accepted here before, by the model's name.
    pub accepted: BTreeMap<String, Accepted>,
}

/// What is remembered of a package that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its digest: the same package may go on after it has expired.
    pub digest: String,
    /// The highest security version that was accepted under its name: no lower one is accepted after it.
    pub security_version: u64,
}

/// A package that may be used.
#[derive(Debug)]
pub struct Admitted<'a> {
    /// It.
    pub package: Package<'a>,
    /// Whose signatures it bears.
    pub signers: Vec<PublicKey>,
    /// Whether those were asked for and are enough.
    pub is_trusted: bool,
    /// Whether it has expired since it was accepted.
    pub is_expired: bool,
    /// What its ONNX files say of themselves, in the order of the manifest's profiles.
    pub facts: Vec<Facts>,
}

/// Why a package may not be used.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is damaged, changed or something else.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Nobody signed it.
    #[error("the package is not signed, and a signature is asked for; sign it with `vedette keys sign`")]
    Unsigned,
    /// Strangers signed it.
    #[error(
        "the package is signed by {signers}, of whom nobody is trusted here; get it from its maker, or trust the key"
    )]
    NotTrusted {
        /// The ids of their keys.
        signers: String,
    },
    /// Not enough of the trusted signed it.
    #[error(
        "the package is signed by {found} of the {needed} trusted keys that are needed; add one with `vedette keys sign`"
    )]
    TooFewSignatures {
        /// How many did.
        found: usize,
        /// How many must.
        needed: u32,
    },
    /// It is too late.
    #[error("the package expired at {expires}, it is {now}; get a newer one, or set the clock right")]
    Expired {
        /// When it expired.
        expires: Moment,
        /// What time it is.
        now: Moment,
    },
    /// Another instruction set.
    #[error("the package is for {needed}, this machine is {found}; get the one for this machine")]
    Architecture {
        /// What it is for.
        needed: String,
        /// What is here.
        found: String,
    },
    /// None of the execution providers that it has a file for is here.
    #[error("the package runs on {needed}, this machine has {found}; get one for this machine, or the provider")]
    Provider {
        /// What it has files for.
        needed: String,
        /// What is here.
        found: String,
    },
    /// The program is too old.
    #[error("the package needs version {needed} of the program or later, this is {found}; update it")]
    AgentTooOld {
        /// The oldest that will do.
        needed: Version,
        /// What is here.
        found: Version,
    },
    /// The program is too new.
    #[error("the package is for versions of the program up to {needed}, this is {found}; get a newer package")]
    AgentTooNew {
        /// The newest that will do.
        needed: Version,
        /// What is here.
        found: Version,
    },
    /// A later security version was here already.
    #[error("the package has security version {found}, {floor} was here already; get a newer one")]
    Downgrade {
        /// Its own.
        found: u64,
        /// The lowest that is accepted.
        floor: u64,
    },
    /// A file in it is no ONNX model.
    #[error("{file} of the package cannot be used")]
    Model {
        /// The file.
        file: String,
        /// What it is instead.
        source: ModelError,
    },
    /// A file in it is not handed to ONNX Runtime.
    #[error("{file} of the package is refused")]
    Hostile {
        /// The file.
        file: String,
        /// Why.
        source: HostileError,
    },
    /// The manifest describes other tensors than the file has.
    #[error("the manifest does not describe {file}: its tensors are {found}; make the package again")]
    Tensors {
        /// The file.
        file: String,
        /// What the file has.
        found: String,
    },
}

impl Refusal {
    /// A word for the reason, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Package(PackageError::NotAPackage { .. }) => "not-a-package",
            Self::Package(PackageError::Format { .. }) => "unknown-format",
            Self::Package(PackageError::Truncated { .. }) => "truncated",
            Self::Package(PackageError::Trailing { .. }) => "trailing-bytes",
            Self::Package(PackageError::Malformed { .. } | PackageError::Place { .. }) => "damaged",
            Self::Package(PackageError::Signature { .. }) => "bad-signature",
            Self::Package(PackageError::Manifest(_)) => "bad-manifest",
            Self::Package(PackageError::Digest { .. }) => "changed-content",
            Self::Unsigned => "unsigned",
            Self::NotTrusted { .. } => "not-trusted",
            Self::TooFewSignatures { .. } => "too-few-signatures",
            Self::Expired { .. } => "expired",
            Self::Architecture { .. } => "wrong-architecture",
            Self::Provider { .. } => "wrong-provider",
            Self::AgentTooOld { .. } => "agent-too-old",
            Self::AgentTooNew { .. } => "agent-too-new",
            Self::Downgrade { .. } => "older-security-version",
            Self::Model { .. } => "not-onnx",
            Self::Hostile { .. } => "hostile-model",
            Self::Tensors { .. } => "other-tensors",
        }
    }
}

/// Takes a package through every check that needs no runtime: its form, signatures, manifest, time, machine, security
/// version, digests, and each ONNX file in it.
///
/// # Errors
/// The first reason why it may not be used.
pub fn admit<'a>(bytes: &'a [u8], terms: &Terms) -> Result<Admitted<'a>, Refusal> {
    let envelope = Envelope::parse(bytes)?;
    let signers = envelope.signers()?;
    let is_trusted = check_signers(&signers, terms.trust.as_ref())?;
    let package = envelope.open()?;
    let before = terms.accepted.get(package.manifest.name.as_str());
    let was_accepted = before.is_some_and(|before| before.digest == package.digest);
    let is_expired = check_time(&package.manifest, terms.now, was_accepted)?;
    suits(&package.manifest, &terms.hardware)?;
    let found = package.manifest.security_version;
    let floor = before.map_or(0, |before| before.security_version).max(terms.security_floor);
    if found < floor {
        return Err(Refusal::Downgrade { found, floor });
    }
    package.check_digests()?;
    let facts = check_models(&package)?;
    Ok(Admitted { package, signers, is_trusted, is_expired, facts })
}

/// Whether the signers are trusted; false where nobody is asked for.
fn check_signers(signers: &[PublicKey], trust: Option<&Trust>) -> Result<bool, Refusal> {
    let Some(trust) = trust else { return Ok(false) };
    let found = trust.count(signers.iter().copied());
    match found {
        _ if signers.is_empty() => Err(Refusal::Unsigned),
        0 => {
            let ids: Vec<String> = signers.iter().map(PublicKey::id).collect();
            Err(Refusal::NotTrusted { signers: ids.join(", ") })
        }
        _ if found < trust.threshold as usize => Err(Refusal::TooFewSignatures { found, needed: trust.threshold }),
        _ => Ok(true),
    }
}

/// Whether it has expired, and may go on because it was accepted in time: a box must not go blind over a date.
fn check_time(manifest: &Manifest, now: Moment, was_accepted: bool) -> Result<bool, Refusal> {
    match manifest.expires {
        Some(expires) if expires <= now && !was_accepted => Err(Refusal::Expired { expires, now }),
        expires => Ok(expires.is_some_and(|expires| expires <= now)),
    }
}

/// Whether a package is for a machine.
///
/// # Errors
/// What it lacks.
pub fn suits(manifest: &Manifest, hardware: &Hardware) -> Result<(), Refusal> {
    let compatible = &manifest.compatible;
    if !compatible.architectures.is_empty() && !compatible.architectures.contains(&hardware.architecture) {
        let (needed, found) = (compatible.architectures.join(", "), hardware.architecture.clone());
        return Err(Refusal::Architecture { needed, found });
    }
    let found = hardware.agent;
    if let Some(needed) = compatible.agent_min.filter(|oldest| found < *oldest) {
        return Err(Refusal::AgentTooOld { needed, found });
    }
    if let Some(needed) = compatible.agent_max.filter(|newest| found > *newest) {
        return Err(Refusal::AgentTooNew { needed, found });
    }
    let runs = |provider: &str| provider == ANY_PROVIDER || hardware.providers.contains(provider);
    if manifest.profiles.iter().any(|profile| runs(&profile.provider)) {
        return Ok(());
    }
    let needed: Vec<&str> = manifest.profiles.iter().map(|profile| profile.provider.as_str()).collect();
    let found: Vec<&str> = hardware.providers.iter().map(String::as_str).collect();
    Err(Refusal::Provider { needed: needed.join(", "), found: found.join(", ") })
}

fn check_models(package: &Package<'_>) -> Result<Vec<Facts>, Refusal> {
    let check = |profile: &super::manifest::Profile| {
        let file = || profile.file.clone();
        let bytes = package.blob(&profile.file).unwrap_or_default();
        let facts = Facts::parse(bytes).map_err(|source| Refusal::Model { file: file(), source })?;
        hostile::check(bytes).map_err(|source| Refusal::Hostile { file: file(), source })?;
        if !profile.agrees(&facts) {
            let ports = facts.inputs.iter().chain(&facts.outputs);
            let found = ports.map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Refusal::Tensors { file: file(), found });
        }
        Ok(facts)
    };
    package.manifest.profiles.iter().map(check).collect()
}
