//! How the hub reaches the broker, and under which name the broker knows it.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::mqtt::{self, Endpoint};

/// `mqtt` in `hub.yaml`. Without a URL nothing is taken in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Broker {
    /// `mqtt://HOST[:1883]`, or `mqtts://HOST[:8883]` over TLS. It must speak MQTT 5.
    pub url: Option<String>,
    /// The name to log in with.
    pub username: Option<String>,
    /// The file that holds the password in its first line; needs `username`. A relative path starts at the configuration,
    /// and so do the next three.
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) of the authorities that may vouch for the broker; needs `mqtts`. Those of the system by default.
    pub ca_file: Option<PathBuf>,
    /// The hub's own certificate (PEM); needs `mqtts` and `key_file`.
    pub cert_file: Option<PathBuf>,
    /// The key of `cert_file` (PEM).
    pub key_file: Option<PathBuf>,
}

impl Broker {
    /// Makes relative paths start at `folder`.
    pub(super) fn resolve(&mut self, folder: &Path) {
        for file in [&mut self.password_file, &mut self.ca_file, &mut self.cert_file, &mut self.key_file] {
            *file = file.take().map(|path| folder.join(path));
        }
    }

    /// What cannot be as it is written.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let tls = match self.url.as_deref().map(Endpoint::parse) {
            Some(Ok(endpoint)) => endpoint.tls,
            Some(Err(error)) => {
                faults.push(error.to_string());
                return faults;
            }
            None if *self == Self::default() => return faults,
            None => {
                faults.push("without url nothing else has a meaning".to_owned());
                return faults;
            }
        };
        if self.password_file.is_some() && self.username.is_none() {
            faults.push("password_file needs username".to_owned());
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            faults.push("cert_file and key_file belong together".to_owned());
        }
        if !tls && (self.ca_file.is_some() || self.cert_file.is_some() || self.key_file.is_some()) {
            faults.push("ca_file, cert_file and key_file need a url with mqtts".to_owned());
        }
        faults
    }

    /// What the session needs, where there is a broker.
    pub(super) fn session(&self) -> Option<mqtt::Settings> {
        let url = self.url.clone()?;
        Some(mqtt::Settings {
            url,
            username: self.username.clone(),
            password_file: self.password_file.clone(),
            ca_file: self.ca_file.clone(),
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            ..mqtt::Settings::default()
        })
    }
}

/// The client id of the hub whose data lie in `data_dir`: drawn at its first start and then always the same, for under it
/// the broker keeps what is published while the hub is away.
///
/// # Errors
/// When the file that holds it can be neither read nor made.
pub(super) fn client_id(data_dir: &Path) -> io::Result<String> {
    let path = data_dir.join("mqtt.client-id");
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let id = format!("hub-{:016x}", fastrand::u64(..));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
    writeln!(file, "{id}").and_then(|()| file.sync_all())?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_keeps_its_name_and_two_hubs_have_two() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = client_id(one.path()).unwrap();
        assert_eq!(client_id(one.path()).unwrap(), name);
        assert_ne!(client_id(two.path()).unwrap(), name);
        std::fs::write(two.path().join("mqtt.client-id"), "").unwrap();
        assert!(client_id(two.path()).unwrap().starts_with("hub-"), "a file that was cut short names nobody");
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        let url = |url: &str| Broker { url: Some(url.to_owned()), ..Broker::default() };
        let file = || Some(PathBuf::from("f"));
        assert_eq!(Broker::default().faults(), Vec::<String>::new());
        assert_eq!(url("mqtt://b").faults(), Vec::<String>::new());
        for (broker, told) in [
            (url("http://b"), "scheme"),
            (Broker { username: Some("u".to_owned()), ..Broker::default() }, "without url"),
            (Broker { password_file: file(), ..url("mqtt://b") }, "needs username"),
            (Broker { cert_file: file(), ..url("mqtts://b") }, "belong together"),
            (Broker { ca_file: file(), ..url("mqtt://b") }, "need a url with mqtts"),
        ] {
            assert!(broker.faults().join("; ").contains(told), "{broker:?}: {:?}", broker.faults());
        }
    }
}
