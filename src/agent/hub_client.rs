//! The agent's way to its hub over HTTP.

use std::path::Path;

use crate::client::{Client, ClientError};
use crate::config;
use crate::vocab::{Secret, shown_path};

/// A client of the hub. The token is read for each: it may have been replaced.
///
/// # Errors
/// When the token or the certificates cannot be read.
pub fn connect(hub: &config::Hub) -> Result<Client, ClientError> {
    Client::new(&hub.url, token(&hub.token_file)?, hub.ca_file.as_deref())
}

fn token(path: &Path) -> Result<Secret, ClientError> {
    let failed = |source| ClientError::File { doing: "reading the token", path: shown_path(path, &source), source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    Ok(Secret::new(text.lines().next().unwrap_or_default().trim()))
}
