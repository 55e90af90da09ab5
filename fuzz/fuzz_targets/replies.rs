//! See `ftpd::fuzzing::replies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::replies(input));
