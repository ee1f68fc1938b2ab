//! `spool::ring::fuzzed`, which is compiled only here and for the ring's own tests.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vedette_fuzz::spool::recovers(bytes));
