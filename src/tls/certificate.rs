//! What is to be known of a certificate beside what rustls knows: from when until when it is valid (RFC 5280 4.1).

use time::{Date, Month, PrimitiveDateTime, Time};

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version, which the first one does not say.
const VERSION: u8 = 0xa0;

/// When a certificate begins and ceases to be valid, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub not_before: i64,
    pub not_after: i64,
}

/// Its number among those of its issuer.
pub fn serial_number(certificate: &[u8]) -> Option<&[u8]> {
    element(behind_version(certificate)?).map(|(_, number, _)| number)
}

/// What the issuer has signed, but for the version.
fn behind_version(certificate: &[u8]) -> Option<&[u8]> {
    let (_, whole, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, inner, _) = element(whole).filter(|(tag, ..)| *tag == SEQUENCE)?;
    match inner.first() {
        Some(&VERSION) => element(inner).map(|(_, _, rest)| rest),
        _ => Some(inner),
    }
}

/// The validity of a certificate in DER; none, if it is no certificate.
pub fn validity(certificate: &[u8]) -> Option<Validity> {
    let mut inner = behind_version(certificate)?;
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        inner = element(inner)?.2;
    }
    let (_, times, _) = element(inner).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (first_tag, first, rest) = element(times)?;
    let (second_tag, second, _) = element(rest)?;
    Some(Validity { not_before: moment(first_tag, first)?, not_after: moment(second_tag, second)? })
}

/// The first element: its tag, its contents, and what follows it.
pub(super) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (digits, behind) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|_| first <= 0x84)?;
        length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = behind;
    }
    let (contents, behind) = rest.split_at_checked(length)?;
    Some((tag, contents, behind))
}

/// `YYMMDDHHMMSSZ`, with years from 1950 on, or the same with four digits for the year.
pub(super) fn moment(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i32 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let number = |at: usize| rest.get(at..at + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(year, Month::try_from(number(0)?).ok()?, number(2)?).ok()?;
    let time = Time::from_hms(number(4)?, number(6)?, number(8)?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
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
