//! See `ftpd::fuzzing::arguments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::arguments(input));
