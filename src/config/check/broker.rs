//! The broker: its address, and TLS files that belong together.

use std::time::Duration;

use super::Check;
use super::address::{self, LoginKeys};
use crate::config::access::{Identity, Tls};
use crate::config::document;
use crate::config::fault::Path;
use crate::config::ready::Mqtt;

/// Reads `mqtt`.
pub(super) fn read(check: &mut Check, mqtt: &document::Mqtt, path: &Path) -> Option<Mqtt> {
    let keys = LoginKeys { username: mqtt.username.as_ref(), password_file: mqtt.password_file.as_ref() };
    if !mqtt.compat.is_empty() {
        let problem = "found topics for other programs, which this version does not publish yet";
        check.warning(&path.key("compat"), problem, "remove the key until a version that publishes them");
    }
    let broker = address::broker(check, &mqtt.url.0, &keys, path);
    // The files are checked even where the address is faulty; only then nothing is known of TLS.
    let tls = tls(check, mqtt, broker.as_ref().map(|b| b.tls), path);
    let (broker, tls) = (broker?, tls?);
    Some(Mqtt {
        host: broker.host,
        port: broker.port,
        tls: broker.tls.then_some(tls),
        login: broker.login,
        delivery: mqtt.delivery,
        compat: mqtt.compat.iter().copied().collect(),
        keep_alive: Duration::from_secs(u64::from(mqtt.keep_alive_seconds)),
        inflight: mqtt.inflight,
        max_packet: mqtt.max_packet_kib as usize * 1024,
    })
}

fn tls(check: &mut Check, mqtt: &document::Mqtt, over_tls: Option<bool>, path: &Path) -> Option<Tls> {
    let files = [("ca_file", &mqtt.ca_file), ("cert_file", &mqtt.cert_file), ("key_file", &mqtt.key_file)];
    let given: Vec<&str> = files.iter().filter(|(_, file)| file.is_some()).map(|(key, _)| *key).collect();
    if over_tls == Some(false) {
        for key in &given {
            let problem = format!("found `{key}` for a connection without TLS, must be with mqtts");
            check.error(&path.key(key), problem, "write `mqtts://` in `mqtt.url`, or remove the file");
        }
        if !given.is_empty() {
            return None;
        }
    }
    let identity = match (&mqtt.cert_file, &mqtt.key_file) {
        (None, None) => None,
        (Some(cert), Some(key)) => {
            Some(Identity { cert_file: check.folders.file(&cert.0), key_file: check.folders.secret(&key.0) })
        }
        (Some(_), None) => return one_of_two(check, path, "cert_file", "key_file"),
        (None, Some(_)) => return one_of_two(check, path, "key_file", "cert_file"),
    };
    Some(Tls { ca_file: mqtt.ca_file.as_ref().map(|file| check.folders.file(&file.0)), identity })
}

fn one_of_two(check: &mut Check, path: &Path, given: &str, missing: &str) -> Option<Tls> {
    let problem = format!("found `{given}` without `{missing}`, must be both or none");
    check.error(&path.key(given), problem, format!("add `{missing}`"));
    None
}
