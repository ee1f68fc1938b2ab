//! `vedette check`: validates a configuration, tells every fault in it, and tries what it names when asked to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::{Failure, onnx_runtime};
use crate::agent::probe::{self, Outcome};
use crate::base::clock::SystemClock;
use crate::config::{self, Faults, Folders, LoadError, Loaded};

/// Validate a configuration: every fault at once, with line, column and remedy.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vedette check -c /etc/vedette/vedette.yaml
  vedette check -c vedette.yaml --json | jq '.faults[] | .path'
  vedette check -c vedette.yaml --probe

--probe also connects every camera and waits for its first picture, opens every model and holds the labels of the rules \
against its own, and logs in at the broker under a name of its own, beside an agent that may be running.

Exit status: 0 when the configuration can be used (there may be warnings), 1 when a probe failed, 2 when the file is \
faulty.")]
pub struct CheckArgs {
    /// The configuration, a YAML file
    #[arg(short, long, value_name = "FILE", default_value = "/etc/vedette/vedette.yaml")]
    config: PathBuf,
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
    let loaded = match load(&args.config) {
        Ok(loaded) => loaded,
        Err(error) => {
            match &error {
                LoadError::Faulty { faults, .. } if args.json => print_json(&file, None, faults, None),
                LoadError::Faulty { faults, .. } => print_faults(&file, faults),
                LoadError::Read { .. } => {}
            }
            return Err(Failure::Refused(error.into()));
        }
    };
    if !args.json {
        print_good(&file, &loaded);
    }
    let outcomes = if args.probe { Some(try_out(args, &loaded)?) } else { None };
    if args.json {
        print_json(&file, Some(&loaded), &loaded.warnings, outcomes.as_deref());
    }
    let outcomes = outcomes.unwrap_or_default();
    match (outcomes.iter().filter(|outcome| !outcome.ok).count(), outcomes.len()) {
        (0, _) => Ok(()),
        (failed, all) => Err(Failure::Running(anyhow!("{failed} of {all} probes failed"))),
    }
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

#[expect(clippy::print_stdout, reason = "the result is the command's data")]
#[expect(clippy::print_stderr, reason = "like a compiler's, these belong on stderr whatever the log filter")]
fn print_good(file: &str, loaded: &Loaded) {
    print_faults(file, &loaded.warnings);
    for missing in config::missing_files(&loaded.config) {
        eprintln!("{file}: warning: {missing}");
    }
    println!("ok: {} (revision {})", counts(loaded), loaded.config.revision);
}

#[expect(clippy::print_stdout, reason = "the result is the command's data")]
fn print_json(file: &str, loaded: Option<&Loaded>, faults: &Faults, probes: Option<&[Outcome]>) {
    let is_good = |outcomes: &[Outcome]| outcomes.iter().all(|outcome| outcome.ok);
    let ok = loaded.is_some() && probes.is_none_or(is_good);
    let missing = loaded.map(|l| config::missing_files(&l.config)).unwrap_or_default();
    let revision = loaded.map(|l| &l.config.revision);
    let faults: Vec<_> = faults.iter().collect();
    let mut result =
        json!({ "file": file, "ok": ok, "revision": revision, "faults": faults, "missing_files": missing });
    if let Some(probes) = probes {
        result["probes"] = json!(probes);
    }
    println!("{result}");
}

fn counts(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let rules = config.cameras.iter().map(|c| c.rules.len()).sum();
    let some = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!("{}, {}, {}", some(config.cameras.len(), "camera"), some(rules, "rule"), some(config.models.len(), "model"))
}
