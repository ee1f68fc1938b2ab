//! No secret shows: a canary in every place where a configuration has one, and a look through all that the program says,
//! publishes and writes, at the most talkative level of its log.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::json;
use vedette::model::keys::SecretKey;
use vedette::vocab::Id;
use vedette::wire::{DesiredMessage, DesiredModel, PackageRef, to_json};

use super::agent::{AGENT, Agent};
use super::ear::{Ear, now, topic, until};
use crate::support::certificates;
use crate::support::clip_hub::ClipHub;
use crate::support::detectors::library;
use crate::support::rtsp::{Offer, Server, free_port};
use crate::support::subscriber::Subscriber;
use crate::support::{clips, mosquitto};

/// What each secret contains, and where it stands. Those of the cameras have more behind it that a URL must encode.
const CANARIES: [(&str, &str); 12] = [
    ("s3cret", "the password of a camera that lets us in"),
    ("kanariUser", "the user in the URL of a camera"),
    ("kanariUrl", "the password in the URL of a camera"),
    ("kanariQuery", "the query of the URL of a camera"),
    ("kanariAway", "the password in the URL of a camera that is away"),
    ("kanariTyped", "a password that was written where its file belongs"),
    ("kanariBroker", "the password at the broker"),
    ("kanariInline", "a password in the URL of the broker"),
    ("kanariToken", "the token at the hub"),
    ("kanariGallery", "what was written in place of a gallery's key"),
    ("kanariVariable", "a variable of the environment"),
    ("kanariOverlay", "a password in an overlay"),
];

/// Everything that was looked for: the canaries, and the key of a certificate.
struct Canaries {
    texts: Vec<(Vec<u8>, String)>,
}

impl Canaries {
    fn new(key: &str) -> Self {
        let mut texts = Vec::new();
        let line = key.lines().find(|line| !line.starts_with('-')).unwrap();
        for (text, place) in CANARIES.into_iter().chain([(line, "the key of a certificate")]) {
            texts.push((text.as_bytes().to_vec(), place.to_owned()));
            for before in 0..3 {
                texts.push((encoded(text, before).into_bytes(), format!("{place}, in base64")));
            }
        }
        Self { texts }
    }

    fn assert_absent(&self, what: &str, bytes: &[u8]) {
        for (text, place) in &self.texts {
            if let Some(at) = bytes.windows(text.len()).position(|window| window == text) {
                let around = String::from_utf8_lossy(&bytes[at.saturating_sub(200)..(at + 80).min(bytes.len())]);
                panic!("{what} shows {place}: …{around}…");
            }
        }
    }
}

/// What stands in base64 wherever `text` stands with so many bytes (modulo 3) before it.
fn encoded(text: &str, before: usize) -> String {
    let whole = STANDARD_NO_PAD.encode([&vec![0; before][..], text.as_bytes()].concat());
    whole[(before * 8).div_ceil(6)..(before + text.len()) * 8 / 6].to_owned()
}

#[test]
fn a_canary_is_found_in_base64_wherever_it_stands() {
    for user in ["", "a", "ab", "viewer:"] {
        let header = STANDARD_NO_PAD.encode(format!("{user}kanariUrl and more"));
        assert!((0..3).any(|before| header.contains(&encoded("kanariUrl", before))), "{header}");
    }
}

/// A folder of credentials, as systemd makes it.
fn credentials(folder: &Path, certificate: &(String, String)) -> PathBuf {
    let credentials = folder.join("credentials");
    fs::create_dir(&credentials).unwrap();
    let files = [
        ("door.password", "s3cret\n"),
        ("mqtt.password", "kanariBroker/ä\n"),
        ("hub.token", "vedette_kanariToken\n"),
        ("gallery.key", "kanariGallery\n"),
        ("client.pem", &certificate.0),
        ("client.key", &certificate.1),
    ];
    for (name, content) in files {
        fs::write(credentials.join(name), content).unwrap();
    }
    credentials
}

/// A broker that knows the agent's password, and lets in others without one.
fn broker() -> Option<mosquitto::Mosquitto> {
    let folder = tempfile::tempdir().unwrap();
    let passwords = folder.path().join("passwords");
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c", passwords.to_str().unwrap(), AGENT, "kanariBroker/ä"])
        .status();
    if made.is_err() {
        println!("SKIPPED: mosquitto_passwd is not installed");
        return None;
    }
    mosquitto::start_in(folder, &[&format!("password_file {}", passwords.display()), "allow_anonymous true"])
}

fn sections(broker: &str, hub: &str, camera: &Server) -> String {
    let key = SecretKey::from_seed("hub", [9; 32]).public();
    let live = camera.url();
    let there = live.strip_prefix("rtsp://").unwrap();
    format!(
        "mqtt: {{ url: \"{broker}\", username: {AGENT}, password_file: mqtt.password, keep_alive_seconds: 1 }}\n\
         hub: {{ url: \"{hub}\", token_file: hub.token, keys: [\"{key}\"] }}\n\
         spool: {{ alert_mib: 1, event_mib: 1, telemetry_mib: 1 }}\n\
         models: {{ people: {{ file: \"bundled:vedette-nano\", provider: cpu }} }}\n\
         cameras:\n\
         \x20 - {{ id: door, url: \"{live}\", username: viewer, password_file: door.password }}\n\
         \x20 - {{ id: wrong, url: \"rtsp://kanariUser%2F:kanariUrl%2F%C3%A4@{there}?token=kanariQuery\" }}\n\
         \x20 - {{ id: away, url: \"rtsp://kanariUser:kanariAway@127.0.0.1:{}/live\", detect: {{ model: people }} }}\n\
         \x20 - {{ id: typed, url: \"{live}\", username: viewer, password_file: kanariTyped }}\n",
        free_port()
    )
}

/// A package that the hub is to have, and has not.
fn wish() -> Vec<u8> {
    let package = PackageRef { model: Id::new("people").unwrap(), version: 2, sha256: "0".repeat(64), size: 9 };
    let model = DesiredModel { rollout: "people-2-1".into(), package: Some(package), proof: None };
    let models = [(Id::new("people").unwrap(), model)].into();
    let wish = DesiredMessage { agent: Id::new(AGENT).unwrap(), revision: 1, models, config: None };
    to_json(&wish.sign(&SecretKey::from_seed("hub", [9; 32])).unwrap())
}

/// Every file below `folder`, with its content.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(files(&entry.path())),
            kind if kind.is_file() => found.push((entry.path(), fs::read(entry.path()).unwrap())),
            _ => {}
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_logged_published_or_kept() {
    if library("VEDETTE_ORT").is_none() {
        return;
    }
    let Some(broker) = broker() else { return };
    let all = Subscriber::start(broker.port(), "all", "#").await;
    let ear = Ear::at(&broker).await;
    let hub = ClipHub::start(&[]);
    let camera = Server::start(Offer { auth: Some("basic"), ..Offer::h264(128, 64, 10) });
    let certificate = certificates::certificate(&certificates::authority("kanari"), "gate", certificates::NOW);
    let canaries = Canaries::new(&certificate.1);

    let mut agent = Agent::new(&broker.url(), &sections(&broker.url(), &hub.url(), &camera));
    let credentials = credentials(agent.folder(), &certificate);
    agent.set("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap());
    agent.set("KANARI", "kanariVariable");
    agent.set("VEDETTE_LOG", "trace");
    let began = now();
    agent.start();
    ear.online(began).await;
    ear.camera("door", "streaming", began).await;
    ear.camera("wrong", "auth-failed", began).await;
    ear.camera("away", "backoff", began).await;
    ear.camera("typed", "disabled", began).await;
    all.client.publish(topic("desired"), rumqttc::QoS::AtLeastOnce, true, wish()).await.unwrap();
    until("the download", || hub.look(|book| book.tokens.first().cloned())).await;
    for (name, args) in [("status", json!({})), ("snapshot", json!({"camera": "door"})), ("status", json!({"a": 1}))] {
        ear.command(name, &format!("a-{name}-{args}").replace(|c: char| !c.is_ascii_alphanumeric(), "-"), args).await;
    }
    // A password where none belongs is a fault of the file, and told as one.
    let faulty = sections("mqtt://gate:kanariInline@127.0.0.1:1", &hub.url(), &camera);
    agent.configure("", &faulty);
    ear.command("reload", "faulty", json!({})).await;
    agent.signal(Signal::TERM);
    assert!(agent.await_end().0.success());

    let log = agent.log_text();
    assert!(log.contains("TRACE"), "the log is not talkative");
    canaries.assert_absent("the log", log.as_bytes());
    let messages = all.messages();
    assert!(messages.len() > 10, "only {} messages", messages.len());
    for message in messages {
        canaries.assert_absent(&message.topic, &message.payload);
        canaries.assert_absent("a topic", message.topic.as_bytes());
    }
    let state = files(&agent.folder().join("state"));
    assert!(state.iter().any(|(path, _)| path.ends_with("spool.ring")), "{:?}", state.len());
    for (path, bytes) in state {
        canaries.assert_absent(&path.display().to_string(), &bytes);
    }
}

/// Runs the program at its most talkative, and looks through what it prints.
fn looks_through(canaries: &Canaries, folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette"));
    let command =
        command.args(arguments).current_dir(folder).env("VEDETTE_LOG", "trace").env("KANARI", "kanariVariable");
    let output = command.env("CREDENTIALS_DIRECTORY", folder.join("credentials")).output().unwrap();
    for (what, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        canaries.assert_absent(&format!("{what} of {arguments:?}"), bytes);
    }
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}

#[test]
fn no_command_prints_a_secret() {
    let Some(runtime) = library("VEDETTE_ORT") else { return };
    let folder = tempfile::tempdir().unwrap();
    let certificate = certificates::certificate(&certificates::authority("kanari"), "gate", certificates::NOW);
    let canaries = Canaries::new(&certificate.1);
    credentials(folder.path(), &certificate);
    let camera = Server::start(Offer { auth: Some("basic"), ..Offer::h264(128, 64, 10) });
    // Nobody speaks TLS there.
    let tls = format!(
        "agent: {{ id: {AGENT}, state_dir: {} }}\nruntime: {{ library: {runtime:?} }}\n{}",
        folder.path().join("state").display(),
        sections(&format!("mqtts://127.0.0.1:{}", free_port()), "http://127.0.0.1:1", &camera).replace(
            "password_file: mqtt.password",
            "password_file: mqtt.password, cert_file: credentials/client.pem, key_file: client.key"
        )
    );
    let identify = "identify: { detector: { file: a.onnx }, embedder: { file: b.onnx }, gallery: people.gallery, key_file: gallery.key }\n";
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("good.yaml", &format!("{tls}{identify}"));
    write("inline.yaml", &tls.replace("mqtts://", "mqtts://gate:kanariInline@"));
    write("broken.yaml", &tls.replace("kanariAway@", "kanariAway@["));
    write("key.yaml", &tls.replace("username: gate", "pasword: kanariBroker, username: gate"));
    write("overlay.yaml", "cameras: { door: { url: \"rtsp://a:kanariOverlay@b/\", password_file: kanariOverlay } }\n");
    write("people.gallery", "no gallery");
    let clip = clips::make(
        folder.path(),
        "clip.mkv",
        20,
        "format=I420,width=128,height=64,framerate=10/1",
        "x264enc ! h264parse ! matroskamux",
    );
    let clip = clip.to_str().unwrap();
    let run = |arguments: &[&str]| looks_through(&canaries, folder.path(), arguments);

    for file in ["good.yaml", "inline.yaml", "broken.yaml", "key.yaml"] {
        run(&["check", "-c", file]);
        run(&["check", "-c", file, "--json"]);
    }
    let faults = run(&["check", "-c", "good.yaml", "--overlay", "overlay.yaml"]);
    assert!(faults.contains("credentials stay on the box"), "{faults}");
    assert!(run(&["check", "-c", "good.yaml"]).contains("ok: 4 cameras"));
    let probed = run(&["check", "-c", "good.yaml", "--probe", "--probe-limit", "5", "--json"]);
    assert!(probed.contains("\"wrong\"") || probed.contains("camera wrong"), "{probed}");
    let replayed = run(&["replay", "-c", "good.yaml", "--camera", "away", "--input", clip]);
    assert!(replayed.contains("replayed"), "{replayed}");
    run(&["rules", "test", "-c", "good.yaml"]);
    run(&["doctor", "--state-dir", "state"]);
    run(&["gallery", "list", "people.gallery", "--key", "credentials/gallery.key"]);
    run(&["gallery", "keygen", "credentials/gallery.key"]);
    run(&["registry", "list", "--hub", "http://127.0.0.1:1", "--token-file", "credentials/hub.token"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_leaves_no_core_dump() {
    let Some(broker) = mosquitto::start(&[]) else { return };
    // As where somebody wants core dumps: what is started from here may leave one.
    let most = getrlimit(Resource::Core).maximum;
    setrlimit(Resource::Core, Rlimit { current: most, maximum: most }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let other = Command::new("sh").args(["-c", "kill -ABRT $$"]).current_dir(folder.path()).status().unwrap();
    if !other.core_dumped() {
        println!("SKIPPED a_crash_leaves_no_core_dump: no crash leaves a core dump on this machine");
        return;
    }
    let ear = Ear::at(&broker).await;
    let mut agent = Agent::new(&broker.url(), "cameras: [ { id: door, url: \"rtsp://127.0.0.1:1/\" } ]\n");
    let began = now();
    agent.start();
    ear.online(began).await;
    agent.signal(Signal::ABORT);
    let (status, _) = agent.await_end();
    assert_eq!((status.signal(), status.core_dumped()), (Some(Signal::ABORT.as_raw()), false), "{status}");
}
