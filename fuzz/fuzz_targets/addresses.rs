//! See `ftpd::fuzzing::addresses`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::addresses(input));
