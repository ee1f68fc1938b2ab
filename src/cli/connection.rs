//! How commands reach a hub: the arguments that name it, and how its answers and refusals are shown.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use serde_json::Value;

use super::Failure;
use crate::client::{Client, ClientError};
use crate::vocab::Secret;

/// Which hub, and as whom.
#[derive(Debug, clap::Args)]
pub(super) struct Connection {
    /// The hub
    #[arg(long, global = true, env = "VEDETTE_HUB", default_value = "http://127.0.0.1:8642", value_name = "URL")]
    hub: String,
    /// The file that holds the token
    #[arg(long, global = true, env = "VEDETTE_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates (PEM) of the authorities that vouch for the hub, in place of the public ones
    #[arg(long, global = true, env = "VEDETTE_HUB_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Connection {
    /// A client that shows the token.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.hub, self.token()?, self.ca.as_deref()).map_err(failed)
    }

    fn token(&self) -> Result<Secret, Failure> {
        let missing =
            || Failure::Refused(anyhow!("name the file of your token with --token-file or VEDETTE_TOKEN_FILE"));
        let path = self.token_file.as_ref().ok_or_else(missing)?;
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading the token file {}", path.display()))?;
        Ok(Secret::new(text.lines().next().unwrap_or_default().trim()))
    }
}

/// Status 2 where the hub refuses, 1 where it cannot be reached.
pub(super) fn failed(error: ClientError) -> Failure {
    match error {
        ClientError::Refused { .. } | ClientError::Certificates { .. } => Failure::Refused(error.into()),
        _ => Failure::Running(error.into()),
    }
}

/// An answer in one line on stdout.
pub(super) fn print(value: &Value) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    Ok(writeln!(out, "{value}").context("writing to stdout")?)
}
