//! The key of a process that has none: it asks for its signatures, and what may be asked.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

/// A certificate with its chain, and what its key can do. Nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificates in DER, the server's own first.
    pub chain: Vec<Vec<u8>>,
    /// How its key signs (RFC 8446 4.2.3), the best first.
    pub schemes: Vec<u16>,
    /// What its issuer says of it (OCSP); empty, if nothing.
    pub ocsp: Vec<u8>,
}

/// Who has the key.
pub trait Sign: Send + Sync {
    /// The signature of this message in this scheme; none, if it is refused.
    fn sign(&self, scheme: u16, message: &[u8]) -> Option<Vec<u8>>;
}

/// What rustls takes for a certificate and its key.
pub fn certified(identity: &Identity, holder: Arc<dyn Sign>) -> CertifiedKey {
    let chain = identity.chain.iter().cloned().map(CertificateDer::from).collect();
    let schemes = identity.schemes.iter().copied().map(SignatureScheme::from).collect();
    let mut certified = CertifiedKey::new(chain, Arc::new(RemoteKey { schemes, holder }));
    certified.ocsp = Some(identity.ocsp.clone()).filter(|response| !response.is_empty());
    certified
}

/// Whether this is what a server signs in a handshake, and nothing else: RFC 8446 4.4.3, or the random numbers and
/// parameters of RFC 8422 5.4.
pub fn is_of_a_server(message: &[u8]) -> bool {
    const CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\0";
    let Some((front, rest)) = message.split_at_checked(64) else { return false };
    if front.iter().all(|byte| *byte == b' ') {
        return rest.strip_prefix(CONTEXT).is_some_and(|hash| matches!(hash.len(), 32 | 48));
    }
    const NAMED_CURVE: u8 = 3;
    matches!(rest, [NAMED_CURVE, _, _, length, point @ ..] if point.len() == usize::from(*length) && *length >= 32)
}

struct RemoteKey {
    schemes: Vec<SignatureScheme>,
    holder: Arc<dyn Sign>,
}

impl fmt::Debug for RemoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKey").field("schemes", &self.schemes).finish_non_exhaustive()
    }
}

impl SigningKey for RemoteKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = self.schemes.iter().copied().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(RemoteSigner { scheme, holder: Arc::clone(&self.holder) }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.schemes.first().map_or(SignatureAlgorithm::Anonymous, |scheme| algorithm(*scheme))
    }
}

/// Of which kind the key is, which TLS 1.2 chooses its cipher by.
fn algorithm(scheme: SignatureScheme) -> SignatureAlgorithm {
    match scheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
        | SignatureScheme::ECDSA_NISTP384_SHA384
        | SignatureScheme::ECDSA_NISTP521_SHA512 => SignatureAlgorithm::ECDSA,
        SignatureScheme::ED25519 => SignatureAlgorithm::ED25519,
        _ => SignatureAlgorithm::RSA,
    }
}

struct RemoteSigner {
    scheme: SignatureScheme,
    holder: Arc<dyn Sign>,
}

impl fmt::Debug for RemoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSigner").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Signer for RemoteSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let refused = || Error::General("the worker gave no signature".into());
        self.holder.sign(self.scheme.into(), message).ok_or_else(refused)
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_server_signs_in_a_handshake_is_signed() {
        let of = |context: &[u8], hash: usize| [&[b' '; 64], context, &vec![7; hash]].concat();
        let server = b"TLS 1.3, server CertificateVerify\0";
        assert!(is_of_a_server(&of(server, 32)) && is_of_a_server(&of(server, 48)));
        assert!(!is_of_a_server(&of(server, 33)));
        assert!(!is_of_a_server(&of(b"TLS 1.3, client CertificateVerify\0", 32)));
        let old = |parameters: &[u8]| [&[9; 64], parameters].concat();
        assert!(is_of_a_server(&old(&[&[3, 0, 29, 32][..], &[1; 32]].concat())));
        assert!(!is_of_a_server(&old(&[&[3, 0, 29, 32][..], &[1; 31]].concat())));
        assert!(!is_of_a_server(&old(&[])));
        assert!(!is_of_a_server(b"a certificate"));
    }
}
