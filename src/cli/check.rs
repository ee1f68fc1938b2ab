//! `vedette check`: validates a configuration and tells every fault in it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::Failure;
use crate::config::{self, Faults, Folders, LoadError, Loaded};

/// Validate a configuration: every fault at once, with line, column and remedy.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vedette check -c /etc/vedette/vedette.yaml
  vedette check -c vedette.yaml --json | jq '.faults[] | .path'

Exit status: 0 when the configuration can be used (there may be warnings), 2 when not.")]
pub struct CheckArgs {
    /// The configuration, a YAML file
    #[arg(short, long, value_name = "FILE", default_value = "/etc/vedette/vedette.yaml")]
    config: PathBuf,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `vedette check`.
///
/// # Errors
/// [`Failure::Refused`] when the file cannot be read or is faulty.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let file = args.config.display().to_string();
    let result = load(&args.config);
    match (&result, args.json) {
        (Ok(loaded), false) => print_good(&file, loaded),
        (Ok(loaded), true) => print_json(&file, true, Some(loaded), &loaded.warnings),
        (Err(LoadError::Faulty { faults, .. }), false) => print_faults(&file, faults),
        (Err(LoadError::Faulty { faults, .. }), true) => print_json(&file, false, None, faults),
        (Err(LoadError::Read { .. }), _) => {}
    }
    result.map(drop).map_err(|error| Failure::Refused(error.into()))
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
fn print_json(file: &str, ok: bool, loaded: Option<&Loaded>, faults: &Faults) {
    let missing = loaded.map(|l| config::missing_files(&l.config)).unwrap_or_default();
    let revision = loaded.map(|l| &l.config.revision);
    let faults: Vec<_> = faults.iter().collect();
    println!("{}", json!({ "file": file, "ok": ok, "revision": revision, "faults": faults, "missing_files": missing }));
}

fn counts(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let rules = config.cameras.iter().map(|c| c.rules.len()).sum();
    let some = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!("{}, {}, {}", some(config.cameras.len(), "camera"), some(rules, "rule"), some(config.models.len(), "model"))
}
