//! How the hub reaches the broker, and under which name the broker knows it.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::accounts::Own;
use crate::mqtt::{self, Endpoint};
use crate::vocab::Id;

/// `mqtt` in `hub.yaml`. Without a URL nothing is taken in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Broker {
    /// `mqtt://HOST[:1883]`, or `mqtts://HOST[:8883]` over TLS. It must speak MQTT 5.
    pub url: Option<String>,
    /// The name to log in with. Where the broker takes it for the client id, as it should, each hub needs one of its own.
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
    /// The folder into which the hub writes `passwd` and `acl` for mosquitto, with an account for itself and each agent that
    /// was given credentials; none by default. It needs `username`, an id, and makes `password_file` where that is missing.
    /// A relative path starts at the configuration.
    pub broker_files: Option<PathBuf>,
    /// What makes the broker read those files again when they have changed: a program and its arguments, run without a
    /// shell, such as `[systemctl, reload, mosquitto]`; needs `broker_files`. Nothing by default.
    pub reload_command: Vec<String>,
}

impl Broker {
    /// Makes relative paths start at `folder`.
    pub(super) fn resolve(&mut self, folder: &Path) {
        let credentials = [&mut self.password_file, &mut self.ca_file, &mut self.cert_file, &mut self.key_file];
        for file in credentials.into_iter().chain([&mut self.broker_files]) {
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
        self.account_faults(&mut faults);
        faults
    }

    fn account_faults(&self, faults: &mut Vec<String>) {
        if self.broker_files.is_some() {
            match self.username.as_deref().map(Id::new) {
                None => faults.push("broker_files needs username: the hub must be named in them".to_owned()),
                Some(Err(error)) => faults.push(format!("with broker_files, username must be an id: {error}")),
                Some(Ok(_)) => {}
            }
            if self.password_file.is_none() && self.cert_file.is_none() {
                faults.push("broker_files needs password_file or cert_file: else anybody could be the hub".to_owned());
            }
        } else if !self.reload_command.is_empty() {
            faults.push("reload_command needs broker_files".to_owned());
        }
        if self.reload_command.first().is_some_and(String::is_empty) {
            faults.push("reload_command begins with a program".to_owned());
        }
    }

    /// The account of the hub with this client id; none where it has no name that an account may have.
    pub(super) fn own(&self, client_id: &str) -> Option<Own> {
        let user = Id::new(self.username.as_deref()?).ok()?;
        let has_proof = self.password_file.is_some() || self.cert_file.is_some();
        has_proof.then(|| Own { user, owner: client_id.to_owned(), password_file: self.password_file.clone() })
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
        let name = |name: &str| Some(name.to_owned());
        let whole = Broker { broker_files: file(), username: name("hub"), password_file: file(), ..url("mqtt://b") };
        assert_eq!(whole.faults(), Vec::<String>::new());
        assert_eq!(whole.own("hub-1").unwrap().user.as_str(), "hub");
        assert_eq!(url("mqtt://b").own("hub-1"), None);
        assert_eq!(Broker::default().faults(), Vec::<String>::new());
        assert_eq!(url("mqtt://b").faults(), Vec::<String>::new());
        for (broker, told) in [
            (url("http://b"), "scheme"),
            (Broker { username: Some("u".to_owned()), ..Broker::default() }, "without url"),
            (Broker { password_file: file(), ..url("mqtt://b") }, "needs username"),
            (Broker { cert_file: file(), ..url("mqtts://b") }, "belong together"),
            (Broker { ca_file: file(), ..url("mqtt://b") }, "need a url with mqtts"),
            (Broker { broker_files: file(), ..url("mqtt://b") }, "needs username"),
            (Broker { broker_files: file(), username: name("hub"), ..url("mqtt://b") }, "needs password_file or cert"),
            (Broker { broker_files: file(), username: name("hub:a"), ..url("mqtt://b") }, "must be an id"),
            (Broker { reload_command: vec!["true".to_owned()], ..url("mqtt://b") }, "needs broker_files"),
        ] {
            assert!(broker.faults().join("; ").contains(told), "{broker:?}: {:?}", broker.faults());
        }
    }
}
