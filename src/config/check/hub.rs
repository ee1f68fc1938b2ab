//! The hub: its address without secrets, and the keys whose word counts.

use url::Url;

use super::Check;
use super::address::is_this_machine;
use crate::config::document;
use crate::config::fault::Path;
use crate::config::ready::Hub;
use crate::model::keys::PublicKey;

/// Reads `hub`.
pub(super) fn read(check: &mut Check, hub: &document::Hub, path: &Path) -> Option<Hub> {
    let url = address(check, &hub.url.0, &path.key("url"));
    let mut keys = Vec::new();
    for (number, text) in hub.keys.iter().enumerate() {
        match text.parse::<PublicKey>() {
            Ok(key) => keys.push(key),
            Err(error) => check.error(&path.key("keys").index(number), error.to_string(), "copy it from the hub"),
        }
    }
    Some(Hub {
        url: url?,
        token_file: check.folders.secret(&hub.token_file.0),
        ca_file: hub.ca_file.as_ref().map(|file| check.folders.file(&file.0)),
        keys,
    })
}

fn address(check: &mut Check, text: &str, path: &Path) -> Option<String> {
    const REMEDY: &str = "write `https://HOST` or `https://HOST:PORT`";
    let Some(url) = Url::parse(text).ok().filter(|url| url.has_host()) else {
        check.error(path, "found no URL with a host, must say where the hub answers", REMEDY);
        return None;
    };
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let has_login = !url.username().is_empty() || url.password().is_some();
    if !matches!(url.scheme(), "https" | "http") || !is_bare || has_login {
        check.error(path, "found more or something else than scheme, host and port, must be only those", REMEDY);
        return None;
    }
    if url.scheme() == "http" && !is_this_machine(url.host_str().unwrap_or_default()) {
        let problem = "found http, should be https: everybody on the network can read the token";
        check.warning(path, problem, "give the hub a certificate (`tls` in hub.yaml) and write `https://`");
    }
    Some(text.trim_end_matches('/').to_owned())
}
