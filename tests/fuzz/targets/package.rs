//! Any bytes as a package: refused, or read in bounds, whatever header, manifest and places say.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette_fuzz::model::package::Envelope;

fuzz_target!(|bytes: &[u8]| {
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
});
