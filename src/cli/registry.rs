//! `vedette registry`: models of a hub, from the command line.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use serde_json::{Value, json};

use super::Failure;
use super::connection::{Connection, failed, print};
use crate::client::Client;
use crate::vocab::Id;

/// Push, list, show, alias, delete and pull the models of a hub.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  vedette registry push people-1.4.0.vedette --note 'night pictures of the north gate'
  vedette registry alias people champion 3
  vedette registry pull people@champion -o people.vedette

Answers are JSON on stdout. The token is the first line of --token-file, which only its owner should be able to read. A \
transfer that breaks off goes on where it stopped, also when the command is run again.

Exit status: 0 done, 1 the hub cannot be reached or a file not be written, 2 the hub refuses.")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Send a package and make it the next version of its model
    #[command(
        after_help = "Example:\n  vedette registry push people-1.4.0.vedette --note 'night pictures of the north gate'"
    )]
    Push {
        /// The package, as `vedette model package` makes it
        file: PathBuf,
        /// What people should know of it
        #[arg(long, default_value = "")]
        note: String,
        /// The version of the same model that it was made from
        #[arg(long, value_name = "VERSION")]
        parent: Option<i64>,
    },
    /// List the models, a line for each
    #[command(after_help = "Example:\n  vedette registry list")]
    List,
    /// Show a model with all its versions, or one version: NAME, NAME:VERSION or NAME@ALIAS
    #[command(after_help = "Example:\n  vedette registry show people@champion")]
    Show {
        /// Which
        model: Reference,
    },
    /// Point an alias at a version, or take it away
    #[command(after_help = "Example:\n  vedette registry alias people champion 3")]
    Alias {
        /// The model
        model: Id,
        /// The alias: champion, challenger, any
        alias: Id,
        /// The version; left out, the alias is taken away
        // Not named `version`: that is the name of every command's `--version`.
        #[arg(value_name = "VERSION")]
        number: Option<i64>,
    },
    /// Delete a version that no alias points at; its number stays taken
    #[command(after_help = "Example:\n  vedette registry delete people 2")]
    Delete {
        /// The model
        model: Id,
        /// The version
        #[arg(value_name = "VERSION")]
        number: i64,
    },
    /// Fetch the package of a version: NAME:VERSION or NAME@ALIAS
    #[command(after_help = "Example:\n  vedette registry pull people:3 -o people.vedette")]
    Pull {
        /// Which
        model: Reference,
        /// Where to put it
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

/// A model, and perhaps which of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) model: Id,
    pub(super) version: Option<String>,
}

impl std::str::FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (model, version) = match text.split_once([':', '@']) {
            None => (text, None),
            Some((model, version)) => (model, Some(Id::new(version).map_err(|error| error.to_string())?.to_string())),
        };
        Ok(Self { model: Id::new(model).map_err(|error| error.to_string())?, version })
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Refused`] when the hub refuses.
pub fn run(args: Args) -> Result<(), Failure> {
    let client = args.connection.client()?;
    match args.what {
        What::Push { file, note, parent } => {
            let mut bar = Bar::default();
            let version = client.push(&file, &note, parent, &mut |done, of| bar.draw(done, of)).map_err(failed)?;
            print(&without_manifest(version))
        }
        What::List => {
            for model in client.get("/api/v1/models").map_err(failed)?.as_array().into_iter().flatten() {
                print(&summary(model))?;
            }
            Ok(())
        }
        What::Show { model } => print(&client.get(&place(&model)).map_err(failed)?),
        What::Alias { model, alias, number } => {
            let place = format!("/api/v1/models/{model}/aliases/{alias}");
            let answer = match number {
                Some(version) => client.put(&place, &json!({ "version": version })),
                None => client.delete(&place),
            };
            print(&summary(&answer.map_err(failed)?))
        }
        What::Delete { model, number } => {
            print(&client.delete(&format!("/api/v1/models/{model}/versions/{number}")).map_err(failed)?)
        }
        What::Pull { model, output } => pull(&client, &model, &output),
    }
}

fn pull(client: &Client, model: &Reference, output: &std::path::Path) -> Result<(), Failure> {
    if model.version.is_none() {
        return Err(Failure::Refused(anyhow!("say which version: {0}:3 or {0}@champion", model.model)));
    }
    let version = client.get(&place(model)).map_err(failed)?;
    let sha256 = version["sha256"].as_str().context("the hub's answer names no file")?;
    let size = version["size"].as_u64().context("the hub's answer names no size")?;
    let mut bar = Bar::default();
    client.fetch(sha256, size, output, &mut |done, of| bar.draw(done, of)).map_err(failed)?;
    print(&json!({ "model": model.model, "version": version["version"], "sha256": sha256, "file": output }))
}

fn place(reference: &Reference) -> String {
    match &reference.version {
        None => format!("/api/v1/models/{}", reference.model),
        Some(version) => format!("/api/v1/models/{}/versions/{version}", reference.model),
    }
}

/// One line of a list.
fn summary(model: &Value) -> Value {
    let versions: Vec<&Value> = model["versions"].as_array().into_iter().flatten().map(|v| &v["version"]).collect();
    json!({ "name": model["name"], "versions": versions, "aliases": model["aliases"] })
}

fn without_manifest(mut version: Value) -> Value {
    if let Some(fields) = version.as_object_mut() {
        fields.remove("manifest");
    }
    version
}

/// A line on a terminal that says how far a transfer is.
#[derive(Default)]
pub(super) struct Bar {
    percent: Option<u64>,
}

impl Bar {
    pub(super) fn draw(&mut self, done: u64, of: u64) {
        let percent = done.saturating_mul(100).checked_div(of).unwrap_or(100);
        if self.percent.replace(percent) == Some(percent) || !std::io::stderr().is_terminal() {
            return;
        }
        let end = if percent >= 100 { "\n" } else { "" };
        // Nobody is helped by a failure to draw.
        let _ = write!(std::io::stderr(), "\r{:>5.1} of {:.1} MiB, {percent} %{end}", mib(done), mib(of));
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
