//! See `ftpd::fuzzing::streams`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::streams(input));
