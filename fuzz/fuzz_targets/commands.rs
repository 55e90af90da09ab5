//! See `ftpd::fuzzing::commands`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::commands(input));
