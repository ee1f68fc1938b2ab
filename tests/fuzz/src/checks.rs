//! What holds for any bytes at all, per target: fuzzing looks for bytes that break it, and a test of the program runs the
//! corpus through it. `super::model` and so on are the program's rooms.

use super::agent::commands::{self, Log};
use super::config::{self, Folders, Overlay};
use super::identify::gallery::{self, Gallery, Key, audit};
use super::model::keys::{SecretKey, SignedList, Trust};
use super::model::manifest::Manifest;
use super::model::package::Envelope;
use super::model::{Facts, hostile};
use super::vocab::{Id, Labels};
use super::wire::{
    AckMessage, CameraStateMessage, Command, CountMessage, DesiredMessage, EventMessage, Gap, HealthMessage, Inbound,
    PresenceMessage, Reply, ReportedMessage, Said, SignedDesired, Spoken, Topics, to_json,
};

/// Whose keys the seeds are signed with.
const HUB: [u8; 32] = [1; 32];

/// Any bytes as an ONNX file: refused, or read and checked.
pub fn onnx(bytes: &[u8]) {
    let facts = Facts::parse(bytes);
    let checked = hostile::check(bytes);
    // What passes the checks has no weights elsewhere.
    if let (Ok(facts), Ok(())) = (facts, checked) {
        assert!(!facts.has_external_data);
    }
}

/// Any bytes as a package: refused, or read in bounds, whatever header, manifest and places say.
pub fn package(bytes: &[u8]) {
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    let _ = envelope.signers();
    // Whoever has a key can sign anything: what follows the signatures is read as if they held.
    let Ok(package) = envelope.open() else { return };
    let _ = package.check_digests();
    let sizes = package.manifest.files.iter().map(|file| {
        let blob = package.blob(&file.name).expect("every file that is listed is there");
        assert_eq!(blob.len() as u64, file.size);
        file.size
    });
    assert!(sizes.sum::<u64>() <= bytes.len() as u64);
}

/// Any bytes as a manifest: refused, or read as the one value of which they are the text.
pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::read(bytes) {
        assert_eq!(manifest.write().expect("what was read can be written"), bytes);
    }
}

/// Any text as a file of trusted keys: refused, or keys of which enough have signed.
pub fn keys(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(trust) = Trust::from_file(text) {
        assert!((1..=trust.keys.len()).contains(&(trust.threshold as usize)));
    }
    if let Ok(list) = SignedList::from_json(text) {
        let again = SignedList::from_json(&list.to_json()).expect("what was read can be written");
        assert_eq!(again, list);
    }
}

/// Any bytes as a configuration, those after the first NUL as an overlay over it: refused with at least one fault, each at a
/// place of its text, or made into what every room needs.
pub fn config(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (file, overlay) = (parts.next().unwrap_or_default(), parts.next());
    let overlay = overlay.and_then(|text| std::str::from_utf8(text).ok());
    let overlay = match overlay.map(Overlay::read) {
        Some(Err(faults)) => return assert!(faults.any_errors()),
        Some(Ok(overlay)) => Some(overlay),
        None => None,
    };
    let folders = Folders { config: "/etc/vedette".into(), credentials: None };
    let config = match config::load_with(file, overlay.as_ref(), &folders) {
        Ok(loaded) => loaded.config,
        Err(faults) => {
            assert!(faults.errors() > 0);
            assert!(faults.iter().all(|fault| fault.line > 0 && fault.column > 0));
            return drop(faults.render("vedette.yaml"));
        }
    };
    let labels = Labels::new(vec!["person".to_owned(), "vehicle".to_owned()]);
    for camera in &config.cameras {
        let _ = camera.decode_source();
        let _ = (camera.camera_settings(), camera.scene_settings(), camera.behaviour_settings());
    }
    for model in &config.models {
        let _ = (model.detect_settings(None), model.track_settings(&labels), model.thresholds());
    }
    let _ = format!("{config:?}");
}

/// A topic, a line end, and any bytes that come to an agent on it: refused with words that can be sent, or understood.
pub fn commands(bytes: &[u8]) {
    let Some((topic, payload)) = letter(bytes) else { return };
    let agent = Id::new("gate").expect("an id");
    match Topics::new(&agent).read(topic) {
        Some(Inbound::Command(name)) => command(name, payload),
        Some(Inbound::Ack) => {
            if let Ok(ack) = serde_json::from_slice::<AckMessage>(payload) {
                again(&ack);
            }
        }
        Some(Inbound::Desired) => desired(payload, &agent),
        None => {}
    }
}

fn command(name: &str, payload: &[u8]) {
    let Ok(command) = Command::read(payload) else { return };
    for now in [i64::MIN, 0, i64::MAX] {
        let _ = command.is_expired(now);
    }
    let refused = commands::interpret(name, &command).err();
    let reply = refused.unwrap_or_else(|| Reply::ok(&command.id));
    assert_eq!(reply.id, command.id);
    let mut log = Log::default();
    let row = log.remember(0, &reply);
    let kept = Log::from_rows([row.bytes.as_slice(), payload].into_iter());
    assert_eq!(kept.answer(&command.id), Some(&reply));
}

/// A wish as it comes; and, for whoever holds the hub's key can wish anything, the same signed.
fn desired(payload: &[u8], agent: &Id) {
    let key = SecretKey::from_seed("hub", HUB);
    let _ = DesiredMessage::verify(payload, agent, &[key.public()]);
    let Ok(text) = std::str::from_utf8(payload) else { return };
    let signature = key.sign(super::model::keys::Purpose::Desired, payload);
    let signed = to_json(&SignedDesired { payload: text.to_owned(), signature });
    let Ok(wish) = DesiredMessage::verify(&signed, agent, &[key.public()]) else { return };
    assert_eq!(wish.agent, *agent);
    if let Some(text) = wish.config.and_then(|config| config.text) {
        let _ = Overlay::read(&text);
    }
}

/// A topic, a line end, and any bytes that come to a hub on it: refused, or a message that can be written and read again.
pub fn wire(bytes: &[u8]) {
    let Some((topic, payload)) = letter(bytes) else { return };
    let Some(spoken) = Spoken::read(topic) else { return };
    match spoken.what {
        Said::Event => {
            read_again::<EventMessage>(payload);
            read_again::<Gap>(payload);
            read_again::<CountMessage>(payload);
        }
        Said::Reply(_) => read_again::<Reply>(payload),
        Said::Status => read_again::<PresenceMessage>(payload),
        Said::Health => read_again::<HealthMessage>(payload),
        Said::Camera(_) => read_again::<CameraStateMessage>(payload),
        Said::Reported => read_again::<ReportedMessage>(payload),
        Said::Snapshot { name, .. } => assert!(!name.contains('/')),
    }
}

fn letter(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

fn read_again<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(payload: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<T>(payload) {
        again(&message);
    }
}

fn again<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(message: &T) {
    let written = to_json(message);
    assert_eq!(serde_json::from_slice::<T>(&written).expect("what was written can be read"), *message);
}

/// Any bytes as the file of a gallery, as what is sealed in one, and as its log: refused, or people who can be sealed again.
pub fn gallery(bytes: &[u8]) {
    let key = Key::from_bytes(HUB);
    let head = gallery::head(bytes);
    if let Ok(opened) = gallery::open(bytes, &key) {
        assert_eq!(head.expect("what opens has a head").revision, opened.revision);
    }
    // Whoever has the key can seal anything.
    if let Ok(people) = serde_json::from_slice::<Gallery>(bytes)
        && let Ok(file) = gallery::seal(&people, &key, [7; 12])
    {
        assert_eq!(gallery::open(&file, &key).expect("what was sealed opens"), people);
    }
    if let Some(lines) = std::str::from_utf8(bytes).ok().and_then(|text| audit::read(text).ok()) {
        let text: String = lines.iter().map(audit::Line::to_text).collect();
        assert_eq!(audit::read(&text).as_ref(), Ok(&lines));
    }
}
