//! Measures models against each other: files by providers by numbers of threads, in turns, so that whatever else the machine
//! does falls on all alike.
//!
//! ```text
//!   open each ── show it the pictures: does it see what the reference sees? ── rounds of short slices ── verdict
//! ```
//!
//! The reference is the first file on the CPU. A configuration that sees too little of what the reference sees is never
//! the winner, however fast it is. Between slices a configuration's caches go cold, so the first look of each is not counted.

mod agreement;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::base::clock::SharedClock;
use crate::detect::{self, DetectError, Detector, Picture, Provider, ProviderChoice, Settings};
use crate::vocab::Detection;

use super::memory::resident_kib;
use super::photographs::{self, PhotographError};

pub use agreement::Agreement;
pub use verdict::Verdict;

/// How long a configuration runs before it is another's turn.
const SLICE: Duration = Duration::from_millis(100);
/// Looks before anything is measured.
const WARM_UP: usize = 3;
/// Photographs of a folder that are shown; more would take longer than the measurement.
const MOST_PICTURES: usize = 64;

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Request {
    /// ONNX files or packages; the first is the reference.
    pub files: Vec<PathBuf>,
    /// The providers; all that the loaded ONNX Runtime was built with, where none is named.
    pub providers: Vec<Provider>,
    /// Numbers of threads of one inference.
    pub threads: Vec<u16>,
    /// How long each configuration is measured.
    pub time: Duration,
    /// A folder with photographs; the self-test picture, where there is none.
    pub pictures: Option<PathBuf>,
    /// The least agreement with the reference, 0..1.
    pub min_agreement: f64,
    /// How the models are run otherwise.
    pub settings: Settings,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How many pictures were shown.
    pub pictures: usize,
    /// How many objects the reference sees in them; with none there is nothing to agree on.
    pub reference_objects: usize,
    /// The least agreement that was asked for.
    pub min_agreement: f64,
    /// Each configuration, in the order in which they were asked for.
    pub configurations: Vec<Configuration>,
}

/// A file on a provider at a number of threads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Configuration {
    /// The file.
    pub file: String,
    /// The provider.
    pub provider: String,
    /// Threads of one inference.
    pub threads: u16,
    /// What was measured; none where it does not run.
    pub measured: Option<Measured>,
    /// Whether it is the winner, and else why not.
    pub verdict: Verdict,
}

/// What was measured of one configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// Median time of an inference, in milliseconds.
    pub p50_ms: f64,
    /// The time that 95 of 100 inferences do not exceed.
    pub p95_ms: f64,
    /// Pictures a second, from picture to detections, one after the other.
    pub looks_per_second: f64,
    /// How many inferences were measured.
    pub looks: usize,
    /// What opening and warming up added to the memory of the process, in MiB.
    pub memory_mib: u64,
    /// How far it sees what the reference sees; none where the reference sees nothing.
    pub agreement: Option<Agreement>,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The photographs cannot be used.
    #[error("cannot use the pictures")]
    Photograph(#[from] PhotographError),
    /// The first file does not run on the CPU, so that nothing can be compared with it.
    #[error("the reference does not run: the first file, on the CPU")]
    Reference(#[source] Box<DetectError>),
    /// A configuration failed while it was measured.
    #[error("{file} failed on {provider} while it was measured")]
    Look {
        /// The file.
        file: PathBuf,
        /// What ran it.
        provider: String,
        /// Why.
        source: Box<DetectError>,
    },
}

/// A configuration that is being measured.
struct Candidate {
    detector: Detector,
    infer_us: Vec<u32>,
    look_us: u64,
    memory_mib: u64,
    agreement: Option<Agreement>,
}

/// Measures. `progress` is told the share that is done, 0..1.
///
/// # Errors
/// When the pictures cannot be read, the reference does not run, or a configuration fails on the way.
pub fn run(request: &Request, clock: &SharedClock, progress: &mut dyn FnMut(f64)) -> Result<Report, BenchError> {
    let pictures = pictures(request.pictures.as_deref())?;
    let expected = reference(request, clock, &pictures)?;
    let mut configurations = planned(request);
    let mut candidates: Vec<Result<Candidate, String>> = Vec::with_capacity(configurations.len());
    for (configuration, settings) in &configurations {
        let opened = open(settings, clock, &pictures, &expected);
        candidates.push(opened.map_err(|error| reason(&error, &configuration.provider)));
    }
    measure(request.time, clock, &pictures, &mut candidates, progress)?;
    for ((configuration, _), candidate) in configurations.iter_mut().zip(&candidates) {
        match candidate {
            Ok(candidate) => configuration.measured = Some(candidate.measured()),
            Err(reason) => configuration.verdict = Verdict::DoesNotRun { reason: reason.clone() },
        }
    }
    let mut configurations: Vec<Configuration> = configurations.into_iter().map(|(it, _)| it).collect();
    verdict::judge(&mut configurations, request.min_agreement);
    let reference_objects = expected.iter().map(Vec::len).sum();
    let (pictures, min_agreement) = (pictures.len(), request.min_agreement);
    Ok(Report { pictures, reference_objects, min_agreement, configurations })
}

/// The median time of an inference of each detector, in milliseconds, in turns over the self-test picture.
pub(super) fn medians(detectors: Vec<Detector>, time: Duration, clock: &SharedClock) -> Result<Vec<f64>, BenchError> {
    let fresh = |detector| Ok(Candidate { detector, infer_us: Vec::new(), look_us: 0, memory_mib: 0, agreement: None });
    let mut candidates: Vec<Result<Candidate, String>> = detectors.into_iter().map(fresh).collect();
    measure(time, clock, &[detect::self_test_picture()], &mut candidates, &mut |_| {})?;
    Ok(candidates.iter().flatten().map(|candidate| candidate.measured().p50_ms).collect())
}

fn pictures(folder: Option<&Path>) -> Result<Vec<Picture>, PhotographError> {
    match folder {
        None => Ok(vec![detect::self_test_picture()]),
        Some(folder) => {
            photographs::in_folder(folder)?.iter().take(MOST_PICTURES).map(|path| photographs::read(path)).collect()
        }
    }
}

/// Files by providers by threads.
fn planned(request: &Request) -> Vec<(Configuration, Settings)> {
    let built_in = detect::runtime::loaded().map(|facts| facts.providers).unwrap_or_default();
    let providers = if request.providers.is_empty() { &built_in } else { &request.providers };
    let mut planned = Vec::new();
    for file in &request.files {
        for &provider in providers {
            for &threads in &request.threads {
                let configuration = Configuration {
                    file: file.display().to_string(),
                    provider: provider.to_string(),
                    threads,
                    measured: None,
                    verdict: Verdict::Winner,
                };
                planned.push((configuration, settings(request, file, provider, threads)));
            }
        }
    }
    planned
}

fn settings(request: &Request, file: &Path, provider: Provider, threads: u16) -> Settings {
    Settings {
        file: file.to_owned(),
        provider: ProviderChoice::One(provider),
        required: true,
        threads,
        ..request.settings.clone()
    }
}

/// What the reference sees in each picture, by the name of its class.
fn reference(
    request: &Request,
    clock: &SharedClock,
    pictures: &[Picture],
) -> Result<Vec<Vec<agreement::Seen>>, BenchError> {
    let failed = |error| BenchError::Reference(Box::new(error));
    let Some(file) = request.files.first() else { return Ok(vec![Vec::new(); pictures.len()]) };
    let mut detector = Detector::open(&settings(request, file, Provider::Cpu, 1), clock.clone()).map_err(failed)?;
    pictures.iter().map(|picture| see(&mut detector, picture).map_err(failed)).collect()
}

fn open(
    settings: &Settings,
    clock: &SharedClock,
    pictures: &[Picture],
    expected: &[Vec<agreement::Seen>],
) -> Result<Candidate, DetectError> {
    let before = resident_kib();
    let mut detector = Detector::open(settings, clock.clone())?;
    let mut found = Vec::new();
    for picture in pictures.iter().cycle().take(WARM_UP) {
        detector.detect_picture(picture, &mut found)?;
    }
    let memory_mib = resident_kib().saturating_sub(before).div_ceil(1024);
    let seen = pictures.iter().map(|picture| see(&mut detector, picture)).collect::<Result<Vec<_>, _>>()?;
    let agreement = Agreement::of(expected, &seen);
    Ok(Candidate { detector, infer_us: Vec::new(), look_us: 0, memory_mib, agreement })
}

fn see(detector: &mut Detector, picture: &Picture) -> Result<Vec<agreement::Seen>, DetectError> {
    let mut found = Vec::new();
    detector.detect_picture(picture, &mut found)?;
    let seen = |detection: &Detection| (detector.labels().name(detection.class).to_owned(), detection.bbox);
    Ok(found.iter().map(seen).collect())
}

/// The provider's own words where it refused, else the whole error.
fn reason(error: &DetectError, provider: &str) -> String {
    if let DetectError::Provider { attempts, .. } = error {
        let own = attempts.iter().find(|attempt| attempt.provider.as_str() == provider);
        if let Some(refusal) = own.and_then(|attempt| attempt.refusal.as_ref()) {
            return refusal.clone();
        }
    }
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Rounds in which each has its slice, until each has had its time.
fn measure(
    time: Duration,
    clock: &SharedClock,
    pictures: &[Picture],
    candidates: &mut [Result<Candidate, String>],
    progress: &mut dyn FnMut(f64),
) -> Result<(), BenchError> {
    let rounds = (time.as_secs_f64() / SLICE.as_secs_f64()).ceil().max(1.0) as usize;
    let all = candidates.len().max(1);
    for round in 0..rounds {
        // Each round begins with another one, so that nobody always runs behind the same.
        for turn in 0..candidates.len() {
            if let Some(Ok(candidate)) = candidates.get_mut((round + turn) % all) {
                candidate.slice(clock, pictures, round).map_err(|source| BenchError::Look {
                    file: candidate.detector.settings().file.clone(),
                    provider: candidate.detector.provider().obtained.to_string(),
                    source: Box::new(source),
                })?;
            }
            progress((round * all + turn + 1) as f64 / (rounds * all) as f64);
        }
    }
    Ok(())
}

impl Candidate {
    fn slice(&mut self, clock: &SharedClock, pictures: &[Picture], round: usize) -> Result<(), DetectError> {
        let mut found = Vec::new();
        let mut shown = pictures.iter().cycle().skip(round % pictures.len().max(1));
        let start = clock.mono();
        let mut is_first = true;
        while clock.mono().saturating_sub(start) < SLICE || self.infer_us.is_empty() {
            let Some(picture) = shown.next() else { break };
            let timing = self.detector.detect_picture(picture, &mut found)?;
            if !std::mem::take(&mut is_first) {
                self.infer_us.push(timing.infer_us);
                self.look_us +=
                    u64::from(timing.letterbox_us) + u64::from(timing.infer_us) + u64::from(timing.decode_us);
            }
        }
        Ok(())
    }

    fn measured(&self) -> Measured {
        let mut sorted = self.infer_us.clone();
        sorted.sort_unstable();
        let quantile = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            f64::from(sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)) / 1000.0
        };
        let looks_per_second = sorted.len() as f64 / (self.look_us.max(1) as f64 / 1e6);
        Measured {
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            looks_per_second: (looks_per_second * 10.0).round() / 10.0,
            looks: sorted.len(),
            memory_mib: self.memory_mib,
            agreement: self.agreement,
        }
    }
}
