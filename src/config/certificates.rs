//! Certificates of clients, as the configuration speaks of them: who has to have one, and which one is whose.

use std::fmt;
use std::str::FromStr;

use super::Config;
use super::value::text_values;
use super::values::words;
use crate::tls::claims::{Claims, hexadecimal};

words! {
    /// Whether clients are asked for a certificate.
    ClientCertificates {
        /// They are not.
        Off = "off",
        /// They may have one.
        Request = "request",
        /// Who has none is refused.
        Require = "require",
    }
    /// What proves who somebody is.
    LoginBy {
        /// His password.
        Password = "password",
        /// His certificate, and nothing else.
        Certificate = "certificate",
        /// His certificate, or else his password.
        Either = "either",
        /// His certificate and his password.
        Both = "both",
    }
    /// What in a certificate may be the name of a user.
    CertificateField {
        /// The common name of its subject.
        CommonName = "cn",
        /// The user id of its subject (RFC 4519 2.39).
        UserId = "uid",
        /// A mail address.
        Email = "email",
        /// A mail address, up to the at sign.
        EmailUser = "email-user",
        /// A name of the DNS.
        Dns = "dns",
        /// A user principal name, as Active Directory has them.
        Principal = "upn",
        /// A user principal name, up to the at sign.
        PrincipalUser = "upn-user",
    }
}

impl LoginBy {
    /// Whether the certificate alone is enough.
    pub fn needs_no_password(self) -> bool {
        match self {
            LoginBy::Certificate | LoginBy::Either => true,
            LoginBy::Password | LoginBy::Both => false,
        }
    }

    /// Whether nobody comes in without a certificate.
    pub fn needs_certificate(self) -> bool {
        match self {
            LoginBy::Certificate | LoginBy::Both => true,
            LoginBy::Password | LoginBy::Either => false,
        }
    }
}

impl CertificateField {
    /// Whether the certificate calls its holder so.
    fn names(self, claims: &Claims, user: &str) -> bool {
        let any = |names: &[String]| names.iter().any(|name| name == user);
        let before_at = |names: &[String]| {
            names.iter().any(|name| name.split_once('@').is_some_and(|(before, _)| before == user))
        };
        match self {
            CertificateField::CommonName => any(&claims.common_names),
            CertificateField::UserId => any(&claims.user_ids),
            CertificateField::Email => any(&claims.emails),
            CertificateField::EmailUser => before_at(&claims.emails),
            CertificateField::Dns => any(&claims.dns_names),
            CertificateField::Principal => any(&claims.principals),
            CertificateField::PrincipalUser => before_at(&claims.principals),
        }
    }
}

/// What a certificate must say, or be, to be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateMatch {
    /// The digest of the certificate (SHA-256).
    Fingerprint([u8; 32]),
    /// The whole name of its subject, as in RFC 4514.
    Subject(String),
    /// One of the names in it.
    Name(CertificateField, String),
}

impl CertificateMatch {
    /// Whether this is the certificate. What it says counts only if somebody who is trusted has signed it; which one it is
    /// counts always.
    fn is(&self, claims: &Claims) -> bool {
        match self {
            CertificateMatch::Fingerprint(digest) => *digest == claims.fingerprint,
            CertificateMatch::Subject(subject) => claims.is_trusted && *subject == claims.subject,
            CertificateMatch::Name(field, name) => claims.is_trusted && field.names(claims, name),
        }
    }
}

const FORMS: &str = "\"sha256:\" with 64 digits, \"dn:CN=alice,O=example\", \"cn:alice\", \"uid:alice\", \
                     \"email:alice@example.org\", \"dns:alice.example.org\" or \"upn:alice@example.org\"";

impl FromStr for CertificateMatch {
    type Err = String;

    fn from_str(text: &str) -> Result<CertificateMatch, String> {
        let wrong = || format!("{text:?} is none of these: {FORMS}");
        let (kind, value) = text.split_once(':').filter(|(_, value)| !value.is_empty()).ok_or_else(wrong)?;
        if kind == "sha256" {
            return digest(value).map(CertificateMatch::Fingerprint).ok_or_else(wrong);
        }
        let value = value.to_string();
        match kind {
            "dn" => return Ok(CertificateMatch::Subject(value)),
            "email-user" | "upn-user" => return Err(wrong()),
            _ => {}
        }
        let field: CertificateField = kind.parse().map_err(|_| wrong())?;
        Ok(CertificateMatch::Name(field, value))
    }
}

/// Sixty-four hexadecimal digits, with colons between them or not.
fn digest(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| *byte != b':')
        .map(|byte| char::from(byte).to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}

impl fmt::Display for CertificateMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateMatch::Fingerprint(digest) => write!(f, "sha256:{}", hexadecimal(digest)),
            CertificateMatch::Subject(subject) => write!(f, "dn:{subject}"),
            CertificateMatch::Name(field, name) => write!(f, "{field}:{name}"),
        }
    }
}

text_values! {
    CertificateMatch: "description of a certificate".into();
}

/// Whether a certificate belongs to this user: by one of the fields that may be a name, or because `own` describes it.
pub fn is_certificate_of(
    user: &str,
    fields: &[CertificateField],
    own: &[CertificateMatch],
    claims: &Claims,
) -> bool {
    let is_named = || fields.iter().any(|field| field.names(claims, user));
    (claims.is_trusted && is_named()) || own.iter().any(|described| described.is(claims))
}

impl Config {
    /// What proves who this user of a host is, as far as that can be known from his name alone: where a group may decide
    /// otherwise, none.
    pub fn login_by(&self, host: Option<&str>, user: &str) -> Option<LoginBy> {
        if let Some(own) = self.user.get(user).and_then(|own| own.login_by) {
            return Some(own);
        }
        if self.group.values().any(|group| group.login_by.is_some()) {
            return None;
        }
        let of_host = host.and_then(|name| self.host.get(name)).and_then(|host| host.session.login_by);
        Some(of_host.unwrap_or(self.session.login_by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            is_trusted: true,
            subject: "CN=alice,O=Example".into(),
            common_names: vec!["alice".into()],
            user_ids: vec!["a17".into()],
            emails: vec!["mail@example.org".into()],
            dns_names: vec!["host.example.org".into()],
            principals: vec!["ann@EXAMPLE".into()],
            fingerprint: [0xab; 32],
        }
    }

    fn is_of(user: &str, names: &str, own: &[&str], claims: &Claims) -> bool {
        let config = Config::parse(
            std::path::Path::new("f"),
            &format!("tls.certificate-names = {names}\nsession.login-certificates = {own:?}"),
        )
        .unwrap_or_else(|error| panic!("{error}"));
        is_certificate_of(user, &config.tls.certificate_names, &config.session.login_certificates, claims)
    }

    #[test]
    fn a_field_is_the_name_of_a_user() {
        for (names, user) in [
            ("[\"cn\"]", "alice"),
            ("[\"uid\"]", "a17"),
            ("[\"email\"]", "mail@example.org"),
            ("[\"email-user\"]", "mail"),
            ("[\"dns\"]", "host.example.org"),
            ("[\"upn\"]", "ann@EXAMPLE"),
            ("[\"cn\", \"upn-user\"]", "ann"),
        ] {
            assert!(is_of(user, names, &[], &claims()), "{names}");
            assert!(!is_of("bob", names, &[], &claims()), "{names}");
        }
        assert!(!is_of("alice", "[]", &[], &claims()));
    }

    #[test]
    fn a_description_names_a_certificate() {
        let fingerprint = format!("sha256:{}", "AB:".repeat(31) + "ab");
        for own in [fingerprint.as_str(), "dn:CN=alice,O=Example", "cn:alice", "email:mail@example.org"] {
            assert!(is_of("carol", "[]", &["cn:nobody", own], &claims()), "{own}");
        }
        assert!(!is_of("carol", "[]", &["dn:CN=alice"], &claims()));
    }

    #[test]
    fn what_nobody_has_signed_says_nothing() {
        let unknown = Claims { is_trusted: false, ..claims() };
        assert!(!is_of("alice", "[\"cn\"]", &["cn:alice", "dn:CN=alice,O=Example"], &unknown));
        assert!(is_of("alice", "[]", &[&format!("sha256:{}", "ab".repeat(32))], &unknown));
    }

    #[test]
    fn descriptions_are_read_and_written() {
        let digits = "0f".repeat(32);
        for text in [&format!("sha256:{digits}"), "dn:CN=a,O=b", "cn:a b", "upn:a@b"] {
            assert_eq!(text.parse::<CertificateMatch>().map(|read| read.to_string()).as_deref(), Ok(text));
        }
        for bad in ["", "alice", "cn:", "sha256:ab", "ou:x", "email-user:a", &format!("sha256:{digits}0f")] {
            assert!(bad.parse::<CertificateMatch>().is_err(), "{bad:?}");
        }
    }
}
