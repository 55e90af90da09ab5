//! See `ftpd::fuzzing::proxy_headers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::proxy_headers(input));
