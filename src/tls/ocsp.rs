//! What somebody has to know of an OCSP response (RFC 6960 4.2.1) before it is shown to clients: that it speaks well of
//! the certificate, and for how long. Its signature is for the clients, who know whom they trust.

use der::Decode;
use x509_ocsp::{BasicOcspResponse, CertStatus, OcspGeneralizedTime, OcspResponse, OcspResponseStatus};

use super::certificate::serial_number;

/// Whether the response can be shown for this certificate now, in seconds since 1970; else why not.
pub fn examine(response: &[u8], certificate: &[u8], now: i64) -> Result<(), &'static str> {
    let broken = "it cannot be understood";
    let response = OcspResponse::from_der(response).map_err(|_| broken)?;
    if response.response_status != OcspResponseStatus::Successful {
        return Err("it says that the responder could not answer");
    }
    let basic = response.response_bytes.ok_or(broken)?;
    let basic = BasicOcspResponse::from_der(basic.response.as_bytes()).map_err(|_| broken)?;
    let number = serial_number(certificate).ok_or("the certificate cannot be understood")?;
    let about = |one: &&x509_ocsp::SingleResponse| one.cert_id.serial_number.as_bytes() == number;
    let single =
        basic.tbs_response_data.responses.iter().find(about).ok_or("it is about another certificate")?;
    match single.cert_status {
        CertStatus::Good(_) => {}
        CertStatus::Revoked(_) => return Err("it says that the certificate was revoked"),
        CertStatus::Unknown(_) => return Err("it says that the certificate is not known"),
    }
    let seconds =
        |time: OcspGeneralizedTime| i64::try_from(time.0.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    if now < seconds(single.this_update) {
        return Err("it is not valid yet");
    }
    if single.next_update.is_some_and(|until| now > seconds(until)) {
        return Err("it has expired");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, SerialNumber};

    const ENUMERATED: u8 = 0x0a;
    const OCTETS: u8 = 0x04;
    const SEQUENCE: u8 = 0x30;
    const TIME: u8 = 0x18;
    const TAG_0: u8 = 0xa0;
    const GOOD: u8 = 0x80;
    const REVOKED: u8 = 0xa1;
    /// An object identifier, for each place where one has to be.
    const SOMETHING: [u8; 5] = [6, 3, 0x55, 4, 3];

    fn wrap(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = u8::try_from(contents.len()).expect("length");
        let long: &[u8] = if length < 128 { &[] } else { &[0x81] };
        [&[tag], long, &[length], contents].concat()
    }

    fn response(serial: u8, status: u8) -> Vec<u8> {
        let algorithm = wrap(SEQUENCE, &SOMETHING);
        let id = [algorithm.clone(), wrap(OCTETS, b"n"), wrap(OCTETS, b"k"), wrap(2, &[serial])].concat();
        let since = if status == REVOKED { wrap(TIME, b"20210101000000Z") } else { Vec::new() };
        let next = wrap(TAG_0, &wrap(TIME, b"20300101000000Z"));
        let one = [wrap(SEQUENCE, &id), wrap(status, &since), wrap(TIME, b"20200101000000Z"), next].concat();
        let by = wrap(0xa2, &wrap(OCTETS, b"r"));
        let data = [by, wrap(TIME, b"20200101000000Z"), wrap(SEQUENCE, &wrap(SEQUENCE, &one))].concat();
        let basic = [wrap(SEQUENCE, &data), algorithm, wrap(3, &[0, 1])].concat();
        let typed = [SOMETHING.to_vec(), wrap(OCTETS, &wrap(SEQUENCE, &basic))].concat();
        wrap(SEQUENCE, &[wrap(ENUMERATED, &[0]), wrap(TAG_0, &wrap(SEQUENCE, &typed))].concat())
    }

    fn certificate() -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(7));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    const IN_2025: i64 = 1_750_000_000;

    #[test]
    fn a_good_word_about_this_certificate_is_shown_while_it_lasts() {
        let certificate = certificate();
        assert_eq!(examine(&response(7, GOOD), &certificate, IN_2025), Ok(()));
        assert_eq!(examine(&response(7, GOOD), &certificate, 1_500_000_000), Err("it is not valid yet"));
        assert_eq!(examine(&response(7, GOOD), &certificate, 1_900_000_000), Err("it has expired"));
        let revoked = examine(&response(7, REVOKED), &certificate, IN_2025);
        assert_eq!(revoked, Err("it says that the certificate was revoked"));
        assert_eq!(
            examine(&response(8, GOOD), &certificate, IN_2025),
            Err("it is about another certificate")
        );
        let refusal = wrap(SEQUENCE, &wrap(ENUMERATED, &[6]));
        assert_eq!(
            examine(&refusal, &certificate, IN_2025),
            Err("it says that the responder could not answer")
        );
    }

    proptest! {
        #[test]
        fn no_response_is_too_silly_to_be_read(bytes: Vec<u8>, at in 0usize..150, value: u8) {
            let _ = examine(&bytes, &certificate(), IN_2025);
            let mut damaged = response(7, GOOD);
            if let Some(byte) = damaged.get_mut(at) {
                *byte = value;
            }
            let _ = examine(&damaged, &certificate(), IN_2025);
        }
    }
}
