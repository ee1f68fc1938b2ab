//! Any bytes as an ONNX file: refused, or read and checked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette_fuzz::model::{Facts, hostile};

fuzz_target!(|bytes: &[u8]| {
    let facts = Facts::parse(bytes);
    let checked = hostile::check(bytes);
    // What passes the checks has no weights elsewhere.
    if let (Ok(facts), Ok(())) = (facts, checked) {
        assert!(!facts.has_external_data);
    }
});
