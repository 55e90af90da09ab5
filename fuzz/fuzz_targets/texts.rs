//! See `ftpd::fuzzing::texts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::texts(input));
