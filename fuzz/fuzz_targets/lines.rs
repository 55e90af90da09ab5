//! See `ftpd::fuzzing::lines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::lines(input));
