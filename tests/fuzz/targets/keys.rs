//! [`vedette_fuzz::checks::keys`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vedette_fuzz::checks::keys(bytes));
