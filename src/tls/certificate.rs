//! What is to be known of a certificate beside what rustls knows: from when until when it is valid (RFC 5280 4.1).

use x509_parser::prelude::{FromDer, X509Certificate};

/// When a certificate begins and ceases to be valid, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub not_before: i64,
    pub not_after: i64,
}

/// The validity of a certificate in DER; none, if it is no certificate.
pub fn validity(certificate: &[u8]) -> Option<Validity> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let validity = certificate.validity();
    Some(Validity { not_before: validity.not_before.timestamp(), not_after: validity.not_after.timestamp() })
}

/// Its number among those of its issuer, as it is written there.
pub fn serial_number(certificate: &[u8]) -> Option<Vec<u8>> {
    X509Certificate::from_der(certificate).ok().map(|(_, certificate)| certificate.raw_serial().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_validity_is_read_in_both_forms() {
        let mut parameters = rcgen::CertificateParams::new(vec!["ftp.example".to_string()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 2, 3);
        parameters.not_after = rcgen::date_time_ymd(2075, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let validity = validity(certificate.der()).unwrap();
        assert_eq!(validity, Validity { not_before: 1_770_076_800, not_after: 3_313_526_400 });
    }

    proptest! {
        #[test]
        fn no_certificate_is_too_silly_to_be_read(der: Vec<u8>) {
            let _ = validity(&der);
        }
    }
}
