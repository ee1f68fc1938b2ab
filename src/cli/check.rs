//! `vedette check`: validates a configuration, tells every fault in it, and tries what it names when asked to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::{Failure, onnx_runtime};
use crate::agent::probe::{self, Outcome};
use crate::agent::rollout::Ledger;
use crate::base::clock::SystemClock;
use crate::config::{self, Config, Faults, Folders, LoadError, Loaded, Overlay};
use crate::vocab::WallTime;

/// Validate a configuration: every fault at once, with line, column and remedy.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vedette check -c /etc/vedette/vedette.yaml
  vedette check -c vedette.yaml --json | jq '.faults[] | .path'
  vedette check -c vedette.yaml --probe
  vedette check -c vedette.yaml --overlay quieter-nights.yaml

--overlay lays an overlay over the file, as a hub's rollout would. Without it, the overlay that a hub has brought into force \
on this box is laid over the file, if there is one; should that no longer fit, a warning says so, for the file counts more.

--probe also connects every camera and waits for its first picture, opens every model and holds the labels of the rules \
against its own, and logs in at the broker under a name of its own, beside an agent that may be running.

Exit status: 0 when the configuration can be used (there may be warnings), 1 when a probe failed, 2 when the file is \
faulty.")]
pub struct CheckArgs {
    /// The configuration, a YAML file
    #[arg(short, long, value_name = "FILE", default_value = "/etc/vedette/vedette.yaml")]
    config: PathBuf,
    /// An overlay to lay over it, a YAML file
    #[arg(long, value_name = "FILE")]
    overlay: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// Also try every camera, every model and the broker
    #[arg(long)]
    probe: bool,
    /// How long a camera or the broker may take to answer, in seconds
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    probe_limit: u64,
}

/// Runs `vedette check`.
///
/// # Errors
/// [`Failure::Refused`] when the file cannot be read or is faulty, [`Failure::Running`] when a probe failed.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let file = args.config.display().to_string();
    let checked = match check(&args.config, args.overlay.as_deref()) {
        Ok(checked) => checked,
        Err(error) => {
            match &error {
                LoadError::Faulty { faults, .. } if args.json => print_json(&file, None, faults, None),
                LoadError::Faulty { faults, .. } => print_faults(&file, faults),
                LoadError::Read { .. } => {}
            }
            return Err(Failure::Refused(error.into()));
        }
    };
    let loaded = &checked.loaded;
    if !args.json {
        print_good(&file, &checked);
    }
    let outcomes = if args.probe { Some(try_out(args, loaded)?) } else { None };
    if args.json {
        print_json(&file, Some(&checked), &loaded.warnings, outcomes.as_deref());
    }
    let outcomes = outcomes.unwrap_or_default();
    match (outcomes.iter().filter(|outcome| !outcome.ok).count(), outcomes.len()) {
        (0, _) => Ok(()),
        (failed, all) => Err(Failure::Running(anyhow!("{failed} of {all} probes failed"))),
    }
}

/// A configuration that can be used.
struct Checked {
    loaded: Loaded,
    /// What lies over the file.
    overlay: Option<Overlay>,
    /// Why the hub's overlay does not.
    unfit: Option<String>,
}

/// Loads the configuration that an agent with this file has in force, or would have with the overlay, for a subcommand that
/// compares two.
///
/// # Errors
/// [`Failure::Refused`] when a file cannot be read or is faulty, after printing the faults.
pub(super) fn in_force(path: &Path, overlay: Option<&Path>) -> Result<Config, Failure> {
    let file = path.display().to_string();
    match check(path, overlay) {
        Ok(checked) => {
            print_checked(&file, &checked);
            Ok(checked.loaded.config)
        }
        Err(error) => {
            if let LoadError::Faulty { path, faults } = &error {
                print_faults(&path.display().to_string(), faults);
            }
            Err(Failure::Refused(error.into()))
        }
    }
}

/// Loads the file, with an overlay where there is one.
fn check(path: &Path, overlay: Option<&Path>) -> Result<Checked, LoadError> {
    let folders = folders(path);
    if let Some(file) = overlay {
        let bytes = config::read_file(file)?;
        let text = String::from_utf8_lossy(&bytes);
        let overlay = Overlay::read(&text).map_err(|faults| LoadError::Faulty { path: file.to_owned(), faults })?;
        let loaded = config::load_file_with(path, Some(&overlay), &folders)?;
        return Ok(Checked { loaded, overlay: Some(overlay), unfit: None });
    }
    let loaded = config::load_file(path, &folders)?;
    let has_hub = loaded.config.hub.is_some();
    let in_force = Ledger::peek(&loaded.config.state_dir).filter(|_| has_hub);
    Ok(match in_force {
        None => Checked { loaded, overlay: None, unfit: None },
        Some(Err(reason)) => Checked { loaded, overlay: None, unfit: Some(reason) },
        Some(Ok(overlay)) => match config::load_file_with(path, Some(&overlay), &folders) {
            Ok(loaded) => Checked { loaded, overlay: Some(overlay), unfit: None },
            Err(LoadError::Faulty { faults, .. }) => {
                Checked { loaded, overlay: None, unfit: Some(faults.render("file").trim_end().to_owned()) }
            }
            Err(error) => return Err(error),
        },
    })
}

/// Tries what the configuration names, and prints each outcome when it is there.
fn try_out(args: &CheckArgs, loaded: &Loaded) -> Result<Vec<Outcome>, Failure> {
    let search = onnx_runtime::search(loaded.config.runtime_library.clone());
    let limit = Duration::from_secs(args.probe_limit);
    let mut outcomes = Vec::new();
    let mut tell = |outcome: &Outcome| {
        if !args.json {
            print_outcome(outcome);
        }
        outcomes.push(outcome.clone());
    };
    probe::probe(&loaded.config, &search, limit, &SystemClock::shared(), &mut tell).context("cannot start a probe")?;
    Ok(outcomes)
}

#[expect(clippy::print_stdout, reason = "the result is the command's data")]
fn print_outcome(outcome: &Outcome) {
    let Outcome { kind, name, ok, text, took_ms } = outcome;
    let verdict = if *ok { "ok" } else { "FAILED" };
    println!("{kind} {name}: {verdict}: {text} ({:.1} s)", *took_ms as f64 / 1000.0);
}

/// Loads the configuration that `-c` names, for any subcommand that has the option.
///
/// # Errors
/// [`Failure::Refused`] when the file cannot be read or is faulty, after printing the faults.
pub(super) fn configuration(path: &Path) -> Result<Loaded, Failure> {
    let result = load(path);
    let file = path.display().to_string();
    match &result {
        Ok(loaded) => print_faults(&file, &loaded.warnings),
        Err(LoadError::Faulty { faults, .. }) => print_faults(&file, faults),
        Err(LoadError::Read { .. }) => {}
    }
    result.map_err(|error| Failure::Refused(error.into()))
}

fn load(path: &Path) -> Result<Loaded, LoadError> {
    config::load_file(path, &folders(path))
}

/// Where the relative paths of the configuration at `path` start.
pub(super) fn folders(path: &Path) -> Folders {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let config = absolute.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
    Folders { config, credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from) }
}

#[expect(clippy::print_stderr, reason = "like a compiler's, these belong on stderr whatever the log filter")]
fn print_faults(file: &str, faults: &Faults) {
    eprint!("{}", faults.render(file));
}

#[expect(clippy::print_stderr, reason = "like a compiler's, these belong on stderr whatever the log filter")]
fn print_checked(file: &str, checked: &Checked) {
    print_faults(file, &checked.loaded.warnings);
    if let Some(unfit) = &checked.unfit {
        eprintln!("{file}: warning: the hub's overlay does not lie over it, and the file alone counts: {unfit}");
    }
}

#[expect(clippy::print_stdout, reason = "the result is the command's data")]
#[expect(clippy::print_stderr, reason = "like a compiler's, these belong on stderr whatever the log filter")]
fn print_good(file: &str, checked: &Checked) {
    print_checked(file, checked);
    let loaded = &checked.loaded;
    for hint in expired(loaded) {
        eprintln!("{file}: hint: {hint}");
    }
    for missing in config::missing_files(&loaded.config) {
        eprintln!("{file}: warning: {missing}");
    }
    let sha256 = checked.overlay.as_ref().map(Overlay::sha256);
    let over = sha256.map(|sha256| format!(", with the overlay {} over it", &sha256[..12])).unwrap_or_default();
    println!("ok: {} (revision {}{over})", counts(loaded), loaded.config.revision);
}

#[expect(clippy::print_stdout, reason = "the result is the command's data")]
fn print_json(file: &str, checked: Option<&Checked>, faults: &Faults, probes: Option<&[Outcome]>) {
    let is_good = |outcomes: &[Outcome]| outcomes.iter().all(|outcome| outcome.ok);
    let loaded = checked.map(|checked| &checked.loaded);
    let ok = loaded.is_some() && probes.is_none_or(is_good);
    let missing = loaded.map(|l| config::missing_files(&l.config)).unwrap_or_default();
    let revision = loaded.map(|l| &l.config.revision);
    let faults: Vec<_> = faults.iter().collect();
    let mut result =
        json!({ "file": file, "ok": ok, "revision": revision, "faults": faults, "missing_files": missing });
    if let Some(hints) = loaded.map(expired).filter(|hints| !hints.is_empty()) {
        result["hints"] = json!(hints);
    }
    if let Some(overlay) = checked.and_then(|checked| checked.overlay.as_ref()) {
        result["overlay"] = json!(overlay.sha256());
    }
    if let Some(unfit) = checked.and_then(|checked| checked.unfit.as_ref()) {
        result["overlay_unfit"] = json!(unfit);
    }
    if let Some(probes) = probes {
        result["probes"] = json!(probes);
    }
    println!("{result}");
}

/// What is no fault and may be tidied up.
fn expired(loaded: &Loaded) -> Vec<String> {
    config::expired(&loaded.config, WallTime::from_unix_nanos(SystemClock::shared().unix_nanos()))
}

fn counts(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let rules = config.cameras.iter().map(|c| c.rules.len()).sum();
    let some = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!("{}, {}, {}", some(config.cameras.len(), "camera"), some(rules, "rule"), some(config.models.len(), "model"))
}
