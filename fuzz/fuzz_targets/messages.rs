//! See `ftpd::fuzzing::messages`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::messages(input));
