//! See `ftpd::fuzzing::configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::configuration(input));
