//! See `ftpd::fuzzing::paths`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::paths(input));
