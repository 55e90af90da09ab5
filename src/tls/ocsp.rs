//! What somebody has to know of an OCSP response (RFC 6960 4.2.1) before it is shown to clients: that it speaks well of
//! the certificate, and for how long. Its signature is for the clients, who know whom they trust.

use super::certificate::{element, moment, serial_number};

const ENUMERATED: u8 = 0x0a;
const OCTETS: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
/// The version, which the first one does not say; also nextUpdate, and the status "good".
const TAG_0: u8 = 0xa0;
const GOOD: u8 = 0x80;
const REVOKED: u8 = 0xa1;

/// Whether the response can be shown for this certificate now, in seconds since 1970; else why not.
pub fn examine(response: &[u8], certificate: &[u8], now: i64) -> Result<(), &'static str> {
    let (status, updates) = single(response, certificate)?;
    match status {
        GOOD => {}
        REVOKED => return Err("it says that the certificate was revoked"),
        _ => return Err("it says that the certificate is not known"),
    }
    let (from, until) = updates;
    if now < from {
        return Err("it is not valid yet");
    }
    if until.is_some_and(|until| now > until) {
        return Err("it has expired");
    }
    Ok(())
}

/// What is said of the certificate: the status, and from when until when.
fn single(response: &[u8], certificate: &[u8]) -> Result<(u8, (i64, Option<i64>)), &'static str> {
    let broken = "it cannot be understood";
    let within = |tag: u8, der: &[u8]| -> Option<Vec<u8>> {
        element(der).filter(|(found, ..)| *found == tag).map(|(_, contents, _)| contents.to_vec())
    };
    let whole = within(SEQUENCE, response).ok_or(broken)?;
    let (tag, status, bytes) = element(&whole).ok_or(broken)?;
    if tag != ENUMERATED || status != [0] {
        return Err("it says that the responder could not answer");
    }
    let basic = || -> Option<Vec<u8>> {
        let typed = within(SEQUENCE, &within(TAG_0, bytes)?)?;
        // Behind the type, which is the only one there is.
        let (_, _, octets) = element(&typed)?;
        let data = within(SEQUENCE, &within(SEQUENCE, &within(OCTETS, octets)?)?)?;
        let mut rest = data.as_slice();
        if rest.first() == Some(&TAG_0) {
            rest = element(rest)?.2;
        }
        // Who responds, and when.
        for _ in 0..2 {
            rest = element(rest)?.2;
        }
        within(SEQUENCE, rest)
    };
    let responses = basic().ok_or(broken)?;
    let serial = serial_number(certificate).ok_or("the certificate cannot be understood")?;
    let mut rest = responses.as_slice();
    while let Some((SEQUENCE, one, behind)) = element(rest) {
        rest = behind;
        let found = || -> Option<(bool, u8, i64, Option<i64>)> {
            let (_, id, one) = element(one)?;
            let (_, _, hashes) = element(id)?;
            let (_, _, key) = element(hashes)?;
            let (_, _, number) = element(key)?;
            let (_, number, _) = element(number)?;
            let (status, _, times) = element(one)?;
            let (tag, this, next) = element(times)?;
            let until = within(TAG_0, next)
                .and_then(|next| element(&next).and_then(|(tag, text, _)| moment(tag, text)));
            Some((number == serial, status, moment(tag, this)?, until))
        };
        match found() {
            Some((true, status, from, until)) => return Ok((status, (from, until))),
            Some(_) => {}
            None => return Err(broken),
        }
    }
    Err("it is about another certificate")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, SerialNumber};

    fn wrap(tag: u8, contents: &[u8]) -> Vec<u8> {
        assert!(contents.len() < 128);
        [&[tag, contents.len() as u8], contents].concat()
    }

    fn response(serial: u8, status: u8) -> Vec<u8> {
        let id = [wrap(SEQUENCE, &[6, 1, 42]), wrap(OCTETS, b"n"), wrap(OCTETS, b"k"), wrap(2, &[serial])]
            .concat();
        let next = wrap(TAG_0, &wrap(0x18, b"20300101000000Z"));
        let one = [wrap(SEQUENCE, &id), wrap(status, b""), wrap(0x18, b"20200101000000Z"), next].concat();
        let by = wrap(0xa2, &wrap(OCTETS, b"r"));
        let data = [by, wrap(0x18, b"20200101000000Z"), wrap(SEQUENCE, &wrap(SEQUENCE, &one))].concat();
        let basic = wrap(SEQUENCE, &wrap(SEQUENCE, &data));
        let typed = wrap(SEQUENCE, &[wrap(6, &[42]), wrap(OCTETS, &basic)].concat());
        wrap(SEQUENCE, &[wrap(ENUMERATED, &[0]), wrap(TAG_0, &typed)].concat())
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
        fn no_response_is_too_silly_to_be_read(bytes: Vec<u8>, at in 0usize..60, value: u8) {
            let _ = examine(&bytes, &certificate(), IN_2025);
            let mut damaged = response(7, GOOD);
            if let Some(byte) = damaged.get_mut(at) {
                *byte = value;
            }
            let _ = examine(&damaged, &certificate(), IN_2025);
        }
    }
}
