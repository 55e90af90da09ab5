//! A client's certificate and those that lead from it to somebody who is trusted.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, Error, RootCertStore, SignatureScheme};
use webpki::EndEntityCert;

use super::{Refusal, Trusted};
use crate::ipc::messages::Distrust;
use crate::tls::{certificate, pem};

/// What a client has shown.
pub struct Chain {
    certificates: Vec<CertificateDer<'static>>,
}

impl Chain {
    /// The first one is the client's own; there is one.
    pub fn of(certificates: &[Vec<u8>]) -> Result<Chain, Refusal> {
        if certificates.is_empty() {
            return Err(Refusal::new(Distrust::Unusable, "there is no certificate"));
        }
        Ok(Chain { certificates: certificates.iter().cloned().map(CertificateDer::from).collect() })
    }

    /// The client's own.
    pub fn own(&self) -> &[u8] {
        &self.certificates[0]
    }

    /// Whether its key has made this signature.
    pub fn has_signed(
        &self,
        scheme: SignatureScheme,
        newest: bool,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let unproved = |text: String| Refusal::new(Distrust::Unproved, text);
        let own = EndEntityCert::try_from(&self.certificates[0])
            .map_err(|error| Refusal::new(Distrust::Unusable, format!("the certificate: {error}")))?;
        let algorithms = default_provider().signature_verification_algorithms;
        let possible = algorithms.mapping.iter().find(|(known, _)| *known == scheme).map(|(_, list)| *list);
        let possible = possible.filter(|_| !newest || is_of_newest(scheme)).unwrap_or_default();
        // In TLS 1.2 the scheme leaves the curve open; in TLS 1.3 it does not, and the first is the one that is meant.
        let possible = if newest { &possible[..possible.len().min(1)] } else { possible };
        match possible.iter().any(|algorithm| own.verify_signature(*algorithm, message, signature).is_ok()) {
            true => Ok(()),
            false => Err(unproved(format!("the client has not the key of the certificate ({scheme:?})"))),
        }
    }

    /// Whether somebody trusted has signed it. Where nobody is, no signature is needed.
    pub fn is_trusted(&self, trusted: &Trusted) -> Result<bool, Refusal> {
        let unusable = |text: String| Refusal::new(Distrust::Unusable, text);
        if trusted.authorities.is_empty() {
            let now = UnixTime::now().as_secs() as i64;
            let validity = certificate::validity(self.own());
            let validity = validity.ok_or_else(|| unusable("the certificate has no dates".into()))?;
            return match (validity.not_before..=validity.not_after).contains(&now) {
                true => Ok(false),
                false => Err(Refusal::new(Distrust::Expired, "the certificate is not valid now")),
            };
        }
        let roots = roots(&trusted.authorities).map_err(unusable)?;
        let lists = lists(&trusted.revoked).map_err(unusable)?;
        let provider = Arc::new(default_provider());
        let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if !lists.is_empty() {
            verifier = verifier.with_crls(lists).enforce_revocation_expiration();
        }
        let verifier = verifier.build().map_err(|error| unusable(error.to_string()))?;
        match verifier.verify_client_cert(&self.certificates[0], &self.certificates[1..], now()) {
            Ok(_) => Ok(true),
            Err(error) => Err(refusal(&error)),
        }
    }
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Signatures of a handshake are of fewer kinds in TLS 1.3 (RFC 8446 4.2.3).
fn is_of_newest(scheme: SignatureScheme) -> bool {
    !matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
            | SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::ECDSA_SHA1_Legacy
    )
}

fn refusal(error: &Error) -> Refusal {
    let why = match error {
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => Distrust::Expired,
        Error::InvalidCertificate(CertificateError::Revoked) => Distrust::Revoked,
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            Distrust::Unknown
        }
        _ => Distrust::Unusable,
    };
    Refusal::new(why, error.to_string())
}

/// The certificates of these files, which there must be in each.
pub fn roots(files: &[Vec<u8>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for file in files {
        let before = roots.len();
        for section in pem::sections(file).iter().filter(|section| section.label == b"CERTIFICATE") {
            let der = section.bytes().ok_or("a certificate in client-ca-files is damaged")?;
            roots
                .add(CertificateDer::from(der))
                .map_err(|error| format!("a certificate in client-ca-files: {error}"))?;
        }
        if roots.len() == before {
            return Err("there is no certificate in one of client-ca-files".into());
        }
    }
    Ok(roots)
}

/// The lists of these files, which there must be in each.
pub fn lists(files: &[Vec<u8>]) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let mut lists = Vec::new();
    for file in files {
        let sections = pem::sections(file);
        let mut found = Vec::new();
        if sections.is_empty() {
            found.push(file.clone());
        }
        for section in sections.iter().filter(|section| section.label == b"X509 CRL") {
            found.push(section.bytes().ok_or("a list in client-crl-files is damaged")?);
        }
        if found.is_empty() {
            return Err("there is no list in one of client-crl-files".into());
        }
        for list in found {
            webpki::BorrowedCertRevocationList::from_der(&list)
                .map_err(|error| format!("a list in client-crl-files: {error}"))?;
            lists.push(CertificateRevocationListDer::from(list));
        }
    }
    Ok(lists)
}
