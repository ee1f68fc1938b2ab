//! What this box can do: what is installed, what it is made of, and how many cameras fit, each thing missing with its
//! remedy.

pub mod capacity;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::agent::demo::find_mosquitto;
use crate::agent::engine::error_chain;
use crate::agent::resources::disk_free;
use crate::base::clock::SharedClock;
use crate::decode::{self, Codec};
use crate::detect::{self, Detector, LibrarySearch, runtime};

use capacity::{Capacity, Request};

/// What is to be examined.
#[derive(Debug, Clone)]
pub struct Examination {
    /// Where ONNX Runtime is looked for.
    pub search: LibrarySearch,
    /// The model that is tried and measured.
    pub model: detect::Settings,
    /// Where the agent would keep its state.
    pub state_dir: PathBuf,
    /// What the estimate is made with.
    pub capacity: Request,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The version of this program.
    pub vedette: &'static str,
    /// What GStreamer calls itself.
    pub gstreamer: Option<String>,
    /// The codecs that cameras and clips have.
    pub codecs: Vec<CodecReport>,
    /// What runs models.
    pub onnx_runtime: Option<RuntimeReport>,
    /// How the model fared.
    pub model: Option<ModelReport>,
    /// What the box is made of.
    pub machine: Machine,
    /// The broker's program, which only the demo needs.
    pub mosquitto: Option<PathBuf>,
    /// How many cameras fit.
    pub capacity: Option<Capacity>,
    /// What is missing or not as it should be.
    pub findings: Vec<Finding>,
}

/// One codec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodecReport {
    /// Its name.
    pub codec: String,
    /// The decoders that there are, in the order in which they are tried.
    pub decoders: Vec<DecoderReport>,
    /// Whether it can be received over RTSP.
    pub over_rtp: bool,
}

/// One decoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecoderReport {
    /// The GStreamer element.
    pub element: String,
    /// Whether it hands the work to hardware; whether that works shows with a stream.
    pub hardware: bool,
}

/// ONNX Runtime as it was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuntimeReport {
    /// The library; a bare file name when the system's loader found it.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// The execution providers it was built with.
    pub providers: Vec<&'static str>,
}

/// A model that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelReport {
    /// The file.
    pub file: PathBuf,
    /// What its outputs were recognised as.
    pub family: String,
    /// The provider asked for.
    pub asked: String,
    /// The provider that runs it.
    pub obtained: String,
    /// What is worth knowing about that.
    pub warnings: Vec<String>,
}

/// What the box is made of. A figure that cannot be read is zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// CPU cores that this process may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Of these, bytes that programs could still use.
    pub memory_available_bytes: u64,
    /// The folder for what must outlive a restart.
    pub state_dir: PathBuf,
    /// Bytes free there, or where it would be made.
    pub disk_free_bytes: u64,
    /// Whether the wall clock is known to be synchronised.
    pub clock_synchronised: bool,
}

/// Something missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether the agent cannot do its work without.
    pub essential: bool,
}

impl Report {
    /// Whether nothing essential is missing.
    pub fn is_fit(&self) -> bool {
        !self.findings.iter().any(|finding| finding.essential)
    }
}

/// What IP cameras send.
const CAMERAS_SEND: [Codec; 3] = [Codec::H264, Codec::H265, Codec::Jpeg];
/// Less free space than this is told: evidence and spool need some.
const LITTLE_DISK: u64 = 1 << 30;
/// Less free memory than this is told: one camera with a small model takes about half of it.
const LITTLE_MEMORY: u64 = 256 << 20;

/// Examines the box. `progress` hears what takes a while before it is done.
pub fn examine(examination: &Examination, clock: &SharedClock, progress: &mut dyn FnMut(&str)) -> Report {
    let mut findings = Vec::new();
    let (gstreamer, codecs) = probe_gstreamer(&mut findings);
    let onnx_runtime = probe_runtime(&examination.search, &mut findings);
    let machine = probe_machine(&examination.state_dir, clock, &mut findings);
    let mosquitto = find_mosquitto();
    if mosquitto.is_none() {
        findings
            .push(optional("mosquitto is not installed; only `vedette demo` needs it", "apt-get install mosquitto"));
    }
    let mut detector = onnx_runtime.as_ref().and_then(|_| {
        progress("opening the model");
        open(&examination.model, clock, &mut findings)
    });
    let model = detector.as_ref().map(told);
    let capacity = detector.as_mut().filter(|_| gstreamer.is_some()).and_then(|detector| {
        let measured = measure(examination, machine.cores, detector, clock, progress);
        measured.map_err(|what| findings.push(optional(&what, "pass --clip FILE, a recording of a camera"))).ok()
    });
    let vedette = env!("CARGO_PKG_VERSION");
    Report { vedette, gstreamer, codecs, onnx_runtime, model, machine, mosquitto, capacity, findings }
}

fn essential(what: &str, remedy: &str) -> Finding {
    Finding { what: what.to_owned(), remedy: remedy.to_owned(), essential: true }
}

fn optional(what: &str, remedy: &str) -> Finding {
    Finding { essential: false, ..essential(what, remedy) }
}

fn probe_gstreamer(findings: &mut Vec<Finding>) -> (Option<String>, Vec<CodecReport>) {
    const PLUGINS: &str = "apt-get install gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav";
    let (version, capabilities) = match decode::version().and_then(|v| Ok((v, decode::capabilities()?))) {
        Ok(found) => found,
        Err(error) => {
            findings.push(essential(&error.to_string(), PLUGINS));
            return (None, Vec::new());
        }
    };
    for capability in &capabilities {
        let name = capability.codec.name();
        // Without the others a site may still have all its cameras.
        let finding = if capability.codec == Codec::H264 { essential } else { optional };
        if capability.decoders.is_empty() {
            findings.push(finding(&format!("{name} cannot be decoded"), PLUGINS));
        }
        if !capability.over_rtp && CAMERAS_SEND.contains(&capability.codec) {
            findings.push(finding(&format!("{name} cannot be received over RTSP"), PLUGINS));
        }
    }
    let decoder = |element: String| DecoderReport { hardware: decode::is_hardware(&element), element };
    let codecs = capabilities.into_iter().map(|capability| CodecReport {
        codec: capability.codec.name().to_owned(),
        decoders: capability.decoders.into_iter().map(decoder).collect(),
        over_rtp: capability.over_rtp,
    });
    (Some(version), codecs.collect())
}

fn probe_runtime(search: &LibrarySearch, findings: &mut Vec<Finding>) -> Option<RuntimeReport> {
    match runtime::load(search) {
        Ok(facts) => {
            let providers = facts.providers.iter().map(|provider| provider.as_str()).collect();
            Some(RuntimeReport { path: facts.path, version: facts.version, providers })
        }
        Err(error) => {
            // Its text ends with the remedy.
            let text = error.to_string();
            let (what, remedy) = text.rsplit_once('\n').unwrap_or((&text, "install ONNX Runtime"));
            findings.push(essential(what, remedy));
            None
        }
    }
}

fn probe_machine(state_dir: &Path, clock: &SharedClock, findings: &mut Vec<Finding>) -> Machine {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let machine = Machine {
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        memory_bytes: kibibytes(&meminfo, "MemTotal:"),
        memory_available_bytes: kibibytes(&meminfo, "MemAvailable:"),
        state_dir: state_dir.to_owned(),
        disk_free_bytes: existing(state_dir).map_or(0, disk_free),
        clock_synchronised: clock.is_synchronised(),
    };
    if machine.memory_available_bytes < LITTLE_MEMORY {
        findings.push(optional("less than 256 MiB of memory are free", "stop other programs, or use fewer models"));
    }
    if machine.disk_free_bytes < LITTLE_DISK {
        let what = format!("less than 1 GiB is free at {}", state_dir.display());
        findings.push(optional(&what, "make room, or set agent.state_dir to another disk"));
    }
    if !machine.clock_synchronised {
        let remedy = "run systemd-timesyncd: timedatectl set-ntp true";
        findings.push(optional("the clock is not known to be synchronised; events would say so", remedy));
    }
    machine
}

/// The bytes of a line of `/proc/meminfo`; 0 where there is none.
fn kibibytes(meminfo: &str, name: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The folder, or the nearest one above it that there is.
fn existing(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|ancestor| ancestor.is_dir())
}

fn open(settings: &detect::Settings, clock: &SharedClock, findings: &mut Vec<Finding>) -> Option<Detector> {
    match Detector::open(settings, clock.clone()) {
        Ok(detector) => Some(detector),
        Err(error) => {
            let remedy = "name an ONNX detector that this program reads, or another provider";
            findings.push(essential(&format!("the model does not run: {}", error_chain(&error)), remedy));
            None
        }
    }
}

fn told(detector: &Detector) -> ModelReport {
    let report = detector.provider();
    ModelReport {
        file: detector.settings().file.clone(),
        family: detector.family().to_string(),
        asked: report.asked.to_string(),
        obtained: report.obtained.to_string(),
        warnings: report.warnings.clone(),
    }
}

fn measure(
    examination: &Examination,
    cores: usize,
    detector: &mut Detector,
    clock: &SharedClock,
    progress: &mut dyn FnMut(&str),
) -> Result<Capacity, String> {
    progress("measuring what decoding costs");
    let decode = capacity::measure_decoding(&examination.capacity)
        .map_err(|error| format!("what decoding costs could not be measured: {error}"))?;
    progress("measuring what looking costs");
    let look = capacity::measure_looking(detector, clock)
        .map_err(|error| format!("what looking costs could not be measured: {error}"))?;
    Ok(capacity::estimate(cores, &examination.capacity, decode, look))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;

    #[test]
    fn a_missing_runtime_is_essential_and_has_a_remedy() {
        let search = LibrarySearch { configured: Some("/nowhere/lib.so".into()), ..LibrarySearch::default() };
        let mut findings = Vec::new();
        // Another test of this process may have loaded it before.
        if probe_runtime(&search, &mut findings).is_none() {
            assert!(findings[0].essential && findings[0].what.contains("/nowhere/lib.so"), "{findings:?}");
            assert!(findings[0].remedy.contains("VEDETTE_ORT"), "{findings:?}");
        }
    }

    #[test]
    fn the_box_has_something_of_everything_even_where_the_folder_is_not_made_yet() {
        let machine = probe_machine(Path::new("/tmp/not/made/yet"), &SystemClock::shared(), &mut Vec::new());
        assert!(machine.cores >= 1 && machine.memory_bytes > machine.memory_available_bytes);
        assert!(machine.memory_available_bytes > 0 && machine.disk_free_bytes > 0);
    }

    #[test]
    fn a_line_that_is_missing_or_malformed_is_zero() {
        assert_eq!(kibibytes("MemTotal:  2 kB\n", "MemTotal:"), 2048);
        assert_eq!(kibibytes("MemTotal: many\n", "MemTotal:"), 0);
        assert_eq!(kibibytes("", "MemTotal:"), 0);
    }
}
