//! `vedette model verify`: whether a package is what it says, may be used, and sees what it must.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use serde_json::json;

use crate::base::clock::SystemClock;
use crate::cli::{Failure, onnx_runtime};
use crate::toolchain::detect::load;
use crate::toolchain::package::verify::{self, Request, VerifyError};
use crate::toolchain::package::{Hardware, Moment, Trust, Version, read_trust, this_machine};

/// Check a package: form, signatures, digests, expiry, hardware, security version, its ONNX files, its golden pictures.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette model verify people-1.4.0.vedette --trust release.pub
  vedette model verify people-1.4.0.vedette --hardware architecture=aarch64,providers=tensorrt+cpu --no-run
  vedette model verify people-1.4.0.vedette | jq '.reason // \"in order\"'

Without --trust anybody or nobody may have signed it, and `trusted` is false. The reason of a refusal is one of \
not-a-package, unknown-format, truncated, trailing-bytes, damaged, bad-signature, bad-manifest, changed-content, unsigned, \
not-trusted, too-few-signatures, expired, wrong-architecture, wrong-provider, agent-too-old, agent-too-new, \
older-security-version, not-onnx, hostile-model, other-tensors; of a failure golden-mismatch, manifest-mismatch, \
does-not-run, over-limit.

Exit status: 0 when it is in order, 1 when a file in it does not do what it must here, 2 when it is refused.")]
pub struct Args {
    /// The package.
    file: PathBuf,
    /// A list of trusted keys, or public keys one per line.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Another machine than this one: `architecture=NAME,providers=NAME+NAME,agent=VERSION`, each may be left out.
    #[arg(long, value_name = "FACTS", value_parser = facts)]
    hardware: Option<Facts>,
    /// The lowest security version that is accepted.
    #[arg(long, value_name = "N", default_value_t = 0)]
    installed_security_version: u64,
    /// Another time than now, such as 2026-11-25T09:00:00Z.
    #[arg(long, value_name = "MOMENT")]
    now: Option<Moment>,
    /// Leave out what needs ONNX Runtime: loading the files and showing them the golden pictures.
    #[arg(long)]
    no_run: bool,
}

/// What `--hardware` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Facts {
    architecture: Option<String>,
    providers: Option<BTreeSet<String>>,
    agent: Option<Version>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let trust = args.trust.as_deref().map(read).transpose()?;
    // Which providers are here is known once ONNX Runtime is loaded.
    let loaded = load(&onnx_runtime::search(None));
    if !args.no_run && args.hardware.is_none() {
        loaded.as_ref().map_err(|error| Failure::Running(anyhow!("{error}")))?;
    }
    let clock = SystemClock::shared();
    let now = Moment::from_unix_seconds(clock.unix_nanos().div_euclid(1_000_000_000));
    let request = Request {
        file: args.file.clone(),
        trust,
        hardware: args.hardware.clone().unwrap_or_default().or_of_this_machine(),
        now: args.now.unwrap_or(now),
        security_floor: args.installed_security_version,
    };
    let mut report = verify::inspect(&request).map_err(|error| refuse(args, error))?;
    let not_run = match () {
        () if args.no_run => Some("not asked for"),
        () if args.hardware.is_some() => Some("for another machine"),
        () => None,
    };
    match not_run {
        None => verify::run(&request, &mut report, &clock).map_err(|error| refuse(args, error))?,
        Some(reason) => report.profiles.iter_mut().for_each(|profile| profile.not_run = Some(reason.to_owned())),
    }
    if !report.trusted {
        tracing::warn!("nobody was asked to vouch for this package; name a file of keys with --trust");
    }
    print(&report)
}

fn read(path: &Path) -> Result<Trust, Failure> {
    read_trust(path).map_err(|error| Failure::Refused(error.into()))
}

/// Prints the reason for programs, and returns it for people.
fn refuse(args: &Args, error: VerifyError) -> Failure {
    let code = error.code();
    let is_refusal = error.is_refusal();
    let error = anyhow!(error);
    let result = json!({ "file": args.file, "ok": false, "reason": code, "text": format!("{error:#}") });
    match (print(&result), is_refusal) {
        (Err(failure), _) => failure,
        (Ok(()), true) => Failure::Refused(error),
        (Ok(()), false) => Failure::Running(error),
    }
}

fn print(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).context("cannot write the report as JSON")?;
    writeln!(io::stdout().lock(), "{text}").context("cannot write to stdout")?;
    Ok(())
}

impl Facts {
    fn or_of_this_machine(self) -> Hardware {
        let here = this_machine();
        Hardware {
            architecture: self.architecture.unwrap_or(here.architecture),
            providers: self.providers.unwrap_or(here.providers),
            agent: self.agent.unwrap_or(here.agent),
        }
    }
}

fn facts(text: &str) -> Result<Facts, String> {
    let mut facts = Facts::default();
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("architecture", name)) => facts.architecture = Some(name.to_owned()),
            Some(("providers", names)) => facts.providers = Some(names.split('+').map(str::to_owned).collect()),
            Some(("agent", version)) => {
                facts.agent = Some(version.parse::<Version>().map_err(|error| error.to_string())?);
            }
            _ => return Err(format!("found {part:?}; write architecture=…, providers=…+… or agent=…")),
        }
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_described_in_parts() {
        let found = facts("architecture=aarch64,providers=tensorrt+cpu,agent=0.2.0").unwrap();
        assert_eq!(found.architecture.as_deref(), Some("aarch64"));
        assert_eq!(found.providers.unwrap().len(), 2);
        assert!(facts("cpu=arm").unwrap_err().contains("architecture="));
        assert!(facts("agent=one").is_err());
    }
}
