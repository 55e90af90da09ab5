//! See `ftpd::fuzzing::certificates`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::certificates(input));
