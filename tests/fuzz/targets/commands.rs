//! [`vedette_fuzz::checks::commands`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vedette_fuzz::checks::commands(bytes));
