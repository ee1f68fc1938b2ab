//! Any text as a file of trusted keys: refused, or keys of which enough have signed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vedette_fuzz::model::keys::{SignedList, Trust};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(trust) = Trust::from_file(text) {
        assert!((1..=trust.keys.len()).contains(&(trust.threshold as usize)));
    }
    if let Ok(list) = SignedList::from_json(text) {
        let again = SignedList::from_json(&list.to_json()).expect("what was read can be written");
        assert_eq!(again, list);
    }
});
