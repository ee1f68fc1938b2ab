//! `vedette keys`: secret keys that sign packages, and lists of the public ones that are trusted.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::toolchain::keys::{self, KeyListError, KeysError, SignedList};

use super::Failure;

/// Make, list, rotate and use the keys that sign model packages.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette keys new release.key                                       a key pair; the file is 0600 and never printed
  vedette keys public release.key > release.pub                      what others need; `trust: release.pub` is enough
  vedette keys rotate trusted.json --add release.key --sign release.key    version 1 of a list of trusted keys
  vedette keys rotate trusted.json --add new.key --remove release --sign release.key --sign new.key
  vedette keys list trusted.json --after installed.json              whom it trusts, and that it continues the old list
  vedette keys sign people-1.4.0.vedette --key second.key            one more signature, under a package or a list

A list grows by versions; each is signed by the keys of the one before it and by its own, so that a box which trusts an \
old version can follow. Secret keys belong on a machine without network, and in a second place.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a secret key and print its public one.
    #[command(after_help = "Example:\n  vedette keys new release.key --name release-2026")]
    New {
        /// The file of the secret key; there must be none yet.
        file: PathBuf,
        /// What people call it; the name of the file by default.
        #[arg(long)]
        name: Option<String>,
    },
    /// Print the public key of a secret one.
    #[command(after_help = "Example:\n  vedette keys public release.key > release.pub")]
    Public {
        /// The file of the secret key.
        file: PathBuf,
    },
    /// Check a list of trusted keys and print whom it trusts.
    #[command(after_help = "Example:\n  vedette keys list trusted.json --after installed.json")]
    List {
        /// The list.
        file: PathBuf,
        /// An older list that it must continue.
        #[arg(long, value_name = "FILE")]
        after: Option<PathBuf>,
    },
    /// Begin a list of trusted keys, or append a version to one.
    #[command(after_help = "Examples:
  vedette keys rotate trusted.json --add release.key --sign release.key
  vedette keys rotate trusted.json --add new.key --remove release --sign release.key --sign new.key")]
    Rotate {
        /// The list; begun when there is none.
        file: PathBuf,
        /// A key to trust: a public key, or a file of one or of the secret one.
        #[arg(long, value_name = "KEY")]
        add: Vec<String>,
        /// A key to trust no longer, by name, id or in full.
        #[arg(long, value_name = "KEY")]
        remove: Vec<String>,
        /// How many of the keys must sign; as before by default, 1 at first.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
        threshold: Option<u32>,
        /// The file of a secret key that signs the new version.
        #[arg(long, value_name = "FILE")]
        sign: Vec<PathBuf>,
    },
    /// Sign a package or the newest version of a list, in place.
    #[command(after_help = "Example:\n  vedette keys sign people-1.4.0.vedette --key second.key")]
    Sign {
        /// The package or list.
        file: PathBuf,
        /// The file of the secret key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

/// Runs the command.
///
/// # Errors
/// Refused when a key or list cannot be used; failed when a file cannot be written.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::New { file, name } => make(&file, name),
        What::Public { file } => {
            let key = keys::read_secret(&file).map_err(told)?;
            print(&key.public().to_string())
        }
        What::List { file, after } => list(&file, after.as_deref()),
        What::Rotate { file, add, remove, threshold, sign } => rotate(&file, &add, &remove, threshold, &sign),
        What::Sign { file, key } => {
            let key = keys::read_secret(&key).map_err(told)?;
            keys::sign(&file, &key).map_err(told)?;
            print(&json!({ "file": file, "signed_by": key.public().id() }).to_string())
        }
    }
}

fn told(error: KeysError) -> Failure {
    match error {
        KeysError::Write { .. } | KeysError::Random(_) => Failure::Running(error.into()),
        other => Failure::Refused(other.into()),
    }
}

fn print(line: &str) -> Result<(), Failure> {
    writeln!(io::stdout().lock(), "{line}").context("cannot write to stdout")?;
    Ok(())
}

/// The file's name without its end.
fn name_of(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn make(file: &Path, name: Option<String>) -> Result<(), Failure> {
    let name = name.unwrap_or_else(|| name_of(file));
    let key = keys::create(file, &name).map_err(told)?;
    let public = key.public();
    print(&json!({ "file": file, "name": name, "id": public.id(), "public": public }).to_string())
}

fn list(file: &Path, after: Option<&Path>) -> Result<(), Failure> {
    let refused = |source: KeyListError| told(KeysError::List { path: file.to_owned(), source });
    let list = keys::read_list(file).map_err(told)?;
    list.in_force().map_err(refused)?;
    if let Some(older) = after {
        let older = keys::read_list(older).map_err(told)?;
        list.continues(&older).map_err(refused)?;
    }
    print(&described(file, &list).to_string())
}

fn described(file: &Path, list: &SignedList) -> Value {
    let newest = list.newest();
    let keys = newest.map(|list| list.keys.as_slice()).unwrap_or_default();
    let keys: Vec<Value> =
        keys.iter().map(|named| json!({ "name": named.name, "id": named.key.id(), "public": named.key })).collect();
    let signers: Vec<String> = list.signers().iter().map(|key| key.id()).collect();
    let missing = list.in_force().err().map(|error| error.to_string());
    json!({
        "file": file, "version": newest.map(|list| list.version), "threshold": newest.map(|list| list.threshold),
        "keys": keys, "signed_by": signers, "in_force": missing.is_none(), "missing": missing,
    })
}

fn rotate(
    file: &Path,
    add: &[String],
    remove: &[String],
    threshold: Option<u32>,
    sign: &[PathBuf],
) -> Result<(), Failure> {
    let mut list = if file.exists() { keys::read_list(file).map_err(told)? } else { SignedList::default() };
    if list.newest().is_some() {
        // Nobody builds on what is not signed yet.
        list.in_force().map_err(|source| told(KeysError::List { path: file.to_owned(), source }))?;
    }
    let add = add.iter().map(|text| keys::public(text, &name_of(Path::new(text))));
    let added = add.collect::<Result<Vec<_>, _>>().map_err(told)?;
    let signers = sign.iter().map(|path| keys::read_secret(path)).collect::<Result<Vec<_>, _>>().map_err(told)?;
    let changed = keys::changed(list.newest(), added, remove).map_err(told)?;
    let threshold = threshold.or_else(|| list.newest().map(|list| list.threshold)).unwrap_or(1);
    list.append(changed, threshold, &signers)
        .map_err(|error| Failure::Refused(anyhow!(error).context(file.display().to_string())))?;
    keys::write(file, list.to_json().as_bytes()).map_err(told)?;
    if let Err(error) = list.in_force() {
        tracing::warn!("the new version is not in force yet: {error}");
    }
    print(&described(file, &list).to_string())
}
