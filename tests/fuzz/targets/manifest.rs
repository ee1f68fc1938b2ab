//! Any bytes as a manifest: refused, or read as the one value of which they are the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette_fuzz::model::manifest::Manifest;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::read(bytes) {
        assert_eq!(manifest.write().expect("what was read can be written"), bytes);
    }
});
