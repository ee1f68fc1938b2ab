//! What holds for any bytes at all, per target: fuzzing looks for bytes that break it, and a test of the program runs the
//! corpus through it. `super::model` is the program's room.

use super::model::keys::{SignedList, Trust};
use super::model::manifest::Manifest;
use super::model::package::Envelope;
use super::model::{Facts, hostile};

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
