//! See `ftpd::fuzzing::listing_arguments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::listing_arguments(input));
