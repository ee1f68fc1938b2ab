//! Holds a package against what it says: everything that needs no runtime first, then each of its files on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::clock::SharedClock;
use crate::detect::{self, DetectError, Detector, Provider, ProviderChoice, Settings};
use crate::model::keys::{PublicKey, Trust};
use crate::model::manifest::{ANY_PROVIDER, Limits, Manifest, Moment, Profile};
use crate::model::package::Envelope;
use crate::model::policy::{self, Accepted, Admitted, Hardware, Refusal, Terms};
use crate::vocab::{Frame, Id};

use super::super::memory::resident_kib;

/// Looks of which the median counts.
const LOOKS: usize = 9;

/// What is asked of a package.
#[derive(Debug, Clone)]
pub struct Request {
    /// The file.
    pub file: PathBuf,
    /// Who must have signed it; anybody or nobody, where there is none.
    pub trust: Option<Trust>,
    /// Where it is to run.
    pub hardware: Hardware,
    /// What time it is.
    pub now: Moment,
    /// The lowest security version that is accepted.
    pub security_floor: u64,
}

/// A package that is what it says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// Always true; a refusal is an error.
    pub ok: bool,
    /// The model's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its release.
    pub release: u64,
    /// Its security version.
    pub security_version: u64,
    /// When it was made.
    pub created: Moment,
    /// When it expires.
    pub expires: Option<Moment>,
    /// SHA-256 of the manifest, which stands for the whole package.
    pub digest: String,
    /// Whether those who were asked for have signed it.
    pub trusted: bool,
    /// Who signed it.
    pub signers: Vec<Signer>,
    /// The family of detectors.
    pub family: String,
    /// The names of its classes.
    pub labels: Vec<String>,
    /// The licence.
    pub licence: String,
    /// Its files.
    pub profiles: Vec<ProfileReport>,
}

/// Somebody who signed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Signer {
    /// What people call the key.
    pub id: String,
    /// The key.
    pub key: PublicKey,
}

/// One of the files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProfileReport {
    /// The provider that it is for.
    pub provider: String,
    /// SHA-256 of the ONNX file.
    pub sha256: String,
    /// Its bytes.
    pub size: u64,
    /// How it ran; none where it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// Why it was not run, where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_run: Option<String>,
}

/// How a file ran.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// What ran it.
    pub provider: String,
    /// The golden pictures in which it saw what it must.
    pub golden: usize,
    /// The median time of an inference at one thread, in milliseconds.
    pub inference_ms: f64,
    /// What opening and running it added to the memory of the process, in MiB.
    pub memory_mib: u64,
}

/// Why a package is not what it says.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is refused.
    #[error("{path} is refused")]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Refusal,
    },
    /// One of its files does not do what it must.
    #[error("{path}: the file for {provider} does not do what the package says")]
    Run {
        /// The file.
        path: PathBuf,
        /// The provider that it is for.
        provider: String,
        /// Why.
        source: Box<DetectError>,
    },
    /// One of its files costs more than the package promises.
    #[error("{path}: the file for {provider} takes {found} here, the package promises at most {limit}")]
    OverLimit {
        /// The file.
        path: PathBuf,
        /// The provider that it is for.
        provider: String,
        /// What it takes.
        found: String,
        /// What is promised.
        limit: String,
    },
}

impl VerifyError {
    /// A word for the reason, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "unreadable",
            Self::Refused { source, .. } => source.code(),
            Self::Run { source, .. } => match &**source {
                DetectError::Golden { .. } => "golden-mismatch",
                DetectError::Manifest { .. } => "manifest-mismatch",
                _ => "does-not-run",
            },
            Self::OverLimit { .. } => "over-limit",
        }
    }

    /// Whether the package is refused for what it is, rather than for what it did when it ran.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Run { .. } | Self::OverLimit { .. })
    }
}

/// Takes a package through every check that needs no runtime.
///
/// # Errors
/// Why it may not be used.
pub fn inspect(request: &Request) -> Result<Report, VerifyError> {
    let path = || request.file.clone();
    let bytes = detect::read_file(&request.file).map_err(|source| VerifyError::Read { path: path(), source })?;
    let terms = Terms {
        trust: request.trust.clone(),
        hardware: request.hardware.clone(),
        now: request.now,
        security_floor: request.security_floor,
        accepted: BTreeMap::new(),
    };
    let admitted = policy::admit(&bytes, &terms).map_err(|source| VerifyError::Refused { path: path(), source })?;
    Ok(report(&request.file, &admitted))
}

fn report(file: &Path, admitted: &Admitted<'_>) -> Report {
    let manifest: &Manifest = &admitted.package.manifest;
    let profile = |profile: &Profile| {
        let file = manifest.file(&profile.file);
        ProfileReport {
            provider: profile.provider.clone(),
            sha256: file.map(|file| file.sha256.clone()).unwrap_or_default(),
            size: file.map_or(0, |file| file.size),
            run: None,
            not_run: Some("not asked for".to_owned()),
        }
    };
    Report {
        file: file.display().to_string(),
        ok: true,
        name: manifest.name.to_string(),
        version: manifest.version.to_string(),
        release: manifest.release,
        security_version: manifest.security_version,
        created: manifest.created,
        expires: manifest.expires,
        digest: admitted.package.digest.clone(),
        trusted: admitted.is_trusted,
        signers: admitted.signers.iter().map(|key| Signer { id: key.id(), key: *key }).collect(),
        family: manifest.family.clone(),
        labels: manifest.labels.clone(),
        licence: manifest.licence.clone(),
        profiles: manifest.profiles.iter().map(profile).collect(),
    }
}

/// Runs each file of a package that [`inspect`] has passed, on the provider that it is for, over its golden pictures.
/// ONNX Runtime must be loaded.
///
/// # Errors
/// When a file does not see what it must, or takes more than the package promises.
pub fn run(request: &Request, report: &mut Report, clock: &SharedClock) -> Result<(), VerifyError> {
    let manifest = manifest(&request.file)?;
    if let Err(reason) = policy::suits(&manifest, &detect::this_machine()) {
        report.profiles.iter_mut().for_each(|profile| profile.not_run = Some(reason.to_string()));
        return Ok(());
    }
    let own: Vec<String> = report.profiles.iter().map(|profile| profile.provider.clone()).collect();
    // It was admitted a moment ago, by the time and floor that were asked for.
    let kept = Accepted { digest: report.digest.clone(), security_version: report.security_version };
    let accepted = BTreeMap::from([(report.name.clone(), kept)]);
    for profile in &mut report.profiles {
        profile.not_run = None;
        match provider_for(&profile.provider, &own) {
            None => profile.not_run = Some(format!("this machine has no {}", profile.provider)),
            Some(provider) => {
                let run = run_on(request, &accepted, provider, clock).map_err(|source| VerifyError::Run {
                    path: request.file.clone(),
                    provider: profile.provider.clone(),
                    source: Box::new(source),
                })?;
                check_limits(request, &profile.provider, &run, manifest.limits)?;
                profile.run = Some(run);
            }
        }
    }
    Ok(())
}

/// What a package says, taken by itself.
///
/// # Errors
/// When it cannot be read.
pub fn manifest(file: &Path) -> Result<Manifest, VerifyError> {
    let path = || file.to_owned();
    let bytes = detect::read_file(file).map_err(|source| VerifyError::Read { path: path(), source })?;
    let package = Envelope::parse(&bytes).and_then(|envelope| envelope.open());
    let package = package.map_err(|error| VerifyError::Refused { path: path(), source: error.into() })?;
    Ok(package.manifest)
}

/// A machine of the kind that a package is for, with the providers of this one.
///
/// # Errors
/// When the package cannot be read.
pub fn machine_for(file: &Path) -> Result<Hardware, VerifyError> {
    let manifest = manifest(file)?;
    let mut machine = detect::this_machine();
    machine.providers.extend(manifest.profiles.into_iter().map(|profile| profile.provider));
    machine.architecture = manifest.compatible.architectures.into_iter().next().unwrap_or(machine.architecture);
    machine.agent = manifest.compatible.agent_min.unwrap_or(machine.agent);
    Ok(machine)
}

/// The provider on which a profile is run here: its own, or for `any` the CPU, or another one without a profile of its own.
fn provider_for(profile: &str, own: &[String]) -> Option<Provider> {
    let machine = detect::this_machine();
    let mut here = Provider::all().filter(|provider| machine.providers.contains(provider.as_str()));
    match profile {
        ANY_PROVIDER => here.find(|provider| !own.iter().any(|name| name == provider.as_str())),
        name => here.find(|provider| provider.as_str() == name),
    }
}

fn run_on(
    request: &Request,
    accepted: &BTreeMap<String, Accepted>,
    provider: Provider,
    clock: &SharedClock,
) -> Result<Run, DetectError> {
    let name = Id::new("verify").map_err(|_| DetectError::NoRuntime)?;
    let settings = Settings {
        provider: ProviderChoice::One(provider),
        required: true,
        accepted: accepted.clone(),
        ..Settings::new(name, &request.file)
    };
    let before = resident_kib();
    let mut detector = Detector::open(&settings, clock.clone())?;
    let pictures = detector.golden().map(|golden| golden.pictures.clone()).unwrap_or_default();
    let mut times: Vec<u32> = pictures.iter().map(|(_, timing)| timing.infer_us).collect();
    let grey = Frame::from_i420(64, 64, vec![128; 64 * 64 * 3 / 2]);
    let mut found = Vec::new();
    while let (Some(frame), true) = (&grey, times.len() < LOOKS) {
        times.push(detector.detect(frame, &mut found)?.infer_us);
    }
    times.sort_unstable();
    Ok(Run {
        provider: detector.provider().obtained.to_string(),
        golden: pictures.len(),
        inference_ms: f64::from(times.get(times.len() / 2).copied().unwrap_or(0)) / 1000.0,
        memory_mib: resident_kib().saturating_sub(before).div_ceil(1024),
    })
}

fn check_limits(request: &Request, provider: &str, run: &Run, limits: Option<Limits>) -> Result<(), VerifyError> {
    let Some(limits) = limits else { return Ok(()) };
    let over = |found: String, limit: String| {
        let (path, provider) = (request.file.clone(), provider.to_owned());
        Err(VerifyError::OverLimit { path, provider, found, limit })
    };
    if run.inference_ms > limits.inference_ms {
        return over(format!("{:.1} ms", run.inference_ms), format!("{:.1} ms", limits.inference_ms));
    }
    if run.memory_mib > u64::from(limits.memory_mib) {
        return over(format!("{} MiB", run.memory_mib), format!("{} MiB", limits.memory_mib));
    }
    Ok(())
}
