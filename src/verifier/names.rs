//! What a certificate calls its holder.

use aws_lc_rs::digest::{SHA256, digest};
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::Refusal;
use crate::ipc::messages::{Distrust, FromVerifier};
use crate::tls::claims::hexadecimal;

/// The most names of one kind that are told, and the longest, in bytes: all of them must fit into a message.
const MAX_NAMES: usize = 8;
const MAX_NAME: usize = 256;

/// The longest subject.
const MAX_SUBJECT: usize = 1024;

const COMMON_NAME: Oid<'static> = oid!(2.5.4.3);
const USER_ID: Oid<'static> = oid!(0.9.2342.19200300.100.1.1);
const EMAIL: Oid<'static> = oid!(1.2.840.113549.1.9.1);
const PRINCIPAL: Oid<'static> = oid!(1.3.6.1.4.1.311.20.2.3);

/// The short names of attributes (RFC 4514 3), and two that OpenSSL uses, too.
const SHORT: &[(Oid<'static>, &str)] = &[
    (COMMON_NAME, "CN"),
    (oid!(2.5.4.7), "L"),
    (oid!(2.5.4.8), "ST"),
    (oid!(2.5.4.10), "O"),
    (oid!(2.5.4.11), "OU"),
    (oid!(2.5.4.6), "C"),
    (oid!(2.5.4.9), "STREET"),
    (oid!(0.9.2342.19200300.100.1.25), "DC"),
    (USER_ID, "UID"),
    (EMAIL, "emailAddress"),
    (oid!(2.5.4.5), "serialNumber"),
];

/// The names of a certificate in DER.
pub fn of(der: &[u8], is_trusted: bool) -> Result<FromVerifier, Refusal> {
    let unusable = |text: &str| Refusal::new(Distrust::Unusable, text);
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|_| unusable("the certificate cannot be understood"))?;
    let subject = certificate.subject();
    let mut emails = attributes(subject, &EMAIL);
    let (mut dns_names, mut principals) = (Vec::new(), Vec::new());
    let others = certificate
        .subject_alternative_name()
        .map_err(|_| unusable("the other names of the certificate cannot be understood"))?;
    for name in others.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::RFC822Name(mail) => emails.push((*mail).to_string()),
            GeneralName::DNSName(name) => dns_names.push((*name).to_string()),
            GeneralName::OtherName(kind, value) if *kind == PRINCIPAL => principals.extend(text(value)),
            _ => {}
        }
    }
    let bounded = |mut names: Vec<String>| {
        names.retain(|name| name.len() <= MAX_NAME && !name.chars().any(char::is_control));
        names.truncate(MAX_NAMES);
        names
    };
    let whole = written(subject);
    if whole.len() > MAX_SUBJECT {
        return Err(unusable("the subject of the certificate is too long"));
    }
    Ok(FromVerifier::Accepted {
        is_trusted,
        fingerprint: digest(&SHA256, der).as_ref().to_vec(),
        subject: whole,
        common_names: bounded(attributes(subject, &COMMON_NAME)),
        user_ids: bounded(attributes(subject, &USER_ID)),
        emails: bounded(emails),
        dns_names: bounded(dns_names),
        principals: bounded(principals),
    })
}

/// The values of an attribute.
fn attributes(name: &X509Name<'_>, kind: &Oid<'_>) -> Vec<String> {
    name.iter_by_oid(kind).filter_map(value).collect()
}

fn value(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    attribute.as_str().map(String::from).ok().or_else(|| {
        // Old forms of text, 16 bits a letter.
        let bytes = attribute.attr_value().data;
        let is_wide = attribute.attr_value().tag() == x509_parser::asn1_rs::Tag::BmpString;
        let wide: Vec<u16> =
            bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        (is_wide && bytes.len() % 2 == 0).then(|| String::from_utf16(&wide).ok()).flatten()
    })
}

/// The whole name as in RFC 4514: the last part first.
fn written(name: &X509Name<'_>) -> String {
    let mut parts = Vec::new();
    for part in name.iter_rdn() {
        let values = part.iter().map(|attribute| {
            let short = SHORT.iter().find(|(kind, _)| kind == attribute.attr_type());
            let kind =
                short.map_or_else(|| attribute.attr_type().to_id_string(), |(_, name)| (*name).to_string());
            match value(attribute) {
                Some(value) => format!("{kind}={}", escaped(&value)),
                None => format!("{kind}=#{}", hexadecimal(attribute.attr_value().data)),
            }
        });
        parts.push(values.collect::<Vec<_>>().join("+"));
    }
    parts.reverse();
    parts.join(",")
}

/// What would end a part is marked (RFC 4514 2.4).
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (index, letter) in value.chars().enumerate() {
        let is_at_edge = (letter == ' ' && (index == 0 || index == last)) || (letter == '#' && index == 0);
        match letter {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', letter]),
            _ if is_at_edge => text.extend(['\\', letter]),
            _ if letter.is_control() => {
                let mut bytes = [0; 4];
                text.extend(letter.encode_utf8(&mut bytes).bytes().map(|byte| format!("\\{byte:02X}")));
            }
            _ => text.push(letter),
        }
    }
    text
}

/// A text inside an explicit tag.
fn text(der: &[u8]) -> Option<String> {
    let (_, any) = x509_parser::asn1_rs::Any::from_der(der).ok()?;
    let inner = match any.class() {
        x509_parser::asn1_rs::Class::ContextSpecific => x509_parser::asn1_rs::Any::from_der(any.data).ok()?.1,
        _ => any,
    };
    std::str::from_utf8(inner.data).ok().map(String::from)
}
