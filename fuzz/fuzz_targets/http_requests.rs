//! See `ftpd::fuzzing::http_requests`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ftpd::fuzzing::http_requests(input));
