//! See `ftpd::fuzzing::ascii`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::ascii(input));
