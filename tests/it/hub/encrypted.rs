//! HTTPS: whom the command line trusts, who is turned away, and a certificate that is renewed.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Output;

use vedette::base::clock::SystemClock;
use vedette::hub::{Hub, Settings};

use super::running::{Running, start};
use crate::support::certificates::{Authority, NOW, authority, certificate};
use crate::support::detectors::{self, library, vedette};

fn show(folder: &Path, by: &Authority) {
    let (cert, key) = certificate(by, "127.0.0.1", NOW);
    std::fs::write(folder.join("hub.key"), key).unwrap();
    std::fs::write(folder.join("hub.pem"), cert).unwrap();
    std::fs::write(folder.join("ca.pem"), by.pem()).unwrap();
}

fn address(hub: &Running) -> SocketAddr {
    hub.url.trim_start_matches("http://").parse().unwrap()
}

/// `vedette registry list` over `scheme`.
async fn list(hub: &Running, folder: &Path, scheme: &str) -> Output {
    let library = library("VEDETTE_ORT").unwrap();
    let token = folder.join("token");
    std::fs::write(&token, &hub.admin).unwrap();
    let words = [
        "registry".to_owned(),
        "list".to_owned(),
        format!("--hub={scheme}://{}", address(hub)),
        format!("--token-file={}", token.display()),
        format!("--ca={}", folder.join("ca.pem").display()),
    ];
    let run = move || vedette(&library, &words.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn encrypted(folder: &Path) -> Option<Running> {
    let lines = format!(
        "serving: {{ load: none }}\ntls: {{ cert_file: '{0}/hub.pem', key_file: '{0}/hub.key' }}\n",
        folder.display()
    );
    start(&lines).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_trusts_whom_it_is_told_to_and_a_renewed_certificate_needs_no_restart() {
    let folder = tempfile::tempdir().unwrap();
    show(folder.path(), &authority("ours"));
    let Some(hub) = encrypted(folder.path()).await else { return };
    let output = list(&hub, folder.path(), "https").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // The command trusts another authority now, and the hub still shows the former one's certificate.
    let other = authority("other");
    std::fs::write(folder.path().join("ca.pem"), other.pem()).unwrap();
    let output = list(&hub, folder.path(), "https").await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.contains("UnknownIssuer"), "{told}");

    show(folder.path(), &other);
    let output = list(&hub, folder.path(), "https").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // One that is no certificate is not taken: the hub goes on with what it has.
    std::fs::write(folder.path().join("hub.pem"), "half of a fi").unwrap();
    let output = list(&hub, folder.path(), "https").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_encrypted_is_turned_away_and_whoever_is_silent_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    show(folder.path(), &authority("ours"));
    let Some(hub) = encrypted(folder.path()).await else { return };
    let mut silent: Vec<_> = (0..20).map(|_| TcpStream::connect(address(&hub)).unwrap()).collect();
    silent[0].write_all(&[0x16, 3, 1]).unwrap();
    assert_eq!(list(&hub, folder.path(), "http").await.status.code(), Some(1));
    let output = list(&hub, folder.path(), "https").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    drop(silent);
    hub.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_shown_is_told_at_the_start() {
    if !detectors::load() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    show(folder.path(), &authority("ours"));
    let config = folder.path().join("hub.yaml");
    for (cert, key, told) in [
        ("none.pem", "hub.key", "none.pem"),
        ("hub.key", "hub.key", "holds no certificate"),
        ("hub.pem", "ca.pem", "holds no key"),
    ] {
        let lines = format!("listen: 127.0.0.1:0\ndata_dir: data\ntls: {{ cert_file: {cert}, key_file: {key} }}\n");
        std::fs::write(&config, lines).unwrap();
        let error = Hub::open(Settings::load(&config).unwrap(), SystemClock::shared()).await.err().unwrap();
        assert!(error.to_string().contains(told), "{error}");
    }
}
