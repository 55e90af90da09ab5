//! The client's certificate, in his handshake. Nothing is judged here: the worker has somebody judge it whom no client can
//! speak with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::tls::Holder;
use crate::ipc::messages::{Distrust, FromFrontend, ToFrontend};
use crate::tls::transcript;

/// How much of the handshake goes into one message.
const PART: usize = 8 * 1024;

/// Has certificates judged.
#[derive(Debug)]
pub struct Judge {
    pub holder: Holder,
    /// Who has none is refused.
    pub is_mandatory: bool,
    /// The client has one, and it was accepted.
    pub accepted: Arc<AtomicBool>,
}

impl Judge {
    /// `said`: everything both sides have said before the signature.
    fn judge(
        &self,
        newest: bool,
        said: &[u8],
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        for part in said.chunks(PART) {
            if !self.holder.tell(&FromFrontend::Transcript { part: part.to_vec() }) {
                return Err(Error::General("there is no worker any more".into()));
            }
        }
        let (scheme, signature) = (signed.scheme.into(), signed.signature().to_vec());
        match self.holder.ask(&FromFrontend::Proof { newest, scheme, signature }) {
            Some(ToFrontend::CertificateAccepted) => {
                self.accepted.store(true, Ordering::Relaxed);
                Ok(HandshakeSignatureValid::assertion())
            }
            Some(ToFrontend::CertificateRefused(why)) => Err(Error::InvalidCertificate(match why {
                Distrust::Expired => CertificateError::Expired,
                Distrust::Revoked => CertificateError::Revoked,
                Distrust::Unknown => CertificateError::UnknownIssuer,
                Distrust::Unproved => CertificateError::BadSignature,
                Distrust::Unusable => CertificateError::BadEncoding,
            })),
            _ => Err(Error::General("the worker gave no judgement".into())),
        }
    }
}

impl ClientCertVerifier for Judge {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    /// Naming none leaves the choice to the client, who has one certificate or knows which one he wants to show.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    /// It is judged together with the signature.
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        said: &[u8],
        _: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge(false, said, signed)
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge(true, &transcript::take(), signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
