//! URLs of cameras and brokers. Faults never show them: what is pasted there often holds a password.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::Url;

use super::Check;
use crate::config::access::{Login, Password, Source};
use crate::config::document::Private;
use crate::config::fault::Path;
use crate::config::phrase;
use crate::vocab::Secret;

const CAMERA_SCHEMES: [&str; 5] = ["rtsp", "rtsps", "file", "v4l2", "scene"];
const BROKER_SCHEMES: [&str; 2] = ["mqtt", "mqtts"];

/// The keys of a login, as they stand in the file.
pub(super) struct LoginKeys<'k> {
    pub username: Option<&'k Private>,
    pub password_file: Option<&'k Private>,
}

/// Where a broker listens.
pub(super) struct Broker {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    pub login: Option<Login>,
}

/// Reads the URL of a camera at `parent.url`, and takes the login out of it.
pub(super) fn camera(
    check: &mut Check,
    text: &str,
    keys: &LoginKeys,
    parent: &Path,
) -> Option<(Source, Option<Login>)> {
    let path = parent.key("url");
    if text.starts_with('/') || text.starts_with("./") || text.starts_with("../") {
        return clip(check, text, keys, parent);
    }
    let mut url = parse(check, text, &CAMERA_SCHEMES, "for a clip, begin with / or ./", &path)?;
    let network = url.scheme().starts_with("rtsp");
    let problem = match url.scheme() {
        "rtsp" | "rtsps" if !url.has_host() || url.host_str() == Some("") => {
            "found a URL without a host, must name the camera"
        }
        "file" if url.to_file_path().is_err() => "found a file URL that is no local path, must begin with file:///",
        "v4l2" if !url.path().starts_with("/dev/") || !url.host_str().unwrap_or_default().is_empty() => {
            "found a URL without a device, must be like v4l2:///dev/video0"
        }
        _ => "",
    };
    if !problem.is_empty() {
        check.error(&path, problem, "write `rtsp://HOST/PATH`, `file:///PATH` or `v4l2:///dev/videoN`");
        return None;
    }
    if url.query_pairs().any(|(key, _)| ["password", "passwd", "pwd", "pass"].contains(&&*key.to_lowercase())) {
        let problem = "found what looks like a password in the query of the URL, should be in `password_file`";
        check.warning(
            &path,
            problem,
            "use the camera's RTSP login instead, if it has one: `username` and `password_file`",
        );
    }
    let login = login(check, &mut url, keys, parent)?;
    if login.is_some() && !network {
        let problem = "found a user name for a source that asks for none, must be an rtsp or rtsps camera";
        check.error(&parent.key(if keys.username.is_some() { "username" } else { "url" }), problem, "remove it");
        return None;
    }
    Some((Source::new(url), login))
}

/// Reads the URL of the broker at `parent.url`, and takes the login out of it.
pub(super) fn broker(check: &mut Check, text: &str, keys: &LoginKeys, parent: &Path) -> Option<Broker> {
    let path = parent.key("url");
    let mut url = parse(check, text, &BROKER_SCHEMES, "write `mqtt://HOST` or `mqtts://HOST`", &path)?;
    let tls = url.scheme() == "mqtts";
    let host = match url.host() {
        Some(url::Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => String::new(),
    };
    if host.is_empty() {
        check.error(&path, "found a URL without a host, must name the broker", "write `mqtt://HOST` or `mqtts://HOST`");
        return None;
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        let problem = "found a path or query behind the host, must be only host and port";
        check.error(&path, problem, "remove it: topics always begin with vedette/v1");
        return None;
    }
    // The session reads the password from its file at every connect; there is no other place for it.
    if !url.username().is_empty() || url.password().is_some() {
        let problem = "found a login within the URL, must be in keys of its own";
        check.error(
            &path,
            problem,
            "use `username` and `password_file`; the password then stays out of backups and logs",
        );
        return None;
    }
    let port = url.port().unwrap_or(if tls { 8883 } else { 1883 });
    let login = login(check, &mut url, keys, parent)?;
    let open = !tls && login.as_ref().is_some_and(|l| l.password.is_some()) && !is_this_machine(&host);
    if open {
        let problem =
            "found a password for a connection without TLS, should be mqtts: everybody on the network can read it";
        check.warning(&path, problem, "write `mqtts://`, with `ca_file` where the broker has its own authority");
    }
    Some(Broker { host, port, tls, login })
}

fn clip(check: &mut Check, text: &str, keys: &LoginKeys, parent: &Path) -> Option<(Source, Option<Login>)> {
    let Ok(url) = Url::from_file_path(check.folders.file(text)) else {
        check.error(&parent.key("url"), "found a path that cannot be made absolute", "write the clip's absolute path");
        return None;
    };
    let mut url = url;
    match login(check, &mut url, keys, parent)? {
        None => Some((Source::new(url), None)),
        Some(_) => {
            let problem = "found a user name for a clip, must be an rtsp or rtsps camera";
            check.error(&parent.key("username"), problem, "remove it");
            None
        }
    }
}

fn parse(check: &mut Check, text: &str, schemes: &[&str], hint: &str, path: &Path) -> Option<Url> {
    let allowed = phrase::either(&schemes.iter().map(|s| format!("{s}://")).collect::<Vec<_>>());
    let Some((scheme, _)) = text.split_once("://") else {
        check.error(path, format!("found a text that is no URL, must begin with {allowed}"), hint);
        return None;
    };
    // Only a plain word is shown: before the colon there may be anything.
    let scheme = scheme.to_lowercase();
    if !schemes.contains(&scheme.as_str()) {
        let shown = phrase::step(&scheme);
        let remedy = phrase::nearest(&scheme, schemes.iter().copied()).map(|s| format!("did you mean `{s}://`?"));
        let problem = format!("found a URL that begins with `{shown}://`, must begin with {allowed}");
        check.error(path, problem, remedy.unwrap_or_else(|| hint.to_owned()));
        return None;
    }
    match Url::parse(text) {
        Ok(url) => Some(url),
        Err(error) => {
            // The messages of `url` are fixed sentences that show nothing of the text.
            let problem = format!("found a URL that cannot be read ({error}), must be like {scheme}://HOST:PORT/PATH");
            check.error(
                path,
                problem,
                "write special characters of a path as %XX; user name and password have keys of their own",
            );
            None
        }
    }
}

/// The login of a URL and the keys beside it. The outer option is `None` after telling a fault.
fn login(check: &mut Check, url: &mut Url, keys: &LoginKeys, parent: &Path) -> Option<Option<Login>> {
    let from_url = take_login(url);
    if let Some(inline) = &from_url {
        if keys.username.is_some() || keys.password_file.is_some() {
            let problem = "found a user name within the URL and another key for the login, must be only the keys";
            check.error(&parent.key("url"), problem, "remove what stands before the @ of the URL");
            return None;
        }
        if inline.password.is_some() {
            let problem = "found a password within the URL, should be in a file of its own";
            let remedy = "use `username` and `password_file`; the password then stays out of backups and logs";
            check.warning(&parent.key("url"), problem, remedy);
        }
    }
    match (keys.username, keys.password_file) {
        (None, None) => Some(from_url),
        (None, Some(_)) => {
            let problem = "found `password_file` without `username`, must be both or none";
            check.error(&parent.key("password_file"), problem, "add `username`");
            None
        }
        (Some(Private(username)), file) => {
            let password = file.map(|Private(file)| Password::File(check.folders.secret(file)));
            Some(Some(Login { username: username.clone(), password }))
        }
    }
}

/// Takes user name and password out of a URL.
fn take_login(url: &mut Url) -> Option<Login> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let username = decode(url.username());
    let password = url.password().map(|p| Password::Inline(Secret::new(decode(p))));
    if username.is_empty() && password.is_none() {
        return None;
    }
    // Only URLs without a host refuse this, and those have no login.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(Login { username, password })
}

pub(super) fn is_this_machine(host: &str) -> bool {
    let host: Cow<str> = host.to_lowercase().into();
    host == "localhost" || host == "::1" || host.starts_with("127.")
}
