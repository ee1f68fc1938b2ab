//! [`vedette_fuzz::checks::gallery`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vedette_fuzz::checks::gallery(bytes));
