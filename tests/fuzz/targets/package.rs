//! [`vedette_fuzz::checks::package`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vedette_fuzz::checks::package(bytes));
