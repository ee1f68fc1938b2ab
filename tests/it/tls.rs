//! Encrypted sessions with a real mosquitto: whom is trusted, who is not, and certificates that change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use vedette::mqtt::{Error, Settings};

use crate::support::certificates::{Authority, NOW, authority, certificate};
use crate::support::mosquitto::{self, Mosquitto};
use crate::support::session::{Letters, Running, identity, settings, start};

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A broker that shows `certificate`, and asks for one of `clients` where given.
fn broker((certificate, key): &(String, String), clients: Option<&Authority>) -> Option<Mosquitto> {
    let folder = TempDir::new().unwrap();
    let cert = write(folder.path(), "server.pem", certificate);
    let key = write(folder.path(), "server.key", key);
    let mut lines = vec![format!("certfile {}", cert.display()), format!("keyfile {}", key.display())];
    if let Some(authority) = clients {
        let ca = write(folder.path(), "clients.pem", &authority.pem());
        lines.push(format!("cafile {}", ca.display()));
        lines.push("require_certificate true".to_owned());
        lines.push("use_identity_as_username true".to_owned());
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    mosquitto::start_in(folder, &lines)
}

fn trusting(broker: &Mosquitto, authority: &Authority) -> Settings {
    let ca = write(broker.folder(), "ca.pem", &authority.pem());
    let url = format!("mqtts://127.0.0.1:{}", broker.port());
    Settings { ca_file: Some(ca), ..settings(&url) }
}

fn run(settings: Settings) -> Running {
    start(settings, identity("gate"), Arc::<Letters>::default())
}

/// The reason why it does not connect, and whether the clock is suspected.
async fn refusal(settings: Settings) -> (String, bool) {
    let session = run(settings);
    let status = session.until("refused twice", |s| s.failed_attempts >= 2).await;
    assert_eq!(status.connections, 0);
    match status.last_error.as_deref() {
        Some(Error::Tls { reason, clock_suspect }) => (reason.clone(), *clock_suspect),
        other => panic!("must be an error of TLS: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_with_a_good_certificate_is_trusted() {
    let ours = authority("ours");
    let Some(broker) = broker(&certificate(&ours, "127.0.0.1", NOW), None) else { return };
    run(trusting(&broker, &ours)).connected().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_is_refused_for_its_authority_its_name_or_its_dates() {
    let (ours, other) = (authority("ours"), authority("other"));
    let Some(unknown) = broker(&certificate(&other, "127.0.0.1", NOW), None) else { return };
    let (reason, clock) = refusal(trusting(&unknown, &ours)).await;
    assert!(reason.contains("UnknownIssuer") && !clock, "{reason}");

    let Some(misnamed) = broker(&certificate(&ours, "elsewhere.example", NOW), None) else { return };
    let (reason, clock) = refusal(trusting(&misnamed, &ours)).await;
    assert!(reason.contains("not valid for name") && !clock, "{reason}");

    for (years, word) in [((2000, 2001), "expired"), ((2090, 2099), "not valid yet")] {
        let Some(untimely) = broker(&certificate(&ours, "127.0.0.1", years), None) else { return };
        let (reason, clock) = refusal(trusting(&untimely, &ours)).await;
        assert!(reason.contains(word) && clock, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authorities_of_the_system_do_not_vouch_for_our_test_broker() {
    let ours = authority("ours");
    let Some(broker) = broker(&certificate(&ours, "127.0.0.1", NOW), None) else { return };
    let session = run(Settings { ca_file: None, ..trusting(&broker, &ours) });
    let status = session.until("refused", |s| s.last_error.is_some()).await;
    // A machine without ca-certificates has none, which is said as well.
    let refused = matches!(status.last_error.as_deref(), Some(Error::Tls { .. } | Error::Certificate { .. }));
    assert!(refused && status.connections == 0, "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_without_encryption_is_not_spoken_to_in_the_open() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    let session = run(trusting(&broker, &authority("ours")));
    let status = session.until("failed", |s| s.failed_attempts >= 1).await;
    assert_eq!(status.connections, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_shown_and_a_rotated_one_is_taken_up_without_a_restart() {
    let (ours, clients, strangers) = (authority("ours"), authority("clients"), authority("strangers"));
    let Some(broker) = broker(&certificate(&ours, "127.0.0.1", NOW), Some(&clients)) else { return };
    let folder = broker.folder();
    let files = |by: &Authority| {
        let (certificate, key) = certificate(by, "gate", NOW);
        (write(folder, "client.pem", &certificate), write(folder, "client.key", &key))
    };
    let none = trusting(&broker, &ours);
    let (reason, _) = refusal(none.clone()).await;
    assert!(reason.contains("alert"), "{reason}");

    let (cert, key) = files(&strangers);
    let session = run(Settings { cert_file: Some(cert), key_file: Some(key), ..none });
    session.until("a stranger's certificate is refused", |s| s.failed_attempts >= 1).await;
    files(&clients);
    session.connected().await;

    // And while connected: the new files are read when somebody asks for a new connection.
    files(&strangers);
    session.handle.reconnect();
    session
        .until("the new certificate is shown", |s| {
            matches!(s.last_error.as_deref(), Some(Error::Tls { .. })) && s.connected_since.is_none()
        })
        .await;
    files(&clients);
    session.connected().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_used_are_named() {
    let ours = authority("ours");
    let Some(broker) = broker(&certificate(&ours, "127.0.0.1", NOW), None) else { return };
    let good = trusting(&broker, &ours);
    let empty = write(broker.folder(), "empty.pem", "nothing here\n");
    let missing = broker.folder().join("missing.pem");
    let cases = [
        (Settings { ca_file: Some(missing.clone()), ..good.clone() }, "cannot read the authority's certificate"),
        (Settings { ca_file: Some(empty.clone()), ..good.clone() }, "holds no certificate in PEM"),
        (Settings { cert_file: Some(empty), ..good.clone() }, "belong together"),
        (
            Settings { username: Some("me".into()), password_file: Some(missing), ..good },
            "cannot read the password file",
        ),
    ];
    for (settings, words) in cases {
        let session = run(settings);
        let status = session.until("failed", |s| s.last_error.is_some()).await;
        let error = status.last_error.unwrap().to_string();
        assert!(error.contains(words), "{error:?} must say {words:?}");
    }
}
