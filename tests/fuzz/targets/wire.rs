//! [`vedette_fuzz::checks::wire`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vedette_fuzz::checks::wire(bytes));
