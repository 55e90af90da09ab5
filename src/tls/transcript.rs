//! What both sides have said in a handshake, kept for who is to verify a client's certificate, and whose random number
//! the server says in it: that of the worker, so that a client's signature is one of this very handshake.
//!
//! rustls tells a verifier of TLS 1.3 no more than the digest of the handshake. It is computed here, and what goes into
//! it is kept. A process has one handshake of this kind at a time.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, default_provider};
use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom};
use rustls::{SupportedCipherSuite, Tls13CipherSuite};

/// How long the random number of a server is, in bytes.
pub const RANDOM: usize = 32;

/// The last that was digested.
static TRANSCRIPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// What the server says for its random number.
static SERVER_RANDOM: Mutex<Option<[u8; RANDOM]>> = Mutex::new(None);

/// There is one thread.
fn lock<T>(shared: &'static Mutex<T>) -> MutexGuard<'static, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same provider, whose handshakes are kept and begin with this random number.
pub fn observed(mut provider: CryptoProvider, random: [u8; RANDOM]) -> CryptoProvider {
    for suite in &mut provider.cipher_suites {
        let observed = OBSERVED.iter().find(|observed| observed.common.suite == suite.suite());
        if let Some(observed) = observed {
            *suite = SupportedCipherSuite::Tls13(observed);
        }
    }
    *lock(&SERVER_RANDOM) = Some(random);
    provider.secure_random = &GivenOnce;
    provider
}

/// The server has said its random number.
pub fn forget_random() {
    *lock(&SERVER_RANDOM) = None;
}

/// What was digested last: the handshake up to now.
pub fn take() -> Vec<u8> {
    std::mem::take(&mut *lock(&TRANSCRIPT))
}

/// The suites of TLS 1.3, with a digest that keeps what it is given.
static OBSERVED: LazyLock<Vec<Tls13CipherSuite>> = LazyLock::new(|| {
    let suites = ALL_CIPHER_SUITES.iter().filter_map(SupportedCipherSuite::tls13);
    suites
        .map(|suite| Tls13CipherSuite {
            common: rustls::CipherSuiteCommon {
                suite: suite.common.suite,
                hash_provider: match suite.common.hash_provider.algorithm() {
                    HashAlgorithm::SHA384 => &KEEPING_384,
                    _ => &KEEPING_256,
                },
                confidentiality_limit: suite.common.confidentiality_limit,
            },
            hkdf_provider: suite.hkdf_provider,
            aead_alg: suite.aead_alg,
            quic: None,
        })
        .collect()
});

static KEEPING_256: Keeping = Keeping(HashAlgorithm::SHA256);
static KEEPING_384: Keeping = Keeping(HashAlgorithm::SHA384);

/// A digest that keeps what it is given.
struct Keeping(HashAlgorithm);

impl Keeping {
    fn algorithm(&self) -> &'static digest::Algorithm {
        match self.0 {
            HashAlgorithm::SHA384 => &digest::SHA384,
            _ => &digest::SHA256,
        }
    }
}

impl Hash for Keeping {
    fn start(&self) -> Box<dyn Context> {
        Box::new(Digest { context: digest::Context::new(self.algorithm()), kept: Vec::with_capacity(4096) })
    }

    fn hash(&self, data: &[u8]) -> Output {
        Output::new(digest::digest(self.algorithm(), data).as_ref())
    }

    fn output_len(&self) -> usize {
        self.algorithm().output_len()
    }

    fn algorithm(&self) -> HashAlgorithm {
        self.0
    }
}

struct Digest {
    context: digest::Context,
    kept: Vec<u8>,
}

impl Context for Digest {
    fn fork_finish(&self) -> Output {
        lock(&TRANSCRIPT).clone_from(&self.kept);
        Output::new(self.context.clone().finish().as_ref())
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(Digest { context: self.context.clone(), kept: self.kept.clone() })
    }

    fn finish(self: Box<Self>) -> Output {
        Output::new(self.context.finish().as_ref())
    }

    fn update(&mut self, data: &[u8]) {
        self.context.update(data);
        self.kept.extend_from_slice(data);
    }
}

/// Says what it was given for the random number of the server, and else what the provider says.
#[derive(Debug)]
struct GivenOnce;

impl SecureRandom for GivenOnce {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        if let Some(random) = *lock(&SERVER_RANDOM)
            && buffer.len() == RANDOM
        {
            buffer.copy_from_slice(&random);
            return Ok(());
        }
        default_provider().secure_random.fill(buffer)
    }
}
